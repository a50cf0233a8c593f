"""A driver and its simulator as every one of them is put up for the conformance tests.

The simulator is made as ``bem simulate`` makes it, around a battery, and joined to the driver in
memory, with a clock that only tests turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.support.clock import ManualClock
from tests.unit.drivers.conftest import UnitLink

from bem_drivers.base import Clock, Device, PowerDevice
from bem_drivers.model import BatteryModelSettings
from bem_drivers.registry import DriverSpec
from bem_drivers.simulation import Faulty, LineUnit, LoopbackLine
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.frame_orders import FaultyFrames
from bem_drivers.simulation.spec import CanUnit, Place

PASS_S = 0.1
"""Period of a control loop."""
_MENDING = ("late off", "drop 0", "double 0", "garbage 0", "half 0")


class Battery(Protocol):
    """What truly is at the poles."""

    @property
    def voltage(self) -> float: ...
    @property
    def current(self) -> float: ...
    @property
    def temperature(self) -> float: ...


class Link(Protocol):
    """The end of a wire."""

    unplugged: bool


@dataclass
class Bench:
    """A device, the simulated units and links behind it, and the battery that they share.

    ``make`` makes another driver at the same links, as a new process would.
    """

    clock: ManualClock
    device: Device
    battery: Battery
    make: Callable[[], Device]
    units: Sequence[LineUnit | CanUnit] = ()
    links: Sequence[Link] = ()

    @property
    def power_device(self) -> PowerDevice:
        assert isinstance(self.device, PowerDevice)
        return self.device

    @property
    def voltage(self) -> float:
        """V that are truly at the battery."""
        return self.battery.voltage

    @property
    def current(self) -> float:
        """A that truly flow into the battery."""
        return self.battery.current

    def a_pass(self) -> None:
        """Let the period of a control loop pass, which keeps the device alive."""
        self.clock.sleep(PASS_S)
        if isinstance(self.device, PowerDevice):
            try:
                self.device.keep_alive()
            except Exception as error:
                error.add_note("while keeping it alive")
                raise

    def live(self) -> None:
        """Let the units live until now, whoever talks to them."""
        for unit in self.units:
            unit.advance(self.clock.now_ns)

    def successor(self) -> PowerDevice:
        """Get another driver at the same links."""
        device = self.make()
        assert isinstance(device, PowerDevice)
        return device

    def order(self, text: str) -> None:
        """Order a fault of all units."""
        for unit in self.units:
            unit.break_down(text, self.clock.now_ns)

    def spoil(self, text: str) -> None:
        """Order a fault of the first unit."""
        self.units[0].break_down(text, self.clock.now_ns)

    def mend(self) -> None:
        """End what is left of faults of the wire."""
        for unit in self.units:
            for order in _MENDING:
                try:
                    unit.break_down(order, self.clock.now_ns)
                except ValueError:
                    # It has no such fault.
                    continue

    def say(self, *answers: str) -> None:
        """Have the first unit say ``answers`` in place of its next ones."""
        if answers:
            link = self.links[0]
            assert isinstance(link, LoopbackLine)
            link.replace_next(*answers)

    def unplug(self) -> None:
        """Pull all links out."""
        for link in self.links:
            link.unplugged = True

    def plug(self) -> None:
        """Put them back in."""
        for link in self.links:
            link.unplugged = False


def put_up(
    clock: ManualClock,
    spec: DriverSpec,
    make: Callable[[Any, Clock, Any], Device],
    settings: Mapping[str, object],
    unit: Mapping[str, object],
    battery: BatteryModelSettings | None = None,
) -> Bench:
    """Put up one device: ``make(settings, clock, link)``; ``unit`` are its simulator's settings."""
    terminals = Terminals(battery or BatteryModelSettings())
    terminals.advance(clock.now_ns)
    link, simulated = linked(clock, spec, unit, terminals)
    described = spec.settings.model_validate(settings)

    def made() -> Device:
        return make(described, clock, link)

    return Bench(clock, made(), terminals, made, (simulated,), (link,))


def linked(
    clock: ManualClock,
    spec: DriverSpec,
    unit: Mapping[str, object],
    terminals: Terminals,
    name: str = "unit",
) -> tuple[LoopbackLine | UnitLink, LineUnit | CanUnit]:
    """Put up a simulated unit at a battery; get the end of its wire, and what takes orders."""
    assert spec.simulate is not None, f"driver {spec.name} has no simulator"
    simulator = spec.simulate()
    place = Place(
        name, (terminals,) if simulator.batteries[1] else (), clock.now_ns, lambda _t, _k, _f: None
    )
    simulated = simulator.make(simulator.settings.model_validate(unit), place)
    if simulator.wire == "can":
        spoilt = FaultyFrames(simulated)
        return UnitLink(spoilt, clock), spoilt
    faulty = Faulty(simulated)
    return LoopbackLine(faulty, clock), faulty
