"""gunicorn's arbiter, made to tell systemd the truth about its workers."""

import contextlib
import os
import signal
import struct
import time

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from bem.runtime.log import reload_logging
from bem.runtime.notify import Notifier

_BEAT_S = 10.0
"""Longest silence of a worker that counts as working; each beats about once a second."""
_STARTING_S = 0.1
_PID = struct.Struct("i")


class ReadyPipe:
    """How workers tell the arbiter that they have loaded the application and accept requests."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)

    def tell(self) -> None:
        """Say that this process is ready."""
        os.write(self._write, _PID.pack(os.getpid()))

    def hear(self) -> set[int]:
        """Get the processes that have become ready."""
        found: set[int] = set()
        with contextlib.suppress(BlockingIOError):
            while heard := os.read(self._read, _PID.size * 64):
                found.update(pid for (pid,) in _PID.iter_unpack(heard))
        return found


class WatchedArbiter(Arbiter):
    """Ready once a worker is; alive while one beats; SIGHUP changes log levels and nothing else.

    gunicorn itself replaces a worker that hangs. If none of them comes to work again, systemd's
    watchdog ends the whole.
    """

    def __init__(self, application: BaseApplication, notifier: Notifier, pipe: ReadyPipe) -> None:
        self._notifier = notifier
        self._pipe = pipe
        self._ready: set[int] = set()
        self._announced = False
        super().__init__(application)

    def wait_for_signals(self, timeout: float | None = 1.0) -> list[int]:
        """Wait for signals, not for long while the first worker starts."""
        return list(super().wait_for_signals(timeout=timeout if self._announced else _STARTING_S))

    def manage_workers(self) -> None:
        """Keep the number of workers, and tell how they are; called in each turn of the loop."""
        super().manage_workers()
        self._ready = (self._ready | self._pipe.hear()) & self.WORKERS.keys()
        now = time.monotonic()
        beating = sum(self._last_beat(pid) > now - _BEAT_S for pid in self._ready)
        if not beating:
            return
        if not self._announced:
            self._announced = True
            self._notifier.ready()
        self._notifier.status(f"serving by {beating} of {self.num_workers} processes")
        self._notifier.alive()

    def handle_hup(self) -> None:
        """Take new log levels, here and in the workers; gunicorn would replace the workers."""
        reload_logging()
        for pid in self._ready & self.WORKERS.keys():
            self.kill_worker(pid, signal.SIGHUP)

    def stop(self, graceful: bool = True) -> None:
        """End the workers."""
        self._notifier.stopping()
        super().stop(graceful)

    def _last_beat(self, pid: int) -> float:
        try:
            return float(self.WORKERS[pid].tmp.last_update())
        except (OSError, ValueError):
            return 0.0
