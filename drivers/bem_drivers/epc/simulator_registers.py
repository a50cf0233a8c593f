"""What a simulated EPC holds and accepts: limits, commands, periods (devices.md §2.3 to §2.6)."""

import struct
from typing import Literal

from bem_drivers.epc.simulator_wire import (
    CC,
    CP,
    CURRENT,
    CV,
    ERROR,
    IDLE,
    POWER,
    TIME,
    VOLTAGE,
    WAIT,
    Step,
)

LS_VOLTAGE, LS_CURRENT, HS_VOLTAGE, LS_POWER, TEMPERATURE = range(2, 7)
REGISTER_NAMES = {2: "ls_voltage", 3: "ls_current", 4: "hs_voltage", 5: "ls_power", 6: "temp"}
_UNSIGNED = (LS_VOLTAGE, HS_VOLTAGE)
_RANGE = {2: (400, 5100), 3: (-15500, 15500), 4: (5300, 14100), 5: (-800, 800), 6: (-200, 700)}
_POWER_ON = _RANGE | {5: (-500, 500), 6: (-160, 660)}
_LIMITED_BY = {VOLTAGE: LS_VOLTAGE, CURRENT: LS_CURRENT, POWER: LS_POWER}
_CONTROLLED = {CV: VOLTAGE, CC: CURRENT, CP: POWER}

LEAST_PERIOD = 10
POWER_ON_PERIODS = bytes.fromhex("140014001400")

FirmwareVersion = Literal["1.0.0", "1.0.1"]


class LimitRegisters:
    """The five pairs of limits, in units of the wire, since power-on."""

    def __init__(self) -> None:
        self._held = dict(_POWER_ON)
        self.changes: object = object()
        """Another object after each change."""

    def __getitem__(self, register: int) -> tuple[int, int]:
        """Get minimum and maximum."""
        return self._held[register]

    def __contains__(self, register: object) -> bool:
        return register in self._held

    def allows(self, low: int, high: int, register: int) -> bool:
        """Whether the firmware would take these limits when it is in no error.

        It compares signed limits wrongly when the upper is negative and the lower is not (T-5).
        """
        lowest, highest = _RANGE[register]
        within = lowest <= low <= highest and lowest <= high <= highest
        return within and (low < high or is_inverted(low, high))

    def hold(self, register: int, low: int, high: int) -> None:
        """Take limits that :meth:`allows` allowed."""
        self._held[register] = (low, high)
        self.changes = object()

    @staticmethod
    def unpack(register: int, data: bytes) -> tuple[int, int]:
        """Read minimum and maximum of a frame that sets them (big-endian, T-9)."""
        high, low = struct.unpack(">HH" if register in _UNSIGNED else ">hh", data)
        return low, high

    def pack(self, register: int) -> bytes:
        """Get the data of the frame that reads them back (little-endian)."""
        low, high = self._held[register]
        return struct.pack("<HH" if register in _UNSIGNED else "<hh", high, low)

    def accept(self, step: Step, version: FirmwareVersion) -> bool:
        """Whether the firmware would take a command when it is in no error."""
        if step.mode >= ERROR or step.limit_type > POWER:
            return False
        if step.mode == WAIT:
            # Version 1.0.0 takes any limit type for a WAIT, which then never ends.
            return not step.enable and (step.limit_type == TIME or version == "1.0.0")
        if step.mode == IDLE:
            return True
        controlled = _CONTROLLED[step.mode]
        low, high = self._held[_LIMITED_BY[controlled]]
        if not low <= step.reference <= high or step.limit_type == controlled:
            return False
        if step.limit_type == TIME:
            return True
        low, high = self._held[_LIMITED_BY[step.limit_type]]
        return low <= step.limit <= high


def is_inverted(low: int, high: int) -> bool:
    """Whether limits are of the kind that the firmware takes although they exclude everything."""
    return high < 0 < low


class Periods:
    """The contents of the PERIODIC frame: supervision and what the unit sends by itself."""

    def __init__(self) -> None:
        self._take(POWER_ON_PERIODS)

    def _take(self, data: bytes) -> None:
        self.data = data
        heartbeat, electric, temperatures = struct.unpack("<HHH", data)
        self.heartbeat = _period(heartbeat)
        self.electric = _period(electric)
        self.temperatures = _period(temperatures)

    def set(self, data: bytes) -> bool:
        """Take another configuration; refused when an enabled period is below 10 units."""
        fields = struct.unpack("<HHH", data)
        accepted = all(not field & 1 or field >> 1 >= LEAST_PERIOD for field in fields)
        if accepted:
            self._take(data)
        return accepted

    @property
    def sends(self) -> bool:
        """Whether the unit sends anything by itself."""
        return self.electric is not None or self.temperatures is not None


def _period(field: int) -> int | None:
    """Get the period of a field in its units; ``None`` when it is not enabled."""
    return field >> 1 if field & 1 else None
