"""Bring the tables of the database to this release, or to what another release needs."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.loader import MigrationLoader

from bem import __version__
from bem.lab.migration_lock import only_one
from bem.lab.passing import is_away
from bem.lab.schema import Tables, look, newest
from bem.runtime.log import Condition
from bem.runtime.notify import Notifier

_LOGGER = logging.getLogger(__name__)
PENDING = 3
"""Exit code of a check: there is something to do."""
NEWER = 2
"""Exit code of a check: the database is newer than this release."""
_BACK_OFF_MIN_S = 0.5
_BACK_OFF_MAX_S = 10.0
_MORE_TIME_S = 60.0


class MigrationRefused(Exception):
    """What was asked cannot be done, and nothing was changed. The message says what to do."""


def listing() -> str:
    """Give this release's newest migration of each app as JSON, for :func:`bring` of another."""
    return json.dumps({"version": __version__, "migrations": newest()}, indent=2) + "\n"


def check(say: Callable[[str], object]) -> int:
    """Compare, once, and change nothing; gives 0, :data:`PENDING` or :data:`NEWER`.

    Raises:
        django.db.Error: the database does not answer.
    """
    tables = look()
    say(f"{tables.problem or 'the database is that of this release'}\n")
    if tables.unknown:
        return NEWER
    return PENDING if tables.pending else 0


def bring(to: Path | None = None) -> int:
    """Migrate to this release, or to what another listed in the file ``to``; gives 0.

    Waits for a database that is away, for ever.

    Raises:
        MigrationRefused: the database is newer, or the list is not for this release.
        django.db.Error: the database refuses.
    """
    targets = None if to is None else _read(to)
    notifier = Notifier()
    _wait_for_database(notifier)
    with _more_time(notifier), only_one(notifier.status):
        # Looked at only now: another may have migrated while we waited for it.
        tables = look()
        if tables.unknown:
            raise MigrationRefused(tables.problem)
        notifier.status("migrating")
        if targets is None:
            call_command("migrate", interactive=False, verbosity=1)
        else:
            _go_to(targets, tables)
    return 0


def _go_to(targets: dict[str, str], tables: Tables) -> None:
    if tables.pending:
        # Half of this release's tables and half of the other's is nobody's.
        _LOGGER.info("not all of this release was made: %s", ", ".join(tables.pending))
    try:
        for app, name in targets.items():
            call_command("migrate", app, name, interactive=False, verbosity=1)
    except IrreversibleError as error:
        raise MigrationRefused(
            f"{error}: restore the backup that was made before this release was installed"
        ) from error


def _read(path: Path) -> dict[str, str]:
    """Read what another release listed, as far as it concerns this one."""
    try:
        targets: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["migrations"]
        pairs = {str(app): str(name) for app, name in targets.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MigrationRefused(
            f"{path} is no list of migrations ({error!r}): make it by bem migrate --list of the "
            "release to go to"
        ) from error
    known = MigrationLoader(None).disk_migrations
    strange = [f"{app}.{name}" for app, name in pairs.items() if (app, name) not in known]
    if strange:
        raise MigrationRefused(
            f"{path} names {', '.join(strange)}, which this release does not know: run the newer "
            "of the two releases"
        )
    return pairs


def _wait_for_database(notifier: Notifier) -> None:
    away = Condition(_LOGGER, "the database is away; it is waited for")
    pause_s = _BACK_OFF_MIN_S
    pause = threading.Event()
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except OperationalError as error:
            if not is_away(error):
                raise
            away.begin(error)
        else:
            away.end()
            return
        connection.close()
        notifier.status("waiting for the database")
        notifier.extend_start(pause_s + _MORE_TIME_S)
        pause.wait(pause_s)
        pause_s = min(pause_s * 2, _BACK_OFF_MAX_S)


@contextmanager
def _more_time(notifier: Notifier) -> Iterator[None]:
    """Ask systemd for time while tables are changed: a large one takes as long as it takes."""
    done = threading.Event()

    def ask() -> None:
        notifier.extend_start(_MORE_TIME_S)
        while not done.wait(_MORE_TIME_S / 3):
            notifier.extend_start(_MORE_TIME_S)

    thread = threading.Thread(target=ask, name="more-time", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
