"""The errors of a simulated EPC: found at every tick, none of them latched (devices.md §2.6)."""

from bem_drivers.epc.simulator_registers import (
    HS_VOLTAGE,
    LS_CURRENT,
    LS_VOLTAGE,
    TEMPERATURE,
    LimitRegisters,
)
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.epc.simulator_wire import (
    BLOCKING,
    COMM_ERROR,
    CURRENT_ERROR,
    ERROR_NAMES,
    HS_ERROR,
    LS_ERROR,
    TEMPERATURE_ERROR,
    Measures,
    pack_status,
)

_WORD = 0xFFFF


class Errors:
    """Which errors hold now, and the reading that made the last one; that one stays."""

    def __init__(self, settings: EpcUnitSettings) -> None:
        self._settings = settings
        self.flags = 0
        self._last = 0
        self._reported = 0

    @property
    def blocking(self) -> bool:
        """Whether commands and limits are refused."""
        return bool(self.flags & BLOCKING)

    @property
    def silent_host(self) -> bool:
        """Whether the error of communication holds."""
        return bool(self.flags & COMM_ERROR)

    @property
    def reason(self) -> str:
        """The name of one that holds."""
        return next(name for flag, name in ERROR_NAMES.items() if self.flags & flag)

    @property
    def unreported(self) -> bool:
        """Whether no STATUS frame has told yet what holds now."""
        return self.flags != self._reported

    def report(self) -> bytes:
        """Get a STATUS frame's data, as one that tells a change."""
        self._reported = self.flags
        return self.status()

    def status(self) -> bytes:
        """Get a STATUS frame's data."""
        return pack_status(self.flags, self._last)

    def raise_comm(self, value: int | None = None) -> None:
        """Set the error of communication; ``value`` is the counter of the heartbeat."""
        self.flags |= COMM_ERROR
        if value is not None:
            self._last = value & _WORD

    def clear_comm(self) -> None:
        """Take the error of communication back."""
        self.flags &= ~COMM_ERROR

    def judge(
        self,
        measures: Measures,
        temperatures: tuple[int, int, int] | None,
        registers: LimitRegisters,
    ) -> bool:
        """Compare readings with limits. Whether heat has shown that only kills (T-3).

        ``temperatures`` (body, anode, ambient) are ``None`` before the first was taken.
        """
        flags = self.flags & COMM_ERROR
        low, high = registers[HS_VOLTAGE]
        if not low <= measures.hs_mv <= high:
            flags |= HS_ERROR
            self._last = measures.hs_mv & _WORD
        low, high = registers[LS_VOLTAGE]
        if not low <= measures.ls_mv <= high:
            flags |= LS_ERROR
            self._last = measures.ls_mv & _WORD
        low, high = registers[LS_CURRENT]
        if not low <= measures.ls_ma <= high:
            flags |= CURRENT_ERROR
            self._last = measures.ls_ma & _WORD
        deadly = False
        if temperatures is not None:
            body, anode, ambient = temperatures
            low, high = registers[TEMPERATURE]
            settings = self._settings
            if settings.ambient_sensor and not low <= ambient <= high:
                flags |= TEMPERATURE_ERROR
                self._last = ambient & _WORD
            else:
                deadly = (settings.body_sensor and not low <= body <= high) or (
                    settings.anode_sensor and not low <= anode <= high
                )
        self.flags = flags
        return deadly

    def raise_temperature(self, value: int) -> None:
        """Set the error that body or anode ought to set, where traps do not kill."""
        self.flags |= TEMPERATURE_ERROR
        self._last = value & _WORD
