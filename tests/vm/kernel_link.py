"""The wire of the conformance tests over a bus of the kernel, with a clock that only tests turn."""

import select

from tests.support.clock import ManualClock
from tests.vm.interfaces import VirtualInterface

from bem_drivers.can import CanSettings, Frame
from bem_drivers.can.link import CanLink
from bem_drivers.simulation.can_port import CanPort, SocketCanPort
from bem_drivers.simulation.spec import CanUnit

STEP_NS = 500_000
DELIVERY_S = 5.0
"""Real time that the kernel has to carry a frame; the turned clock stands still meanwhile."""


class KernelLink:
    """A driver's own link to a simulated unit, both at ``vcan``; every frame passes the kernel.

    ``filters`` are those of the driver. The kernel carries frames in its own time: whoever waits
    for one in turned time gets it, however busy the machine is. While ``unplugged`` the interface
    does not exist.
    """

    def __init__(
        self,
        vcan: VirtualInterface,
        filters: list[tuple[int, int]],
        unit: CanUnit,
        clock: ManualClock,
    ) -> None:
        self._vcan = vcan
        self._near = CanLink(CanSettings.model_validate(vcan.bus), filters)
        self._far: CanPort = SocketCanPort(vcan.name)
        self._unit = unit
        self._filters = filters
        self._clock = clock
        self._unplugged = False
        self._is_open = False
        self._coming = 0

    @property
    def unplugged(self) -> bool:
        return self._unplugged

    @unplugged.setter
    def unplugged(self, unplugged: bool) -> None:
        if unplugged == self._unplugged:
            return
        self._unplugged = unplugged
        if unplugged:
            self._far.close()
            self._vcan.pull()
        else:
            self._vcan.plug_in()
            self._far = SocketCanPort(self._vcan.name)

    def open(self) -> None:
        self._carry()
        self._near.open()
        self._is_open, self._coming = True, 0

    def close(self) -> None:
        self._is_open = False
        self._near.close()

    def send(self, frame: Frame) -> None:
        self._near.send(frame)
        select.select([self._far.fileno()], [], [], DELIVERY_S)
        self._carry()

    def receive(self, timeout_s: float) -> Frame | None:
        end_ns = self._clock.now_ns + round(timeout_s * 1e9)
        while True:
            self._carry()
            frame = self._near.receive(DELIVERY_S if self._coming else 0.0)
            if frame is not None:
                self._coming -= 1
            if frame is not None or self._clock.now_ns >= end_ns:
                return frame
            due_ns = self._unit.next_due_ns()
            wake_ns = end_ns if due_ns is None else max(due_ns, self._clock.now_ns + STEP_NS)
            self._clock.now_ns = min(wake_ns, end_ns)

    def end(self) -> None:
        """Let go of the bus at both ends."""
        self._near.close()
        self._far.close()

    def _carry(self) -> None:
        """Let the unit live until now, and hear and say what there is."""
        now_ns = self._clock.now_ns
        for frame in self._far.read():
            self._unit.receive(frame.frame_id, frame.data, now_ns)
        sent = [Frame(*one) for one in self._unit.advance(now_ns)]
        self._far.write(sent)
        if self._is_open and not self._unplugged:
            self._coming += sum(map(self._passes, sent))

    def _passes(self, frame: Frame) -> bool:
        """Tell whether the driver's filters let a frame through."""
        return any(frame.frame_id & mask == one & mask for one, mask in self._filters)
