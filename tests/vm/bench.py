"""Simulated devices on a CAN interface, in a process of their own."""

import json
import multiprocessing
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.vm.interfaces import Interface

from bem_drivers.simulation.process import simulate

# Python and its libraries take seconds to load in a machine of counted instructions.
FORK = multiprocessing.get_context("fork")
LONGEST_END_S = 10.0


class CanBench:
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
        self.ledger = folder / "ledger.jsonl"
        self._control = folder / "control"
        self._process = FORK.Process(
            target=simulate, args=(write_bench(folder, interface, devices, batteries),)
        )
        self._process.start()
        self._orders = socket.socket(socket.AF_UNIX)
        self._orders.settimeout(10)
        wait_until(self._connects, "the bench", 30)

    def order(self, order: str) -> str:
        """Give an order; get what the bench says.

        Raises:
            ValueError: it refuses.
        """
        self._orders.sendall(f"{order}\n".encode())
        said = b""
        while not said.endswith(b"\n\n"):
            more = self._orders.recv(4096)
            assert more, "the bench has hung up"
            said += more
        answer = said.decode().strip()
        if answer.startswith("refused"):
            raise ValueError(answer)
        return answer

    def battery(self, name: str = "cell") -> dict[str, float]:
        """Get how a battery truly is."""
        shown: dict[str, float] = json.loads(self.order(f"{name} show"))
        return shown

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        """Get what truly happened of one kind."""
        lines = self.ledger.read_text(encoding="utf-8").splitlines()
        return [facts for line in lines if (facts := json.loads(line))["kind"] == kind]

    def _connects(self) -> bool:
        """Connect, if the bench listens already."""
        try:
            self._orders.connect(str(self._control))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def end(self) -> None:
        self._orders.close()
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
        "ledger": "ledger.jsonl",
        "control": "control",
    }
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    return path
