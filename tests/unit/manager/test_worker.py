"""The loop outlives every message and every failure of the database."""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError, connection

from bem.manager.mailbox import Letter, Mailbox
from bem.manager.worker import Worker
from bem.messages import NodeStatus, encode

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def letter(payload: bytes, last: str = "status") -> Letter:
    return Letter(f"bem/v1/nodes/node-a/{last}", payload, NOW)


def status(bench: "Bench", slug: str = "one") -> Letter:
    report = bench.station(slug)
    return letter(
        encode(
            NodeStatus(
                session=bench.session, sent_at=NOW, version="1", hostname="a", stations=(report,)
            )
        )
    )


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(max_bytes=1000, max_letters=3)


@pytest.fixture
def worker(bench: "Bench", mailbox: Mailbox) -> Worker:
    return Worker(bench.manager, mailbox, threading.Event(), lambda: None)


def test_a_mailbox_is_bounded_in_number_and_bytes(mailbox: Mailbox) -> None:
    assert mailbox.put(letter(b"x" * 900))
    assert not mailbox.put(letter(b"x" * 101))
    assert mailbox.put(letter(b"x"))
    assert mailbox.put(letter(b"x"))
    assert not mailbox.put(letter(b"x"))
    assert mailbox.dropped == 2
    assert mailbox.take(0) == letter(b"x" * 900)
    assert mailbox.put(letter(b"x" * 900))
    assert [len(found.payload) for _ in range(3) if (found := mailbox.take(0))] == [1, 1, 900]
    assert mailbox.take(0.001) is None


def test_an_overflow_is_said_at_its_begin_and_its_end(
    worker: Worker, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bem.manager.worker"):
        for _ in range(10):
            mailbox.put(letter(b"{}"))
        worker.turn(None)
        mailbox.put(letter(b"{}"))
        worker.turn(None)
        worker.turn(None)
        worker.turn(None)
    said = [r.message for r in caplog.records if "more arrives" in r.message]
    assert len(said) == 2
    assert said[1].endswith("over")


def test_a_message_that_the_database_refuses_blocks_nothing(
    worker: Worker, bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            with connection.execute_wrapper(_refuse_inserts):
                assert worker.turn(status(bench, slug="two"))
    assert len([r for r in caplog.records if "could not be worked off" in r.message]) == 1
    assert worker.failed["bem/v1/nodes/node-a/status"] == 3
    assert worker.turn(status(bench, slug="two"))
    assert bench.node().stations.filter(slug="two").exists()


@pytest.fixture
def outage() -> Iterator[threading.Event]:
    """While set, the database answers nothing at all."""
    away = threading.Event()

    def fail(execute: object, sql: str, *rest: object) -> object:
        if away.is_set():
            raise OperationalError("gone away")
        assert callable(execute)
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        yield away


def test_an_outage_is_said_once_and_ends_by_itself(
    worker: Worker,
    bench: "Bench",
    outage: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "bem.manager.worker"):
        assert worker.turn(status(bench))
        outage.set()
        for _ in range(5):
            bench.seconds += 1
            assert not worker.turn(status(bench))
        outage.clear()
        bench.seconds += 1
        assert worker.turn(status(bench))
    said = [r.message for r in caplog.records if "database is away" in r.message]
    assert len(said) == 2
    assert not worker.failed
    assert bench.node().online


def test_a_stopped_worker_ends(bench: "Bench", mailbox: Mailbox, tmp_path: Path) -> None:
    stopping = threading.Event()
    turns = 0

    def alive() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            stopping.set()

    Worker(bench.manager, mailbox, stopping, alive).run()
    assert turns == 3


def _refuse_inserts(execute: object, sql: str, *rest: object) -> object:
    if sql.startswith("INSERT"):
        raise OperationalError("database is locked")
    assert callable(execute)
    return execute(sql, *rest)
