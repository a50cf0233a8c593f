"""A station takes a newer definition or release when it does nothing, and never otherwise."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bem.domain.program import Program
from bem.runtime.settings import Settings, StationDefinition, StationDevice
from bem.station.main import make_safe
from bem.station.renewal import Renewal, is_newer_release

Bench = Any
"""The bench of conftest.py, whose name tests cannot import."""


@pytest.fixture
def definition() -> StationDefinition:
    return StationDefinition(id="one", name="One", power=StationDevice(driver="virtual"))


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """Two releases beside each other; ``current`` leads to the first."""
    for name in ("1.0.0", "1.1.0"):
        (tmp_path / "releases" / name / "bin").mkdir(parents=True)
        (tmp_path / "releases" / name / "bin/bem").touch()
    (tmp_path / "current").symlink_to("releases/1.0.0")
    return tmp_path


@pytest.fixture
def renewal(releases: Path, definition: StationDefinition) -> Renewal:
    file = releases / "one.yaml"
    write(file, definition)
    return Renewal(file, definition, releases / "current", releases / "releases/1.0.0")


def write(file: Path, definition: StationDefinition, **changes: object) -> None:
    file.write_text(yaml.safe_dump(definition.model_dump() | changes))


def test_nothing_to_do(renewal: Renewal) -> None:
    assert renewal.reason() is None
    assert renewal.reason() is None


def test_a_changed_definition(renewal: Renewal, definition: StationDefinition) -> None:
    assert renewal.reason() is None
    write(renewal.file, definition, period_ms=200)
    assert "changed" in (renewal.reason() or "")


def test_a_definition_that_says_the_same_in_other_words(
    renewal: Renewal, definition: StationDefinition
) -> None:
    renewal.file.write_text("# a remark\n" + renewal.file.read_text())
    assert renewal.reason() is None


def test_a_broken_definition_is_told_once_and_not_taken(
    renewal: Renewal, definition: StationDefinition, caplog: pytest.LogCaptureFixture
) -> None:
    renewal.file.write_text("id: one\nname: {")
    assert renewal.reason() is None
    assert renewal.reason() is None
    assert len(caplog.records) == 1
    assert "last good definition" in caplog.text
    write(renewal.file, definition, name="Mended")
    assert "changed" in (renewal.reason() or "")


def test_a_definition_that_has_gone_for_good(
    renewal: Renewal, definition: StationDefinition
) -> None:
    renewal.file.unlink()
    assert renewal.reason() is None
    write(renewal.file, definition)
    assert renewal.reason() is None
    renewal.file.unlink()
    assert renewal.reason() is None
    assert "removed" in (renewal.reason() or "")


def test_another_release(renewal: Renewal, releases: Path) -> None:
    (releases / "current").unlink()
    assert renewal.reason() is None
    (releases / "current").symlink_to("releases/1.1.0")
    assert renewal.reason() == "the release in use is 1.1.0 now, this process runs 1.0.0"


def test_a_release_that_cannot_run(renewal: Renewal, releases: Path) -> None:
    (releases / "current").unlink()
    (releases / "current").symlink_to("releases/1.2.0")
    assert renewal.reason() is None


@pytest.mark.parametrize(
    ("prefix", "target", "newer"),
    [
        ("/opt/bem/releases/1", "/opt/bem/releases/2", True),
        ("/opt/bem/releases/2", "/opt/bem/releases/1", True),
        ("/opt/bem/releases/1", "/opt/bem/releases/1", False),
        ("/home/lab/checkout/.venv", "/opt/bem/releases/1", False),
    ],
)
def test_is_newer_release(prefix: str, target: str, newer: bool) -> None:
    assert is_newer_release(Path(prefix), Path(target)) is newer


def test_a_running_station_is_not_replaceable(bench: Bench, hour_of_charging: Program) -> None:
    assert bench.loop.is_replaceable
    assert bench.start(hour_of_charging).ok
    bench.turn()
    assert not bench.loop.is_replaceable
    assert bench.stop().ok
    bench.turn()
    assert bench.loop.is_replaceable


def test_a_latched_fault_outlives_the_process(bench: Bench, hour_of_charging: Program) -> None:
    assert bench.start(hour_of_charging).ok
    bench.device.faults = ("over-temperature",)
    bench.turn()
    assert bench.state == "fault"
    assert bench.loop.is_replaceable, "its output is verified off, and the journal has the fault"
    bench.device.faults = ()
    bench.loop.shut_down("a newer release")
    bench.halt()
    bench.boot()
    assert bench.state == "fault"
    assert not bench.start(hour_of_charging).ok


def test_an_output_in_doubt_keeps_its_process(bench: Bench, hour_of_charging: Program) -> None:
    assert bench.start(hour_of_charging).ok
    bench.device.reading_error = bench.device.safe_error = bench.device.open_error = bench.lost
    bench.turn()
    assert bench.state == "fault"
    assert not bench.loop.is_replaceable


@pytest.mark.parametrize(
    ("result", "code"), [("success", 0), ("exec-condition", 0), ("signal", 1), ("watchdog", 1)]
)
def test_only_an_orderly_end_needs_no_definition_to_be_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: str, code: int
) -> None:
    monkeypatch.setenv("SERVICE_RESULT", result)
    assert make_safe(Settings(data_dir=tmp_path, runtime_dir=tmp_path), "gone") == code
