"""How frames get into and out of a simulated EPC: slots, receive FIFO, mailboxes (devices.md §2.6).

The firmware works in slots of 10 ms: received frames are handled in the first two ticks (0.1 ms
each) of a slot, status and periodic frames leave in its third, news of the mode in its fifth.
"""

from collections import deque

from bem_drivers.simulation.spec import UnitFrame

TICK_NS = 100_000
SLOT_NS = 100 * TICK_NS
REPORT_NS = 2 * TICK_NS
SLOT_END_NS = 4 * TICK_NS
FIFO_DEPTH = 3
MAILBOXES = 3
BIT_NS = 8000
FRAME_BITS = 47
"""Bits of an empty frame with the gap behind it, none of them stuffed."""


class Fifo:
    """Three received frames; the newest one is overwritten when another comes."""

    def __init__(self, boot_ns: int) -> None:
        self._boot_ns = boot_ns
        self._frames: deque[tuple[int, int, bytes]] = deque()

    def slots_until(self, slot_ns: int) -> int | None:
        """Get how many slots from the one at ``slot_ns`` pass before a frame is handled, if any."""
        if not self._frames:
            return None
        return max(-((slot_ns + TICK_NS - self._frames[0][0]) // SLOT_NS), 0)

    def put(self, message_id: int, data: bytes, at_ns: int) -> None:
        """Take a frame that arrived at ``at_ns``."""
        # The two polls of a slot may not have been run yet, though they were before this frame.
        phase_ns = (at_ns - self._boot_ns) % SLOT_NS
        polled_ns = at_ns - phase_ns + (TICK_NS if phase_ns >= TICK_NS else 0)
        if sum(arrived_ns > polled_ns for arrived_ns, _, _ in self._frames) >= FIFO_DEPTH:
            self._frames.pop()
        self._frames.append((at_ns, message_id, data))

    def get(self, now_ns: int) -> tuple[int, bytes] | None:
        """Get message id and data of the oldest frame that was there at ``now_ns``."""
        if not self._frames or self._frames[0][0] > now_ns:
            return None
        _, message_id, data = self._frames.popleft()
        return message_id, data


class Mailboxes:
    """Three transmit mailboxes that empty one after the other, oldest first.

    By themselves they empty at the pace of a bus that nobody else uses. On a simulated bus
    (``on_bus``) a mailbox is free when that bus says so by :meth:`confirm`.
    """

    def __init__(self, *, on_bus: bool = False, connected: bool = True) -> None:
        self._on_bus = on_bus
        self._connected = connected
        self._busy: deque[int | None] = deque()
        """When each frame has been sent (ns); ``None``: not known yet."""
        self._stuck: list[UnitFrame] = []
        self._out: list[UnitFrame] = []

    def put(self, frame: UnitFrame, now_ns: int) -> bool:
        """Take a frame unless all three are busy at ``now_ns``."""
        busy = self._busy
        while busy and busy[0] is not None and busy[0] <= now_ns:
            busy.popleft()
        if len(busy) >= MAILBOXES:
            return False
        if self._connected:
            self._send(frame, now_ns)
        else:
            # Nobody acknowledges, so that the frame is sent over and over.
            busy.append(None)
            self._stuck.append(frame)
        return True

    def confirm(self, at_ns: int) -> None:
        """Note that the bus had carried the oldest frame by ``at_ns``."""
        for index, sent_ns in enumerate(self._busy):
            if sent_ns is None:
                self._busy[index] = at_ns
                return

    def connect(self, connected: bool, now_ns: int) -> None:
        """Plug the bus in, which sends what waits, or pull it out."""
        self._connected = connected
        if connected:
            stuck, self._stuck = self._stuck, []
            for _ in stuck:
                self._busy.remove(None)
            for frame in stuck:
                self._send(frame, now_ns)

    def take_out(self) -> list[UnitFrame]:
        """Get what was sent since the last call."""
        out, self._out = self._out, []
        return out

    def _send(self, frame: UnitFrame, now_ns: int) -> None:
        if self._on_bus:
            self._busy.append(None)
        else:
            free_ns = max((one for one in self._busy if one is not None), default=now_ns)
            bits = FRAME_BITS + 8 * len(frame.data)
            self._busy.append(free_ns + bits * BIT_NS)
        self._out.append(frame)
