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

BENCH = {
    "batteries": {"cell": {"capacity_ah": 20, "resistance_ohm": 0.1, "polarisation_ohm": 0.001}},
    "buses": {"can": {"kind": "slcan", "link": "can"}},
    "devices": {
        "cycler": {"driver": "epc", "bus": "can", "battery": "cell"},
        "meter": {
            "driver": "bk2831",
            "port": {"kind": "pty", "link": "meter"},
            "battery": "cell",
            "settings": {"sensors": {"current": {"offset": 0.1}}},
        },
    },
    "ledger": "ledger.jsonl",
    "control": "control",
}
LIMITS = ("--voltage-min", "3", "--voltage-max", "4.2", "--current-min=-2", "--current-max", "2")


class CalibratedBench:
    """A bench in a process, and the command beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files: dict[str, Any] = {
            "bench": BENCH,
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
        }
        for name, said in files.items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(said))
        self.simulator = subprocess.Popen(
            [sys.executable, "-m", "bem.cli", "simulate", str(folder / "bench.yaml")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.simulator.stdout is not None
        while not self.simulator.stdout.readline().startswith("ready"):
            assert self.simulator.poll() is None

    def order(self, order: str) -> None:
        assert self.simulator.stdin is not None
        self.simulator.stdin.write(f"{order}\n")
        self.simulator.stdin.flush()

    def calibrate(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "bem.cli", "--config", str(self.folder / "bem.yaml")),
                *("calibrate", "--power", str(self.folder / "epc.yaml")),
                *("--meter", str(self.folder / "bk.yaml"), "--quantity", "current"),
                *("--operator", "Ada", "--meter-accuracy", "0.1", "0.001"),
                *("--tolerance", "1", "0.05", "--silence", "20", *LIMITS, "--yes", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.folder / "ledger.jsonl").read_text().splitlines()
        return [entry for line in lines if (entry := json.loads(line))["kind"] == kind]

    def reports(self) -> list[Path]:
        return sorted((self.folder / "data" / "calibrations").glob("*.json"))

    def stop(self) -> None:
        self.simulator.send_signal(signal.SIGTERM)
        self.simulator.wait(30)
        for stream in (self.simulator.stdin, self.simulator.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[CalibratedBench]:
    running = CalibratedBench(tmp_path)
    yield running
    running.stop()


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
    told = bench.ledger("answer")
    currents = [one["ls_ma"] for one in told if "ls_ma" in one]
    assert -2000 <= min(currents) < -1500
    assert 900 < max(currents) < 1100
    assert all(3000 <= one["ls_mv"] <= 4200 for one in told if "ls_mv" in one)
    assert [one["on"] for one in bench.ledger("output")][-1] is False
    listed = subprocess.run(
        [
            *(sys.executable, "-m", "bem.cli", "--config", str(bench.folder / "bem.yaml")),
            "calibrations",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0
    assert "Wattrex EPC" in listed.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_current_flows_switches_off(
    bench: CalibratedBench, wait_until: Callable[..., None], number: signal.Signals
) -> None:
    command = bench.calibrate("--settle", "10", "--points", "4")
    wait_until(lambda: [one["on"] for one in bench.ledger("output")][-1:] == [True], 300)
    command.send_signal(number)
    _, complained = command.communicate(timeout=200)
    assert command.returncode == 1
    assert f"nothing was left on: it was interrupted by {number.name}" in complained
    assert [one["on"] for one in bench.ledger("output")][-1] is False
    assert bench.reports() == []


@pytest.mark.timeout(600)
def test_a_process_that_is_killed_leaves_it_to_the_watchdog(
    bench: CalibratedBench, wait_until: Callable[..., None]
) -> None:
    command = bench.calibrate("--settle", "10", "--points", "4", "--silence", "8")
    wait_until(lambda: [one["on"] for one in bench.ledger("output")][-1:] == [True], 300)
    command.kill()
    command.communicate(timeout=60)
    wait_until(lambda: [one["on"] for one in bench.ledger("output")][-1] is False, 60)
    assert bench.reports() == []
