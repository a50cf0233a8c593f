"""Simulated EPCs and their drivers on one bus, in a time that only tests turn.

Drivers block, so each runs in a greenlet; time passes only while all of them wait. A run is
therefore repeatable, however busy the machine is.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from greenlet import getcurrent, greenlet

from bem_drivers.base import CommunicationLost
from bem_drivers.can import CanSettings, Frame
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.simulation.can_bus import BITRATE, CanBus
from bem_drivers.simulation.frame_orders import FaultyFrames

START_NS = 1_000_000_000
VIRTUAL = CanSettings(interface="virtual", channel="none")


class TurnedBus:
    """Units on one bus, and what they recorded. :meth:`live` runs all their drivers at once."""

    def __init__(self, units: Sequence[EpcUnitSettings], bitrate: int = BITRATE) -> None:
        self.now_ns = START_NS
        self.ledger: list[tuple[int, str, dict[str, Any]]] = []
        self.units = [
            EpcUnit(
                one,
                START_NS,
                lambda at_ns, kind, facts: self.ledger.append((at_ns, kind, dict(facts))),
                on_bus=True,
            )
            for one in units
        ]
        self.spoilt = [FaultyFrames(unit) for unit in self.units]
        self.bus = CanBus(bitrate)
        for unit in self.spoilt:
            self.bus.join(unit, START_NS)
        self.hosts: list[Host] = []

    def live(self, life: Callable[["Host"], None], **settings: object) -> None:
        """Run ``life`` with a host for each unit until all of them have ended."""
        self.hosts = [Host(self, unit.settings.device_id, settings) for unit in self.units]
        for host in self.hosts:
            host.start(life)
        while living := [host for host in self.hosts if not host.ended]:
            ready = [host for host in living if host.may_run()]
            for host in ready:
                host.go_on()
            if not ready:
                self._let_time_pass()

    def _let_time_pass(self) -> None:
        due_ns = min(host.wake_ns for host in self.hosts if not host.ended)
        bus_ns = self.bus.next_due_ns()
        if bus_ns is not None:
            due_ns = min(due_ns, bus_ns)
        self.now_ns = max(due_ns, self.now_ns)
        for frame in self.bus.advance(self.now_ns):
            for host in self.hosts:
                if frame.frame_id >> 4 == host.device_id:
                    host.inbox.append(frame)


class Host:
    """The process of one driver: its clock, its end of the bus, and the driver."""

    def __init__(self, world: TurnedBus, device_id: int, settings: dict[str, object]) -> None:
        self.device_id = device_id
        self.inbox: deque[Frame] = deque()
        self.wake_ns = world.now_ns
        self._world = world
        self._listening = False
        self._plugged = False
        self._life = greenlet(lambda: None)
        self.driver = EpcDriver(
            EpcSettings.model_validate({"bus": VIRTUAL, "device_id": device_id, **settings}),
            self,
            self,
        )

    @property
    def ended(self) -> bool:
        return self._life.dead

    def start(self, life: Callable[["Host"], None]) -> None:
        self._life = greenlet(life)

    def go_on(self) -> None:
        """Live until it waits; what it raises comes out here."""
        if self._life:
            self._life.switch()
        else:
            self._life.switch(self)

    def may_run(self) -> bool:
        return self.wake_ns <= self._world.now_ns or (self._listening and bool(self.inbox))

    def monotonic_ns(self) -> int:
        return self._world.now_ns

    def sleep(self, seconds: float) -> None:
        self._wait(self._world.now_ns + round(seconds * 1e9))

    def open(self) -> None:
        self.inbox.clear()
        self._plugged = True

    def close(self) -> None:
        self._plugged = False

    def send(self, frame: Frame) -> None:
        self._check()
        self._world.bus.send(frame, self._world.now_ns)

    def receive(self, timeout_s: float) -> Frame | None:
        self._check()
        if not self.inbox and timeout_s > 0:
            self._listening = True
            self._wait(self._world.now_ns + round(timeout_s * 1e9))
            self._listening = False
            self._check()
        return self.inbox.popleft() if self.inbox else None

    def unplug(self) -> None:
        """Pull the adapter out; :meth:`open` puts it back in."""
        self._plugged = False

    def _wait(self, until_ns: int) -> None:
        self.wake_ns = until_ns
        parent = getcurrent().parent
        assert parent is not None
        parent.switch()

    def _check(self) -> None:
        if not self._plugged:
            raise CommunicationLost("the adapter is unplugged")
