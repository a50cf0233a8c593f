"""The places of a bench: devices on lines with a port each, buses with their devices."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel

from bem_drivers.simulation.bench import BenchDevice, PtyPort, SlcanBus, SocketCanBus, TcpPort
from bem_drivers.simulation.can_bus import CanBus
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.frame_orders import FRAME_ORDERS, FaultyFrames
from bem_drivers.simulation.orders import LINE_ORDERS, Faulty
from bem_drivers.simulation.outbox import Outbox
from bem_drivers.simulation.port import LinePort, PtyLinePort, TcpLinePort
from bem_drivers.simulation.slcan_port import SlcanPort
from bem_drivers.simulation.spec import CanUnit, LineUnit, Place, Record, SimulatorSpec

if TYPE_CHECKING:
    from bem_drivers.simulation.can_port import CanPort

LOOK_NS = 100_000_000
"""How often a device on a line looks at what its battery does, without being asked."""
DEVICE_ORDERS = {
    "unplug": "nobody reaches it any more",
    "plug": "it is reached again",
    "power on|off": "it is switched off, or on as if for the first time",
}

U = TypeVar("U", LineUnit, CanUnit)


class Slot(Generic[U]):
    """One device of a bench. ``unit`` is there while it has power."""

    def __init__(
        self,
        name: str,
        driver: str,
        simulator: tuple[SimulatorSpec, BaseModel],
        terminals: tuple[Terminals, ...],
        record: Record,
    ) -> None:
        self.name = name
        self.driver = driver
        self.spec, self._settings = simulator
        self.plugged = True
        self._terminals = terminals
        self._record = record
        self._place: Place | None = None
        self.unit: U | None = None

    @property
    def orders(self) -> Mapping[str, str]:
        """What it can be told, with explanations."""
        return DEVICE_ORDERS | dict(self.spec.orders)

    def power(self, on: bool, now_ns: int) -> None:
        """Switch it on, as new, or off."""
        if self._place is not None:
            for terminals in self._terminals:
                terminals.advance(now_ns)
            self._place.release()
        self._place, self.unit = None, None
        if on:
            self._place = Place(
                self.name, self._terminals, now_ns, self._record, on_bus=self.spec.wire == "can"
            )
            self.unit = self._made(self._place)

    def break_down(self, order: str, now_ns: int) -> None:
        """Give an order to the unit.

        Raises:
            ValueError: it knows no such order, or has no power.
        """
        if self.unit is None:
            raise ValueError(f"{self.name} has no power; order: {self.name} power on")
        for terminals in self._terminals:
            terminals.advance(now_ns)
        self.unit.break_down(order, now_ns)

    def _made(self, place: Place) -> U:
        unit: U = self.spec.make(self._settings, place)
        return unit


class CanSlot(Slot[CanUnit]):
    """A device on a bus, and a :class:`CanUnit` itself: without power or plug nobody hears it."""

    @property
    def orders(self) -> Mapping[str, str]:
        return {**super().orders, **FRAME_ORDERS}

    def receive(self, can_id: int, data: bytes, at_ns: int) -> None:
        """Hand a frame of the bus to the unit."""
        if self.unit is not None and self.plugged:
            self.unit.receive(can_id, data, at_ns)

    def advance(self, now_ns: int) -> Sequence[tuple[int, bytes]]:
        """Let the unit live until ``now_ns``; get what reaches the bus."""
        if self.unit is None:
            return []
        frames = self.unit.advance(now_ns)
        if self.plugged:
            return frames
        for _ in frames:
            self.unit.confirm(now_ns)
        return []

    def confirm(self, at_ns: int) -> None:
        """Tell the unit that the bus has carried its oldest frame."""
        if self.unit is not None:
            self.unit.confirm(at_ns)

    def next_due_ns(self) -> int | None:
        """Get when the unit has something to do; ``None``: never by itself."""
        return None if self.unit is None else self.unit.next_due_ns()

    def _made(self, place: Place) -> CanUnit:
        return FaultyFrames(super()._made(place), place.record)


class LineSlot(Slot[LineUnit]):
    """A device with a port of its own."""

    def __init__(
        self,
        name: str,
        device: BenchDevice,
        simulator: tuple[SimulatorSpec, BaseModel],
        terminals: tuple[Terminals, ...],
        record: Record,
        folder: Path,
    ) -> None:
        super().__init__(name, device.driver, simulator, terminals, record)
        self._where = device.port
        self._folder = folder
        self._outbox = Outbox()
        self.port: LinePort | None = None

    @property
    def orders(self) -> Mapping[str, str]:
        return {**super().orders, **LINE_ORDERS}

    @property
    def reached_at(self) -> str:
        """Where a driver finds it."""
        if isinstance(self._where, TcpPort):
            return f"tcp {self._where.host}:{self._where.port}"
        return f"serial {self._link}"

    def plug(self) -> None:
        """Open its port.

        Raises:
            OSError: the port cannot be made.
        """
        if self.port is None:
            if isinstance(self._where, TcpPort):
                self.port = TcpLinePort(self._where.host, self._where.port)
            else:
                self.port = PtyLinePort(self._link)

    def unplug(self) -> None:
        """Close its port; what was on its way is lost."""
        port, self.port = self.port, None
        self._outbox.clear()
        if port is not None:
            port.close()

    def power(self, on: bool, now_ns: int) -> None:
        self._outbox.clear()
        super().power(on, now_ns)

    def take(self, now_ns: int) -> None:
        """Let the unit answer what has come over its port."""
        unit = self.unit
        lines = [] if self.port is None else self.port.read()
        if unit is not None:
            for line in lines:
                unit.advance(now_ns)
                self._outbox.put(unit.receive(line, now_ns), now_ns)

    def live(self, now_ns: int) -> int:
        """Live until ``now_ns`` and send what is due; get when to call again (ns)."""
        unit = self.unit
        if unit is not None:
            unit.advance(now_ns)
        due = self._outbox.take(now_ns)
        if due and self.port is not None:
            self.port.write(due)
        return min(self._outbox.next_due_ns() or now_ns + LOOK_NS, now_ns + LOOK_NS)

    @property
    def _link(self) -> Path:
        link = self._where.link if isinstance(self._where, PtyPort) else Path()
        return self._folder / link

    def _made(self, place: Place) -> LineUnit:
        return Faulty(super()._made(place), place.record)


class BusSlot:
    """A CAN bus with its devices, and the adapter by which drivers reach it."""

    def __init__(self, name: str, bus: SlcanBus | SocketCanBus, folder: Path) -> None:
        self.name = name
        self.devices: list[CanSlot] = []
        self.wire = CanBus(bus.bitrate)
        self.port: CanPort | None = None
        self._bus = bus
        self._folder = folder

    @property
    def reached_at(self) -> str:
        """Where a driver finds it."""
        if isinstance(self._bus, SlcanBus):
            return f"slcan {self._folder / self._bus.link}"
        return f"socketcan {self._bus.channel}"

    def join(self, device: CanSlot, now_ns: int) -> None:
        """Put a device on the bus."""
        self.devices.append(device)
        self.wire.join(device, now_ns)

    def plug(self) -> None:
        """Put the adapter in.

        Raises:
            OSError: the port cannot be made, or there is no such interface.
        """
        if self.port is not None:
            return
        if isinstance(self._bus, SlcanBus):
            self.port = SlcanPort(self._folder / self._bus.link)
        else:
            # A bench of serial devices does without python-can.
            from bem_drivers.simulation.can_port import SocketCanPort

            self.port = SocketCanPort(self._bus.channel)

    def unplug(self) -> None:
        """Pull the adapter out."""
        port, self.port = self.port, None
        if port is not None:
            port.close()

    def take(self, now_ns: int) -> None:
        """Have the bus carry the frames that have come to all devices of the bus."""
        frames = [] if self.port is None else self.port.read()
        for frame in frames:
            self.wire.send(frame, now_ns)

    def live(self, now_ns: int) -> int:
        """Let the devices live until ``now_ns`` and send; get when to call again (ns)."""
        sent = self.wire.advance(now_ns)
        if sent and self.port is not None:
            self.port.write(sent)
        return min(self.wire.next_due_ns() or now_ns + LOOK_NS, now_ns + LOOK_NS)
