"""How far a dry run may go at once: far where nothing changes, in small steps where it does."""

from bem.domain.engine import Reading
from bem.domain.program import Quantity, StepOp
from bem.dryrun.trips import TEMPERATURE

RESOLUTION_US = 100_000
"""The period of a station's control loop: no step of time is divided below it (µs), so that an end
fires at most this much later than it would at a station."""
LONGEST_US = 6 * 3_600_000_000
"""Most that passes between two readings (µs)."""
WINDOW_SHARE = 0.02
"""Voltage may change by this share of the battery's window between two readings."""
CURRENT_SHARE = 0.08
"""A current that is not the set point may change by this share of itself."""
CURRENT_FLOOR = 1e-3
"""Changes below this multiple of the capacity (A for each Ah) do not matter."""
ALTERNATING_FLOOR = 1e-6
"""A current above this multiple of the capacity does not change its sign in a long step."""
CHARGE_SHARE = 0.05
"""State of charge that may be moved between two readings."""
TEMPERATURE_CHANGE = 1.0
"""K"""
SLOPE_SPACING_US = 5_000_000
"""A step that looks at the slope of the voltage is read at least this often (µs)."""
_MOST_GROWTH = 3.0
_LEAST_GROWTH = 0.1
_TOO_COARSE = 0.4
_US_PER_HOUR = 3_600_000_000


class Pace:
    """The length of the next step of time in whole µs."""

    def __init__(self, window_v: float, capacity_ah: float) -> None:
        self._voltage_change = WINDOW_SHARE * window_v
        self._current_floor = CURRENT_FLOOR * capacity_ah
        self._alternating = ALTERNATING_FLOOR * capacity_ah
        self._capacity = capacity_ah
        self._next_us = RESOLUTION_US
        self._longest_us = LONGEST_US

    def begin_step(self, step: StepOp) -> None:
        """Begin finely: just after a switch much happens."""
        self._next_us = RESOLUTION_US
        slopes = any(end.quantity is Quantity.SLOPE for end in step.ends)
        self._longest_us = SLOPE_SPACING_US if slopes else LONGEST_US

    def propose_us(self, current: float) -> int:
        """Get how far to go on with ``current`` (A)."""
        flowing = abs(current)
        if flowing * self._next_us > CHARGE_SHARE * self._capacity * _US_PER_HOUR:
            return max(int(CHARGE_SHARE * self._capacity * _US_PER_HOUR / flowing), RESOLUTION_US)
        return self._next_us

    def judge(self, before: Reading, after: Reading) -> float:
        """Get by what factor the time between these readings could be longer; at most 3."""
        first, last = before.current, after.current
        most = max(
            abs(after.voltage - before.voltage) / self._voltage_change,
            abs(after.further[TEMPERATURE] - before.further[TEMPERATURE]) / TEMPERATURE_CHANGE,
        )
        if first != last:
            allowed = CURRENT_SHARE * max(abs(first), abs(last)) + self._current_floor
            most = max(most, abs(last - first) / allowed)
            if first * last < 0 and min(abs(first), abs(last)) > self._alternating:
                most = max(most, _MOST_GROWTH)
        return max(min(1.0 / most, _MOST_GROWTH), _LEAST_GROWTH) if most else _MOST_GROWTH

    @staticmethod
    def is_too_coarse(factor: float) -> bool:
        """Whether a step of time with this judgement is to be taken again, shorter."""
        return factor < _TOO_COARSE

    def went(self, dt_us: int, factor: float) -> None:
        """Take into account how the last step of time went."""
        wanted = int(dt_us * factor)
        # A step that was cut short to land on an instant is no reason for short ones after it.
        if factor < 1.0 or wanted > self._next_us:
            self._next_us = min(max(wanted, RESOLUTION_US), self._longest_us)
