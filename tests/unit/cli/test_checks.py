"""Whoever stops all on a node finds the calibration checks that run, and learns the truth."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bem.cli.checks import Check, known_as_running, running_checks
from bem.runtime.settings import Settings
from bem.station.calibration.ending import OutputUnverified

CHECK = """
import signal, sys, threading
from bem.cli.checks import known_as_running
from bem.runtime.settings import Settings
from bem.station.calibration.ending import OutputUnverified

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
with known_as_running(Settings(data_dir=sys.argv[1])):
    print("runs", flush=True)
    ended.wait()
    if sys.argv[2] == "unverified":
        raise OutputUnverified("the output may be on")
"""
Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Get a starter of processes that are checks; it tells how one will end."""
    started = []

    def start(end: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CHECK, str(settings.data_dir), end],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def test_there_is_none(settings: Settings) -> None:
    assert running_checks(settings) == []


def test_one_that_switches_off_is_known_to_have_done_so(settings: Settings, start: Start) -> None:
    process = start("off")
    (check,) = running_checks(settings)
    assert check.pid == process.pid
    assert check.end() == ""
    assert process.wait(10) == 0
    assert running_checks(settings) == []


def test_one_that_cannot_verify_it_is_told(settings: Settings, start: Start) -> None:
    start("unverified")
    (check,) = running_checks(settings)
    assert check.end() == "it ended without having verified that"
    assert running_checks(settings) == []


def test_one_that_was_killed_meanwhile_is_told(settings: Settings, start: Start) -> None:
    process = start("off")
    (check,) = running_checks(settings)
    process.kill()
    process.wait(10)
    assert check.end() == "it ended without having verified that"
    assert running_checks(settings) == []


def test_one_that_hangs_is_told(
    settings: Settings, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bem.cli.checks.END_TIMEOUT_S", 0.1)
    process = start("off")
    (check,) = running_checks(settings)
    monkeypatch.setattr("signal.pidfd_send_signal", lambda *_: None)
    assert check.end() == "it has not ended within 0.1 s"
    assert process.poll() is None


def test_a_number_that_became_anothers_is_let_alone(settings: Settings, start: Start) -> None:
    process = start("off")
    assert Check(process.pid, settings.data_dir / "gone").end() == ""
    assert process.poll() is None
    assert len(running_checks(settings)) == 1


def test_several_are_found(settings: Settings, start: Start) -> None:
    both = {start("off").pid, start("off").pid}
    assert {check.pid for check in running_checks(settings)} == both


def test_the_check_itself_is_found_while_it_runs_and_not_after(settings: Settings) -> None:
    with known_as_running(settings):
        assert len(running_checks(settings)) == 1
    assert running_checks(settings) == []
    with pytest.raises(OutputUnverified), known_as_running(settings):
        raise OutputUnverified("the output may be on")
    assert running_checks(settings) == []
    with known_as_running(settings):
        pass
    assert list((settings.data_dir / "checks").iterdir()) == [], "what it left is taken away"
