"""``bem user add``: who may sign in."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from bem.cli import main
from bem.lab.rights import Role, role_of

pytestmark = pytest.mark.django_db

PASSWORD = "three blind mice in a row"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the prompts answered with these texts."""

    def give(*texts: str) -> None:
        left = list(texts)
        monkeypatch.setattr("getpass.getpass", lambda _prompt: left.pop(0))

    return give


def test_password_from_a_file(password_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["user", "add", "eva", "--role", "supervisor"]
    assert main([*command, "--password-file", str(password_file)]) == 0
    assert capsys.readouterr().out == "eva may sign in as supervisor\n"
    assert role_of(User.objects.get(username="eva")) is Role.SUPERVISOR
    assert authenticate(username="eva", password=PASSWORD) is not None


def test_password_asked_for(answers: Callable[..., None]) -> None:
    answers(PASSWORD, PASSWORD)
    assert main(["user", "add", "eva", "--role", "viewer"]) == 0
    assert authenticate(username="eva", password=PASSWORD) is not None


def test_two_different_passwords(
    answers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answers(PASSWORD, "something else entirely")
    assert main(["user", "add", "eva", "--role", "viewer"]) == 2
    assert "differ" in capsys.readouterr().err
    assert not User.objects.exists()


def test_a_weak_password_is_refused(
    answers: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answers("short", "short")
    assert main(["user", "add", "eva", "--role", "viewer"]) == 2
    assert "at least 10 characters" in capsys.readouterr().err
    assert not User.objects.exists()


def test_a_name_that_is_taken(password_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["user", "add", "eva", "--role", "viewer", "--password-file", str(password_file)]
    assert main(command) == 0
    assert main(command) == 2
    assert "there is a user 'eva' already" in capsys.readouterr().err


def test_an_unreadable_password_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none"
    command = ["user", "add", "eva", "--role", "viewer", "--password-file", str(missing)]
    assert main(command) == 2
    assert str(missing) in capsys.readouterr().err
