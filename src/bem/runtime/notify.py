"""Tell systemd how we are, where there is one (sd_notify); silent anywhere else."""

import os
from collections.abc import Iterable

from sdnotify import SystemdNotifier


class Notifier:
    """Readiness, status and watchdog of this process."""

    def __init__(self) -> None:
        self._notifier = SystemdNotifier()
        self._status = ""
        self.watchdog_s = _watchdog_s()
        """Longest time between two :meth:`alive`, if systemd watches over us."""

    def ready(self) -> None:
        """Say that the work has begun."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog; call it only from the loop that does the work."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say in one line what is going on, for ``systemctl status``."""
        if text != self._status:
            # A line break would begin another message.
            self._send(f"STATUS={' '.join(text.split())}")
            self._status = text

    def extend_start(self, seconds: float) -> None:
        """Ask for that much more time to start, from now; a start without a limit needs none."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def stopping(self) -> None:
        """Say that the process is on its way out."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Say no more; the end of the process does it, too."""
        if self._notifier.socket is not None:
            self._notifier.socket.close()

    def _send(self, text: str) -> None:
        # The package writes Latin-1, systemd reads UTF-8.
        self._notifier.notify(text.encode().decode("latin-1"))


def take_over_notification() -> Notifier:
    """Make the notifier of this process the only one: libraries and children do not find systemd.

    For a process whose server announces itself before it can answer, as gunicorn does.
    """
    notifier = Notifier()
    _forget(("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
    return notifier


def _watchdog_s() -> float | None:
    interval = os.environ.get("WATCHDOG_USEC")
    meant_for = os.environ.get("WATCHDOG_PID")
    if not interval or (meant_for and meant_for != str(os.getpid())):
        return None
    return int(interval) / 1e6


def _forget(names: Iterable[str]) -> None:
    for name in names:
        os.environ.pop(name, None)
