"""Devices without hardware and without waiting: a clock that tests turn, a bus in memory."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.clock import ManualClock

from bem_drivers.base import CommunicationLost, DeviceNotFound
from bem_drivers.can import CanSettings, Frame
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.simulation.frame_orders import FaultyFrames
from bem_drivers.simulation.spec import CanUnit

MS = 1_000_000


class UnitLink:
    """A bus in memory with one simulated unit; ``sent`` keeps (instant, frame) from the host.

    While ``unplugged`` it cannot be opened; ``plugged`` ends until it is opened again.
    """

    def __init__(self, unit: CanUnit, clock: ManualClock) -> None:
        self.unit = unit
        self.sent: list[tuple[int, Frame]] = []
        self.plugged = True
        self.unplugged = False
        self._clock = clock
        self.arrived: deque[Frame] = deque()

    def open(self) -> None:
        if self.unplugged:
            raise DeviceNotFound("the adapter is not there; plug it in")
        self.unit.advance(self._clock.now_ns)
        self.arrived.clear()
        self.plugged = True

    def close(self) -> None:
        self.plugged = False

    def send(self, frame: Frame) -> None:
        self._check()
        self.sent.append((self._clock.now_ns, frame))
        self.unit.receive(frame.frame_id, frame.data, self._clock.now_ns)

    def receive(self, timeout_s: float) -> Frame | None:
        self._check()
        end_ns = self._clock.now_ns + round(timeout_s * 1e9)
        while True:
            self.arrived.extend(Frame(*frame) for frame in self.unit.advance(self._clock.now_ns))
            if self.arrived:
                return self.arrived.popleft()
            if self._clock.now_ns >= end_ns:
                return None
            self._clock.now_ns = min(self._clock.now_ns + MS // 2, end_ns)

    def _check(self) -> None:
        if self.unplugged or not self.plugged:
            raise CommunicationLost("the adapter is unplugged")


@dataclass
class EpcBench:
    """An EPC driver on its simulated unit, and what the unit recorded."""

    clock: ManualClock
    unit: EpcUnit
    link: UnitLink
    driver: EpcDriver
    ledger: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Get what was recorded of one kind."""
        return [facts for _, one, facts in self.ledger if one == kind]

    def loop(self, seconds: float, *, alive: bool = True) -> None:
        """Run the loop of a station: a pass each 100 ms."""
        for _ in range(round(seconds * 10)):
            due_ns = self.clock.now_ns + 100 * MS
            self.driver.read()
            if alive:
                self.driver.keep_alive()
            self.clock.now_ns = max(self.clock.now_ns, due_ns)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_epc(clock: ManualClock) -> Callable[..., EpcBench]:
    """Get a maker of benches; keywords are settings of the simulated unit."""

    def make(**settings: object) -> EpcBench:
        ledger: list[tuple[int, str, dict[str, Any]]] = []
        unit = EpcUnit(
            EpcUnitSettings.model_validate(settings),
            clock.now_ns,
            lambda at_ns, kind, facts: ledger.append((at_ns, kind, dict(facts))),
        )
        link = UnitLink(FaultyFrames(unit), clock)
        driver = EpcDriver(
            EpcSettings(
                bus=CanSettings(interface="virtual", channel="none"),
                device_id=unit.settings.device_id,
            ),
            clock,
            link,
        )
        return EpcBench(clock, unit, link, driver, ledger)

    return make


@pytest.fixture
def epc(make_epc: Callable[..., EpcBench]) -> EpcBench:
    """Get an opened EPC with a half full cell."""
    bench = make_epc()
    bench.driver.open()
    return bench
