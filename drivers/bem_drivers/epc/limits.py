"""The limits that the unit itself keeps: written, read back, known."""

from collections.abc import Callable, Mapping

from bem_drivers.base import ConfigurationRefused
from bem_drivers.epc import frames
from bem_drivers.epc.exchange import Exchange
from bem_drivers.epc.frames import Register

_REGISTERS = (frames.LS_VOLTAGE, frames.LS_CURRENT, frames.LS_POWER, frames.TEMPERATURE)
_WIDEST = {
    **{
        register: (register.lowest, register.highest)
        for register in (frames.LS_VOLTAGE, frames.LS_CURRENT, frames.LS_POWER)
    },
    # Its own choice at power-on, narrower than what it can hold.
    frames.TEMPERATURE: (-16.0, 66.0),
}
"""What an EPC holds while no run bounds it."""


class UnitLimits:
    """The limit registers of a unit called ``name``; ``errors`` asks it for its errors."""

    def __init__(self, exchange: Exchange, name: str, errors: Callable[[], str]) -> None:
        self._exchange = exchange
        self._name = name
        self._errors = errors
        self._held: dict[Register, tuple[float, float]] = {}

    def __getitem__(self, register: Register) -> tuple[float, float]:
        """Get minimum and maximum, as the unit last said."""
        return self._held[register]

    def ask(self) -> None:
        """Ask for all of them."""
        self._held = {register: self._asked(register) for register in _REGISTERS}

    def widen(self) -> None:
        """Set those that a run has bounded to what the unit can do."""
        for register, widest in _WIDEST.items():
            if self._held[register] != widest:
                self.write(register, *widest)

    def write(
        self,
        register: Register,
        minimum: float,
        maximum: float,
        present: Mapping[str, float] | None = None,
    ) -> None:
        """Set a limit register, rounded outwards, and compare what the unit answers.

        Raises:
            ConfigurationRefused: a ``present`` reading (by its name) lies outside, so that the
            unit would lock itself; or it keeps something else.
        """
        try:
            low, high = register.outwards(minimum, maximum)
        except ValueError as error:
            raise ConfigurationRefused(f"{self._name}: {error}") from error
        for name, value in (present or {}).items():
            if not low <= value <= high:
                raise ConfigurationRefused(
                    f"{self._name}: {name} is {value:g} {register.unit} now, outside of the "
                    f"limits {low:g}..{high:g} {register.unit}; the unit would lock itself. Is "
                    "the right battery connected?"
                )
        data, _ = self._exchange.ask(register.pack(low, high), register.message_id)
        held = register.unpack(data)
        self._held[register] = held
        if held != (low, high):
            raise ConfigurationRefused(
                f"{self._name} refused {register.title} limits {low:g}..{high:g} {register.unit} "
                f"and holds {held[0]:g}..{held[1]:g} {register.unit}; its errors: {self._errors()}"
            )

    def _asked(self, register: Register) -> tuple[float, float]:
        data, _ = self._exchange.ask(frames.request(register.request), register.message_id)
        return register.unpack(data)
