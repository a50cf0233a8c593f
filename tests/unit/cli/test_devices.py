"""`bem devices`: what was found, put together with what the stations have."""

import json
import logging
import os
import time
from pathlib import Path

import pytest
import yaml
from tests.unit.drivers.scpi_bench import Poles
from tests.unit.drivers.unit_on_port import served, serving

from bem.cli import main
from bem.cli.device_news import DeviceNews
from bem.cli.devices import put_together
from bem.cli.instruments import instruments_of
from bem.messages import DeviceReport
from bem.runtime.local import Description
from bem.runtime.log import Condition
from bem.runtime.settings import Settings
from bem.station.claims import Claim, claims, user_of
from bem.station.lock import DeviceLock, StationLock
from bem_drivers.base import Identity
from bem_drivers.finding import Found, InUse, Unknown
from bem_drivers.flow.simulator import FlowUnit, FlowUnitSettings
from bem_drivers.scpi.description import MeterDescription
from bem_drivers.scpi.description_file import load_description
from bem_drivers.scpi.simulator import ScpiMeterUnit
from bem_drivers.simulation.port import TcpLinePort

EA = "serial /dev/bem/ea-1"
SAID = Description(state="idle", device="EA PS 2042, serial number 7")
FOUND = Found(EA, "ea", {"address": {"port": "/dev/bem/ea-1"}}, Identity("EA", "PS 2042", "7"))


def claim(*, runs: bool, place: str = EA, power: bool = True) -> Claim:
    return Claim(place, "left", power, "ea", runs, {"address": {"port": "/dev/bem/ea-1"}})


def one(reports: list[DeviceReport]) -> DeviceReport:
    (report,) = reports
    return report


def test_a_device_that_no_station_names_is_free() -> None:
    report = one(put_together([], {}, [FOUND], {}))
    assert (report.state, report.station) == ("free", None)
    assert (report.make, report.model, report.serial) == ("EA", "PS 2042", "7")
    assert report.power is True


@pytest.mark.parametrize(
    ("driver", "settings", "power"),
    [
        ("ea", {"address": {"kind": "serial", "port": "/dev/bem/ea-1"}}, True),
        ("flow", {"address": {"kind": "serial", "port": "/dev/bem/ea-1"}}, False),
        ("bms", {"bus": {"channel": "can0"}}, False),
        (
            "scpi-load",
            {"address": {"kind": "tcp", "host": "a", "port": 1}, "instrument": "scpi-99-load"},
            True,
        ),
        ("no-such-driver", {}, None),
    ],
)
@pytest.mark.parametrize("runs", [True, False])
def test_whether_a_device_has_a_power_path_is_told(
    driver: str, settings: dict[str, object], power: bool | None, runs: bool
) -> None:
    claimed = [Claim(EA, "left", True, driver, runs, settings)]
    found = Found(EA, driver, settings, Identity("EA", "PS 2042", "7"))
    assert one(put_together(claimed, {}, [found], {})).power is power


def test_a_device_of_a_station_that_does_not_run_is_reserved() -> None:
    report = one(put_together([claim(runs=False)], {}, [FOUND], {}))
    assert (report.state, report.station, report.serial) == ("reserved", "left", "7")


def test_a_device_in_use_is_told_by_its_station() -> None:
    seen = [InUse(EA, "process 7")]
    report = one(put_together([claim(runs=True)], {"left": SAID}, seen, {}))
    assert (report.state, report.station, report.by) == ("used", "left", "")
    assert report.title == "EA PS 2042, serial number 7"
    assert report.settings == {"address": {"port": "/dev/bem/ea-1"}}


def test_a_station_that_does_not_answer_has_its_device_all_the_same() -> None:
    report = one(put_together([claim(runs=True)], {"left": None}, [], {}))
    assert (report.state, report.title) == ("used", "")


def test_a_device_that_its_station_lost_is_not_there() -> None:
    lost = Description(state="lost")
    seen = [InUse(EA, "process 7")]
    assert put_together([claim(runs=True)], {"left": lost}, seen, {}) == []


def test_a_whole_adapter_in_use_stands_for_the_devices_behind_it() -> None:
    place = "slcan:/dev/can, EPC 0x13"
    seen = [InUse("slcan:/dev/can", "process 7")]
    report = one(put_together([claim(runs=True, place=place)], {}, seen, {}))
    assert report.place == place


def test_what_others_use_and_what_nobody_knows_is_told() -> None:
    seen: list[InUse | Unknown] = [
        InUse("serial /dev/b", "process 7 (minicom)"),
        Unknown("serial /dev/a", "hello"),
    ]
    unknown, used = put_together([], {}, seen, {})
    assert (used.state, used.by) == ("used", "process 7 (minicom)")
    assert (unknown.state, unknown.answered) == ("unknown", "hello")


