"""A definition is judged before it is in force, and no device is touched for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bem.runtime.settings import Settings
from bem.station.check import check, list_drivers

EPC: dict[str, Any] = {
    "driver": "epc",
    "settings": {"bus": {"interface": "slcan", "channel": "/dev/bem/nothing"}, "device_id": 0x13},
}
Write = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", runtime_dir=tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(station: str, folder: Path = tmp_path, **changes: object) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{station}.yaml"
        path.write_text(yaml.safe_dump({"id": station, "name": "S", "power": EPC} | changes))
        return path

    return write


def test_one_that_fits(
    settings: Settings, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(settings, "one", write("one")) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"power": {"driver": "epx"}}, "no driver 'epx'; installed: "),
        ({"power": {"driver": "epc"}}, "power.settings.bus: Field required\n"),
        (
            {"power": {"driver": "epc", "settings": {"bus": {}, "device_id": 17}}},
            "power.settings.device_id: EPC id 0x11 uses CAN identifiers from 0x110",
        ),
        (
            {"period_ms": 900},
            "silence_s: must be at least 2 periods of period_ms 900: 1.8 s (found 1.0)\n",
        ),
        (
            {
                "power": {"driver": "virtual"},
                "meters": [
                    {
                        "name": "second",
                        "driver": "bms",
                        "settings": {"bus": {}},
                        "channels": {"temperature_1": "temperature_body"},
                    }
                ],
            },
            "the power path and meter second both have a channel 'temperature_body'",
        ),
        (
            {"meters": [{"name": "second", "driver": "virtual"}]},
            "meters.0.driver 'virtual' drives current, which nobody would switch off at a meter: ",
        ),
        (
            {"power": {"driver": "bms", "settings": {"bus": {}}}},
            "power.driver 'bms' makes no device with a power path",
        ),
        ({"colour": 1}, "the definition:\n  colour: unknown key"),
    ],
)
def test_one_that_does_not(
    changes: dict[str, Any],
    said: str,
    settings: Settings,
    write: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(settings, "one", write("one", **changes)) == 2
    assert said in capsys.readouterr().out


def test_two_stations_on_one_device(
    settings: Settings, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("two", settings.station_files)
    assert check(settings, "one", write("one")) == 2
    assert (
        "station 'two' (S) drives the device at slcan:/dev/bem/nothing" in capsys.readouterr().out
    )


def test_its_own_earlier_definition_and_broken_ones_are_in_nobodys_way(
    settings: Settings, write: Write
) -> None:
    write("one", settings.station_files)
    write("two", settings.station_files, power={"driver": "gone"})
    assert check(settings, "one", write("one")) == 0


def test_a_file_of_another_station(
    settings: Settings, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(settings, "two", write("one")) == 2
    assert "id is 'one', asked was 'two'" in capsys.readouterr().out


def test_drivers_are_listed_for_people_and_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_drivers(as_json=False) == 0
    assert "epc          EPC regenerative converter (CAN)\n" in capsys.readouterr().out
    assert list_drivers(as_json=True) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["virtual"]["settings"]["properties"]["speed"]["exclusiveMinimum"] == 0
    assert (found["virtual"]["power"], found["bms"]["power"]) == (True, False)
