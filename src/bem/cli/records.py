"""The commands that work on the database by themselves."""

import getpass
import os
import sys
from pathlib import Path

import django
from django.db import DatabaseError

from bem.runtime.settings import read_secret

_REFUSED = 2


def migrate(*, check: bool, show: bool, to: Path | None) -> int:
    """Bring the tables to this release, or do what else is asked; gives the exit code."""
    _wake_django()
    from bem.lab import migrate as work

    try:
        if show:
            sys.stdout.write(work.listing())
            return 0
        if check:
            return work.check(sys.stdout.write)
        return work.bring(to)
    except work.MigrationRefused as refusal:
        sys.stderr.write(f"bem: {refusal}\n")
        return _REFUSED
    except DatabaseError as error:
        sys.stderr.write(f"bem: the database refused: {error}\n")
        return 1


def add_user(name: str, role: str, password_file: Path | None, *, if_none: bool = False) -> int:
    """Let somebody sign in, with ``if_none`` only if nobody may yet; gives the exit code.

    Raises:
        SettingsError: the password file cannot be read or is empty.
    """
    _wake_django()
    from bem.lab.operations.errors import OperationRefused
    from bem.lab.operations.users import add_user as add
    from bem.lab.operations.users import anybody
    from bem.lab.rights import Role

    try:
        if if_none and anybody():
            sys.stdout.write("somebody may sign in already; nothing was changed\n")
            return 0
        password = _password(name, password_file)
        if password is None:
            sys.stderr.write("bem: the two passwords differ; nothing was stored\n")
            return _REFUSED
        add(name, Role[role.upper()], password)
    except OperationRefused as error:
        sys.stderr.write(f"bem: {error}\n")
        return _REFUSED
    except DatabaseError as error:
        sys.stderr.write(f"bem: the database refused: {error}\n")
        return 1
    sys.stdout.write(f"{name} may sign in as {role}\n")
    return 0


def _password(name: str, file: Path | None) -> str | None:
    """Get the password from a file or a person; ``None`` if the person is of two minds."""
    if file is not None:
        return read_secret(file.absolute(), "--password-file").get_secret_value()
    password = getpass.getpass(f"Password for {name}: ")
    return password if password == getpass.getpass("Once more: ") else None


def _wake_django() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "bem.web.command_settings"
    django.setup()
