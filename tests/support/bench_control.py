"""What is asked of a running bench by its control socket, and what it wrote into its ledger."""

import json
import socket
from pathlib import Path
from typing import Any

CONTROL, LEDGER = "control", "ledger.jsonl"
"""How a bench that is used by this is described: ``{"control": CONTROL, "ledger": LEDGER}``."""
_ANSWER_S = 10.0


class BenchControl:
    """A bench in ``folder``, whoever runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def listens(self) -> bool:
        """Whether it takes orders by now."""
        try:
            self._connect().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def order(self, order: str) -> str:
        """Give an order; get what the bench says.

        Raises:
            ValueError: it refuses. ConnectionError: it has hung up.
        """
        with self._connect() as client:
            client.sendall(f"{order}\n".encode())
            said = b""
            while not said.endswith(b"\n\n"):
                more = client.recv(65536)
                if not more:
                    raise ConnectionError(f"the bench has hung up after {said!r}")
                said += more
        answer = said.decode().strip()
        if answer.startswith("refused"):
            raise ValueError(answer)
        return answer

    def battery(self, name: str = "cell") -> dict[str, float]:
        """Get how a battery truly is."""
        truth: dict[str, float] = json.loads(self.order(f"{name} show"))
        return truth

    def recorded(self, kind: str, device: str | None = None) -> list[dict[str, Any]]:
        """Get what truly happened of one kind, at one device or at all."""
        lines = (self.folder / LEDGER).read_text(encoding="utf-8").splitlines()
        return [
            facts
            for line in lines
            if (facts := json.loads(line))["kind"] == kind and device in (None, facts.get("device"))
        ]

    def _connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(_ANSWER_S)
        try:
            client.connect(str(self.folder / CONTROL))
        except OSError:
            client.close()
            raise
        return client
