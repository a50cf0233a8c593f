"""A bench run by `bem simulate` as a process of its own."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tests.support.bench_control import BenchControl


class RunningBench(BenchControl):
    """A bench in a process of its own."""

    def __init__(self, folder: Path, described: dict[str, Any]) -> None:
        super().__init__(folder)
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
