"""Tell systemd how we are, where there is one (sd_notify); silent anywhere else."""

import os

from sdnotify import SystemdNotifier


class Notifier:
    """Readiness, status and watchdog of this process."""

    def __init__(self) -> None:
        self._notifier = SystemdNotifier()
        interval = os.environ.get("WATCHDOG_USEC")
        self.watchdog_s = int(interval) / 1e6 if interval else None
        """Longest time between two :meth:`alive`, if systemd watches over us."""

    def ready(self) -> None:
        """Say that the work has begun."""
        self._notifier.notify("READY=1")

    def alive(self) -> None:
        """Feed the watchdog; call it only from the loop that does the work."""
        self._notifier.notify("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say in one line what is going on, for ``systemctl status``."""
        self._notifier.notify(f"STATUS={text}")

    def stopping(self) -> None:
        """Say that the process is on its way out."""
        self._notifier.notify("STOPPING=1")
