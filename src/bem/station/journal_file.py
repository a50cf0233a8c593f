"""The file of a journal: opened, brought to this release's version, and looked things up in."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from bem.runtime.journal_schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION
from bem.runtime.local import LocalReply, LockDescription

BUSY_TIMEOUT_S = 4.0
"""Longest wait (s) for another writer of the file, of which there should be none."""

_OPEN_RUNS = """
SELECT run.experiment, name, program, channels, limits, on_interruption, started_at,
    acked_samples, acked_events,
    (SELECT MAX(seq) FROM sample s WHERE s.experiment = run.experiment),
    (SELECT MAX(seq) FROM event e WHERE e.experiment = run.experiment),
    (SELECT MAX(elapsed_us) FROM event e WHERE e.experiment = run.experiment),
    (SELECT elapsed_us FROM sample s WHERE s.experiment = run.experiment ORDER BY seq DESC LIMIT 1),
    progress.state, progress.elapsed_us, progress.at, progress.resumed_us, progress.stopped,
    progress.waits_for
FROM run LEFT JOIN progress ON progress.experiment = run.experiment WHERE outcome IS NULL
"""


class JournalError(Exception):
    """The journal cannot be used. The message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command that was received before; ``reply`` is ``None`` if it was never answered."""

    reply: LocalReply | None


@dataclass(frozen=True, slots=True)
class StoredProgress:
    """Where a run was at its newest reading that is on the disk; see the table ``progress``."""

    state: str
    elapsed_us: int
    at: str
    resumed_us: int | None
    stopped: str
    waits_for: str


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run without an outcome. ``program``, ``channels`` and ``limits`` are JSON.

    ``next_*``: numbers of the rows that come next. ``elapsed_us``: of the newest row;
    ``sampled_us``: of the newest sample, -1 without any.
    ``progress`` is ``None`` for a run of the first version, or one that had no reading yet.
    """

    experiment: UUID
    name: str
    program: str
    channels: str
    limits: str
    on_interruption: str
    started_at: str
    next_sample: int
    next_event: int
    elapsed_us: int
    sampled_us: int
    progress: StoredProgress | None


class JournalFile:
    """One file; :meth:`connect` is for its only writer, everything else may be called anywhere."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def connect(self) -> sqlite3.Connection:
        """Open it for writing, in its newest version.

        Raises:
            JournalError: a later release wrote it.
            sqlite3.Error, OSError: it cannot be opened.
        """
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        database = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def find_command(self, command: UUID) -> StoredCommand | None:
        """Look a command up among those on the disk.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._reading() as database:
            row = database.execute(
                "SELECT reply FROM command WHERE id = ?", (str(command),)
            ).fetchone()
        if row is None:
            return None
        return StoredCommand(None if row[0] is None else LocalReply.model_validate_json(row[0]))

    def open_runs(self) -> list[OpenRun]:
        """List the runs that have no outcome, as after a crash or a power cut.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._reading() as database:
            rows = database.execute(_OPEN_RUNS).fetchall()
        return [
            OpenRun(
                experiment=UUID(row[0]),
                name=row[1],
                program=row[2],
                channels=row[3],
                limits=row[4],
                on_interruption=row[5],
                started_at=row[6],
                # The server may hold rows that were pruned here.
                next_sample=max(row[7], _after(row[9])),
                next_event=max(row[8], _after(row[10])),
                elapsed_us=max(row[11] or 0, row[12] or 0),
                sampled_us=-1 if row[12] is None else row[12],
                progress=None if row[13] is None else StoredProgress(*row[13:19]),
            )
            for row in rows
        ]

    def lock(self) -> LockDescription | None:
        """Get who keeps anything from starting at this station, for other processes to heed.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._reading() as database:
            return read_lock(database)

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise JournalError(
                f"the journal {self.path} has version {version}, this program knows "
                f"{SCHEMA_VERSION}; install the release that wrote it"
            )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
        if version != SCHEMA_VERSION:
            _migrate(database, version)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            database = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise JournalError(f"cannot read the journal {self.path}: {error}") from error


def read_lock(database: sqlite3.Connection) -> LockDescription | None:
    """Get who locked the station."""
    row = database.execute("SELECT holder, note, at FROM lock").fetchone()
    return None if row is None else LockDescription(by=row[0], note=row[1], at=row[2])


def _migrate(database: sqlite3.Connection, version: int) -> None:
    """Bring the tables to this release's version, all at once or not at all; 0 is an empty file."""
    database.execute("BEGIN EXCLUSIVE")
    try:
        if version:
            for before in range(version, SCHEMA_VERSION):
                for statement in MIGRATIONS[before]:
                    database.execute(statement)
        for statement in SCHEMA.split(";"):
            if statement.strip():
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _after(seq: int | None) -> int:
    return 0 if seq is None else seq + 1
