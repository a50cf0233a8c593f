"""A bench run by `bem simulate` as a process of its own."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


class RunningBench:
    """A bench in a process, and its control socket."""

    def __init__(self, folder: Path, described: dict[str, Any]) -> None:
        self.folder = folder
        path = folder / "bench.yaml"
        path.write_text(yaml.safe_dump(described))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bem.cli", "simulate", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        assert self.process.stdout is not None
        while not self.said or not self.said[-1].startswith("ready"):
            self.said.append(self.process.stdout.readline())
            if not self.said[-1]:
                raise RuntimeError(f"the bench ended with {self.stop()}: {self.said}")

    def order(self, order: str) -> str:
        """Give an order by the control socket; get its answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(str(self.folder / "control"))
            client.sendall(f"{order}\n".encode())
            said = ""
            while not said.endswith("\n\n"):
                said += client.recv(65536).decode()
        return said.strip()

    def battery(self, name: str) -> dict[str, float]:
        """Get how a battery truly is."""
        truth: dict[str, float] = json.loads(self.order(f"{name} show"))
        return truth

    def stop(self) -> int:
        """End it as a service manager does; get its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        return status


def free_port() -> int:
    """Find a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
