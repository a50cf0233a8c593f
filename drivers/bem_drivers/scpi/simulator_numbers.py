"""What a simulated source or load keeps: registers and guards, and how lines set them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bem_drivers.scpi.codec import Template, same_line, template
from bem_drivers.scpi.description import Guard, PowerDescription, Settable

UNDEFINED = '-113,"Undefined header"'
CONFLICT = '-221,"Settings conflict"'
OUT_OF_RANGE = '-222,"Data out of range"'
HEADROOM = 1.05
"""Instruments let themselves be set a little beyond their ratings."""
GUARD_FAULTS = {
    "voltage_min": "under_voltage",
    "voltage_max": "over_voltage",
    "current": "over_current",
    "power": "over_power",
}


class Refused(Exception):
    """What is told is not done; the error that the instrument queues."""


@dataclass(slots=True)
class Number:
    """A register or a guard and what it holds (SI). ``headroom`` is that of a guard, else 0."""

    settable: Settable
    template: Template
    quantity: str
    most: float
    value: float
    headroom: float = 0.0


class Numbers:
    """The registers and guards of a description, as they are after power-on."""

    def __init__(self, description: PowerDescription) -> None:
        ratings = description.ratings
        most = {
            "voltage": ratings.voltage_max * HEADROOM,
            "current": ratings.current_max * HEADROOM,
            "power": ratings.power_max * HEADROOM,
        }
        self.registers: Mapping[str, Number] = {
            name: Number(one, template(one.set), one.quantity, most[one.quantity], 0.0)
            for name, one in description.registers.items()
        }
        guards = description.guards
        self.guards: Mapping[str, Number] = {
            name: Number(
                guard,
                template(guard.set),
                quantity,
                most[quantity],
                0.0 if name == "voltage_min" else most[quantity],
                guard.headroom,
            )
            for name, quantity, guard in _named(
                ("voltage_min", "voltage", guards.voltage_min),
                ("voltage_max", "voltage", guards.voltage_max),
                ("current", "current", guards.current),
                ("power", "power", guards.power),
            )
        }

    def knows(self, line: str) -> bool:
        """Whether a line sets one of them."""
        return any(one.template.value(line) is not None for one in self._all)

    def set(self, line: str) -> Number:
        """Do what a line says; get what it has set.

        Raises:
            Refused: out of range, against a protection, or a line that sets nothing.
        """
        for one in self._all:
            sent = one.template.value(line)
            if sent is None:
                continue
            value = sent * one.settable.scale
            if not 0.0 <= value <= one.most:
                raise Refused(OUT_OF_RANGE)
            if self._conflicts(one, value):
                raise Refused(CONFLICT)
            one.value = value
            return one
        raise Refused(UNDEFINED)

    def asked(self, line: str) -> Number | None:
        """Get what a line asks for; ``None``: none of these."""
        for one in self._all:
            if one.settable.ask is not None and same_line(line, one.settable.ask):
                return one
        return None

    def least(self, names: Iterable[str], quantity: str, rated: float) -> float:
        """Get the tightest of some registers of a quantity, ``rated`` at most."""
        chosen = (self.registers[name] for name in names)
        return min([rated, *(one.value for one in chosen if one.quantity == quantity)])

    @property
    def _all(self) -> tuple[Number, ...]:
        return (*self.registers.values(), *self.guards.values())

    def _conflicts(self, number: Number, value: float) -> bool:
        """Whether a set point would be beyond a protection that keeps headroom."""
        for name, guard in self.guards.items():
            if guard.quantity != number.quantity or name == "voltage_min" or not guard.headroom:
                continue
            if guard is not number:
                return value > guard.value
            return any(
                one.value > value
                for one in self.registers.values()
                if one.quantity == guard.quantity
            )
        return False


def _named(
    *guards: tuple[str, str, Guard | None],
) -> list[tuple[str, str, Guard]]:
    return [(name, quantity, one) for name, quantity, one in guards if one is not None]
