"""What a simulated EPC says and hears, bit by bit (devices.md §2.3).

Layouts are written down here once more, by hand and from the recorded frames, so that driver and
simulator cannot agree on an error.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bem_drivers.base import OFF, Command, Mode

WAIT, CV, CC, CP, IDLE, ERROR = range(6)
TIME, VOLTAGE, CURRENT, POWER = range(4)
MODE_NAMES = ("wait", "cv", "cc", "cp", "idle", "error")
_POWERED = {CV: (Mode.CV, 1000), CC: (Mode.CC, 1000), CP: (Mode.CP, 10)}

MODE_ID, REQUEST_ID, PERIODIC_ID = 0x0, 0x1, 0x7
INFO_ID, STATUS_ID, ELECTRIC_ID, TEMPERATURES_ID = 0xA, 0xB, 0xC, 0xD
LENGTHS = {MODE_ID: 8, REQUEST_ID: 1, PERIODIC_ID: 6}
"""Lengths of the frames of which another length stops the unit."""
LIMITS_LENGTH = 4

ASK_INFO, ASK_MODE, ASK_STATUS, ASK_ELECTRIC, ASK_TEMPERATURES, HEARTBEAT = range(6)
LAST_REQUEST = 0xA
REGISTER_REQUEST_OFFSET = 4
"""Requests 6 to 0xA ask for the registers 2 to 6."""

HS_ERROR, LS_ERROR, CURRENT_ERROR, COMM_ERROR, TEMPERATURE_ERROR, INTERNAL_ERROR = (
    1 << bit for bit in range(6)
)
BLOCKING = HS_ERROR | LS_ERROR | CURRENT_ERROR | TEMPERATURE_ERROR
"""Errors in which the unit takes neither commands nor limits."""
ERROR_NAMES = {
    HS_ERROR: "hs_voltage",
    LS_ERROR: "ls_voltage",
    CURRENT_ERROR: "ls_current",
    COMM_ERROR: "supervision",
    TEMPERATURE_ERROR: "temperature",
}

Record = Callable[[int, str, Mapping[str, object]], None]
"""Gets (instant in ns, kind, facts) of what a test wants to know."""


class Trap(StrEnum):
    """What kills a unit, or locks it, by the names of devices.md §2.7."""

    FRAME = "T-1"
    MAILBOXES = "T-2"
    HEAT = "T-3"
    IDLE_ENABLED = "T-4"
    INVERTED_LIMITS = "T-5"


@dataclass(frozen=True, slots=True)
class Step:
    """The contents of a MODE frame: mV, mA, 0.1 W; a time limit in ms."""

    mode: int = IDLE
    enable: int = 0
    limit_type: int = TIME
    reference: int = 0
    limit: int = 0

    @classmethod
    def unpack(cls, data: bytes) -> "Step":
        """Read 8 bytes; reserved bits are dropped."""
        first, _, reference, limit = struct.unpack("<BBhi", data)
        return cls(first >> 1 & 7, first & 1, first >> 4 & 7, reference, limit)

    def pack(self) -> bytes:
        """Get the 8 bytes."""
        first = self.enable | self.mode << 1 | self.limit_type << 4
        return struct.pack("<BBhi", first, 0, self.reference, self.limit)

    @property
    def command(self) -> Command:
        """What the power stage shall do."""
        powered = _POWERED.get(self.mode)
        if powered is None or not self.enable:
            return OFF
        mode, scale = powered
        return Command(mode, self.reference / scale)


IDLE_STEP = Step()
ERROR_STEP = Step(mode=ERROR)


class Measures(NamedTuple):
    """What the converters read at an instant: mV, mA, mV."""

    ls_mv: int
    ls_ma: int
    hs_mv: int

    def pack(self) -> bytes:
        """Get the data of an ELECTRIC frame."""
        return struct.pack("<HhH", *self)


def pack_temperatures(temperatures: tuple[int, int, int]) -> bytes:
    """Get the data of a TEMPERATURES frame from body, anode, ambient (0.1 degC)."""
    return struct.pack("<hhh", *temperatures)


def pack_status(errors: int, last_error: int) -> bytes:
    """Get the data of a STATUS frame."""
    return struct.pack("<BBH", errors, 0, last_error)
