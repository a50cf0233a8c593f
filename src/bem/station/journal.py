"""The station's own record: everything it took, until the server holds it and some time beyond.

The control loop only appends to a queue in memory. A thread writes: once a second, or at once for
what somebody waits for. A transaction that fails stays in the queue, whole and in its order, and
is tried again every second; until it succeeds :meth:`Journal.trouble` says so, and the loop must
not let anything run unrecorded.
"""

import json
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from uuid import UUID

from bem.domain.happenings import Happening, RunEnded, RunOutcome, sentence, severity
from bem.runtime.journal_schema import SCHEMA, SCHEMA_VERSION
from bem.runtime.local import LocalReply
from bem.runtime.log import Condition
from bem.station.clock import StationClock, instant_text

COMMIT_EVERY_S = 1.0
OLDEST_UNCOMMITTED_S = 5.0
"""The loop stops a run when something waits longer than this (s) for its commit."""
BUSY_TIMEOUT_S = 4.0
"""Longest wait (s) for another writer of the file, of which there should be none."""
PRUNE_EVERY_S = 60.0
KEEP_COMMANDS = timedelta(days=7)
"""Commands are kept at least this long, however soon samples may go: it is their memory that keeps
an id from being executed twice, and none is repeated that late."""
PRUNE_ROWS = 2000
"""Rows deleted in one transaction, so that pruning never keeps samples waiting for long."""
_LONGEST_MESSAGE = 1000

Value = str | int | float | None

_START_RUN = (
    "INSERT INTO run (experiment, name, program, channels, started_at) VALUES (?, ?, ?, ?, ?)"
)
_END_RUN = "UPDATE run SET ended_at = ?, outcome = ? WHERE experiment = ?"
_ADD_SAMPLE = "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_RECEIVE = (
    "INSERT INTO command (id, received_at, reply) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_ANSWER = (
    "INSERT INTO command (id, received_at, reply) VALUES (?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET reply = excluded.reply"
)
_LATCH = "INSERT INTO latch (only, reason, at) VALUES (1, ?, ?) ON CONFLICT (only) DO NOTHING"
_UNLATCH = "DELETE FROM latch"
_FORGET = (
    "UPDATE run SET acked_samples = MAX(acked_samples, ?), acked_events = MAX(acked_events, ?) "
    "WHERE experiment = ?"
)
_PRUNE = {
    table: f"DELETE FROM {table} WHERE experiment = ? AND seq IN (SELECT seq FROM {table} "  # noqa: S608 - the names below, never a value
    "WHERE experiment = ? AND seq < ? ORDER BY seq LIMIT ?)"
    for table in ("sample", "event")
}
_PRUNE_COMMANDS = (
    "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE received_at < ? LIMIT ?)"
)


class JournalError(Exception):
    """The journal cannot be used. The message names the file and the remedy."""


