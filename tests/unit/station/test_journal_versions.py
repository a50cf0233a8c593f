"""A journal of an earlier release is brought up to date where it lies, and loses nothing."""

import sqlite3
import uuid
from pathlib import Path

import pytest

from bem.node.journal import Journal as Reader
from bem.runtime.journal_schema import SCHEMA, SCHEMA_VERSION
from bem.station.clock import SystemStationClock
from bem.station.journal import Journal, SampleRow
from bem.station.journal_file import JournalError

RUN = uuid.UUID(int=1)
VERSION_1 = (Path(__file__).parent / "journal_v1.sql").read_text()
"""Dumped from a station of the first release: a run that ended, one left open, a latched fault."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite3"
    database = sqlite3.connect(path)
    database.executescript(VERSION_1)
    database.execute("PRAGMA user_version = 1")
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    return path


def _all(path: Path, table: str, columns: str = "*") -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608 - of this test
    finally:
        database.close()


def _shape(path: Path) -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    try:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master ORDER BY 1")]
        return [
            (table, *column[1:])
            for table in tables
            for column in database.execute(f"PRAGMA table_info({table})")
        ]
    finally:
        database.close()


def test_rows_of_the_first_version_are_kept_to_the_last_bit(path: Path) -> None:
    run = "experiment, name, program, channels, started_at, ended_at, outcome, acked_samples"
    before = [_all(path, "sample"), _all(path, "event"), _all(path, "command")]
    runs = _all(path, "run", run)
    with Journal(path, 30.0, SystemStationClock()) as journal:
        assert journal.latch == "voltage 4.3 is above the limit 4.221"
        assert journal.has_run(RUN)
        assert journal.lock is None
        (left,) = journal.open_runs()
        assert (left.on_interruption, left.limits, left.progress) == ("end", "[]", None)
        assert left.next_sample == 3
    assert [_all(path, "sample"), _all(path, "event"), _all(path, "command")] == before
    assert _all(path, "run", run) == runs
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    database.close()


def test_it_has_the_shape_of_a_new_one(path: Path, tmp_path: Path) -> None:
    with Journal(path, 30.0, SystemStationClock()):
        pass
    new = tmp_path / "new.sqlite3"
    database = sqlite3.connect(new)
    database.executescript(SCHEMA)
    database.close()
    assert _shape(path) == _shape(new)


def test_the_agent_reads_both_versions(path: Path) -> None:
    for _ in range(2):
        reader = Reader(path)
        try:
            state = reader.run(str(RUN))
            assert state is not None
            assert (state.samples, state.channels) == (3, ("temperature_body",))
            batch = reader.samples(RUN, 0, 10, state.channels)
            assert batch is not None
            assert batch.columns.voltage == (3.7, 3.71, 3.72)
        finally:
            reader.close()
        with Journal(path, 30.0, SystemStationClock()):
            pass


def test_a_migration_that_is_cut_off_leaves_the_old_version_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bem.station.journal_file.SCHEMA", SCHEMA + "CREATE TABLE broken (;")
    before = _shape(path)
    with pytest.raises(JournalError), Journal(path, 30.0, SystemStationClock()):
        pass
    assert _shape(path) == before
    monkeypatch.undo()
    with Journal(path, 30.0, SystemStationClock()) as journal:
        assert journal.has_run(RUN)


def test_a_month_at_10_hz_fits_in_what_the_handbook_says(tmp_path: Path) -> None:
    """docs/safety.md: a sample with one further channel takes at most 150 bytes."""
    path, samples = tmp_path / "journal.sqlite3", 50_000
    with Journal(path, 30.0, SystemStationClock()) as journal:
        journal.start_run(RUN, "run", "{}", [])
        for seq in range(samples):
            noise = (seq * 7919 % 1000) / 997
            journal.add_sample(
                SampleRow(
                    str(RUN), seq + 20_000_000, seq * 100_000 + 2_592_000_000_000, 3, 500,
                    3.7 + noise, -1.5 - noise, -5.5 * noise, 100 + noise, 90 + noise,
                    400 + noise, 350 + noise, "[25.37]",
                )
            )  # fmt: skip
            if seq % 10_000 == 0:
                assert journal.flush(30)
    assert path.stat().st_size / samples <= 150
