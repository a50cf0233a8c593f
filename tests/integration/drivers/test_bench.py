"""A bench run by `bem simulate` as a process of its own, read by real drivers over real ports."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.bench_process import RunningBench, free_port

from bem_drivers.base import (
    Command,
    CommunicationLost,
    DeviceNotFound,
    Mode,
    PowerDevice,
    Protection,
)
from bem_drivers.registry import make_device

BENCH = {
    "batteries": {
        "left": {"chemistry": "nmc", "capacity_ah": 2.5, "speed": 60},
        "right": {"chemistry": "lfp", "capacity_ah": 1.1, "soc": 0.8},
    },
    "buses": {"can": {"kind": "slcan", "link": "can"}},
    "devices": {
        "cycler-left": {"driver": "epc", "bus": "can", "battery": "left"},
        "cycler-right": {
            "driver": "epc",
            "bus": "can",
            "battery": "right",
            "settings": {"device_id": 0x14, "serial_number": 9},
        },
        "flow": {
            "driver": "flow",
            "port": {"kind": "pty", "link": "flow"},
            "settings": {"flow": 1500},
        },
    },
    "ledger": "ledger.jsonl",
    "control": "control",
}
PROTECTION = Protection(
    voltage_min=2.0, voltage_max=4.3, current_min=-5.0, current_max=5.0, silence_s=10.0
)


def epc_of(bench: RunningBench, device_id: int = 0x13) -> PowerDevice:
    """Make an unopened driver of a unit behind the adapter."""
    bus = {"interface": "slcan", "channel": str(bench.folder / "can")}
    # What is tested is not how fast a busy machine is.
    settings = {"bus": bus, "device_id": device_id, "reply_timeout_s": 2.0}
    device = make_device("epc", settings)
    assert isinstance(device, PowerDevice)
    return device


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RunningBench]:
    running = RunningBench(tmp_path, BENCH)
    yield running
    running.stop()


def test_drivers_find_their_devices_where_the_bench_says(bench: RunningBench) -> None:
    assert bench.said[:-1] == [
        f"cycler-left: epc at slcan {bench.folder / 'can'}\n",
        f"cycler-right: epc at slcan {bench.folder / 'can'}\n",
        f"flow: flow at serial {bench.folder / 'flow'}\n",
    ]
    voltages = []
    for device_id, serial in ((0x13, "1"), (0x14, "9")):
        epc = epc_of(bench, device_id)
        epc.open()
        assert epc.identity.serial == serial
        voltages.append(epc.read().values["voltage"].value)
        epc.close()
    assert voltages == pytest.approx([3.7, 3.335], abs=0.003)
    flow = make_device(
        "flow",
        {"address": {"kind": "serial", "port": str(bench.folder / "flow"), "baudrate": 19200}},
    )
    flow.open()
    assert flow.read().values["flow"].value == 1.5
    flow.close()


def test_a_charge_is_in_the_battery_and_in_the_ledger(bench: RunningBench) -> None:
    epc = epc_of(bench)
    epc.open()
    epc.protect(PROTECTION)
    epc.apply(Command(Mode.CC, 2.0))
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        epc.keep_alive()
        assert epc.read().values["current"].value == pytest.approx(2.0, abs=0.02)
    epc.make_safe()
    epc.close()
    truth = bench.battery("left")
    switched = bench.recorded("output")
    assert [(one["device"], one["on"]) for one in switched] == [
        ("cycler-left", True),
        ("cycler-left", False),
    ]
    on_s = (switched[1]["t_ns"] - switched[0]["t_ns"]) / 1e9
    assert truth["charge_in"] == pytest.approx(2.0 * on_s * 60 / 3600, rel=0.01)
    assert truth["state_of_charge"] == pytest.approx(0.5 + truth["charge_in"] / 2.5)
    assert bench.battery("right")["charge_in"] == 0.0


def test_faults_come_and_go_by_order(bench: RunningBench, wait_until: Callable[..., None]) -> None:
    epc = epc_of(bench)
    epc.open()
    bench.order("cycler-left voltage 3.0")
    assert epc.read().values["voltage"].value == pytest.approx(3.0, abs=0.003)
    bench.order("can unplug")
    with pytest.raises(CommunicationLost):
        epc.read()
    epc.close()
    with pytest.raises(DeviceNotFound):
        epc_of(bench).open()
    assert bench.process.stdin is not None
    bench.process.stdin.write("can plug\ncycler-left voltage off\n")
    bench.process.stdin.flush()
    wait_until((bench.folder / "can").exists)
    epc = epc_of(bench)
    epc.open()
    wait_until(lambda: abs(epc.read().values["voltage"].value - 3.7) < 0.01)
    epc.close()


def test_it_ends_well_and_leaves_only_its_ledger(bench: RunningBench) -> None:
    assert bench.process.stdin is not None
    bench.process.stdin.close()
    assert bench.battery("left")["current"] == 0.0
    bench.process.send_signal(signal.SIGTERM)
    assert bench.process.wait(10) == 0
    assert sorted(path.name for path in bench.folder.iterdir()) == ["bench.yaml", "ledger.jsonl"]


HANDBOOK = Path(__file__).parents[3] / "docs/devices/bench.yaml"


def _reached(folder: Path, place: dict[str, Any]) -> dict[str, Any]:
    """Get the address of a port of a bench, as a driver takes it."""
    if place["kind"] == "tcp":
        return {"kind": "tcp", "host": "127.0.0.1", "port": place["port"]}
    return {"kind": "serial", "port": str(folder / place["link"])}


def test_the_bench_of_the_handbook_answers_to_every_driver(tmp_path: Path) -> None:
    described = yaml.safe_load(HANDBOOK.read_text())
    for device in described["devices"].values():
        if device.get("port", {}).get("kind") == "tcp":
            device["port"]["port"] = free_port()
    settings: dict[str, dict[str, Any]] = {
        "epc-13": {"device_id": 0x13, "reply_timeout_s": 2.0},
        "epc-14": {"device_id": 0x14, "reply_timeout_s": 2.0},
        "bms": {"can_id": 0x101},
        "reference": {"quantity": "voltage_dc"},
        "supply": {"reply_timeout_s": 2.0},
        "load": {"reply_timeout_s": 2.0},
        "dual": {"output": 2, "reply_timeout_s": 2.0},
        **{
            name: {"instrument": described["devices"][name]["settings"]["instrument"]}
            for name in ("scpi-source", "scpi-load", "scpi-meter")
        },
        "flow": {},
    }
    assert settings.keys() == described["devices"].keys()
    running = RunningBench(tmp_path, described)
    read: dict[str, dict[str, float]] = {}
    try:
        for name, device in described["devices"].items():
            if "bus" in device:
                link = tmp_path / described["buses"][device["bus"]]["link"]
                where = {"bus": {"interface": "slcan", "channel": str(link)}}
            else:
                where = {"address": _reached(tmp_path, device["port"])}
            driver = make_device(device["driver"], settings[name] | where)
            driver.open()
            try:
                values = driver.read().values
                read[name] = {channel: one.value for channel, one in values.items()}
            finally:
                driver.close()
        truth = {name: running.battery(name)["voltage"] for name in described["batteries"]}
    finally:
        running.stop()
    assert read["epc-13"]["voltage"] == pytest.approx(truth["cell-1"], abs=0.02)
    assert read["epc-14"]["voltage"] == pytest.approx(truth["cell-2"], abs=0.02)
    assert next(iter(read["reference"].values())) == pytest.approx(truth["cell-1"], abs=0.02)
    assert read["supply"]["voltage"] == pytest.approx(truth["starter"], abs=0.05)
    assert read["load"]["voltage"] == pytest.approx(truth["starter"], abs=0.05)
    assert read["dual"]["voltage"] == pytest.approx(truth["stack"], abs=0.1)
    assert read["scpi-source"]["voltage"] == pytest.approx(truth["pack"], abs=0.1)
    assert read["scpi-load"]["voltage"] == pytest.approx(truth["pack"], abs=0.1)
    assert read["scpi-meter"]["meter_voltage"] == pytest.approx(truth["pack"], abs=0.1)
    assert read["flow"]["flow"] == pytest.approx(1.5, rel=0.1)


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_bench_that_cannot_be_is_refused_with_its_errors(
    tmp_path: Path, options: list[str]
) -> None:
    path = tmp_path / "bench.yaml"
    path.write_text("devices: {one: {driver: epc, bus: can, battery: cell}}\n")
    command = [sys.executable, "-m", "bem.cli", "simulate", str(path), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"{path}:",
        "devices.one.bus: 'can' is no bus of this bench; there are: none",
        "devices.one.batteries: 'cell' is no battery of this bench; there are: none",
    ]
