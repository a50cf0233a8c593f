"""The sliding window of one stream of numbered rows (go-back-N). Pure: time is given."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

REWIND_PAUSE_S = 1.0
"""A second request for the same rows within this time has crossed the answer to the first."""


@dataclass(slots=True)
class Window:
    """What of a stream is acknowledged, what is on its way, and what comes next.

    ``acknowledged``: the server holds every row below. ``cursor``: the next row to send.
    """

    acknowledged: int
    batches_in_flight: int
    cursor: int = field(init=False)
    _ends: deque[int] = field(init=False, default_factory=deque)
    _progress_at: float = field(init=False, default=0.0)
    _rewound: tuple[int, float] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.cursor = self.acknowledged

    @property
    def is_open(self) -> bool:
        """Whether another batch may go out now."""
        return len(self._ends) < self.batches_in_flight

    @property
    def in_flight(self) -> int:
        """Batches on their way."""
        return len(self._ends)

    def sent(self, rows: int, now: float) -> None:
        """Note that the next ``rows`` rows went out."""
        if not self._ends:
            self._progress_at = now
        self.cursor += rows
        self._ends.append(self.cursor)

    def take(self, mark: int, now: float, *, rewind: bool) -> bool:
        """Take the server's watermark; ``True`` if it moved.

        Without ``rewind`` a lower mark is an old message and changes nothing. With it the server's
        word counts even below what it once acknowledged: it may have been restored from a backup.
        """
        if rewind:
            return self._rewind(mark, now)
        if mark <= self.acknowledged:
            return False
        self._advance(mark, now)
        return True

    def restart(self) -> None:
        """Forget what is on its way and send again from the watermark: the wire is a new one."""
        self.cursor = self.acknowledged
        self._ends.clear()
        self._rewound = None

    def step_back(self) -> None:
        """Make the newest acknowledged row the next one to go out.

        Its answer tells whether the server still has what it acknowledged.
        """
        self.acknowledged = max(self.acknowledged - 1, 0)
        self.restart()

    def check_overdue(self, now: float, resend_s: float) -> bool:
        """Go back to the watermark if nothing was acknowledged for too long."""
        if not self._ends or now - self._progress_at < resend_s:
            return False
        self.restart()
        return True

    def _advance(self, mark: int, now: float) -> None:
        self.acknowledged = mark
        self.cursor = max(self.cursor, mark)
        self._progress_at = now
        while self._ends and self._ends[0] <= mark:
            self._ends.popleft()

    def _rewind(self, mark: int, now: float) -> bool:
        if (
            self._rewound is not None
            and self._rewound[0] == mark
            and now - self._rewound[1] < REWIND_PAUSE_S
        ):
            return False
        moved = mark != self.acknowledged
        self.acknowledged = mark
        self.restart()
        self._rewound = (mark, now)
        return moved


Clock = Callable[[], float]
"""Seconds that never jump."""
