"""The commands that work on the database by themselves."""

import getpass
import os
import sys
from pathlib import Path

import django
from django.core.management import call_command
from django.db import DatabaseError

from bem.runtime.settings import read_secret


def migrate() -> int:
    """Bring the tables up to date; gives the exit code."""
    _wake_django()
    try:
        call_command("migrate", interactive=False, verbosity=1)
    except DatabaseError as error:
        sys.stderr.write(f"bem: the database refused: {error}\n")
        return 1
    return 0


def add_user(name: str, role: str, password_file: Path | None) -> int:
    """Let somebody sign in; gives the exit code.

    Raises:
        SettingsError: the password file cannot be read or is empty.
    """
    if password_file is not None:
        password = read_secret(password_file.absolute(), "--password-file").get_secret_value()
    else:
        password = getpass.getpass(f"Password for {name}: ")
        if password != getpass.getpass("Once more: "):
            sys.stderr.write("bem: the two passwords differ; nothing was stored\n")
            return 2
    _wake_django()
    from bem.lab.operations.errors import OperationRefused
    from bem.lab.operations.users import add_user as add
    from bem.lab.rights import Role

    try:
        add(name, Role[role.upper()], password)
    except OperationRefused as error:
        sys.stderr.write(f"bem: {error}\n")
        return 2
    sys.stdout.write(f"{name} may sign in as {role}\n")
    return 0


def _wake_django() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "bem.web.settings"
    django.setup()
