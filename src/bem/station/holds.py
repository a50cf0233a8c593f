"""What keeps anything from starting at a station: a latched fault, and a person's lock.

Both are in the journal, so that they outlive the process.
"""

import logging

from bem.runtime.local import LockDescription
from bem.station.clock import StationClock, instant_text
from bem.station.journal import Journal

_LOGGER = logging.getLogger(__name__)


class Holds:
    """``latch``: the first fault since a person last acknowledged one; ``None`` without any."""

    def __init__(self, journal: Journal, clock: StationClock) -> None:
        self._journal = journal
        self._clock = clock
        self.latch = journal.latch
        self.lock = journal.lock

    def latch_fault(self, reason: str) -> None:
        """Let nothing start until a person has acknowledged; the first reason stays."""
        if self.latch is None:
            self.latch = reason
            self._journal.set_latch(reason)

    def acknowledge(self, by: str) -> None:
        """Forget the latched fault: a person has seen it."""
        if self.latch is not None:
            _LOGGER.info("acknowledged by %s: %s", by or "command", self.latch)
            self.latch = None
            self._journal.clear_latch()

    def set_lock(self, by: str, note: str) -> None:
        """Let nothing start until the lock is taken away."""
        at = instant_text(self._clock.utc_now())
        self.lock = LockDescription(by=by, note=note, at=at)
        self._journal.set_lock(self.lock)
        _LOGGER.info("locked by %s: %s", by or "command", note)

    def unlock(self, by: str) -> None:
        """Take the lock away."""
        if self.lock is not None:
            _LOGGER.info("unlocked by %s", by or "command")
            self.lock = None
            self._journal.clear_lock()

    def reason(self) -> str:
        """Say what keeps anything from starting; empty if nothing does."""
        if self.latch is not None:
            return f"a fault waits to be acknowledged: {self.latch}"
        if self.lock is not None:
            who = f" by {self.lock.by}" if self.lock.by else ""
            note = f": {self.lock.note}" if self.lock.note else ""
            return f"the station is locked{who} since {self.lock.at}{note}; unlock it first"
        return ""
