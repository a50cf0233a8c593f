"""``bem calibrations`` and ``bem calibrate`` up to the point at which something is switched on."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tests.unit.domain.calibration.test_reports import MADE, report

from bem.cli import main
from bem.cli.calibrations import list_calibrations
from bem.cli.questions import NotAnswered, Questions
from bem.domain.calibration.course import Quantity
from bem.runtime.settings import Settings
from bem.station.calibration.store import CalibrationStore, Reminder, StoreError
from bem.station.journal_file import JournalFile
from bem.station.lock import DeviceLock, StationLock
from bem.station.main import device_places_of

METER = {"driver": "virtual", "settings": {"seed": 7}}
OPTIONS = (
    *("--quantity", "voltage", "--operator", "Ada", "--meter-serial", "C-17", "--yes"),
    *("--meter-accuracy", "0.03", "0.0005", "--tolerance", "0.5", "0.01"),
    *("--voltage-min", "3", "--voltage-max", "4.2", "--current-min=-2", "--current-max", "2"),
)

OPEN_RUN = (
    "INSERT INTO run (experiment, name, program, channels, started_at) VALUES "
    "('0c5d8c2e-5c0f-4f5e-9d43-6a6f1f1f1f1f', 'X', '{}', '[]', '2026-01-01T00:00:00Z')"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", runtime_dir=tmp_path / "run")


@pytest.fixture
def bem(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Get the command on a node with one station."""
    monkeypatch.setenv("BEM_CONFIG", "none")
    said = {"data_dir": str(settings.data_dir), "runtime_dir": str(settings.runtime_dir)}
    (tmp_path / "bem.yaml").write_text(yaml.safe_dump(said))
    (tmp_path / "meter.yaml").write_text(yaml.safe_dump(METER))
    settings.station_files.mkdir(parents=True)
    settings.station_file("one").write_text(
        yaml.safe_dump({"id": "one", "name": "One", "power": {"driver": "virtual"}})
    )

    def run(*arguments: str) -> int:
        return main(["--config", str(tmp_path / "bem.yaml"), *arguments])

    return run


def test_reports_are_kept_in_two_files_and_never_written_over(settings: Settings) -> None:
    store = CalibrationStore(settings.calibrations)
    data, text = store.keep(report())
    assert data.name == "20260301T120000Z-wattrex-epc-rev-b-7-voltage.json"
    assert text.read_text().startswith("# Calibration check: voltage")
    assert store.read().reports == (report(),)
    with pytest.raises(StoreError, match="File exists"):
        store.keep(report(operator="Bob"))
    assert store.read().reports == (report(),)


def test_the_list_says_what_is_overdue(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_calibrations(settings, as_json=False, now=MADE) == 0
    store = CalibrationStore(settings.calibrations)
    store.keep(report())
    store.keep(report(quantity=Quantity.CURRENT, days=30))
    assert list_calibrations(settings, as_json=False, now=MADE) == 0
    capsys.readouterr()
    assert list_calibrations(settings, as_json=False, now=MADE + timedelta(days=31)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("2026-03-31  OVERDUE  2026-03-01  current         passed")
    assert lines[2].startswith("2027-03-01           2026-03-01  voltage         passed")
    assert list_calibrations(settings, as_json=True, now=MADE + timedelta(days=31)) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["quantity"], row["overdue"]) for row in rows] == [
        ("current", True),
        ("voltage", False),
    ]
    store.keep(report(made_at=MADE + timedelta(days=30), quantity=Quantity.CURRENT))
    assert list_calibrations(settings, as_json=False, now=MADE + timedelta(days=31)) == 0