class SampleRow(NamedTuple):
    """A row of ``sample`` in the order of its columns."""

    experiment: str
    seq: int
    elapsed_us: int
    step: int
    cycle: int
    voltage: float
    current: float
    power: float
    charge_in: float
    charge_out: float
    energy_in: float
    energy_out: float
    extra: str


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command that was received before; ``reply`` is ``None`` if it was never answered."""

    reply: LocalReply | None


class _Change(NamedTuple):
    """One row change, the monotonic instant (ns) it was queued, and its statement."""

    queued_ns: int
    statement: str
    values: Sequence[Value]


class Journal:
    """Read at the start, then written by its own thread. Methods may be called from any thread.

    Used as a context manager: entering opens the file and starts the writer, leaving commits what
    is left and ends it.

    Raises:
        JournalError: on entering, if the file cannot be opened or is of another version.
    """

    def __init__(self, path: Path, keep_days: float, clock: StationClock) -> None:
        self._path = path
        self._keep = timedelta(days=keep_days)
        self._clock = clock
        self._queue: deque[_Change] = deque()
        self._queued = 0
        self._committed = 0
        self._changed = threading.Condition()
        self._urgent = False
        self._closing = False
        self._failure: str | None = None
        self._failing = Condition(logging.getLogger(__name__), "cannot record")
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._prune_at_ns = time.monotonic_ns()
        self._experiments: set[str] = set()
        self._latch: str | None = None

    def __enter__(self) -> "Journal":
        try:
            self._database = self._connect()
            self._experiments = {row[0] for row in self._database.execute("SELECT * FROM run")}
            latched = self._database.execute("SELECT reason FROM latch").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"cannot open the journal {self._path}: {error}; "
                "check the disk and the owner of the file"
            ) from error
        self._latch = None if latched is None else str(latched[0])
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._database.close()

    @property
    def latch(self) -> str | None:
        """The reason of the fault that was latched when the journal was opened, if any."""
        return self._latch

    def has_run(self, experiment: UUID) -> bool:
        """Whether this experiment has begun here before."""
        return str(experiment) in self._experiments

    def trouble(self) -> str | None:
        """Say why rows are not being kept at present; ``None`` while all is well."""
        with self._changed:
            if self._failure is not None:
                return f"cannot record: {self._failure}"
            if not self._queue:
                return None
            age_s = (time.monotonic_ns() - self._queue[0].queued_ns) / 1e9
        if age_s > OLDEST_UNCOMMITTED_S:
            return f"cannot record: nothing was written to the journal for {age_s:.1f} s"
        return None

    def start_run(
        self, experiment: UUID, name: str, program: str, channels: Sequence[Mapping[str, str]]
    ) -> None:
        """Begin a run; ``program`` is JSON."""
        self._experiments.add(str(experiment))
        now = instant_text(self._clock.utc_now())
        self._put(_START_RUN, (str(experiment), name, program, json.dumps(channels), now))

    def add_sample(self, row: SampleRow) -> None:
        """Append a sample."""
        self._put(_ADD_SAMPLE, row)

    def add_event(self, experiment: UUID, seq: int, elapsed_us: int, event: Happening) -> None:
        """Append an event; it is committed at once."""
        self._put(
            _ADD_EVENT,
            (
                str(experiment),
                seq,
                elapsed_us,
                instant_text(self._clock.utc_now()),
                event.kind,
                severity(event),
                sentence(event)[:_LONGEST_MESSAGE],
                event.model_dump_json(exclude={"kind"}),
            ),
            urgent=True,
        )

    def end_run(self, experiment: UUID, outcome: RunOutcome) -> None:
        """Note how a run ended."""
        now = instant_text(self._clock.utc_now())
        self._put(_END_RUN, (now, outcome, str(experiment)), urgent=True)

    def set_latch(self, reason: str) -> None:
        """Keep a fault until a person acknowledges it; the first one counts."""
        self._put(_LATCH, (reason, instant_text(self._clock.utc_now())), urgent=True)

    def clear_latch(self) -> None:
        """Drop the latched fault."""
        self._put(_UNLATCH, (), urgent=True)

    def receive(self, command: UUID) -> None:
        """Note that a command has come, before anything is done about it."""
        now = instant_text(self._clock.utc_now())
        self._put(_RECEIVE, (str(command), now, None), urgent=True)

    def answer(self, command: UUID, reply: LocalReply) -> None:
        """Keep the answer to a command."""
        now = instant_text(self._clock.utc_now())
        self._put(_ANSWER, (str(command), now, reply.model_dump_json()), urgent=True)

    def forget(self, experiment: UUID, next_sample: int, next_event: int) -> None:
        """Note that the server holds the rows of a run below these numbers."""
        self._put(_FORGET, (next_sample, next_event, str(experiment)))

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued so far is on the disk; whether it is."""
        with self._changed:
            target = self._queued
            self._urgent = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._committed >= target, timeout_s)

    def find_command(self, command: UUID) -> StoredCommand | None:
        """Look a command up among those on the disk.

        Raises:
            JournalError: the file cannot be read.
        """
        try:
            database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
            try:
                row = database.execute(
                    "SELECT reply FROM command WHERE id = ?", (str(command),)
                ).fetchone()
            finally:
                database.close()
        except sqlite3.Error as error:
            raise JournalError(f"cannot read the journal {self._path}: {error}") from error
        if row is None:
            return None
        return StoredCommand(None if row[0] is None else LocalReply.model_validate_json(row[0]))

    def close_interrupted_runs(self, reason: str, output_off_verified: bool) -> list[str]:
        """End every run that has no outcome, as after a crash or a power cut; returns their ids.

        Raises:
            JournalError: the file cannot be read.
        """
        try:
            database = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
            try:
                open_runs = database.execute(
                    "SELECT experiment,"
                    " (SELECT MAX(seq) FROM event e WHERE e.experiment = run.experiment),"
                    " acked_events,"
                    " (SELECT MAX(elapsed_us) FROM event e WHERE e.experiment = run.experiment),"
                    " (SELECT elapsed_us FROM sample s WHERE s.experiment = run.experiment"
                    "  ORDER BY seq DESC LIMIT 1)"
                    " FROM run WHERE outcome IS NULL"
                ).fetchall()
            finally:
                database.close()
        except sqlite3.Error as error:
            raise JournalError(f"cannot read the journal {self._path}: {error}") from error
        ended = RunEnded(
            outcome="interrupted", reason=reason, output_off_verified=output_off_verified
        )
        for experiment, last_event, acked, event_us, sample_us in open_runs:
            seq = max(acked, 0 if last_event is None else last_event + 1)
            elapsed_us = max(event_us or 0, sample_us or 0)
            self.add_event(UUID(experiment), seq, elapsed_us, ended)
            self.end_run(UUID(experiment), "interrupted")
        return [str(row[0]) for row in open_runs]

    def _put(self, statement: str, values: Sequence[Value], urgent: bool = False) -> None:
        with self._changed:
            self._queue.append(_Change(time.monotonic_ns(), statement, values))
            self._queued += 1
            if urgent:
                self._urgent = True
                self._changed.notify_all()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        database = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, SCHEMA_VERSION):
            raise JournalError(
                f"the journal {self._path} has version {version}, this program knows "
                f"{SCHEMA_VERSION}; install the release that wrote it"
            )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
        database.executescript(SCHEMA)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _write(self) -> None:
        """Commit until closed. Runs in the writer's thread."""
        while True:
            with self._changed:
                wait_s = COMMIT_EVERY_S
                self._changed.wait_for(lambda: self._urgent or self._closing, wait_s)
                self._urgent = False
                closing = self._closing
                batch = list(self._queue)
            failure = self._commit(batch) if batch else None
            if failure is None and not closing:
                failure = self._prune_now_and_then()
            with self._changed:
                self._failure = failure
            if failure is None:
                self._failing.end()
            else:
                self._failing.begin(failure)
            if closing:
                return
            if failure is not None:
                self._pause_after_failure()

    def _pause_after_failure(self) -> None:
        """Let a second pass before the next attempt, whoever is in a hurry."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, COMMIT_EVERY_S)

    def _commit(self, batch: list[_Change]) -> str | None:
        """Write rows in one transaction; the error in words if they could not be."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for statement, changes in groupby(batch, key=lambda change: change.statement):
                self._database.executemany(statement, [change.values for change in changes])
            self._database.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - a writer ended by whatever it is, such as a number too large for a column, could neither say so nor try again
            self._roll_back()
            return str(error)
        with self._changed:
            for _ in batch:
                self._queue.popleft()
            self._committed += len(batch)
            self._changed.notify_all()
        return None

    def _roll_back(self) -> None:
        if self._database.in_transaction:
            try:
                self._database.execute("ROLLBACK")
            except sqlite3.Error as error:
                logging.getLogger(__name__).debug("rolling back: %s", error)

    def _prune_now_and_then(self) -> str | None:
        """Delete one chunk of old rows that the server holds; the error in words, if any."""
        now_ns = time.monotonic_ns()
        if now_ns < self._prune_at_ns:
            return None
        try:
            more = self._prune()
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            return str(error)
        self._prune_at_ns = now_ns + (0 if more else round(PRUNE_EVERY_S * 1e9))
        return None

    def _prune(self) -> bool:
        """Delete one chunk; whether there may be more."""
        now = self._clock.utc_now()
        before = instant_text(now - self._keep)
        runs = self._database.execute(
            "SELECT experiment, acked_samples, acked_events FROM run WHERE ended_at < ?", (before,)
        ).fetchall()
        for experiment, samples, events in runs:
            for table, bound in (("sample", samples), ("event", events)):
                deleted = self._database.execute(
                    _PRUNE[table], (experiment, experiment, bound, PRUNE_ROWS)
                ).rowcount
                if deleted > 0:
                    return True
        received_before = instant_text(now - max(self._keep, KEEP_COMMANDS))
        self._database.execute(_PRUNE_COMMANDS, (received_before, PRUNE_ROWS))
        return False
