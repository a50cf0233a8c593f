"""A CAN bus that carries one frame at a time between simulated devices and hosts.

Each frame occupies the bus for as long as it takes with the most stuff bits. Of those that wait,
the one with the lowest identifier goes first; what one device sends stays in its order.
"""

from collections import deque

from bem_drivers.can import Frame
from bem_drivers.can.frame import frame_bits
from bem_drivers.simulation.spec import CanUnit

BITRATE = 125_000
_NEVER_NS = 1 << 62
_HOST = -1


class CanBus:
    """A bus of ``bitrate`` (bit/s) for units and any number of hosts; pure, as the units are.

    Units hear nothing of what other units say. ``busy_ns`` is for how long (ns) the bus has been
    busy, ``carried`` how many frames it carried.
    """

    def __init__(self, bitrate: int = BITRATE) -> None:
        self.bitrate = bitrate
        self.busy_ns = 0
        self.carried = 0
        self._units: list[CanUnit] = []
        self._due_ns: list[int] = []
        """When each unit has something to do."""
        self._free_ns = 0
        self._queues: dict[int, deque[tuple[int, Frame]]] = {}
        """What waits for the bus, by source; nobody without a frame is in it."""

    def join(self, unit: CanUnit, now_ns: int) -> None:
        """Put a unit on the bus."""
        self._units.append(unit)
        self._due_ns.append(now_ns)

    def send(self, frame: Frame, now_ns: int) -> None:
        """Put a frame of a host on the bus."""
        self._queue(_HOST, frame, now_ns)

    def advance(self, now_ns: int) -> list[Frame]:
        """Let everybody live until ``now_ns``; get what the units had the bus carry until then."""
        arrived: list[Frame] = []
        while True:
            carried_ns, _ = self._next_carried()
            event_ns = min(carried_ns, min(self._due_ns, default=_NEVER_NS))
            if event_ns > now_ns:
                break
            self._let_units_live(event_ns)
            # What a unit has just sent may go first.
            carried_ns, source = self._next_carried()
            if carried_ns <= event_ns:
                self._carry(source, carried_ns, arrived)
        return arrived

    def next_due_ns(self) -> int | None:
        """Get the instant at which to call :meth:`advance` again; ``None``: never."""
        due_ns = min(self._next_carried()[0], min(self._due_ns, default=_NEVER_NS))
        return None if due_ns == _NEVER_NS else due_ns

    def wake(self, now_ns: int) -> None:
        """Look at all units at ``now_ns``, for somebody has changed their state."""
        self._due_ns = [now_ns] * len(self._units)

    def _hand_over(self, frame: Frame, at_ns: int) -> None:
        for index, unit in enumerate(self._units):
            unit.receive(frame.frame_id, frame.data, at_ns)
            self._due_ns[index] = _due(unit)

    def _let_units_live(self, now_ns: int) -> None:
        for index, due_ns in enumerate(self._due_ns):
            if due_ns > now_ns:
                continue
            unit = self._units[index]
            for frame in unit.advance(now_ns):
                self._queue(index, Frame(*frame), now_ns)
            self._due_ns[index] = _due(unit)

    def _queue(self, source: int, frame: Frame, now_ns: int) -> None:
        self._queues.setdefault(source, deque()).append((now_ns, frame))

    def _next_carried(self) -> tuple[int, int]:
        """Get when the next frame has been carried (ns), and whose it is."""
        if not self._queues:
            return _NEVER_NS, _HOST
        start_ns = max(min(queue[0][0] for queue in self._queues.values()), self._free_ns)
        _, source, frame = min(
            (queue[0][1].frame_id, source, queue[0][1])
            for source, queue in self._queues.items()
            if queue[0][0] <= start_ns
        )
        return start_ns + self._duration_ns(frame), source

    def _carry(self, source: int, at_ns: int, arrived: list[Frame]) -> None:
        queue = self._queues[source]
        _, frame = queue.popleft()
        if not queue:
            del self._queues[source]
        self._free_ns = at_ns
        self.busy_ns += self._duration_ns(frame)
        self.carried += 1
        if source == _HOST:
            self._hand_over(frame, at_ns)
        else:
            self._units[source].confirm(at_ns)
            arrived.append(frame)

    def _duration_ns(self, frame: Frame) -> int:
        return frame_bits(len(frame.data)) * 1_000_000_000 // self.bitrate


def _due(unit: CanUnit) -> int:
    due_ns = unit.next_due_ns()
    return _NEVER_NS if due_ns is None else due_ns
