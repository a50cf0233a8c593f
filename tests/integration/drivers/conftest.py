"""A simulated EPC as a process of its own, behind a real pseudo-terminal."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bem_drivers.epc.driver import EpcDriver
from bem_drivers.registry import make_device


class SimulatorProcess:
    """A running simulator, its port and its ledger."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.link = folder / "epc"
        self.ledger_path = folder / "ledger.jsonl"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bem_drivers.epc.simulator_process",
                "--link",
                str(self.link),
                "--ledger",
                str(self.ledger_path),
                *options,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 20)[0], "the simulator does not start"
        assert self.process.stdout.readline().startswith("ready: ")

    def device(self, **settings: object) -> EpcDriver:
        """Make an unopened driver for the unit on this port."""
        device = make_device(
            "epc", {"bus": {"interface": "slcan", "channel": str(self.link)}} | settings
        )
        assert isinstance(device, EpcDriver)
        return device

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """Get what truly happened, of one kind."""
        lines = self.ledger_path.read_text().splitlines()
        return [entry for line in lines if (entry := json.loads(line))["kind"] == kind]

    def unplug(self) -> None:
        """Pull the adapter; returns once its port has gone."""
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: not self.link.is_symlink())

    def plug_in(self) -> None:
        """Put the adapter back; returns once its port is there."""
        self.process.send_signal(signal.SIGUSR2)
        until(self.link.exists)

    def stop(self) -> int:
        """End it as a service manager does; get its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a condition, looking again every few milliseconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came to hold"
        time.sleep(0.005)


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Callable[..., SimulatorProcess]]:
    """Get a starter of simulators; arguments are command line options."""
    running: list[SimulatorProcess] = []

    def start(*options: str) -> SimulatorProcess:
        running.append(SimulatorProcess(tmp_path, *options))
        return running[-1]

    yield start
    for simulator in running:
        simulator.stop()


@pytest.fixture
def simulator(simulate: Callable[..., SimulatorProcess]) -> SimulatorProcess:
    """Get a simulated unit 0x13 with a half full cell of 2.5 Ah."""
    return simulate()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    return until
