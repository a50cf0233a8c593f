"""The units of stations follow the definitions; nothing that runs is stopped from outside."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from bem.cli.stations import Plan, Systemd, UnitError, UnitState, enable_stations, plan, station_ids
from bem.runtime.settings import Settings

RUNS = UnitState(enabled=True, active=True)


class RecordedUnits:
    """A service manager that does as told and writes it down."""

    def __init__(self, **states: UnitState) -> None:
        self.known = states
        self.done: list[tuple[str, tuple[str, ...]]] = []
        self.refusal: UnitError | None = None

    def states(self, stations: Iterable[str]) -> dict[str, UnitState]:
        if self.refusal is not None:
            raise self.refusal
        return {name: UnitState() for name in stations} | self.known

    def start(self, stations: Sequence[str]) -> None:
        self.done.append(("start", tuple(stations)))

    def enable(self, stations: Sequence[str]) -> None:
        self.done.append(("enable", tuple(stations)))

    def disable(self, stations: Sequence[str]) -> None:
        self.done.append(("disable", tuple(stations)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A node with two definitions, and files that are none."""
    settings = Settings(data_dir=tmp_path, runtime_dir=tmp_path / "run")
    settings.station_files.mkdir()
    for name in ("a.yaml", "b-2.yaml", ".b.yaml.tmp", "B.yaml", "--now.yaml", "notes.txt"):
        (settings.station_files / name).touch()
    os.utime(settings.station_files, ns=(10**18, 10**18))
    return settings


def test_only_station_ids_count(settings: Settings) -> None:
    assert station_ids(settings.station_files) == ["a", "b-2"]


@pytest.mark.parametrize(
    ("defined", "units", "expected"),
    [
        ((), {}, Plan()),
        (("a",), {}, Plan(start=("a",), enable=("a",))),
        (("a",), {"a": RUNS}, Plan()),
        # A person started it by hand.
        (("a",), {"a": UnitState(active=True)}, Plan(enable=("a",))),
        # A person stopped it by hand.
        (("a",), {"a": UnitState(enabled=True)}, Plan()),
        # It ended while its definition was away.
        (("a",), {"a": UnitState(enabled=True, skipped=True)}, Plan(start=("a",))),
        ((), {"a": RUNS}, Plan(disable=("a",), wait=("a",))),
        ((), {"a": UnitState(active=True)}, Plan(wait=("a",))),
        ((), {"a": UnitState(enabled=True)}, Plan(disable=("a",))),
        (("b",), {"a": RUNS}, Plan(start=("b",), enable=("b",), disable=("a",), wait=("a",))),
    ],
)
def test_plan(defined: tuple[str, ...], units: dict[str, UnitState], expected: Plan) -> None:
    assert plan(defined, units) == expected


def test_new_stations_are_started_and_enabled(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units, stamp = RecordedUnits(a=RUNS), tmp_path / "stamp"
    assert enable_stations(settings, stamp, units) == 0
    assert units.done == [("start", ("b-2",)), ("enable", ("b-2",))]
    assert capsys.readouterr().out == "station b-2 started\nstation b-2 enabled\n"
    assert stamp.stat().st_mtime_ns == settings.station_files.stat().st_mtime_ns


def test_a_station_without_definition_is_looked_at_again(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units, stamp = RecordedUnits(**{"a": RUNS, "b-2": RUNS, "c": RUNS}), tmp_path / "stamp"
    assert enable_stations(settings, stamp, units) == 0
    assert units.done == [("disable", ("c",))]
    assert "ends when idle" in capsys.readouterr().out
    assert stamp.stat().st_mtime_ns == 0
    units.known = {"a": RUNS, "b-2": RUNS}
    assert enable_stations(settings, stamp, units) == 0
    assert stamp.stat().st_mtime_ns == settings.station_files.stat().st_mtime_ns


def test_a_change_under_our_hands_is_seen(settings: Settings, tmp_path: Path) -> None:
    late = settings.station_files / "late.yaml"

    class Interrupted(RecordedUnits):
        def enable(self, stations: Sequence[str]) -> None:
            super().enable(stations)
            self.known |= dict.fromkeys(stations, RUNS)
            late.touch()

    units, stamp = Interrupted(), tmp_path / "stamp"
    assert enable_stations(settings, stamp, units) == 0
    started = [stations for action, stations in units.done if action == "start"]
    assert started == [("a", "b-2"), ("late",)]
    assert stamp.stat().st_mtime_ns == settings.station_files.stat().st_mtime_ns


def test_a_refusal_is_told_and_tried_again(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units, stamp = RecordedUnits(), tmp_path / "stamp"
    units.refusal = UnitError("systemctl show: no bus")
    assert enable_stations(settings, stamp, units) == 1
    assert "no bus" in capsys.readouterr().err
    assert stamp.stat().st_mtime_ns == 0


def test_a_missing_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enable_stations(Settings(data_dir=tmp_path), None, RecordedUnits()) == 1
    assert str(tmp_path / "stations") in capsys.readouterr().err


def test_no_station_at_all_asks_systemd_nothing(tmp_path: Path) -> None:
    assert Systemd(tmp_path / "none").states([]) == {}
