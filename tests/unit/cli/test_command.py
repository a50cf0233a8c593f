"""The ``bem`` command says what is wrong, and loads no more than it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from bem import __version__
from bem.cli import main


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a settings file; ``BEM_CONFIG`` is as before afterwards."""
    monkeypatch.setenv("BEM_CONFIG", str(tmp_path / "none.yaml"))
    return tmp_path / "bem.yaml"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"bem {__version__}\n"


def test_a_missing_settings_file_is_named(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(settings_file), "node"]) == 2
    said = capsys.readouterr().err
    assert str(settings_file) in said
    assert "No such file" in said
    assert "BEM_CONFIG" in said


@pytest.mark.usefixtures("settings_file")
def test_drivers_are_listed_where_nothing_is_set_up_yet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["drivers"]) == 0
    assert "epc" in capsys.readouterr().out


def test_the_environment_names_the_settings_file(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["manager"]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_an_unknown_key_is_named_with_what_is_allowed(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_file.write_text("broker: {hots: localhost}\n")
    assert main(["--config", str(settings_file), "broker"]) == 2
    said = capsys.readouterr().err
    assert "broker.hots: unknown key" in said
    assert "allowed here: ca_file, hosts, keepalive_s, password_file, port, user" in said


def test_a_wrong_value_is_shown(settings_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings_file.write_text("web: {port: 88690}\n")
    assert main(["--config", str(settings_file), "web"]) == 2
    said = capsys.readouterr().err
    assert "web.port" in said
    assert "88690" in said


def test_the_embedded_broker_wants_an_account(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_file.write_text("broker: {hosts: [localhost]}\n")
    assert main(["--config", str(settings_file), "broker"]) == 2
    assert "broker.user is not set" in capsys.readouterr().err


def test_the_embedded_broker_serves_this_computer_only(
    settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_file.write_text("broker: {hosts: [server.example], user: bem}\n")
    assert main(["--config", str(settings_file), "broker"]) == 2
    assert "server.example" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["user", "add", "eva"], ["station"], ["fly"], []])
def test_a_wrong_command_line_ends_with_2(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "usage: bem" in capsys.readouterr().err


@pytest.mark.parametrize("process", ["station", "node"])
def test_a_node_loads_nothing_of_the_server(process: str) -> None:
    code = (
        f"import sys, bem.cli, bem.{process}.main\n"
        "print([name for name in ('django', 'MySQLdb', 'amqtt') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_missing_package_is_named(settings_file: Path) -> None:
    settings_file.write_text("{}\n")
    # What the import system keeps for a name that must not be found.
    code = "import sys; sys.modules['amqtt'] = None; from bem.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--config", str(settings_file), "broker"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "lacks the Python package amqtt" in done.stderr
    assert "battery-experiments-manager[demo]" in done.stderr
    assert "Traceback" not in done.stderr
