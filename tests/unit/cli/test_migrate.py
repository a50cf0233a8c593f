"""``bem migrate`` on a database of its own: there and back, and what it refuses."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Bem = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bem(tmp_path: Path) -> Bem:
    """The command, with settings that name no secret."""
    file = tmp_path / "bem.yaml"
    file.write_text(yaml.safe_dump({"data_dir": str(tmp_path / "data")}))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "bem.cli", *arguments],
            env=os.environ | {"BEM_CONFIG": str(file)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_there_and_back_by_lists_without_any_secret(bem: Bem, tmp_path: Path) -> None:
    assert bem("migrate", "--check").returncode == 3
    assert bem("migrate").returncode == 0
    assert bem("migrate", "--check").returncode == 0
    here = json.loads(bem("migrate", "--list").stdout)
    assert set(here["migrations"]) == {"auth", "contenttypes", "lab", "sessions"}
    older = here | {"migrations": here["migrations"] | {"lab": "0002_roles"}}
    (tmp_path / "older").write_text(json.dumps(older))
    back = bem("migrate", "--to", str(tmp_path / "older"))
    assert back.returncode == 0, back.stderr
    assert bem("migrate", "--check").returncode == 3
    (tmp_path / "here").write_text(json.dumps(here))
    assert bem("migrate", "--to", str(tmp_path / "here")).returncode == 0
    assert bem("migrate", "--check").returncode == 0


def test_a_newer_database_is_refused_with_2_and_a_remedy(bem: Bem, tmp_path: Path) -> None:
    assert bem("migrate").returncode == 0
    with sqlite3.connect(tmp_path / "data" / "bem.sqlite3") as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('lab', '0999_of_tomorrow', '2030-01-01')"
        )
    database.close()
    for arguments in ([], ["--check"]):
        refused = bem("migrate", *arguments)
        assert refused.returncode == 2
        said = refused.stdout + refused.stderr
        assert "newer than this release, which does not know lab.0999_of_tomorrow" in said
        assert "bem migrate --to FILE" in said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "is no list of migrations"),
        ("[1", "is no list of migrations"),
        ('{"migrations": {"lab": "0999_of_tomorrow"}}', "run the newer of the two releases"),
    ],
)
def test_a_wrong_list_changes_nothing(text: str, said: str, bem: Bem, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(text)
    refused = bem("migrate", "--to", str(tmp_path / "list"))
    assert refused.returncode == 2
    assert said in refused.stderr
    assert bem("migrate", "--check").returncode == 3


def test_the_first_account_is_made_once(bem: Bem, tmp_path: Path) -> None:
    assert bem("migrate").returncode == 0
    (tmp_path / "password").write_text("three blind mice in a row")
    command = ["user", "add", "--role", "admin", "--password-file", str(tmp_path / "password")]
    assert bem(*command, "--if-none", "admin").stdout == "admin may sign in as admin\n"
    again = bem(*command, "--if-none", "other")
    assert again.returncode == 0
    assert "nothing was changed" in again.stdout
