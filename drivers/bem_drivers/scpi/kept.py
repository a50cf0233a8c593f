"""The numbers that a source or a load keeps: set, read back and compared."""

from functools import partial

from bem_drivers.base import ConfigurationRefused
from bem_drivers.scpi.bounds import Bounds
from bem_drivers.scpi.codec import template, value_of
from bem_drivers.scpi.description import UNITS, Guard, PowerDescription, Register, Settable
from bem_drivers.scpi.instrument import Instrument

ROUNDING = 1e-9


class KeptNumbers:
    """Registers and guards of an instrument.

    Every method raises ``ConfigurationRefused`` where the instrument keeps another number than it
    was told, and what :class:`~bem_drivers.scpi.instrument.Instrument` raises.
    """

    def __init__(self, description: PowerDescription, instrument: Instrument) -> None:
        self._description = description
        self._instrument = instrument

    def present(self, register: Register) -> float | None:
        """Ask what a register holds (SI); ``None``: it cannot be asked for."""
        if register.ask is None:
            return None
        understand = partial(_size, register, UNITS[register.quantity])
        return self._instrument.asked(register.ask, understand)[0]

    def set_registers(self, targets: dict[str, float]) -> None:
        """Write what becomes smaller first; what is not known is written before what is."""
        rising = {}
        for name, value in targets.items():
            present = self.present(self._description.registers[name])
            if present is not None and value > present:
                rising[name] = value
            else:
                self._set_register(name, value)
        for name, value in rising.items():
            self._set_register(name, value)

    def write_guards(self, bounds: Bounds) -> dict[str, float]:
        """Write the guards that there are; get what they keep by name."""
        guards = self._description.guards
        held = {}
        for name in ("voltage_min", "voltage_max", "current", "power"):
            guard: Guard | None = getattr(guards, name)
            if guard is None:
                continue
            value: float = getattr(bounds, name)
            unit = UNITS[_quantity(name)]
            self._make_room(name, value, guard)
            held[name] = self._write(f"guard {name}", guard, unit, value)
        self._instrument.check_errors("its protections")
        return held

    def _make_room(self, guard_name: str, value: float, guard: Guard) -> None:
        """Lower what an earlier run has set beyond a guard, which would be refused otherwise."""
        if not guard.headroom or guard_name == "voltage_min":
            return
        quantity = _quantity(guard_name)
        most = max(value - guard.headroom, 0.0)
        for name, register in self._description.registers.items():
            if register.quantity != quantity:
                continue
            present = self.present(register)
            if present is None or present > most:
                self._set_register(name, most)

    def _set_register(self, name: str, value: float) -> None:
        register = self._description.registers[name]
        self._write(name, register, UNITS[register.quantity], value)

    def _write(self, name: str, settable: Settable, unit: str, value: float) -> float:
        """Set a number and read it back; what the instrument holds.

        Raises:
            ConfigurationRefused: it holds another; both are in the message.
        """
        where = self._instrument.name
        line = template(settable.set)
        sent = line.rounded(value / settable.scale) * settable.scale
        slack = settable.tolerance + ROUNDING
        if abs(sent - value) > slack:
            raise ConfigurationRefused(
                f"{where}: {settable.set!r} makes {sent:g} {unit} of {value:g} {unit}, "
                f"further off than its tolerance {settable.tolerance:g}; give it more digits in "
                "its description"
            )
        self._instrument.tell([line.line(value / settable.scale)])
        if settable.ask is None:
            return sent
        held = self._instrument.settled(
            settable.ask,
            partial(_size, settable, unit),
            lambda size: abs(size - sent) <= slack,
        )
        if abs(held - sent) > slack:
            self._instrument.check_errors(f"{name} {sent:g} {unit}")
            raise ConfigurationRefused(
                f"{where}: {name} was set to {sent:g} {unit}, it keeps {held:g} {unit}; "
                "check its range, its other protections and 'tolerance' in its description"
            )
        return held


def _size(settable: Settable, unit: str, answer: str) -> float:
    suffix = unit if settable.suffix is None else settable.suffix
    return value_of(answer, suffix or None) * settable.scale


def _quantity(guard_name: str) -> str:
    return "voltage" if guard_name.startswith("voltage") else guard_name