def test_a_place_has_one_name_whoever_uses_it(tmp_path: Path) -> None:
    real, stable = tmp_path / "ttyUSB0", tmp_path / "ea-1"
    real.touch()
    stable.symlink_to(real)
    names = {f"serial {real}": f"serial {stable}"}
    running = claim(runs=True, place=f"serial {real}")
    assert one(put_together([running], {}, [], names)).place == f"serial {stable}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A node with a station that reads a flow meter and one whose file is broken."""
    settings = Settings(data_dir=tmp_path / "data", runtime_dir=tmp_path / "run")
    settings.station_files.mkdir(parents=True)
    settings.station_file("left").write_text(
        yaml.safe_dump(
            {
                "id": "left",
                "name": "Left",
                "power": {"driver": "virtual", "settings": {}},
                "meters": [
                    {
                        "name": "flow",
                        "driver": "flow",
                        "settings": {"address": {"kind": "serial", "port": "/dev/bem/flow"}},
                    }
                ],
            }
        )
    )
    settings.station_file("broken").write_text("power: 7")
    return settings


def test_claims_are_what_usable_definitions_name(settings: Settings) -> None:
    (found,) = claims(settings)
    assert (found.place, found.station, found.driver) == ("serial /dev/bem/flow", "left", "flow")
    assert not found.is_power
    assert not found.runs
    with StationLock(settings.station_folder("left")):
        assert claims(settings)[0].runs
    assert not claims(settings)[0].runs


def test_the_user_of_a_place_is_who_holds_its_lock(settings: Settings) -> None:
    user = user_of(settings)
    assert user(EA) is None
    with DeviceLock(settings.device_locks, EA):
        assert user(EA) == f"process {os.getpid()}"
        assert user("serial /dev/bem/ea-2") is None
    assert user(EA) is None


def test_the_command_finds_a_meter_within_five_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "flow"
    config = tmp_path / "bem.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "data_dir": str(tmp_path / "data"),
                "runtime_dir": str(tmp_path / "run"),
                "node": {"extra_ports": [str(link)]},
            }
        )
    )
    with served(FlowUnit(FlowUnitSettings(), time.monotonic_ns()), link):
        assert main(["--config", str(config), "devices", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert main(["--config", str(config), "devices"]) == 0
    assert [(one["driver"], one["serial"]) for one in found if one["place"].endswith("/flow")] == [
        ("flow", "001")
    ]
    assert "FLOWmeter, serial number 001, firmware 2" in capsys.readouterr().out


def test_addresses_are_those_that_settings_and_stations_name(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = TcpLinePort("127.0.0.1", 0)
    named = {"kind": "tcp", "host": "127.0.0.1", "port": port.port}
    load = {"address": named, "instrument": "scpi-99-load"}
    power = {"driver": "scpi-load", "settings": load}
    settings.station_file("left").write_text(
        yaml.safe_dump({"id": "left", "name": "Left", "power": power})
    )
    other = TcpLinePort("127.0.0.1", 0)
    config = tmp_path / "bem.yaml"
    folders = {"data_dir": str(settings.data_dir), "runtime_dir": str(settings.runtime_dir)}
    node = {"tcp_addresses": [f"127.0.0.1:{other.port}"]}
    config.write_text(yaml.safe_dump({**folders, "node": node}))
    flow = FlowUnit(FlowUnitSettings(), time.monotonic_ns())
    described = load_description("scpi-99-meter", MeterDescription)
    strange = ScpiMeterUnit(described, Poles(), identity="ACME,Z1,7,1.0")
    with serving(strange, port), serving(flow, other):
        assert main(["--config", str(config), "devices", "--json"]) == 0
    found = {one["place"]: one for one in json.loads(capsys.readouterr().out)}
    theirs = found[f"tcp 127.0.0.1:{port.port}"]
    assert (theirs["state"], theirs["station"]) == ("unknown", "left")
    assert theirs["answered"] == "ACME,Z1,7,1.0"
    assert found[f"tcp 127.0.0.1:{other.port}"]["driver"] == "flow"


def test_instruments_are_known_by_the_descriptions_of_the_node(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "instruments"
    folder.mkdir()
    settings = Settings(
        data_dir=settings.data_dir, node=settings.node.model_copy(update={"instruments": folder})
    )
    measures = [{"ask": "READ?", "values": [{"channel": "v", "quantity": "voltage"}]}]
    mine = {"kind": "meter", "title": "ACME Z1", "measures": measures}
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    pair = {
        "source": {"driver": "scpi-source", "settings": {"instrument": str(folder / "psu.yaml")}},
        "load": {"driver": "scpi-load", "settings": {"description": {**mine, "kind": "load"}}},
    }
    claimed = [Claim(EA, "left", True, "source-and-load", False, pair)]
    trouble = Condition(logging.getLogger("bem.test"), "descriptions")
    for _ in range(2):
        askings = instruments_of(settings, claimed, trouble)
    assert str(folder / "mine.yaml") in {one.probe.described_by for one in askings}
    (told,) = [one.message for one in caplog.records if one.name == "bem.test"]
    assert "psu.yaml: cannot be read" in told
    assert "a station's own description: ratings: is missing" in told
    assert instruments_of(settings, [], trouble)
    assert not trouble.active


def test_who_comes_and_goes_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    news = DeviceNews()
    known = DeviceReport(place=EA, state="free", driver="ea", make="EA", model="PS 2042")
    used = DeviceReport(place=EA, state="used", driver="ea", station="left")
    silent = DeviceReport(place=EA, state="unknown")
    for reports in ([silent], [known], [known], [used], [silent], [], [known], [known]):
        news.tell(reports)
    assert [one.getMessage() for one in caplog.records] == [
        f"found: EA PS 2042 at {EA}",
        f"gone: ea at {EA}",
        f"found: EA PS 2042 at {EA}",
    ]
