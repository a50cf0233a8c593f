"""A bench's description: what is taken, and that what is wrong is said with path and remedy."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bem_drivers.registry import driver, driver_names
from bem_drivers.simulation.bench import BenchError, load_bench, make_bench

from .bench_outside import install


@pytest.fixture(autouse=True)
def _outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)


def bench() -> dict[str, Any]:
    return {
        "batteries": {"cell": {"chemistry": "lfp", "capacity_ah": 3.0, "speed": 60}},
        "buses": {"can": {"kind": "slcan", "link": "can"}},
        "devices": {
            "cycler": {"driver": "epc", "bus": "can", "battery": "cell"},
            "meter": {
                "driver": "outside",
                "port": {"kind": "pty", "link": "meter"},
                "batteries": ["cell"],
                "settings": {"word": "volts"},
            },
        },
    }


def test_devices_of_all_kinds_share_a_battery() -> None:
    made = make_bench(bench())
    assert made.settings.batteries["cell"].speed == 60
    assert made.settings.devices["cycler"].batteries == ("cell",)
    spec, settings = made.simulators["meter"]
    assert (spec.wire, settings.model_dump()["word"]) == ("line", "volts")


def test_the_bench_of_the_handbook_has_every_driver_with_a_simulator() -> None:
    made = load_bench(Path(__file__).parents[3] / "docs/devices/bench.yaml")
    shown = {device.driver for device in made.settings.devices.values()}
    of_outside = {"outside", "bare"}
    brought = {name for name in driver_names() if driver(name).simulate is not None}
    assert shown == brought - of_outside


def _change(path: str, value: object) -> dict[str, Any]:
    described = bench()
    *parents, last = path.split(".")
    at: dict[str, Any] = described
    for parent in parents:
        at = at.setdefault(parent, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return described


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("devices", {}, r"devices: .* at least 1"),
        ("devices.cycler.driver", "ecp", r"devices\.cycler\.driver: no driver 'ecp'; installed: "),
        ("devices.meter.driver", "bare", r"'bare' brings no simulator; choose one that does"),
        ("devices.cycler.bus", "can9", r"devices\.cycler\.bus: 'can9' is no bus .*: can$"),
        ("devices.cycler.bus", None, r"devices\.cycler\.bus: None is no bus .*: can$"),
        (
            "devices.cycler.port",
            {"kind": "pty", "link": "x"},
            r"devices\.cycler\.port: a device on CAN has no port; name its bus",
        ),
        ("devices.meter.port", None, r"devices\.meter\.port: missing; give it a kind"),
        ("devices.meter.bus", "can", r"devices\.meter\.bus: outside is not on CAN; give it a port"),
        ("devices.cycler.battery", "cel", r"'cel' is no battery of this bench; there are: cell"),
        (
            "devices.cycler.battery",
            None,
            r"devices\.cycler\.batteries: 0 given, epc .* 1 to 2; list",
        ),
        (
            "devices.meter.batteries",
            ["cell", "cell"],
            r"devices\.meter\.batteries: 2 given, outside is connected to 0 to 1; list as many",
        ),
        (
            "devices.cycler.settings",
            {"device_id": 99},
            r"devices\.cycler\.settings\.device_id: Input should be less .* 63; got 99",
        ),
        ("devices.meter.settings", {"wort": "x"}, r"devices\.meter\.settings\.wort: Extra inputs"),
        ("batteries.cell.speed", 0, r"batteries\.cell\.speed: .* greater than 0; got 0"),
        ("batteries.cell.chemistry", "nickel", r"batteries\.cell\.chemistry: .*; got 'nickel'"),
        ("batteries.meter", {}, r"devices\.meter: batteries\.meter has this name too; .* rename"),
        ("buses.can.link", "meter", r"devices\.meter\.port: meter is that of buses\.can; give"),
        ("buses.can.kind", "usb", r"buses\.can: .*'usb'"),
        ("ledgers", "x", r"ledgers: Extra inputs are not permitted; got 'x'"),
        ("devices.two words", {"driver": "epc"}, r"devices\.two words.*pattern"),
    ],
)
def test_what_cannot_be_is_said_with_its_path(path: str, value: object, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        make_bench(_change(path, value))


@pytest.mark.parametrize("described", [None, [], "bench", 3, {"devices": [1]}, {"devices": None}])
def test_what_is_no_bench_at_all_is_refused(described: object) -> None:
    with pytest.raises(BenchError):
        make_bench(described)


def test_all_errors_come_at_once() -> None:
    described = _change("devices.cycler.bus", "can9")
    described["devices"]["meter"]["batteries"] = ["cel"]
    with pytest.raises(BenchError) as caught:
        make_bench(described)
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_is_named_with_what_is_wrong_in_it(tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    with pytest.raises(BenchError, match=r"bench\.yaml cannot be read: .*No such file"):
        load_bench(path)
    path.write_text("devices: [")
    with pytest.raises(BenchError, match=r"bench\.yaml cannot be read"):
        load_bench(path)
    path.write_text("devices: {}")
    with pytest.raises(BenchError, match=r"bench\.yaml:\ndevices: "):
        load_bench(path)
    path.write_text(yaml.safe_dump(bench()))
    assert set(load_bench(path).simulators) == {"cycler", "meter"}
