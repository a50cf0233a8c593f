"""Station processes: never two of one, back after a crash, left in peace by a new agent."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bem.node.children import Children
from bem.node.locks import holder, is_held
from bem.runtime.settings import Settings

WaitUntil = Callable[..., None]
# A station as far as its keeper can see: takes the lock, counts its starts, lives until told.
STATION = """
import fcntl, os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    (folder / "second").touch()
    sys.exit(9)
with (folder / "starts").open("a") as starts:
    starts.write("x")
if (folder / "crash").exists():
    sys.exit(3)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
(folder / "ready").touch()
while True:
    signal.pause()
"""


class Keeper:
    """Children with a turned clock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.seconds = 0.0
        self.folder = settings.station_folder("one")
        self.lock = self.folder / "lock"
        self.agents: list[Children] = []
        self.new_agent()

    def new_agent(self) -> None:
        self.children = Children(self.settings, self.arguments, lambda: self.seconds)
        self.agents.append(self.children)

    def wait_for_children(self) -> None:
        for agent in self.agents:
            for child in agent._children.values():
                if child.process is not None:
                    child.process.wait(10)

    def arguments(self, station: str) -> Sequence[str]:
        return [sys.executable, "-S", "-c", STATION, str(self.settings.station_folder(station))]

    @property
    def starts(self) -> int:
        path = self.folder / "starts"
        return len(path.read_text()) if path.exists() else 0

    @property
    def up(self) -> bool:
        return is_held(self.lock) and (self.folder / "ready").exists()


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(Settings(data_dir=tmp_path, runtime_dir=tmp_path))
    yield keeper
    for lock in tmp_path.glob("stations/*/lock"):
        pid = holder(lock)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    keeper.wait_for_children()


def test_one_is_started_and_stays_one(keeper: Keeper, wait_until: WaitUntil) -> None:
    for _ in range(5):
        keeper.children.keep("one")
    wait_until(lambda: keeper.up, "the station")
    for _ in range(5):
        keeper.seconds += 100
        keeper.children.keep("one")
    assert keeper.starts == 1
    assert not (keeper.folder / "second").exists()


def test_a_new_agent_leaves_it_in_peace_and_can_end_it(
    keeper: Keeper, wait_until: WaitUntil
) -> None:
    keeper.children.keep("one")
    wait_until(lambda: keeper.up, "the station")
    pid = holder(keeper.lock)
    assert pid is not None
    assert os.getsid(pid) == pid
    keeper.new_agent()
    keeper.children.keep("one")
    assert holder(keeper.lock) == pid
    assert keeper.starts == 1
    assert keeper.children.end_all(10.0) == []
    assert not is_held(keeper.lock)


def test_a_crashed_one_comes_back_with_growing_pauses(keeper: Keeper) -> None:
    keeper.folder.mkdir(parents=True)
    (keeper.folder / "crash").touch()
    keeper.children.keep("one")
    keeper.wait_for_children()
    pauses = []
    for starts in range(2, 9):
        began = keeper.seconds
        while keeper.starts < starts:
            keeper.seconds += 0.25
            keeper.children.keep("one")
            keeper.wait_for_children()
        pauses.append(keeper.seconds - began - 0.25)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_end_asks_first_and_tells_when_it_has_gone(keeper: Keeper, wait_until: WaitUntil) -> None:
    keeper.children.keep("one")
    wait_until(lambda: keeper.up, "the station")
    wait_until(lambda: keeper.children.end("one"), "the station to end")
    assert not is_held(keeper.lock)


def test_a_station_that_does_not_end_is_named(keeper: Keeper, wait_until: WaitUntil) -> None:
    keeper.children.keep("one")
    wait_until(lambda: keeper.up, "the station")
    pid = holder(keeper.lock)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert keeper.children.end_all(0.0) == ["one"]


def test_a_lock_that_nobody_holds(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock")
    assert holder(tmp_path / "lock") is None
    (tmp_path / "lock").touch()
    assert not is_held(tmp_path / "lock")
    assert holder(tmp_path / "lock") is None
