"""How a BMS is recognised: it speaks by itself, and nothing is ever sent to it."""

from collections.abc import Sequence

from bem_drivers.base import Identity
from bem_drivers.bms.assembler import Assembler, ErrorReport, Message
from bem_drivers.bms.settings import BmsSettings
from bem_drivers.can import CanSettings, Frame
from bem_drivers.finding.probe import CanDevice, CanProbe, CanQuestion

IDENTIFIERS = range(0x100, 0x121)


def _questions(_bus: CanSettings) -> Sequence[CanQuestion]:
    return ()


def _recognise(bus: CanSettings, frames: Sequence[Frame]) -> list[CanDevice]:
    """Take whoever sent a complete message, or that it is in error."""
    assemblers: dict[int, Assembler] = {}
    found: dict[int, bytes] = {}
    for frame_id, data in frames:
        if frame_id in IDENTIFIERS and frame_id not in found:
            outcomes = assemblers.setdefault(frame_id, Assembler()).take(data)
            if any(isinstance(outcome, Message | ErrorReport) for outcome in outcomes):
                found[frame_id] = data
    identity = Identity(make="Liftec", model="BMS")
    return [
        CanDevice(
            {"bus": bus.model_dump(mode="json", exclude_unset=True), "can_id": frame_id},
            identity,
            data,
        )
        for frame_id, data in sorted(found.items())
    ]


def _place(settings: BmsSettings) -> str:
    return f"{settings.bus.interface}:{settings.bus.channel}, BMS 0x{settings.can_id:03X}"


PROBE = CanProbe(IDENTIFIERS, _questions, _recognise, _place)
