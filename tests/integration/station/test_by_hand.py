"""Orders from the node itself, without agent, network or server."""

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from bem.cli.control import order, stop_all
from bem.cli.stations import list_stations
from bem.domain.program import Program

if TYPE_CHECKING:
    from tests.integration.station.conftest import StationProcess

    Make = Callable[..., StationProcess]
Wait = Callable[..., None]


def test_a_station_is_stopped_and_its_output_verified_off(
    make_station: "Make", charging: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    station = make_station()
    assert station.start(charging).ok
    assert order(station.settings, "one", "stop", "smoke") == 0
    assert capsys.readouterr().out == "station one: stop done; output verified off\n"
    ((reason,),) = station.rows("SELECT message FROM event WHERE kind = 'run_ended'")
    assert "on the node: smoke" in reason
    assert order(station.settings, "one", "stop", "") == 0
    assert "nothing runs; output verified off" in capsys.readouterr().out


def test_pause_lock_unlock_resume(
    make_station: "Make", charging: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    station, settings = make_station(), None
    settings = station.settings
    assert order(settings, "one", "pause", "") == 1
    assert "nothing runs" in capsys.readouterr().err
    assert station.start(charging).ok
    assert order(settings, "one", "lock", "hands in") == 1
    assert "pause or stop" in capsys.readouterr().err
    assert order(settings, "one", "pause", "look") == 0
    assert order(settings, "one", "lock", "hands in") == 0
    assert order(settings, "one", "resume", "") == 1
    capsys.readouterr()
    assert list_stations(settings, as_json=False) == 0
    listed = capsys.readouterr().out
    assert "paused" in listed
    assert ": hands in" in listed
    assert order(settings, "one", "unlock", "") == 0
    assert order(settings, "one", "resume", "") == 0
    assert station.ask("live").body["activity"] == "running"


def test_stop_all_stops_all(
    make_station: "Make", charging: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    station = make_station()
    assert station.start(charging).ok
    (station.settings.station_files / "two.yaml").write_text(
        "{id: two, name: Two, power: {driver: virtual}}"
    )
    began = time.monotonic()
    assert stop_all(station.settings, "fire") == 0
    assert time.monotonic() - began < 5
    said = capsys.readouterr().out
    assert "station one: stop done; output verified off" in said
    assert "station two: its process is down; output verified off" in said


def test_a_station_that_hangs_is_said_not_to_be_verified(
    make_station: "Make", charging: Program, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("bem.cli.control.ORDER_TIMEOUT_S", 1.0)
    station = make_station()
    assert station.start(charging).ok
    assert station.process is not None
    os.kill(station.process.pid, signal.SIGSTOP)
    try:
        assert stop_all(station.settings, "") == 1
    finally:
        os.kill(station.process.pid, signal.SIGCONT)
    assert "its process hangs; OUTPUT NOT VERIFIED OFF" in capsys.readouterr().err


def test_an_unknown_station_is_named_with_those_that_are_there(
    make_station: "Make", capsys: pytest.CaptureFixture[str]
) -> None:
    station = make_station()
    assert order(station.settings, "tow", "stop", "") == 2
    assert "no station 'tow' on this node; there are: one" in capsys.readouterr().err
