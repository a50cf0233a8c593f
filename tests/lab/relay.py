"""The laboratory's page on a port of this computer."""

import json
from pathlib import Path

from . import processes
from .processes import Process

PROXY = "/usr/lib/systemd/systemd-socket-proxyd"


class Relay:
    """Passes connections on to the server, whether it is up or not at that moment."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "relay.json"
        self._facts = folder / "relay-port.json"
        self._log = folder / "relay.log"

    @property
    def process(self) -> Process | None:
        """The process that does it, while it runs."""
        return processes.recorded(self._record)

    @property
    def port(self) -> int | None:
        """The port of this computer, once it was started."""
        if not self._facts.exists():
            return None
        found: int = json.loads(self._facts.read_text(encoding="ascii"))
        return found

    def start(self, port: int, target: str) -> None:
        """Begin to pass on; ``target`` is ADDRESS:PORT. Nothing, if it runs with this port."""
        if self.process is not None and self.port == port:
            return
        self.end()
        self._facts.write_text(json.dumps(port), encoding="ascii")
        command = ["systemd-socket-activate", f"--listen=0.0.0.0:{port}", PROXY, target]
        processes.start(command, self._record, self._log)

    def end(self) -> None:
        """End it. Idempotent."""
        process = self.process
        if process is not None:
            process.end()
        self._record.unlink(missing_ok=True)
