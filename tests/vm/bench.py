"""Simulated devices on a CAN interface, in a process of their own."""

import multiprocessing
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml
from tests.support.bench_control import CONTROL, LEDGER, BenchControl
from tests.vm.interfaces import Interface

from bem_drivers.simulation.process import simulate

# Python and its libraries take seconds to load in a machine of counted instructions.
FORK = multiprocessing.get_context("fork")
LONGEST_END_S = 10.0


class CanBench(BenchControl):
    """What ``bem simulate`` runs, forked. ``devices`` are those of a bench on ``interface``."""

    def __init__(
        self,
        folder: Path,
        interface: Interface,
        devices: Mapping[str, Mapping[str, object]],
        wait_until: Callable[..., None],
        **batteries: Mapping[str, object],
    ) -> None:
        folder.mkdir()
        super().__init__(folder)
        self._process = FORK.Process(
            target=simulate, args=(write_bench(folder, interface, devices, batteries),)
        )
        self._process.start()
        wait_until(self.listens, "the bench", 30)

    def end(self) -> None:
        self._process.terminate()
        self._process.join(LONGEST_END_S)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        assert self._process.exitcode == 0, signal.strsignal(-(self._process.exitcode or 0))


def write_bench(
    folder: Path,
    interface: Interface,
    devices: Mapping[str, Mapping[str, object]],
    batteries: Mapping[str, Mapping[str, object]],
) -> Path:
    """Write the description of a bench; get its path. A device's battery is ``cell`` by default."""
    path = folder / "bench.yaml"
    described = {
        "batteries": batteries or {"cell": {"capacity_ah": 2.5, "soc": 0.5}},
        "buses": {"can": {"kind": "socketcan", "channel": interface.name}},
        "devices": {
            name: {"bus": "can", "battery": "cell", **device} for name, device in devices.items()
        },
        "ledger": LEDGER,
        "control": CONTROL,
    }
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    return path
