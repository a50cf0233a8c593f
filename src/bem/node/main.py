"""The process ``bem-node``."""

import logging
import os
import signal
import sqlite3
from pathlib import Path
from types import FrameType

from bem.node.agent import Agent
from bem.node.children import StationArguments, station_arguments
from bem.runtime.lock import Held, hold
from bem.runtime.log import reload_logging, set_up_logging
from bem.runtime.notify import Notifier
from bem.runtime.settings import Settings, SettingsError

_LOGGER = logging.getLogger(__name__)
_STEP_S = 0.25


def run(settings: Settings, arguments: StationArguments = station_arguments) -> int:
    """Run the agent until SIGTERM or SIGINT; SIGHUP takes new log levels.

    ``arguments`` builds a station's command line.

    Returns:
        The exit code: 0 after an orderly end, 1 if the agent cannot work or a station stayed.
    """
    set_up_logging(settings.logging)
    lock = _only_one(settings.data_dir / "node.lock")
    if lock is None:
        return 1
    try:
        return _run(settings, arguments)
    finally:
        os.close(lock)


def _run(settings: Settings, arguments: StationArguments) -> int:
    stopping = reloading = False
    notifier = Notifier()
    try:
        agent = Agent(settings, arguments=arguments)
    except (SettingsError, sqlite3.Error) as error:
        _LOGGER.critical("the node agent cannot start: %s", error)
        return 1

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        agent.wake()

    def reload(_number: int, _frame: FrameType | None) -> None:
        nonlocal reloading
        reloading = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, reload)
    agent.start()
    notifier.ready()
    while not stopping and not agent.failed:
        agent.step(_STEP_S)
        notifier.alive()
        if reloading:
            reloading = False
            reload_logging()
    notifier.stopping()
    if agent.failed:
        # Leave the stations alone: the next agent finds them.
        return 1
    return 0 if agent.stop() else 1


def _only_one(path: Path) -> int | None:
    """Take the agent's lock; two agents would disconnect each other for ever."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return hold(path)
    except OSError as error:
        _LOGGER.critical("cannot open %s: %s", path, error)
    except Held:
        _LOGGER.critical("another node agent holds %s", path)
    return None
