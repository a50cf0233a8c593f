"""A host at one simulated EPC, in the notation of devices.md: frames as text."""

from collections.abc import Mapping
from typing import Any

from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.simulation.frame_orders import FaultyFrames

MS = 1_000_000
IDLE = "000: 08 00 00 00 00 00 00 00"
ERROR = "000: 0A 00 00 00 00 00 00 00"
BARE = {"device_id": 0, "body_sensor": False}
FOREVER = "FF FF FF FF"
CC_1A = f"000: 05 00 E8 03 {FOREVER}"


class Wire:
    """A host at one unit: sends frames, returns what comes back as text."""

    def __init__(self, **settings: object) -> None:
        self.now_ns = 0
        self.ledger: list[tuple[int, str, dict[str, Any]]] = []
        self.unit = EpcUnit(
            EpcUnitSettings.model_validate(BARE | settings),
            0,
            self._record,
        )
        self._spoilt = FaultyFrames(self.unit, self._record)

    def wait(self, ms: float) -> list[str]:
        """Let time pass; get the frames that the unit sent."""
        self.now_ns += round(ms * MS)
        return [
            f"{frame.can_id:03X}: {frame.data.hex(' ').upper()}"
            for frame in self._spoilt.advance(self.now_ns)
        ]

    def tell(self, text: str) -> None:
        """Put a frame on the bus, such as ``001: 03``."""
        can_id, _, data = text.partition(":")
        self.unit.receive(int(can_id, 16), bytes.fromhex(data), self.now_ns)

    def ask(self, text: str, ms: float = 10) -> list[str]:
        """Send a frame; get what came within ``ms``."""
        self.tell(text)
        return self.wait(ms)

    def break_down(self, order: str) -> None:
        """Order a fault for now."""
        self._spoilt.break_down(order, self.now_ns)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Get what was recorded of one kind."""
        return [facts for _, one, facts in self.ledger if one == kind]

    def _record(self, at_ns: int, kind: str, facts: Mapping[str, object]) -> None:
        self.ledger.append((at_ns, kind, dict(facts)))

    def silent(self) -> bool:
        """Whether the unit answers nothing any more."""
        return self.unit.dead and self.ask("001: 00", 50) == []


def started(**unit: object) -> Wire:
    """Get a unit that has started, at a cell of 3.7 V."""
    wire = Wire(**unit)
    wire.wait(5)
    return wire


def mode(first: int, reference: int, limit: int) -> str:
    """Write a MODE frame from its first byte, its reference and its limit."""
    data = bytes([first, 0]) + reference.to_bytes(2, "little", signed=True)
    return f"000: {(data + (limit & 0xFFFFFFFF).to_bytes(4, 'little')).hex(' ').upper()}"


def ids(frames: list[str]) -> list[str]:
    """Get the identifiers of frames."""
    return [frame[:3] for frame in frames]
