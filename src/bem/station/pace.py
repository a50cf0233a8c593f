"""When the control loop turns: an absolute schedule on the monotonic clock."""

import os
import select
from dataclasses import dataclass, field

_BUCKET_US = 100
"""Width of the buckets (µs) in which lateness is counted."""
_BUCKETS = 10_000


@dataclass(slots=True)
class Lateness:
    """How late passes began, counted in buckets of 0.1 ms up to 1 s, so that memory is fixed."""

    passes: int = 0
    skipped: int = 0
    """Whole periods left out because a pass came too late for them."""
    worst_us: int = 0
    _buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)

    def note(self, late_ns: int) -> None:
        """Count one pass that began ``late_ns`` (ns, >= 0) after it was due."""
        late_us = late_ns // 1000
        self.passes += 1
        self.worst_us = max(self.worst_us, late_us)
        self._buckets[min(late_us // _BUCKET_US, _BUCKETS - 1)] += 1

    def quantile_us(self, share: float) -> int:
        """Get the lateness (µs) that ``share`` (0..1) of all passes kept, rounded up to 100 µs."""
        wanted = share * self.passes
        seen = 0
        for index, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                return min((index + 1) * _BUCKET_US, self.worst_us)
        return self.worst_us


class Pacer:
    """Due times at whole periods since the start. Nothing drifts, whatever a pass takes.

    A pass that comes later than the next due time skips whole periods instead of hurrying after
    them: a burst of readings is no replacement for those that were missed.
    """

    def __init__(self, period_ns: int, now_ns: int) -> None:
        self._period_ns = period_ns
        self._due_ns = now_ns
        self.lateness = Lateness()

    def wait_s(self, now_ns: int) -> float:
        """Get the time (s) until the next pass is due; 0 when it is."""
        return max(self._due_ns - now_ns, 0) / 1e9

    def begin(self, now_ns: int) -> None:
        """Note that the pass that was due begins, and plan the next one."""
        late_ns = max(now_ns - self._due_ns, 0)
        self.lateness.note(late_ns)
        skipped = late_ns // self._period_ns
        self.lateness.skipped += skipped
        self._due_ns += (1 + skipped) * self._period_ns


class Waker:
    """Lets other threads and signal handlers end a wait of the control loop early.

    A pipe, because a lock taken in a signal handler could wait for the very code it interrupted. It
    lives as long as the process: any thread may wake at any time.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wake(self) -> None:
        """End the present or the next wait. Safe in signal handlers and from any thread."""
        try:
            os.write(self._writer, b"!")
        except BlockingIOError:
            return  # The pipe is full of wakes already.

    def wait(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s`` (s); whether somebody woke us."""
        readable, _, _ = select.select([self._reader], [], [], timeout_s)
        if readable:
            os.read(self._reader, 65536)
        return bool(readable)
