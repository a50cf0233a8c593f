"""Run the stations as children where no systemd does: never two of one, never none for long.

Each station is in a session of its own and outlives the agent; the next agent finds it by its
lock and leaves it in peace.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bem.node.locks import holder, is_held
from bem.node.window import Clock
from bem.runtime.settings import Settings

_LOGGER = logging.getLogger(__name__)
BACK_OFF_MIN_S = 0.5
BACK_OFF_MAX_S = 10.0
_STEADY_S = 30.0
"""A station that ran this long before it ended is started again at once."""

StationArguments = Callable[[str], Sequence[str]]


def station_arguments(station: str) -> Sequence[str]:
    """Build the command line that runs one station."""
    return [sys.executable, "-m", "bem.cli", "station", station]


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    back_off_s: float = BACK_OFF_MIN_S
    start_at: float = 0.0
    adopted: bool = False


class Children:
    """The station processes of this node. Use it from one thread."""

    def __init__(
        self,
        settings: Settings,
        arguments: StationArguments = station_arguments,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings = settings
        self._arguments = arguments
        self._clock = clock
        self._children: dict[str, _Child] = {}

    def keep(self, station: str) -> None:
        """Make sure that a station runs, unless it has just crashed and must wait a little."""
        child = self._children.setdefault(station, _Child())
        now = self._clock()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            self._crashed(station, child, code, now)
        if is_held(self._settings.station_folder(station) / "lock"):
            if not child.adopted:
                _LOGGER.info("station %s runs already; it is left in peace", station)
            child.adopted = True
            return
        child.adopted = False
        if now >= child.start_at:
            self._start(station, child, now)

    def end(self, station: str) -> bool:
        """Ask a station to end; ``True`` once it has gone."""
        pid = self._pid(station)
        if pid is None:
            self._children.pop(station, None)
            return True
        _terminate(pid)
        return False

    def end_all(self, timeout_s: float) -> list[str]:
        """Ask all stations to end and wait; returns those that are still there after the time."""
        deadline = self._clock() + timeout_s
        left = {path.parent.name for path in self._settings.station_files.glob("*/lock")}
        left |= self._children.keys()
        for station in left:
            pid = self._pid(station)
            if pid is not None:
                _terminate(pid)
        while left and self._clock() < deadline:
            left = {station for station in left if self._pid(station) is not None}
            if left:
                time.sleep(0.05)
        return sorted(left)

    def _pid(self, station: str) -> int | None:
        child = self._children.get(station)
        if child is not None and child.process is not None and child.process.poll() is None:
            return child.process.pid
        return holder(self._settings.station_folder(station) / "lock")

    def _crashed(self, station: str, child: _Child, code: int, now: float) -> None:
        if now - child.started_at >= _STEADY_S:
            child.back_off_s = BACK_OFF_MIN_S
        _LOGGER.error(
            "station %s ended with %d; it is started again in %g s", station, code, child.back_off_s
        )
        child.process = None
        child.start_at = now + child.back_off_s
        child.back_off_s = min(child.back_off_s * 2, BACK_OFF_MAX_S)

    def _start(self, station: str, child: _Child, now: float) -> None:
        try:
            child.process = subprocess.Popen(  # noqa: S603 - our own command line
                self._arguments(station), stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            _LOGGER.warning("station %s cannot be started: %s", station, error)
            child.start_at = now + BACK_OFF_MAX_S
            return
        child.started_at = now


def _terminate(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
