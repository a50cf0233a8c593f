"""Read a station's journal beside the station that writes it.

Every read is one short transaction, so that the station's checkpoints are never held up.
"""

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from bem.messages import EventBatch, EventRow, SampleBatch, SampleColumns
from bem.runtime.journal_schema import SAMPLE_COLUMNS

_BUSY_S = 1.0
_CACHE_KIB = 256
"""Rows are read once: a large cache for each of many stations would only cost memory."""
_SAMPLES = (
    f"SELECT seq, extra, {', '.join(SAMPLE_COLUMNS)} FROM sample "  # noqa: S608 - own constants
    "WHERE experiment = ? AND seq >= ? ORDER BY seq LIMIT ?"
)
_EVENTS = (
    "SELECT seq, elapsed_us, at, kind, severity, message, data FROM event "
    "WHERE experiment = ? AND seq >= ? ORDER BY seq LIMIT ?"
)
_RUN = (
    "SELECT channels, ended_at IS NOT NULL, acked_samples, acked_events, "
    "(SELECT max(seq) FROM sample WHERE experiment = run.experiment), "
    "(SELECT max(seq) FROM event WHERE experiment = run.experiment) "
    "FROM run WHERE experiment = ?"
)


class BadRow(Exception):
    """A row that cannot be sent. Says which and why; rows before it are fine."""


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run is in its journal.

    ``samples`` and ``events``: the numbers after the last row; ``acked_*``: as the station noted
    what the agent told it.
    """

    channels: tuple[str, ...]
    ended: bool
    acked_samples: int
    acked_events: int
    samples: int
    events: int


class Journal:
    """A read-only view of one journal file.

    Raises:
        sqlite3.Error: it cannot be opened or read; from any method.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._identity = _identity(path)
        except BaseException:
            self._connection.close()
            raise
        self._path = path

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def is_current(self) -> bool:
        """Whether the path still leads to the file that is open here."""
        return _identity(self._path) == self._identity

    def version(self) -> int:
        """Get a number that changes whenever the station has written."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def experiments(self) -> list[str]:
        """List the runs. Reads the index only, not the programs."""
        rows = self._connection.execute("SELECT experiment FROM run").fetchall()
        return [str(row[0]) for row in rows]

    def run(self, experiment: str) -> RunState | None:
        """Get where a run is; ``None`` if there is no such run any more.

        Raises:
            BadRow: the row of the run cannot be understood.
        """
        row = self._connection.execute(_RUN, (experiment,)).fetchone()
        if row is None:
            return None
        try:
            channels = tuple(str(channel["name"]) for channel in json.loads(row[0]))
        except (ValueError, TypeError, KeyError) as error:
            raise BadRow(f"the channels of the run cannot be read: {error}") from error
        return RunState(
            channels=channels,
            ended=bool(row[1]),
            acked_samples=row[2],
            acked_events=row[3],
            samples=0 if row[4] is None else row[4] + 1,
            events=0 if row[5] is None else row[5] + 1,
        )

    def samples(
        self, experiment: UUID, first: int, limit: int, channels: Sequence[str]
    ) -> SampleBatch | None:
        """Get up to ``limit`` samples from ``first`` on; ``None`` if there is none.

        Stops before a row that cannot be sent.

        Raises:
            BadRow: the very first row cannot be sent.
        """
        rows = self._connection.execute(_SAMPLES, (str(experiment), first, limit)).fetchall()
        good: list[tuple[Any, ...]] = []
        try:
            for row in rows:
                good.append(_checked_sample(row, first + len(good), channels))
        except BadRow:
            if not good:
                raise
        if not good:
            return None
        columns = tuple(zip(*good, strict=True))
        further = columns[len(SAMPLE_COLUMNS) :]
        try:
            return SampleBatch(
                experiment=experiment,
                first_seq=first,
                columns=SampleColumns(
                    **dict(zip(SAMPLE_COLUMNS, columns, strict=False)),
                    extra=dict(zip(channels, further, strict=True)),
                ),
            )
        except ValidationError as error:
            return self._fewer_samples(experiment, first, len(good), channels, error)

    def _fewer_samples(
        self,
        experiment: UUID,
        first: int,
        size: int,
        channels: Sequence[str],
        error: ValidationError,
    ) -> SampleBatch | None:
        """Halve until what is left is fine, or is the one bad row."""
        if size == 1:
            raise BadRow(f"sample {first}: {_explain(error)}") from error
        return self.samples(experiment, first, size // 2, channels)

    def events(self, experiment: UUID, first: int, limit: int) -> EventBatch | None:
        """Get up to ``limit`` events from ``first`` on; ``None`` if there is none.

        Stops before a row that cannot be sent.

        Raises:
            BadRow: the very first row cannot be sent.
        """
        rows = self._connection.execute(_EVENTS, (str(experiment), first, limit)).fetchall()
        good: list[EventRow] = []
        try:
            for row in rows:
                good.append(_checked_event(row, first + len(good)))
        except BadRow:
            if not good:
                raise
        if not good:
            return None
        return EventBatch(experiment=experiment, first_seq=first, rows=tuple(good))

    def reply(self, command: UUID) -> tuple[bool, str | None]:
        """Get whether the station took a command, and its stored reply if it has given one."""
        row = self._connection.execute(
            "SELECT reply FROM command WHERE id = ?", (str(command),)
        ).fetchone()
        return (False, None) if row is None else (True, row[0])


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _checked_sample(row: Sequence[Any], seq: int, channels: Sequence[str]) -> tuple[Any, ...]:
    if row[0] != seq:
        raise BadRow(f"sample {seq} is missing; the next one is {row[0]}")
    values = tuple(row[2:])
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise BadRow(f"sample {seq} holds a value that is no finite number")
    try:
        extra = json.loads(row[1])
    except ValueError as error:
        raise BadRow(f"sample {seq}: its further channels are no JSON: {error}") from error
    if not isinstance(extra, list) or len(extra) > len(channels):
        raise BadRow(f"sample {seq}: {row[1]!r:.80} does not fit {len(channels)} further channels")
    # A channel that joined later has no value in earlier rows.
    return (*values, *extra, *(None for _ in range(len(channels) - len(extra))))


def _checked_event(row: Sequence[Any], seq: int) -> EventRow:
    number, elapsed_us, at, kind, severity, message, data = row
    if number != seq:
        raise BadRow(f"event {seq} is missing; the next one is {number}")
    try:
        return EventRow(
            elapsed_us=elapsed_us,
            at=at,
            kind=kind,
            severity=severity,
            message=message[:1000],
            data=json.loads(data),
        )
    except ValidationError as error:
        raise BadRow(f"event {seq}: {_explain(error)}") from error
    except ValueError as error:
        raise BadRow(f"event {seq}: its data is no JSON: {error}") from error


def _explain(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
