"""What this node was ordered and what it answered, so that nothing is done twice."""

import logging
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from bem.messages import CommandAnswer, CommandOrder

_LOGGER = logging.getLogger(__name__)
KEEP = timedelta(days=30)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS command (
    id       TEXT PRIMARY KEY,
    received TEXT NOT NULL,
    command  TEXT NOT NULL,
    answer   TEXT
) STRICT;
"""


class OrderStore:
    """Orders by id with their final answers, in one SQLite file. Safe to use from any thread.

    A file that cannot be read is put aside, and the node goes on with an empty one: the station
    itself executes no id twice.

    Raises:
        sqlite3.Error: the file cannot be written; from any method.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = path.with_name(f"{path.name}.broken")
            _LOGGER.warning("%s cannot be read (%s); it is kept as %s", path, error, aside)
            path.replace(aside)
            for leftover in ("-wal", "-shm"):
                path.with_name(path.name + leftover).unlink(missing_ok=True)
            self._connection = _open(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(self, order: CommandOrder) -> bool:
        """Keep an order; ``False`` if its id is known already."""
        with self._lock:
            cursor = self._connection.execute(
                "INSERT OR IGNORE INTO command (id, received, command) VALUES (?, ?, ?)",
                (str(order.id), datetime.now(UTC).isoformat(), order.model_dump_json()),
            )
            return cursor.rowcount == 1

    def answer_of(self, command: UUID) -> CommandAnswer | None:
        """Get the final answer to a command, if it has been given."""
        with self._lock:
            row = self._connection.execute(
                "SELECT answer FROM command WHERE id = ?", (str(command),)
            ).fetchone()
        return None if row is None or row[0] is None else CommandAnswer.model_validate_json(row[0])

    def settle(self, answer: CommandAnswer) -> None:
        """Keep the final answer; the first one stays. The order itself is no longer needed."""
        with self._lock:
            self._connection.execute(
                "UPDATE command SET answer = ?, command = '' WHERE id = ? AND answer IS NULL",
                (answer.model_dump_json(), str(answer.command)),
            )

    def unanswered(self) -> list[CommandOrder]:
        """List the orders that were received and never answered, oldest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, command FROM command WHERE answer IS NULL ORDER BY received"
            ).fetchall()
        orders = []
        for number, text in rows:
            try:
                orders.append(CommandOrder.model_validate_json(text))
            except ValidationError:
                _LOGGER.warning("command %s of an older version cannot be read", number)
        return orders


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        oldest = (datetime.now(UTC) - KEEP).isoformat()
        connection.execute("DELETE FROM command WHERE received < ?", (oldest,))
    except sqlite3.Error:
        connection.close()
        raise
    return connection
