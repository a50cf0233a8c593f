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
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from uuid import UUID

from bem.domain.engine import EngineState
from bem.domain.happenings import Happening, RunEnded, RunOutcome, sentence, severity
from bem.runtime.local import LocalReply, LockDescription
from bem.runtime.log import Condition
from bem.station.clock import StationClock, instant_text
from bem.station.disk import DiskWatch, Space, space_of
from bem.station.journal_file import JournalError, JournalFile, OpenRun, StoredCommand, read_lock
from bem.station.pruning import prune

COMMIT_EVERY_S = 1.0
OLDEST_UNCOMMITTED_S = 5.0
"""The loop stops a run when something waits longer than this (s) for its commit."""
PRUNE_EVERY_S = 60.0
_LONGEST_MESSAGE = 1000

Value = str | int | float | None

_START_RUN = (
    "INSERT INTO run (experiment, name, program, channels, started_at, battery, limits, "
    "on_interruption) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
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
_LOCK = (
    "INSERT INTO lock (only, holder, note, at) VALUES (1, ?, ?, ?) ON CONFLICT (only) DO UPDATE "
    "SET holder = excluded.holder, note = excluded.note, at = excluded.at"
)
_UNLOCK = "DELETE FROM lock"
_SAVE_PROGRESS = "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?, ?, ?)"
_DROP_PROGRESS = "DELETE FROM progress WHERE experiment = ?"


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
class Progress:
    """Where a run is as of its newest reading; see the table ``progress``."""

    experiment: UUID
    state: EngineState
    elapsed_us: int
    at: datetime
    resumed_us: int | None = None
    stopped: str = ""
    waits_for: str = ""

    def row(self) -> tuple[Value, ...]:
        """Get it as the journal keeps it."""
        return (
            str(self.experiment),
            self.state.to_json(),
            self.elapsed_us,
            instant_text(self.at),
            self.resumed_us,
            self.stopped,
            self.waits_for,
        )


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

    def __init__(
        self,
        path: Path,
        keep_days: float,
        clock: StationClock,
        ask_space: Callable[[Path], Space] = space_of,
    ) -> None:
        self._path = path
        self._file = JournalFile(path)
        self._disk = DiskWatch(path.parent, ask_space)
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
        self._lock: LockDescription | None = None
        self._progress: Progress | None = None
        """Newest progress that is not on the disk: only the newest of a transaction matters."""

    def __enter__(self) -> "Journal":
        try:
            self._database = self._file.connect()
            known = self._database.execute("SELECT experiment FROM run")
            self._experiments = {row[0] for row in known}
            latched = self._database.execute("SELECT reason FROM latch").fetchone()
            self._lock = read_lock(self._database)
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

    @property
    def lock(self) -> LockDescription | None:
        """Who had locked the station when the journal was opened, if anybody."""
        return self._lock

    @property
    def warning(self) -> str:
        """What a person should see to while all goes on; empty while there is nothing."""
        return self._disk.warning

    def has_run(self, experiment: UUID) -> bool:
        """Whether this experiment has begun here before."""
        return str(experiment) in self._experiments

    def trouble(self) -> str | None:
        """Say why rows are not being kept at present; ``None`` while all is well."""
        with self._changed:
            if self._failure is not None:
                return f"cannot record: {self._failure}"
            if self._disk.trouble:
                return f"cannot record: {self._disk.trouble}"
            if not self._queue:
                return None
            age_s = (time.monotonic_ns() - self._queue[0].queued_ns) / 1e9
        if age_s > OLDEST_UNCOMMITTED_S:
            return f"cannot record: nothing was written to the journal for {age_s:.1f} s"
        return None

    def together(self) -> AbstractContextManager[object]:
        """What is appended while this is entered is committed in one transaction, or not at all."""
        return self._changed

    def start_run(
        self,
        experiment: UUID,
        name: str,
        program: str,
        channels: Sequence[Mapping[str, str]],
        *,
        battery: str = "",
        limits: str = "[]",
        on_interruption: str = "end",
    ) -> None:
        """Begin a run; ``program`` and ``limits`` are JSON."""
        self._experiments.add(str(experiment))
        now = instant_text(self._clock.utc_now())
        wires = json.dumps(channels)
        self._put(
            _START_RUN,
            (str(experiment), name, program, wires, now, battery, limits, on_interruption),
        )

    def save_progress(self, progress: Progress) -> None:
        """Keep where a run is; on the disk with the next commit, at the latest in a second."""
        with self._changed:
            if self._progress is None:
                self._queued += 1
            self._progress = progress

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
        self._put(_DROP_PROGRESS, (str(experiment),))
        self._put(_END_RUN, (now, outcome, str(experiment)), urgent=True)

    def set_latch(self, reason: str) -> None:
        """Keep a fault until a person acknowledges it; the first one counts."""
        self._put(_LATCH, (reason, instant_text(self._clock.utc_now())), urgent=True)

    def clear_latch(self) -> None:
        """Drop the latched fault."""
        self._put(_UNLATCH, (), urgent=True)

    def set_lock(self, lock: LockDescription) -> None:
        """Keep a person's lock until it is taken away."""
        self._put(_LOCK, (lock.by, lock.note, lock.at), urgent=True)

    def clear_lock(self) -> None:
        """Take the lock away."""
        self._put(_UNLOCK, (), urgent=True)

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
        return self._file.find_command(command)

    def open_runs(self) -> list[OpenRun]:
        """List the runs that have no outcome, as after a crash or a power cut.

        Raises:
            JournalError: the file cannot be read.
        """
        return self._file.open_runs()

    def close_run(self, run: OpenRun, reason: str, output_off_verified: bool) -> None:
        """End a run that was left open as interrupted."""
        ended = RunEnded(
            outcome="interrupted", reason=reason, output_off_verified=output_off_verified
        )
        with self.together():
            self.add_event(run.experiment, run.next_event, run.elapsed_us, ended)
            self.end_run(run.experiment, "interrupted")

    def _put(self, statement: str, values: Sequence[Value], urgent: bool = False) -> None:
        with self._changed:
            self._queue.append(_Change(time.monotonic_ns(), statement, values))
            self._queued += 1
            if urgent:
                self._urgent = True
                self._changed.notify_all()

    def _write(self) -> None:
        """Commit until closed. Runs in the writer's thread."""
        while True:
            with self._changed:
                wait_s = COMMIT_EVERY_S
                self._changed.wait_for(lambda: self._urgent or self._closing, wait_s)
                self._urgent = False
                closing = self._closing
                batch, progress = list(self._queue), self._progress
            failure = self._commit(batch, progress)
            if failure is None and not closing:
                failure = self._prune_now_and_then()
            self._disk.look_now_and_then()
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

    def _commit(self, batch: list[_Change], progress: Progress | None) -> str | None:
        """Write rows in one transaction; the error in words if they could not be."""
        if not batch and progress is None:
            return None
        try:
            self._database.execute("BEGIN IMMEDIATE")
            if progress is not None:
                # First, since the end of its run, which drops it, may be among the rows.
                self._database.execute(_SAVE_PROGRESS, progress.row())
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
            if self._progress is progress and progress is not None:
                self._progress = None
                self._committed += 1
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
            more = prune(self._database, self._clock.utc_now(), self._keep)
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            return str(error)
        self._prune_at_ns = now_ns + (0 if more else round(PRUNE_EVERY_S * 1e9))
        return None
