"""Old rows that the server holds leave the journal, a little at a time."""

import sqlite3
from datetime import datetime, timedelta

from bem.station.clock import instant_text

PRUNE_ROWS = 2000
"""Rows deleted in one transaction, so that pruning never keeps samples waiting for long."""
KEEP_COMMANDS = timedelta(days=7)
"""Commands are kept at least this long, however soon samples may go: it is their memory that keeps
an id from being executed twice, and none is repeated that late."""

_PRUNE = {
    table: f"DELETE FROM {table} WHERE experiment = ? AND seq IN (SELECT seq FROM {table} "  # noqa: S608 - the names below, never a value
    "WHERE experiment = ? AND seq < ? ORDER BY seq LIMIT ?)"
    for table in ("sample", "event")
}
_PRUNE_COMMANDS = (
    "DELETE FROM command WHERE id IN (SELECT id FROM command WHERE received_at < ? LIMIT ?)"
)


def prune(database: sqlite3.Connection, now: datetime, keep: timedelta) -> bool:
    """Delete one chunk of what is older than ``keep``; whether there may be more.

    Raises:
        sqlite3.Error, OSError: the file cannot be written.
    """
    before = instant_text(now - keep)
    runs = database.execute(
        "SELECT experiment, acked_samples, acked_events FROM run WHERE ended_at < ?", (before,)
    ).fetchall()
    for experiment, samples, events in runs:
        for table, bound in (("sample", samples), ("event", events)):
            deleted = database.execute(
                _PRUNE[table], (experiment, experiment, bound, PRUNE_ROWS)
            ).rowcount
            if deleted > 0:
                return True
    received_before = instant_text(now - max(keep, KEEP_COMMANDS))
    database.execute(_PRUNE_COMMANDS, (received_before, PRUNE_ROWS))
    return False
