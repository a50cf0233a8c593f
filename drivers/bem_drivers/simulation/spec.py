"""What a driver says about its simulator, so that a bench can put it up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel

from bem_drivers.simulation.circuit import Lead, Terminals
from bem_drivers.simulation.unit import LineUnit, Record


class UnitFrame(NamedTuple):
    """A frame of a simulated unit: identifier on the bus (11 bits) and data."""

    can_id: int
    data: bytes


class CanUnit(Protocol):
    """A device on a CAN bus. It knows no port and no clock."""

    def receive(self, can_id: int, data: bytes, at_ns: int) -> None:
        """Take a frame from the bus; those for other devices pass by."""
        ...

    def advance(self, now_ns: int) -> Sequence[tuple[int, bytes]]:
        """Live until ``now_ns``; get (identifier, data) of what it sent since the last call."""
        ...

    def confirm(self, at_ns: int) -> None:
        """Note that the bus had carried the oldest frame that was sent, or lost it, by ``at_ns``.

        Until then the frame occupies what the device sends from.
        """
        ...

    def next_due_ns(self) -> int | None:
        """Get the instant at which to call :meth:`advance` again; ``None``: never by itself."""
        ...

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from ``now_ns`` on, or have it no longer.

        Raises:
            ValueError: there is no such fault; the message says which there are.
        """
        ...


__all__ = ["CanUnit", "LineUnit", "Place", "Record", "SimulatorSpec", "UnitFrame"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bench puts a unit.

    ``terminals`` are the batteries it is connected to, in the order of the bench's description; an
    instrument that drives current takes a :meth:`lead`, one that only looks reads the terminals.
    The unit is switched on at ``now_ns``. ``on_bus``: whether its frames wait for a bus, which
    tells by :meth:`CanUnit.confirm` when it has carried one; without, they leave at once.
    """

    name: str
    terminals: tuple[Terminals, ...]
    now_ns: int
    record: Record
    on_bus: bool = False

    def lead(self, output: int = 0) -> Lead:
        """Get the lead of one output (from 0) to its battery, named after this device."""
        return self.terminals[output].connect(self._lead_name(output))

    def release(self) -> None:
        """Take all leads of this device off, as when it is switched off."""
        for output, terminals in enumerate(self.terminals):
            terminals.disconnect(self._lead_name(output))

    def _lead_name(self, output: int) -> str:
        return f"{self.name} output {output + 1}" if output else self.name


@dataclass(frozen=True, slots=True)
class SimulatorSpec:
    """The simulator of a driver.

    ``settings`` are those of one unit, without battery, speed and port, which are the bench's.
    ``make(settings, place)`` gives a :class:`LineUnit` where ``wire`` is ``line`` and
    a :class:`CanUnit` where it is ``can``. ``batteries`` are how few and how many a unit may be
    connected to; ``orders`` what ``break_down`` of the unit takes, each with an explanation.
    """

    wire: Literal["line", "can"]
    settings: type[BaseModel]
    make: Callable[[Any, Place], Any]
    batteries: tuple[int, int] = (1, 1)
    orders: Mapping[str, str] = field(default_factory=dict)
