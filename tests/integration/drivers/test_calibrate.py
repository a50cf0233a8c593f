"""`bem calibrate` as a process, on an EPC and a meter that `bem simulate` puts up."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.bench_process import RunningBench

BENCH: dict[str, Any] = {
    "batteries": {"cell": {"capacity_ah": 20, "resistance_ohm": 0.1, "polarisation_ohm": 0.001}},
    "buses": {"can": {"kind": "slcan", "link": "can"}},
    "devices": {
        "cycler": {"driver": "epc", "bus": "can", "battery": "cell"},
        "meter": {
            "driver": "bk2831",
            "port": {"kind": "pty", "link": "meter"},
            "battery": "cell",
        },
    },
    "ledger": "ledger.jsonl",
    "control": "control",
}
LIMITS = ("--voltage-min", "3", "--voltage-max", "4.2", "--current-min=-2", "--current-max", "2")
AMMETER_OFFSET, VOLTMETER_OFFSET = 0.1, 0.03


def bench_with(meter: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    """Get ``BENCH`` with these changes to its meter and to itself."""
    devices = BENCH["devices"] | changes.pop("devices", {})
    return BENCH | changes | {"devices": devices | {"meter": devices["meter"] | meter}}


def astray(quantity: str, offset: float) -> dict[str, Any]:
    """Get a meter whose readings are off."""
    return {"settings": {"sensors": {quantity: {"offset": offset}}}}


class CalibratedBench(RunningBench):
    """A bench in a process, and the command beside it."""

    def __init__(self, folder: Path, bench: dict[str, Any]) -> None:
        super().__init__(folder, bench)
        self.file = folder / "bem.yaml"
        files: dict[str, Any] = {
            "bem": {"data_dir": str(folder / "data"), "runtime_dir": str(folder / "run")},
            # What is tested is not how fast a busy machine is.
            "epc": {
                "driver": "epc",
                "settings": {
                    "bus": {"interface": "slcan", "channel": str(folder / "can")},
                    "reply_timeout_s": 2.0,
                },
            },
            "bk": {
                "driver": "bk2831",
                "settings": {
                    "address": {"kind": "serial", "port": str(folder / "meter")},
                    "quantity": "current_dc",
                    "reply_timeout_s": 5.0,
                },
            },
            "voltmeter": {
                "driver": "bk2831",
                "settings": {
                    "address": {"kind": "serial", "port": str(folder / "meter")},
                    "quantity": "voltage_dc",
                    "reply_timeout_s": 5.0,
                },
            },
            "source": {
                "driver": "ea",
                "settings": {
                    "address": {"kind": "serial", "port": str(folder / "source")},
                    "output": 1,
                    "reply_timeout_s": 5.0,
                },
            },
        }
        for name, said in files.items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(said))

    def bem(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bem.cli", "--config", str(self.file), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    def calibrate(self, *options: str) -> subprocess.Popen[str]:
        return self.bem(
            *("calibrate", "--power", str(self.folder / "epc.yaml")),
            *("--meter", str(self.folder / "bk.yaml"), "--quantity", "current"),
            *("--operator", "Ada", "--meter-accuracy", "0.1", "0.001"),
            *("--tolerance", "1", "0.05", "--silence", "20", *LIMITS, "--yes", *options),
        )

    def step(self, quantity: str, *options: str) -> subprocess.Popen[str]:
        """Calibrate a voltage by the source."""
        return self.bem(
            *("calibrate", "--power", str(self.folder / "epc.yaml"), "--quantity", quantity),
            *("--meter", str(self.folder / "voltmeter.yaml"), "--operator", "Ada"),
            *("--source", str(self.folder / "source.yaml"), "--meter-accuracy", "0.01", "0.0005"),
            *("--tolerance", "0.1", "0.01", "--yes", *options),
        )

    def station(self, name: str) -> None:
        """Define a station that has the EPC."""
        stations = self.folder / "data" / "stations"
        stations.mkdir(parents=True, exist_ok=True)
        power = yaml.safe_load((self.folder / "epc.yaml").read_text())
        # What is tested is not how fast a busy machine is.
        station = {"id": name, "name": name, "period_ms": 1000, "silence_s": 20, "power": power}
        (stations / f"{name}.yaml").write_text(yaml.safe_dump(station))

    def calibrate_station(self, name: str, *options: str) -> subprocess.Popen[str]:
        return self.bem(
            *("calibrate", name, "--meter", str(self.folder / "bk.yaml"), "--quantity", "current"),
            *("--operator", "Ada", "--meter-accuracy", "0.1", "0.001", "--tolerance", "1", "0.05"),
            *(*LIMITS, "--points", "3", "--silence", "20", "--yes", *options),
        )

    def listed(self) -> tuple[int, str]:
        """Ask what was calibrated: exit code and what was written."""
        command = self.bem("calibrations")
        said, _ = command.communicate(timeout=60)
        return command.returncode, said

    def wait_for_power(
        self, command: subprocess.Popen[str], device: str, wait_until: Callable[..., None]
    ) -> None:
        """Wait until a check that was begun has switched on; it must not end before."""
        wait_until(
            lambda: self.outputs(device)[-1:] == [True] or command.poll() is not None, seconds=300
        )
        assert command.poll() is None, command.communicate()

    def outputs(self, device: str) -> list[bool]:
        """Get how the output of a device was switched, of the ledger."""
        return [one["on"] for one in self.recorded("output", device)]

    def reports(self) -> list[Path]:
        return sorted((self.folder / "data" / "calibrations").glob("*.json"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[CalibratedBench]:
    """Get a bench with a battery, and a meter that is off."""
    running = CalibratedBench(tmp_path, bench_with(astray("current", AMMETER_OFFSET)))
    yield running
    running.stop()


@pytest.fixture
def sound_bench(tmp_path: Path) -> Iterator[CalibratedBench]:
    """Get a bench with a battery on which everything reads true."""
    running = CalibratedBench(tmp_path, BENCH)
    yield running
    running.stop()


@pytest.fixture
def make_bare(tmp_path: Path) -> Iterator[Callable[[str], CalibratedBench]]:
    """Get a maker of benches with source, meter and one side of an EPC, without a battery."""
    running: list[CalibratedBench] = []

    def make(quantity: str) -> CalibratedBench:
        sides = ["here"] if quantity == "voltage" else ["other-side", "here"]
        source = {
            "driver": "ea",
            "port": {"kind": "pty", "link": "source"},
            "battery": "here",
            "settings": {"model": "PS 2384-05B", "voltage": 84, "current": 5},
        }
        cycler = {"driver": "epc", "bus": "can", "batteries": sides}
        bench = bench_with(
            astray("voltage", VOLTMETER_OFFSET) | {"battery": "here"},
            batteries={"here": {"connected": False}, "other-side": {"connected": False}},
            devices={"cycler": cycler, "source": source},
        )
        running.append(CalibratedBench(tmp_path, bench))
        return running[-1]

    yield make
    for one in running:
        one.stop()


@pytest.mark.timeout(600)
def test_a_check_from_the_command_to_its_report(bench: CalibratedBench) -> None:
    command = bench.calibrate("--points", "5", "--settle", "0.3", "--firmware", "33000", "-16000")
    said, complained = command.communicate(timeout=500)
    assert command.returncode == 3, complained
    assert "failed: current of Wattrex EPC" in said
    (path,) = bench.reports()
    report = json.loads(path.read_text())
    # Half a count of 8 mA is cut off by its converter.
    assert report["factors"]["offset"] == pytest.approx(0.104, abs=0.005)
    assert report["factors"]["gain"] == pytest.approx(1.0, abs=0.005)
    assert report["firmware"]["offset"] == pytest.approx(-15896, abs=100)
    assert report["reference"]["serial"] == "124H14118"
    assert "**FAILED**" in path.with_suffix(".md").read_text()
    # By the reference 1.95 A would truly be 2.05 A.
    assert [one["set_point"] for one in report["skipped"]] == [1.95]
    # Of the ledger: never beyond the limits, and off in the end.
    told = bench.recorded("answer")
    currents = [one["ls_ma"] for one in told if "ls_ma" in one]
    assert -2000 <= min(currents) < -1500
    assert 900 < max(currents) < 1100
    assert all(3000 <= one["ls_mv"] <= 4200 for one in told if "ls_mv" in one)
    assert bench.outputs("cycler")[-1] is False
    code, listed = bench.listed()
    assert code == 0
    assert "Wattrex EPC" in listed


@pytest.mark.timeout(600)
def test_a_station_by_its_name_up_to_its_overdue_warning(
    sound_bench: CalibratedBench, wait_until: Callable[..., None]
) -> None:
    bench = sound_bench
    bench.station("left")
    command = bench.calibrate_station("left", "--settle", "0.3")
    said, complained = command.communicate(timeout=500)
    assert command.returncode == 0, complained
    assert "passed: current of Wattrex EPC" in said
    assert bench.outputs("cycler")[-1] is False
    (path,) = bench.reports()
    report = json.loads(path.read_text())
    assert report["station"] == "left"
    code, listed = bench.listed()
    assert code == 0
    assert "OVERDUE" not in listed
    # Years pass.
    report |= {"made_at": "2020-01-01T00:00:00Z", "due": "2020-12-31"}
    path.write_text(json.dumps(report))
    code, listed = bench.listed()
    assert code == 1
    assert "2020-12-31  OVERDUE  2020-01-01  current" in listed
    errors = bench.folder / "station.txt"
    with errors.open("w") as file:
        running = subprocess.Popen(
            [sys.executable, "-m", "bem.cli", "--config", str(bench.file), "station", "left"],
            stderr=file,
        )
    try:
        wait_until(lambda: "due for calibration" in errors.read_text(), 120)
    finally:
        running.terminate()
        running.wait(60)
    (warning,) = [line for line in errors.read_text().splitlines() if "due for" in line]
    assert "the current of Wattrex EPC" in warning
    assert "was due for calibration on 2020-12-31" in warning


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("quantity", "factor", "voltages"),
    [
        ("voltage", 6000, [one / 2 for one in range(1, 11)]),
        ("supply_voltage", 15000, [one / 2 for one in range(10, 29)]),
    ],
)
def test_a_source_steps_either_side_of_an_epc(
    make_bare: Callable[[str], CalibratedBench],
    quantity: str,
    factor: int,
    voltages: list[float],
) -> None:
    bench = make_bare(quantity)
    command = bench.step(quantity, "--settle", "0.3", "--firmware", str(factor), "0")
    said, complained = command.communicate(timeout=500)
    assert command.returncode == 3, complained
    assert "the source has no watchdog" in complained + said
    (path,) = bench.reports()
    report = json.loads(path.read_text())
    assert [one["set_point"] for one in report["points"]] == voltages
    # Its converter cuts off, at most one count.
    assert report["factors"]["offset"] == pytest.approx(VOLTMETER_OFFSET + 0.002, abs=0.003)
    assert report["factors"]["gain"] == pytest.approx(1.0, abs=0.001)
    assert report["firmware"]["factor"] == pytest.approx(factor, rel=0.001)
    assert report["source"]["model"] == "PS 2384-05B"
    assert "| Source | " in path.with_suffix(".md").read_text()
    assert bench.outputs("source") == [True, False]
    assert bench.outputs("cycler") == []
    given = [one["voltage"] for one in bench.recorded("answer", "source")]
    assert max(given) == pytest.approx(voltages[-1])


@pytest.mark.timeout(600)
def test_whoever_stops_all_ends_a_check_that_waits_for_an_answer(
    sound_bench: CalibratedBench, wait_until: Callable[..., None]
) -> None:
    bench = sound_bench
    checks = bench.folder / "data" / "checks"
    command = bench.bem(
        *("calibrate", "--power", str(bench.folder / "epc.yaml")),
        *("--meter", str(bench.folder / "bk.yaml")),
    )
    wait_until(lambda: checks.is_dir() and any(checks.iterdir()), 60)
    stop = bench.bem("stop-all")
    said, complained = stop.communicate(timeout=60)
    assert stop.returncode == 0, complained
    assert said == f"calibration check, process {command.pid}: interrupted; nothing was left on\n"
    _, complained = command.communicate(timeout=60)
    assert command.returncode == 2
    assert "interrupted; nothing was left on" in complained
    assert bench.outputs("cycler") == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_the_source_is_on_switches_it_off(
    make_bare: Callable[[str], CalibratedBench],
    wait_until: Callable[..., None],
    number: signal.Signals,
) -> None:
    bench = make_bare("voltage")
    command = bench.step("voltage", "--settle", "10")
    bench.wait_for_power(command, "source", wait_until)
    command.send_signal(number)
    _, complained = command.communicate(timeout=200)
    assert command.returncode == 1
    assert f"nothing was left on: it was interrupted by {number.name}" in complained
    assert bench.outputs("source") == [True, False]
    assert bench.outputs("cycler") == []
    assert bench.reports() == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("options", [(), ("--checks-only",)])
def test_whoever_stops_all_on_the_node_ends_a_source_that_is_on(
    make_bare: Callable[[str], CalibratedBench],
    wait_until: Callable[..., None],
    options: tuple[str, ...],
) -> None:
    bench = make_bare("voltage")
    bench.station("left")
    command = bench.step("voltage", "--settle", "10")
    bench.wait_for_power(command, "source", wait_until)
    stop = bench.bem("stop-all", *options)
    said, complained = stop.communicate(timeout=200)
    assert bench.outputs("source") == [True, False]
    assert stop.returncode == 0, complained
    *of_stations, of_check = said.splitlines()
    off = [] if options else ["station left: its process is down; output verified off"]
    assert of_stations == off
    assert of_check == f"calibration check, process {command.pid}: interrupted; nothing was left on"
    _, complained = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "nothing was left on: it was interrupted by SIGTERM" in complained


@pytest.mark.timeout(600)
def test_whoever_stops_a_station_ends_the_check_that_has_it(
    sound_bench: CalibratedBench, wait_until: Callable[..., None]
) -> None:
    bench = sound_bench
    bench.station("left")
    command = bench.calibrate_station("left", "--settle", "10")
    bench.wait_for_power(command, "cycler", wait_until)
    stop = bench.bem("stop-station", "left")
    said, complained = stop.communicate(timeout=200)
    assert bench.outputs("cycler")[-1] is False
    assert stop.returncode == 0, complained
    assert said == (
        f"station left: calibration check, process {command.pid}: interrupted; nothing was left "
        "on; its process is down; output verified off\n"
    )
    _, complained = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "nothing was left on: it was interrupted by SIGTERM" in complained
    assert bench.reports() == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_current_flows_switches_off(
    bench: CalibratedBench, wait_until: Callable[..., None], number: signal.Signals
) -> None:
    command = bench.calibrate("--settle", "10", "--points", "4")
    bench.wait_for_power(command, "cycler", wait_until)
    command.send_signal(number)
    _, complained = command.communicate(timeout=200)
    assert command.returncode == 1
    assert f"nothing was left on: it was interrupted by {number.name}" in complained
    assert bench.outputs("cycler")[-1] is False
    assert bench.reports() == []


@pytest.mark.timeout(600)
def test_a_process_that_is_killed_leaves_it_to_the_watchdog(
    bench: CalibratedBench, wait_until: Callable[..., None]
) -> None:
    command = bench.calibrate("--settle", "10", "--points", "4", "--silence", "8")
    bench.wait_for_power(command, "cycler", wait_until)
    command.kill()
    command.communicate(timeout=60)
    wait_until(lambda: bench.outputs("cycler")[-1] is False, 60)
    assert bench.reports() == []
