"""The journal on a real file."""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bem.domain.happenings import RunEnded, RunStarted
from bem.runtime.local import LocalReply
from bem.station.clock import SystemStationClock
from bem.station.journal import Journal, SampleRow
from bem.station.journal_file import JournalError, StoredCommand

RUN = uuid.UUID(int=1)


class _LaterClock(SystemStationClock):
    """A clock whose UTC is set."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def utc_now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> _LaterClock:
    return _LaterClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station" / "journal.sqlite3"


@pytest.fixture
def journal(path: Path, clock: _LaterClock) -> Iterator[Journal]:
    with Journal(path, 30.0, clock) as journal:
        yield journal


def _sample(seq: int) -> SampleRow:
    return SampleRow(str(RUN), seq, seq * 100_000, 1, 1, 3.7, 1.0, 3.7, 0.0, 0.0, 0.0, 0.0, "[]")


def _rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def _run_with(journal: Journal, samples: int, ended: bool = True) -> None:
    journal.start_run(RUN, "run", "{}", [])
    journal.add_event(RUN, 0, 0, RunStarted(program="p", steps=1))
    for seq in range(samples):
        journal.add_sample(_sample(seq))
    if ended:
        over = RunEnded(outcome="finished", reason="", output_off_verified=True)
        journal.add_event(RUN, 1, samples * 100_000, over)
        journal.end_run(RUN, "finished")
    assert journal.flush(10)


def test_it_is_durable_and_readable_by_others_while_written(journal: Journal, path: Path) -> None:
    _run_with(journal, 3)
    assert _rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert _rows(path, "SELECT seq FROM sample") == [(0,), (1,), (2,)]
    assert _rows(path, "SELECT seq, kind, severity FROM event") == [
        (0, "run_started", "info"), (1, "run_ended", "info"),
    ]  # fmt: skip
    (started, ended), = _rows(path, "SELECT started_at, ended_at FROM run")  # fmt: skip
    assert started < ended
    assert datetime.fromisoformat(str(started)).utcoffset() == timedelta(0)


def test_samples_are_committed_within_about_a_second(
    journal: Journal, path: Path, wait_until: Callable[..., None]
) -> None:
    _run_with(journal, 1, ended=False)
    journal.add_sample(_sample(1))
    wait_until(
        lambda: _rows(path, "SELECT COUNT(*) FROM sample") == [(2,)], "the commit", timeout_s=3
    )


def test_what_was_latched_and_run_is_known_after_opening_again(
    path: Path, clock: _LaterClock
) -> None:
    with Journal(path, 30.0, clock) as journal:
        assert journal.latch is None
        assert not journal.has_run(RUN)
        _run_with(journal, 1)
        journal.set_latch("first")
        journal.set_latch("second")
    with Journal(path, 30.0, clock) as journal:
        assert journal.latch == "first"
        assert journal.has_run(RUN)
        journal.clear_latch()
    with Journal(path, 30.0, clock) as journal:
        assert journal.latch is None


def test_commands_keep_their_answer(journal: Journal) -> None:
    command = uuid.uuid4()
    assert journal.find_command(command) is None
    journal.receive(command)
    journal.receive(command)
    assert journal.flush(5)
    assert journal.find_command(command) == StoredCommand(None)
    reply = LocalReply(ok=False, reason="no", retry=True)
    journal.answer(command, reply)
    assert journal.flush(5)
    assert journal.find_command(command) == StoredCommand(reply)


def test_old_rows_that_the_server_holds_are_pruned_and_no_others(
    path: Path, clock: _LaterClock, wait_until: Callable[..., None]
) -> None:
    with Journal(path, 30.0, clock) as journal:
        _run_with(journal, 5000)
        journal.forget(RUN, 4998, 1)
        journal.forget(RUN, 10, 0)
        assert journal.flush(5)
    with Journal(path, 30.0, clock) as journal:
        journal.add_sample(_sample(5000))
        assert journal.flush(5)
    assert _rows(path, "SELECT COUNT(*) FROM sample") == [(5001,)]
    clock.ahead = timedelta(days=31)
    with Journal(path, 30.0, clock):
        wait_until(
            lambda: _rows(path, "SELECT seq FROM sample") == [(4998,), (4999,), (5000,)],
            "the pruning",
        )
        wait_until(lambda: _rows(path, "SELECT seq FROM event") == [(1,)], "the pruning of events")
    assert _rows(path, "SELECT acked_samples, acked_events FROM run") == [(4998, 1)]


def test_a_running_experiment_is_never_pruned(path: Path, clock: _LaterClock) -> None:
    with Journal(path, 30.0, clock) as journal:
        _run_with(journal, 10, ended=False)
        journal.forget(RUN, 10, 1)
    clock.ahead = timedelta(days=365)
    with Journal(path, 30.0, clock) as journal:
        journal.set_latch("makes the writer turn")
        assert journal.flush(5)
        journal.clear_latch()
        assert journal.flush(5)
    assert _rows(path, "SELECT COUNT(*) FROM sample") == [(10,)]


def test_runs_left_open_are_closed_once(path: Path, clock: _LaterClock) -> None:
    with Journal(path, 30.0, clock) as journal:
        _run_with(journal, 10, ended=False)
    with Journal(path, 30.0, clock) as journal:
        (left,) = journal.open_runs()
        assert left.experiment == RUN
        journal.close_run(left, "crash", True)
        assert journal.flush(5)
        assert journal.open_runs() == []
    assert _rows(path, "SELECT seq, kind, elapsed_us, severity FROM event ORDER BY seq") == [
        (0, "run_started", 0, "info"), (1, "run_ended", 900_000, "error"),
    ]  # fmt: skip
    assert _rows(path, "SELECT outcome FROM run") == [("interrupted",)]


def test_a_journal_of_a_later_release_is_left_alone(path: Path, clock: _LaterClock) -> None:
    path.parent.mkdir()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match="has version 99"), Journal(path, 30.0, clock):
        pass


def test_a_file_that_is_no_journal_is_an_error_with_its_path(
    path: Path, clock: _LaterClock
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(JournalError, match=r"journal\.sqlite3"), Journal(path, 30.0, clock):
        pass


def test_a_locked_journal_is_trouble_and_nothing_is_lost(
    journal: Journal, path: Path, wait_until: Callable[..., None]
) -> None:
    _run_with(journal, 2, ended=False)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.add_sample(_sample(2))
    wait_until(journal.trouble, "the trouble to show", timeout_s=8)
    assert "cannot record" in (journal.trouble() or "")
    journal.add_sample(_sample(3))
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: journal.trouble() is None, "the journal to recover")
    assert journal.flush(5)
    assert _rows(path, "SELECT seq FROM sample") == [(0,), (1,), (2,), (3,)]
