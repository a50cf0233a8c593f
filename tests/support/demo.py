"""A whole demo to do things to, and a person who runs an experiment on it."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.records import put_tables

from bem.demo.ledger import Ledger
from bem.demo.machine import SIGN_IN, free_port
from bem.demo.places import Places, open_places
from bem.demo.supervision import running_processes
from bem.demo.visitor import Visitor
from bem.runtime.settings import load_settings

STATIONS = ("epc-1", "epc-2", "virtual-1")
BATTERY = {
    "technology": "lithium",
    "name": "Cell",
    "cells": "1",
    "voltage_min": "2.5",
    "voltage_max": "4.25",
    "current_min": "-5",
    "current_max": "5",
    "capacity": "2.5",
    "chemistry": "nmc",
}
PROCESSES = ("broker", "manager", "node", "simulator-epc-1", "simulator-epc-2", "web")


@dataclass
class Demo:
    """A demo in a process of its own, which can be started again on the same data."""

    places: Places
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """All that it has written to its terminal."""
        return (self.places.data / "terminal").read_text()

    @property
    def password(self) -> str:
        """The password that it made for its sign-in."""
        return self.places.secret("demo_password").read_text()

    def start(self) -> None:
        """Start it; :meth:`is_up` tells when it is there."""
        command = [sys.executable, "-m", "bem.cli", "demo", "--data", str(self.places.data)]
        with (self.places.data / "terminal").open("wb") as terminal:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *self.options],
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
            )

    def is_up(self) -> bool:
        """Whether it has said where its pages are, and all its stations run."""
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"the demo ended with {self.process.returncode}:\n{self.said}")
        return self.address in self.said and {*PROCESSES, *STATIONS} <= self.pids().keys()

    def signal(self, number: int) -> int:
        """Send a signal to the demo and wait for its end; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(40)

    def pids(self) -> dict[str, int]:
        """Process ids by name: those that the supervisor runs, and the stations."""
        found = running_processes(self.places)
        held: dict[str, int] = {}
        for name in STATIONS:
            with contextlib.suppress(OSError, ValueError):
                held[name] = int((self.places.data / "stations" / name / "lock").read_text())
        living = self.all_pids()
        found |= {name: pid for name, pid in held.items() if pid in living}
        return found

    def all_pids(self) -> list[int]:
        """All living processes that work with this demo's settings, whoever's children they are."""
        mine = f"BEM_CONFIG={self.places.settings}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mine in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def visitor(self) -> Visitor:
        """Somebody who is signed in."""
        visitor = Visitor(self.address)
        visitor.sign_in(SIGN_IN, self.password)
        return visitor

    def ledger(self, station: str) -> Ledger:
        """What the simulated converter of a station was asked and did."""
        return Ledger.read(self.places.ledger(station))

    def journal(self, station: str) -> Path:
        """The journal of a station."""
        return load_settings(self.places.settings).journal_file(station)

    def rows(self, query: str) -> list[Any]:
        """Ask its database."""
        path = self.places.data / "bem.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def samples(self) -> list[tuple[float, float]]:
        """Voltage and current of all samples; their numbers have no gap."""
        found = self.rows("SELECT seq, voltage, current FROM lab_sample ORDER BY seq")
        assert [seq for seq, _, _ in found] == list(range(len(found)))
        return [(voltage, current) for _, voltage, current in found]

    def logs(self) -> str:
        """The ends of all logs, for a failure to show."""
        ends = [
            f"--- {log.name}\n" + "".join(log.read_text(errors="replace").splitlines(True)[-15:])
            for log in sorted(self.places.logs.glob("*.log"))
        ]
        return "\n".join(ends)


def run_demo(*options: str) -> subprocess.CompletedProcess[str]:
    """Run a demo that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "bem.cli", "demo", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def run_experiment(visitor: Visitor, wait_until: Callable[..., None], text: str) -> str:
    """Queue an experiment on EPC 1 and wait until it runs; gives the path of its page."""

    def station() -> str | None:
        found = visitor.get("/experiments/add/").choices("station")
        return next(
            (one.value for one in found if "EPC 1" in one.text and "Idle" in one.text), None
        )

    wait_until(station, "the station to be idle", timeout_s=30)
    battery = visitor.add("/batteries/add/", BATTERY).split("/")[2]
    profile = visitor.add("/profiles/add/", {"name": "Profile", "text": text}).split("/")[2]
    number = station() or ""
    page = f"/stations/{number}/"
    said = visitor.submit(page, {"battery": battery}, f"{page}battery/").problems()
    assert not said, said
    fields = {"name": "Run", "battery": battery, "station": number, "profile": profile}
    path = visitor.add("/experiments/add/", fields)
    wait_until(lambda: "Running" in visitor.get(path).states(), "the run", timeout_s=20)
    return path


def _end(demo: Demo) -> None:
    """End a demo and whatever it left."""
    if demo.process is not None and demo.process.poll() is None:
        demo.signal(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while demo.all_pids() and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in demo.all_pids():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def make_demo(tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[Callable[..., Demo]]:
    """Make demos with options of their own: ``make_demo("--speed", "60")`` is up and running."""
    made: list[Demo] = []

    def make(*options: str, data: Path | None = None) -> Demo:
        places = open_places(data or tmp_path / f"demo-{len(made)}")
        if data is None:
            put_tables(places.data)
        demo = Demo(places, ("--ledger", *options))
        made.append(demo)
        demo.start()
        wait_until(demo.is_up, "the demo to come up", timeout_s=60)
        return demo

    yield make
    for demo in made:
        _end(demo)


@pytest.fixture
def demo(make_demo: Callable[..., Demo]) -> Demo:
    """A demo that is up and running."""
    return make_demo()


@pytest.fixture(scope="module")
def module_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo for all tests of a module that leave it as they found it."""
    places = open_places(tmp_path_factory.mktemp("demo"))
    put_tables(places.data)
    demo = Demo(places, ("--ledger",))
    yield demo
    _end(demo)


@pytest.fixture
def shared_demo(module_demo: Demo, wait_until: Callable[..., None]) -> Demo:
    """A demo that is up and running, and that other tests use as well."""
    if module_demo.process is None:
        module_demo.start()
    wait_until(module_demo.is_up, "the demo to come up", timeout_s=60)
    return module_demo
