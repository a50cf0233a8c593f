"""How an EPC is recognised: by its answer to one request, sent only to a unit that nobody uses.

A second request within 10 ms of somebody else's could put a unit out of action until it is switched
off and on (devices.md section 2.7, T-2).
"""

from collections.abc import Sequence

from bem_drivers.base import ProtocolViolated
from bem_drivers.can import CanSettings, Frame
from bem_drivers.epc import frames as words
from bem_drivers.epc.frames import Info, MessageId, Request
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.finding.probe import CanDevice, CanProbe, CanQuestion

UNIT_IDS = (0x00, *range(0x13, 0x40))
"""Those of the laboratory, and that of a unit fresh from the programmer."""
_PER_UNIT = 16
_ASK = words.request(Request.INFO)
_SPONTANEOUS = (MessageId.MODE, MessageId.STATUS)
"""What a unit sends by itself when it is switched on or its state changes."""


def _identifiers(unit: int) -> range:
    return range(unit * _PER_UNIT, (unit + 1) * _PER_UNIT)


def _talk(unit: int) -> list[int]:
    return [unit * _PER_UNIT + one for one in MessageId if one not in _SPONTANEOUS]


def _questions(bus: CanSettings) -> list[CanQuestion]:
    from bem_drivers.epc import DRIVER

    return [
        CanQuestion(
            Frame(unit * _PER_UNIT + _ASK.message_id, _ASK.data),
            DRIVER.places(EpcSettings(bus=bus, device_id=unit))[0],
            _talk(unit),
        )
        for unit in UNIT_IDS
    ]


def _recognise(bus: CanSettings, frames: Sequence[Frame]) -> list[CanDevice]:
    found: dict[int, CanDevice] = {}
    for frame_id, data in frames:
        unit, message_id = divmod(frame_id, _PER_UNIT)
        if unit not in UNIT_IDS or message_id != MessageId.INFO:
            continue
        try:
            info = Info.unpack(data)
        except ProtocolViolated:
            continue
        if info.device_id == unit:
            settings = {
                "bus": bus.model_dump(mode="json", exclude_unset=True),
                "device_id": unit,
                "serial_number": info.serial_number,
            }
            found[unit] = CanDevice(settings, info.identity, data)
    return [found[unit] for unit in sorted(found)]


def _place(settings: EpcSettings) -> str:
    return f"{settings.bus.interface}:{settings.bus.channel}, EPC 0x{settings.device_id:02X}"


PROBE = CanProbe(
    [one for unit in UNIT_IDS for one in _identifiers(unit)], _questions, _recognise, _place
)
