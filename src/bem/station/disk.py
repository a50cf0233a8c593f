"""Room for the journal: warns while there is time, and ends runs before nothing can be written.

The bounds are of the disk's own size, so that a small card warns as well, and absolute, so that a
large disk does not warn with room for years.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bem.runtime.log import Condition

_LOGGER = logging.getLogger(__name__)
MIB = 1024 * 1024
LOOK_EVERY_S = 5.0
WARN_SHARE = 0.10
WARN_BYTES = 2048 * MIB
"""Warns below a tenth of the disk or 2 GiB, whichever is less: that is weeks of one station."""
FULL_SHARE = 0.02
FULL_BYTES = 64 * MIB
"""Too little to go on: below 2 % or 64 MiB, whichever is less. What a fault writes still fits."""
CLEAR_FACTOR = 1.1
"""A warning is over only with this much more than its bound free, so that it does not flicker."""


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of a disk: ``free`` for who is not root, of ``total``."""

    free: int
    total: int


def space_of(folder: Path) -> Space:
    """Ask the system.

    Raises:
        OSError: the folder cannot be reached.
    """
    found = os.statvfs(folder)
    return Space(free=found.f_bavail * found.f_frsize, total=found.f_blocks * found.f_frsize)


class DiskWatch:
    """Looks now and then; the two sentences may be read from any thread.

    ``warning``: a person should make room. ``trouble``: no run may go on. Empty while all is well.
    """

    def __init__(self, folder: Path, ask: Callable[[Path], Space] = space_of) -> None:
        self._folder = folder
        self._ask = ask
        self._due_ns = time.monotonic_ns()
        self._warned = Condition(_LOGGER, "the disk fills")
        self.warning = ""
        self.trouble = ""

    def look_now_and_then(self) -> None:
        """Look if it is time to. A disk that cannot be asked says so when it is written to."""
        now_ns = time.monotonic_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + round(LOOK_EVERY_S * 1e9)
        try:
            space = self._ask(self._folder)
        except OSError as error:
            _LOGGER.debug("cannot ask for the room on the disk: %s", error)
            return
        self._judge(space)

    def _judge(self, space: Space) -> None:
        warn = min(WARN_SHARE * space.total, WARN_BYTES)
        full = min(FULL_SHARE * space.total, FULL_BYTES)
        room = f"{space.free / MIB:.0f} MiB of {space.total / MIB:.0f} MiB free"
        if _is_below(space.free, full, bool(self.trouble)):
            self.trouble = f"the disk of {self._folder} is full: {room}; delete what is not needed"
        else:
            self.trouble = ""
        if _is_below(space.free, warn, bool(self.warning)):
            self._warned.begin(room)
            # The figure of the moment it began: a sentence that changes by itself is another one.
            self.warning = self.warning or (
                f"the disk of {self._folder} fills: {room}; below {full / MIB:.0f} MiB runs fail"
            )
        else:
            self._warned.end()
            self.warning = ""


def _is_below(free: int, bound: float, was: bool) -> bool:
    return free < bound * (CLEAR_FACTOR if was else 1.0)
