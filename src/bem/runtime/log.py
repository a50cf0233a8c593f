"""Logging of the processes: one line per message on standard error, for the journal to keep."""

import logging
import sys

from bem.runtime.settings import LoggingSettings

_FORMAT = "%(levelname)s %(name)s: %(message)s"


def set_up_logging(settings: LoggingSettings) -> None:
    """Send all logs to standard error at the levels of the settings."""
    logging.basicConfig(level=settings.level, format=_FORMAT, stream=sys.stderr, force=True)
    for name, level in settings.levels.items():
        logging.getLogger(name).setLevel(level)


class Condition:
    """A trouble that lasts: logged once when it begins and once when it ends."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self.active = False

    def begin(self, reason: object) -> None:
        """Note that the trouble is there; logs only the first time."""
        if not self.active:
            self._logger.warning("%s: %s", self._what, reason)
        self.active = True

    def end(self) -> None:
        """Note that it is over; logs only if it had begun."""
        if self.active:
            self._logger.info("%s: over", self._what)
        self.active = False
