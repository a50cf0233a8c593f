"""``bem demo``: from nothing to a running laboratory, and back."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bem import __version__
from bem.demo.check import check
from bem.demo.machine import (
    SIGN_IN,
    Bench,
    address,
    benches,
    free_port,
    prepare_settings,
    write_stations,
)
from bem.demo.places import Places, locked, open_places
from bem.demo.problems import DemoError
from bem.demo.processes import supervisor_settings
from bem.demo.screen import Screen
from bem.demo.supervision import Signals, Supervision
from bem.runtime.settings import ENVIRONMENT_VARIABLE, Settings, SettingsError

_DATA_VARIABLE = "BEM_DEMO_DATA"
CHECK_SPEED = 60.0
_MAX_SPEED = 10_000.0
_UP_WITHIN_S = 60.0
_PAUSE_S = 0.1
_LOOK_S = 1.0
_SHOWN_LINES = 15


def run(arguments: argparse.Namespace) -> int:
    """Run the demo until it is told to end, or do its check; gives the exit code."""
    screen = Screen()
    try:
        _refuse_bad_options(arguments)
        with ExitStack() as stack:
            data = arguments.data
            if data is None:
                data = stack.enter_context(_temporary()) if arguments.check else _own_folder()
            signals = stack.enter_context(Signals())
            places = open_places(data)
            stack.enter_context(locked(places))
            return _run(arguments, places, signals, screen)
    except (DemoError, SettingsError) as error:
        sys.stderr.write(f"bem demo: {error}\n")
        return 2


def _run(arguments: argparse.Namespace, places: Places, signals: Signals, screen: Screen) -> int:
    speed, port = arguments.speed, arguments.port
    if arguments.check:
        speed = speed or CHECK_SPEED
        port = port or free_port()
    stations = benches(speed)
    settings = prepare_settings(places, port)
    write_stations(places, settings, stations)
    ledgers = arguments.check or arguments.ledger
    configuration = supervisor_settings(places, stations, ledgers=ledgers)
    places.supervisor_settings.write_text(configuration, encoding="utf-8")
    screen.title(f"Battery Experiments Manager {__version__} · demo")
    _prepare_records(places)
    screen.done("database", str(places.data))
    supervision = Supervision(places)
    try:
        supervision.start()
        _wait_for_pages(settings, places, supervision, signals)
        if signals.stop():
            return 0
        screen.done("processes", f"one supervisor, logs in {places.logs}")
        if arguments.check:
            return check(places, settings, screen, signals)
        _welcome(settings, places, stations, screen)
        while not signals.stop():
            supervision.keep_running()
            signals.wait(_LOOK_S)
        screen.line()
        screen.line("Ending: outputs off, then everything else …")
    finally:
        supervision.stop()
    screen.done("ended")
    return 0


def _refuse_bad_options(arguments: argparse.Namespace) -> None:
    speed, port = arguments.speed, arguments.port
    if speed is not None and not 1 <= speed <= _MAX_SPEED:
        raise DemoError(f"--speed {speed:g}: give a number from 1 to {_MAX_SPEED:g}")
    if port is not None and not 1 <= port <= 65535:  # noqa: PLR2004 - the ports there are
        raise DemoError(f"--port {port}: give a number from 1 to 65535")


def _own_folder() -> Path:
    return Path(os.environ.get(_DATA_VARIABLE, ".demo"))


@contextmanager
def _temporary() -> Iterator[Path]:
    """A folder for a check: gone after it went well, kept to be looked at after it failed."""
    folder = Path(tempfile.mkdtemp(prefix="bem-check-"))
    yield folder
    if not (folder / "failed").exists():
        shutil.rmtree(folder)


def _prepare_records(places: Places) -> None:
    log = places.log("prepare")
    environment = os.environ | {ENVIRONMENT_VARIABLE: str(places.settings)}
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "bem.demo.records"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            check=False,
        )
    if done.returncode != 0:
        raise DemoError(f"the database cannot be prepared; {log} ends so:\n{_end_of(log)}")


def _wait_for_pages(
    settings: Settings, places: Places, supervision: Supervision, signals: Signals
) -> None:
    deadline = time.monotonic() + _UP_WITHIN_S
    while not signals.stop():
        supervision.keep_running()
        try:
            with urlopen(f"{address(settings)}/healthz", timeout=5) as answer:  # noqa: S310 - our own address
                answer.read()
                return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                log = places.log("web")
                raise DemoError(
                    f"the pages did not come up within {_UP_WITHIN_S:g} s; {log} ends so:\n"
                    f"{_end_of(log)}"
                ) from None
        signals.wait(_PAUSE_S)


def _welcome(
    settings: Settings, places: Places, stations: tuple[Bench, ...], screen: Screen
) -> None:
    password = places.secret("demo_password").read_text(encoding="utf-8")
    screen.line()
    screen.fact("Open", address(settings))
    screen.fact("Sign in", f"{SIGN_IN}   {password}")
    screen.line()
    for bench in stations:
        pace = "real time" if bench.speed == 1 else f"{bench.speed:g} times as fast"
        screen.line(f"{bench.name:<24}{pace}")
    screen.line()
    screen.line(f"Data in {places.data}. Ctrl-C ends everything, outputs off.")


def _end_of(log: Path) -> str:
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(f"  {line}" for line in deque(lines, _SHOWN_LINES))
    except OSError as error:
        return f"  (cannot be read: {error.strerror})"
