"""Commands at the desk: once each, whoever asks and how often."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from bem.runtime.local import LocalReply, LocalRequest
from bem.station import desk as desk_module
from bem.station.clock import SystemStationClock
from bem.station.desk import CommandDesk
from bem.station.journal import Journal
from bem.station.orders import Order


class _Loop:
    """Takes orders as the control loop does, and answers when the test says so."""

    def __init__(self) -> None:
        self.taken: list[tuple[Order, Future[LocalReply]]] = []
        self.may_answer = threading.Event()

    def submit(self, order: Order) -> "Future[LocalReply]":
        future: Future[LocalReply] = Future()
        self.taken.append((order, future))
        if self.may_answer.is_set():
            future.set_result(LocalReply(ok=True))
        return future


@pytest.fixture
def loop() -> _Loop:
    return _Loop()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3", 30.0, SystemStationClock()) as journal:
        yield journal


@pytest.fixture
def desk(journal: Journal, loop: _Loop) -> CommandDesk:
    return CommandDesk(journal, loop)


def _request(action: str, command: uuid.UUID | None = None) -> LocalRequest:
    arguments = {"experiment": str(uuid.uuid4())} if action == "stop" else {}
    return LocalRequest(
        request="command", id=command or uuid.uuid4(), action=action, arguments=arguments
    )


def test_one_id_asked_from_many_threads_is_executed_once(
    desk: CommandDesk, loop: _Loop, wait_until: Callable[..., None]
) -> None:
    request = _request("acknowledge")
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(desk.execute, request) for _ in range(10)]
        wait_until(lambda: loop.taken, "the order")
        loop.taken[0][1].set_result(LocalReply(ok=True, body={"n": 1}))
        replies = [one.result(10) for one in asked]
    assert len(loop.taken) == 1
    assert replies == [LocalReply(ok=True, body={"n": 1})] * 10


def test_a_receipt_is_on_the_disk_before_the_loop_sees_the_order(
    desk: CommandDesk, loop: _Loop, journal: Journal, wait_until: Callable[..., None]
) -> None:
    request = _request("acknowledge")
    assert request.id is not None
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(desk.execute, request)
        wait_until(lambda: loop.taken, "the order")
        stored = journal.find_command(request.id)
        assert stored is not None
        assert stored.reply is None
        loop.taken[0][1].set_result(LocalReply(ok=True))
        assert asked.result(10).ok


def test_a_loop_that_does_not_come_round_does_not_execute_later(
    desk: CommandDesk, loop: _Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "LOOP_TIMEOUT_S", 0.05)
    reply = desk.execute(_request("acknowledge"))
    assert (reply.ok, reply.retry) == (False, True)
    assert not loop.taken[0][1].set_running_or_notify_cancel()


def test_without_a_disk_a_stop_is_executed_and_all_else_refused(
    desk: CommandDesk, loop: _Loop, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "RECEIPT_TIMEOUT_S", 0.5)
    database = journal._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    fill = uuid.uuid4()
    journal.start_run(fill, "x" * 100_000, "{}", [])
    loop.may_answer.set()
    refused = desk.execute(_request("acknowledge"))
    assert (refused.ok, refused.retry) == (False, True)
    assert loop.taken == []
    begun = time.monotonic()
    stop = _request("stop")
    assert desk.execute(stop).ok
    assert time.monotonic() - begun < 3
    assert desk.execute(stop).ok
    assert len(loop.taken) == 1
    database.execute("PRAGMA max_page_count = 1073741823")


def test_a_command_without_an_id_is_refused(desk: CommandDesk) -> None:
    assert not desk.execute(LocalRequest(request="command", action="acknowledge")).ok
