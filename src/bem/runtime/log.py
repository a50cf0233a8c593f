"""Logging of the processes: one line per message on standard error, for the journal to keep."""

import logging
import sys

from bem.runtime.settings import LoggingSettings, SettingsError, load_settings

_LOGGER = logging.getLogger(__name__)
_FORMAT = "%(levelname)s %(name)s: %(message)s"
_named: set[str] = set()
"""The loggers that have a level of their own by the settings."""


def set_up_logging(settings: LoggingSettings) -> None:
    """Send all logs to standard error at the levels of the settings."""
    logging.basicConfig(level=settings.level, format=_FORMAT, stream=sys.stderr, force=True)
    _set_levels(settings)


def reload_logging() -> bool:
    """Take the levels from the settings file anew, and nothing else; ``False`` if it is broken.

    Then the levels stay as they were. Call it from the loop that works, not from within a signal
    handler: it reads a file and logs.
    """
    try:
        settings = load_settings().logging
    except SettingsError as error:
        _LOGGER.error("the log levels stay as they were: %s", error)  # noqa: TRY400 - said in words
        return False
    logging.getLogger().setLevel(settings.level)
    _set_levels(settings)
    _LOGGER.info(
        "log level %s%s", settings.level, "".join(f", {k} {v}" for k, v in settings.levels.items())
    )
    return True


def _set_levels(settings: LoggingSettings) -> None:
    for name in _named - settings.levels.keys():
        logging.getLogger(name).setLevel(logging.NOTSET)
    _named.clear()
    for name, level in settings.levels.items():
        logging.getLogger(name).setLevel(level)
        _named.add(name)


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
