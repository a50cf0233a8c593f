"""Let one migration at a time change a database, whoever begins it and from wherever.

On one server its own named lock does; it ends with the connection. The members of a cluster do not
share such locks: there a lease is held beside it, once its table is there. Before that the first
tables are made, and of two that make the same table one fails and tries again.
"""

import fcntl
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import Error, connection

from bem.lab.lease import EXPIRE_S, RENEW_S, LeaseKeeper
from bem.lab.models import Lease

_LOGGER = logging.getLogger(__name__)
_WAIT_S = 5
_NAME = "migrate"


@contextmanager
def only_one(status: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock while entered; waits for it as long as it takes.

    Raises:
        django.db.Error: the database.
    """
    if connection.vendor != "mysql":
        with _file_lock(Path(str(settings.DATABASES["default"]["NAME"])), status):
            yield
        return
    with _server_lock(status):
        if _in_cluster() and Lease._meta.db_table in connection.introspection.table_names():  # noqa: SLF001 - public by Django's manual
            with _lease(status):
                yield
        else:
            yield


@contextmanager
def _file_lock(database: Path, status: Callable[[str], None]) -> Iterator[None]:
    path = database.with_suffix(".migrate.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say_waiting(status)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _server_lock(status: Callable[[str], None]) -> Iterator[None]:
    name = f"bem.{connection.settings_dict['NAME']}.migrate"[:64]
    said = False
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT GET_LOCK(%s, %s)", (name, _WAIT_S))
            if cursor.fetchone()[0] == 1:
                break
            if not said:
                _say_waiting(status)
                said = True
    try:
        yield
    finally:
        with suppress(Error), connection.cursor() as cursor:
            # The connection's end does it, too.
            cursor.execute("SELECT RELEASE_LOCK(%s)", (name,))


def _in_cluster() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'")
        row = cursor.fetchone()
    return row is not None and str(row[1]).upper() in ("ON", "1")


@contextmanager
def _lease(status: Callable[[str], None]) -> Iterator[None]:
    # The server's lock says that no other on this host is alive.
    keeper = LeaseKeeper(_NAME, f"{socket.gethostname()}/migrate")
    pause = threading.Event()
    said = False
    while not (keeper.vacant() and keeper.take()):
        if not said:
            _say_waiting(status)
            said = True
        pause.wait(RENEW_S)
    done = threading.Event()
    thread = threading.Thread(target=_keep, args=(keeper, done), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        keeper.give_back()


def _keep(keeper: LeaseKeeper, done: threading.Event) -> None:
    """Renew from a connection of this thread's own, until done."""
    try:
        while not done.wait(RENEW_S):
            try:
                if not keeper.renew():
                    _LOGGER.error(
                        "another migration took over after %g s without a sign of this one",
                        EXPIRE_S,
                    )
                    return
            except Error as error:
                _LOGGER.info("the migration's lease is renewed later: %s", error)
                connection.close()
    finally:
        connection.close()


def _say_waiting(status: Callable[[str], None]) -> None:
    status("waiting for another migration")
    _LOGGER.info("another migration is under way; it is waited for")
