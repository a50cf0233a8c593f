"""The EPC driver over SLCAN against the simulator process: real ports, real time."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.drivers.conftest import SimulatorProcess

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceNotFound,
    Mode,
    Protection,
)
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.registry import make_device
from bem_drivers.simulation.bench import make_bench
from bem_drivers.simulation.process import BenchProcess
from bem_drivers.simulation.rig import Rig

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=0.5
)

ABANDON = """
import sys, time
from bem_drivers.base import Command, Mode, Protection
from bem_drivers.registry import make_device
device = make_device("epc", {"bus": {"interface": "slcan", "channel": sys.argv[1]}})
device.open()
device.protect(Protection(2.5, 4.25, -5.0, 5.0, silence_s=0.5))
device.apply(Command(Mode.CC, 1.0))
print("running", flush=True)
while True:
    device.read()
    device.keep_alive()
    time.sleep(0.05)
"""


@pytest.fixture
def device(simulator: SimulatorProcess) -> Iterator[EpcDriver]:
    """Get an opened and protected EPC."""
    device = simulator.device()
    device.open()
    device.protect(PROTECTION)
    yield device
    device.close()


def test_it_identifies_and_reads(simulator: SimulatorProcess, device: EpcDriver) -> None:
    assert device.identity.serial == "1"
    reading = device.read()
    answer = simulator.ledger("answer")[-1]
    assert reading.values["voltage"].value == answer["ls_mv"] / 1000
    assert reading.values["current"].value == answer["ls_ma"] / 1000
    assert reading.values["supply_voltage"].value == answer["hs_mv"] / 1000
    assert reading.values["temperature_body"].value == 25.0
    assert 0 <= reading.values["voltage"].at_ns - answer["t_ns"] < 50_000_000


@pytest.mark.parametrize(
    ("command", "channel", "value"),
    [
        (Command(Mode.CC, -2.0), "current", -2.0),
        (Command(Mode.CV, 3.75), "voltage", 3.75),
        (Command(Mode.CP, 7.5), "current", 2.0),
    ],
)
def test_it_does_what_it_is_told(
    device: EpcDriver, command: Command, channel: str, value: float
) -> None:
    device.apply(command)
    reading = device.read()
    assert reading.active == command
    assert reading.values[channel].value == pytest.approx(value, abs=0.03)
    device.make_safe()
    assert device.read().active == OFF


def test_a_refused_set_point_never_reaches_the_bus(
    simulator: SimulatorProcess, device: EpcDriver
) -> None:
    before = len(simulator.ledger("command"))
    with pytest.raises(ConfigurationRefused, match="6 A"):
        device.apply(Command(Mode.CC, 6.0))
    assert len(simulator.ledger("command")) == before


def test_every_answer_is_read_once_and_as_it_was(
    simulator: SimulatorProcess, device: EpcDriver
) -> None:
    device.apply(Command(Mode.CC, 1.0))
    before = len(simulator.ledger("answer"))
    readings = []
    for _ in range(20):
        readings.append(device.read())
        device.keep_alive()
        time.sleep(0.02)
    answers = simulator.ledger("answer")[before:]
    assert [
        (round(one.values["voltage"].value * 1000), round(one.values["current"].value * 1000))
        for one in readings
    ] == [(one["ls_mv"], one["ls_ma"]) for one in answers]


def test_a_killed_client_leaves_no_output_on(
    simulator: SimulatorProcess, wait_until: Callable[..., None]
) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", ABANDON, str(simulator.link)], stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    try:
        assert client.stdout.readline() == "running\n"
        time.sleep(0.5)
    finally:
        killed_ns = time.monotonic_ns()
        client.send_signal(signal.SIGKILL)
        client.wait()
        client.stdout.close()
    wait_until(lambda: not simulator.ledger("output")[-1]["on"])
    off = simulator.ledger("output")[-1]
    assert off["reason"] == "supervision"
    assert 0 < off["t_ns"] - killed_ns <= (0.5 + 0.05) * 1e9
    successor = simulator.device()
    successor.open()
    assert successor.read().active == OFF
    assert successor.read().faults == ()
    successor.close()


def test_a_stopped_loop_loses_its_output(
    simulator: SimulatorProcess, device: EpcDriver, wait_until: Callable[..., None]
) -> None:
    device.apply(Command(Mode.CC, 1.0))
    wait_until(lambda: not simulator.ledger("output")[-1]["on"])
    reading = device.read()
    assert (reading.active, reading.faults) == (OFF, ("communication",))
    device.keep_alive()
    device.apply(Command(Mode.CC, 1.0))
    assert device.read().active == Command(Mode.CC, 1.0)


def test_an_unplugged_adapter_is_lost_at_once_and_comes_back(
    simulator: SimulatorProcess, device: EpcDriver
) -> None:
    device.apply(Command(Mode.CC, 1.0))
    simulator.unplug()
    for action in (device.read, device.make_safe, lambda: device.apply(OFF)):
        start = time.monotonic()
        with pytest.raises(CommunicationLost, match=r"adapter plugged in|open the device"):
            action()
        assert time.monotonic() - start < 0.5
    with pytest.raises(DeviceNotFound):
        device.open()
    simulator.plug_in()
    device.open()
    assert device.read().active == OFF


def test_a_client_may_come_and_go(simulator: SimulatorProcess) -> None:
    for _ in range(5):
        device = simulator.device()
        device.open()
        device.read()
        device.close()
        device.close()


def test_a_unit_that_is_not_there_is_told_in_time(simulator: SimulatorProcess) -> None:
    start = time.monotonic()
    with pytest.raises(DeviceNotFound, match="0x20"):
        simulator.device(device_id=0x20).open()
    assert time.monotonic() - start < 1.0


def test_units_share_an_adapter(simulate: Callable[..., SimulatorProcess]) -> None:
    simulator = simulate("--device-id", "0x14", "--device-id", "0x15", "--sensors", "none")
    for device_id in (0x14, 0x15):
        device = simulator.device(device_id=device_id)
        device.open()
        assert device.protect(PROTECTION).temperature_max is None
        device.close()
    assert {entry["device"] for entry in simulator.ledger("limits")} == {"epc-14", "epc-15"}


def test_units_share_a_bus_that_carries_one_frame_at_a_time(
    simulate: Callable[..., SimulatorProcess],
) -> None:
    simulator = simulate("--bitrate", "125000", "--lenient")
    device = simulator.device()
    device.open()
    device.protect(PROTECTION)
    device.apply(Command(Mode.CC, 1.0))
    for _ in range(5):
        assert device.read().active == Command(Mode.CC, 1.0)
        device.keep_alive()
    device.make_safe()
    device.close()
    assert simulator.ledger("trap") == []


def test_it_ends_cleanly_and_takes_its_link_along(simulator: SimulatorProcess) -> None:
    assert simulator.link.is_symlink()
    assert simulator.stop() == 0
    assert not simulator.link.is_symlink()


def test_options_that_make_no_unit_are_explained(tmp_path: Path) -> None:
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "bem_drivers.epc.simulator_process",
            "--link",
            str(tmp_path / "epc"),
            "--soc",
            "2",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert "soc" in finished.stderr


def test_the_simulator_runs_in_a_thread_as_well(tmp_path: Path) -> None:
    described = {
        "batteries": {"cell": {}},
        "buses": {"can": {"kind": "slcan", "link": "epc"}},
        "devices": {
            "epc": {
                "driver": "epc",
                "bus": "can",
                "battery": "cell",
                "settings": {"device_id": 0x20, "body_sensor": False},
            }
        },
    }
    rig = Rig(make_bench(described), tmp_path, time.monotonic_ns())
    simulator = BenchProcess(rig)
    thread = threading.Thread(target=simulator.run)
    thread.start()
    device = make_device(
        "epc",
        {"bus": {"interface": "slcan", "channel": str(tmp_path / "epc")}, "device_id": 0x20},
    )
    try:
        device.open()
        assert device.read().values["voltage"].value == pytest.approx(3.7, abs=0.002)
    finally:
        device.close()
        simulator.stop()
        thread.join(10)
    assert not thread.is_alive()
    assert not os.path.lexists(tmp_path / "epc")