def test_a_report_that_cannot_be_read_is_named(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    CalibrationStore(settings.calibrations).keep(report())
    (settings.calibrations / "x.json").write_text('{"version": 2}')
    assert list_calibrations(settings, as_json=False, now=MADE) == 1
    assert "x.json: version" in capsys.readouterr().err


def test_a_station_reminds_of_its_own_device_only(settings: Settings) -> None:
    store = CalibrationStore(settings.calibrations)
    assert Reminder(store.read()).due(report().device.key, MADE) == ()
    store.keep(report(days=30))
    store.keep(report(serial="8", days=30))
    reminder = Reminder(store.read())
    key = report().device.key
    assert reminder.due(key, MADE + timedelta(days=30)) == ()
    (said,) = reminder.due(key, MADE + timedelta(days=31))
    assert said == (
        "the voltage of Wattrex EPC rev. B, serial number 7 was due for calibration on "
        "2026-03-31; it was last checked on 2026-03-01: run bem calibrate"
    )


def test_nothing_is_asked_with_yes_and_all_that_is_missing_is_named(
    bem: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = str(tmp_path / "meter.yaml")
    assert bem("calibrate", "one", "--meter", meter, "--quantity", "voltage", "--yes") == 2
    said = capsys.readouterr().err
    for option in ("--meter-accuracy", "--tolerance", "--voltage-min", "--current-max"):
        assert option in said
    assert "--operator" not in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--firmware", "6000", "0"), "--firmware is for the image of an EPC"),
        (("--interval", "0"), "choose 1 to 3650 days"),
        (("--settle", "0"), "--settle 0"),
        (("--voltage-min", "5"), "voltage_min 5 must be below voltage_max 4.2"),
        (("--tolerance", "-1", "0"), "share"),
        (("--meter-channel", "flow"), "it has no such channel"),
        (("--station-meter", "bms"), "this station has no meter 'bms'; it has: none"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_on(
    bem: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    why: str,
) -> None:
    meter = () if "--station-meter" in options else ("--meter", str(tmp_path / "meter.yaml"))
    assert bem("calibrate", "one", *meter, *OPTIONS, *options) == 2
    assert why in capsys.readouterr().err


SOURCE_OPTIONS = (
    *("--operator", "Ada", "--meter-serial", "C-17", "--yes", "--quantity", "voltage"),
    *("--meter-accuracy", "0.03", "0.0005", "--tolerance", "0.5", "0.01"),
)
EA = {"driver": "ea", "settings": {"address": {"kind": "tcp", "host": "127.0.0.1", "port": 1}}}


@pytest.mark.parametrize(
    ("source", "options", "why"),
    [
        (EA, ("--quantity", "current"), "--quantity current: a source steps voltages only"),
        (None, ("--quantity", "supply_voltage"), "no device sets it by itself; it needs a"),
        (None, ("--source-current", "0.1"), "name one by --source"),
        (EA, (), "source: "),  # not there
        (METER, ("--quantity", "supply_voltage"), "the device does not measure supply_voltage"),
        (METER, ("--current-max", "2"), "--current-max is of a battery"),
        (METER, ("--power-min=-1",), "--power-min is of a battery"),
        (METER, ("--source-current", "5"), "choose 0.01 to 1 A"),
        (METER, ("--source-current", "0"), "choose 0.01 to 1 A"),
        (METER, ("--voltage-min", "70"), "is no range"),
        (METER, ("--points", "2"), "take 3 to 101"),
        ({"driver": "flow", "settings": EA["settings"]}, (), "no device with a power path"),
    ],
)
def test_with_a_source_what_cannot_be_is_refused_before_it_is_on(
    bem: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: object,
    options: tuple[str, ...],
    why: str,
) -> None:
    (tmp_path / "source.yaml").write_text(yaml.safe_dump(source))
    files: tuple[str, ...] = ("--meter", str(tmp_path / "meter.yaml"))
    if source is not None:
        files += ("--source", str(tmp_path / "source.yaml"))
    assert bem("calibrate", "one", *files, *SOURCE_OPTIONS, *options) == 2
    assert why in capsys.readouterr().err


def test_a_source_that_is_the_device_itself_is_refused(
    bem: Callable[..., int],
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.station_file("two").write_text(
        yaml.safe_dump({"id": "two", "name": "Two", "power": EA})
    )
    (tmp_path / "source.yaml").write_text(yaml.safe_dump(EA))
    files = ("--meter", str(tmp_path / "meter.yaml"), "--source", str(tmp_path / "source.yaml"))
    assert bem("calibrate", "two", *files, *SOURCE_OPTIONS) == 2
    said = capsys.readouterr().err
    assert "and so is the device: the source must be an instrument of its own" in said


def test_a_station_that_runs_keeps_its_device(
    bem: Callable[..., int],
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    meter = str(tmp_path / "meter.yaml")
    with StationLock(settings.station_folder("one")):
        assert bem("calibrate", "one", "--meter", meter, *OPTIONS) == 2
    assert "station one is run by process" in capsys.readouterr().err


def test_a_device_that_a_station_has_is_refused_by_its_place(
    bem: Callable[..., int],
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bus = {"interface": "slcan", "channel": str(tmp_path / "none")}
    power = {"driver": "epc", "settings": {"bus": bus}}
    (tmp_path / "epc.yaml").write_text(yaml.safe_dump(power))
    settings.station_file("two").write_text(
        yaml.safe_dump({"id": "two", "name": "Two", "power": power})
    )
    from bem.runtime.settings import load_station

    (place, *_) = device_places_of((load_station(settings.station_file("two")).power,))
    files = ("--power", str(tmp_path / "epc.yaml"), "--meter", str(tmp_path / "meter.yaml"))
    with DeviceLock(settings.data_dir / "devices", place):
        assert bem("calibrate", *files, *OPTIONS) == 2
    assert "is driven by process" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (OPEN_RUN, "is to go on at station one"),
        (
            "INSERT INTO lock VALUES (1, 'Bob', 'hands in', '2026-01-01T00:00:00Z')",
            "locked by Bob since 2026-01-01T00:00:00Z: hands in",
        ),
    ],
)
def test_what_its_station_has_before_it_is_respected(
    bem: Callable[..., int],
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    statement: str,
    why: str,
) -> None:
    database: sqlite3.Connection = JournalFile(settings.journal_file("one")).connect()
    database.execute(statement)
    database.close()
    meter = str(tmp_path / "meter.yaml")
    assert bem("calibrate", "one", "--meter", meter, *OPTIONS) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("role", ["--power", "--source"])
def test_a_device_in_a_file_that_a_station_needs_again_is_refused(
    bem: Callable[..., int],
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    role: str,
) -> None:
    settings.station_file("two").write_text(
        yaml.safe_dump({"id": "two", "name": "Two", "power": EA})
    )
    database: sqlite3.Connection = JournalFile(settings.journal_file("two")).connect()
    database.execute(OPEN_RUN)
    database.close()
    (tmp_path / "ea.yaml").write_text(yaml.safe_dump(EA))
    files = ("--meter", str(tmp_path / "meter.yaml"), role, str(tmp_path / "ea.yaml"))
    command = ("one", *files, *SOURCE_OPTIONS) if role == "--source" else (*files, *OPTIONS)
    assert bem("calibrate", *command) == 2
    assert "is to go on at station two" in capsys.readouterr().err


def test_a_person_is_asked_for_what_is_missing_until_the_answer_fits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = iter(["ampere", "current", "", "x", "4,2", "no"])
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return next(answers)

    questions = Questions(silent=False, ask=ask)
    assert questions.choice(None, "--quantity", "What?", ("voltage", "current")) == "current"
    assert questions.text(None, "--operator", "Your name", "ada") == "ada"
    assert questions.number(None, "--voltage-max", "Maximum") == 4.2
    assert questions.number(3.0, "--voltage-min", "Minimum") == 3.0
    questions.check()
    with pytest.raises(NotAnswered, match="nothing was switched on"):
        questions.confirm("Is it connected?")
    assert asked[2] == "Your name [ada]: "
    assert capsys.readouterr().out.splitlines() == [
        "answer one of: voltage, current",
        "'x' is no number; write it like 4.2",
    ]


def test_a_terminal_without_a_person_is_no_answer() -> None:
    def ask(_prompt: str) -> str:
        raise EOFError

    with pytest.raises(NotAnswered, match="with --yes"):
        Questions(silent=False, ask=ask).confirm("Is it connected?")


def test_now_is_the_time_of_the_machine(settings: Settings) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    CalibrationStore(settings.calibrations).keep(report(made_at=long_ago, days=30))
    assert list_calibrations(settings, as_json=False) == 1
