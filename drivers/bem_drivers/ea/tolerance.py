"""How far what a supply measures may be from what it was set to. Pure."""

from bem_drivers.base import Ratings
from bem_drivers.ea.codec import Measures, Points

LEAST_A = 0.05
LEAST_V = 0.05
OFF_SHARE = 0.005
"""Share of the nominal current that a unit without current may read."""
CURRENT_SHARE = 0.01
VOLTAGE_SHARE = 0.005
POWER_SHARE = 0.05
"""Shares of the nominal values by which regulated ones may read wrong."""


class Tolerance:
    """What a unit with these ratings may read."""

    def __init__(self, ratings: Ratings) -> None:
        self._zero_a = max(LEAST_A, OFF_SHARE * ratings.current_max)
        self._current = max(LEAST_A, CURRENT_SHARE * ratings.current_max)
        self._voltage = max(LEAST_V, VOLTAGE_SHARE * ratings.voltage_max)
        self._power = (1.0 - POWER_SHARE) * ratings.power_max

    def is_zero(self, current: float) -> bool:
        """Whether ``current`` (A) is what a unit reads without current."""
        return abs(current) <= self._zero_a

    def obeys(self, measures: Measures, points: Points) -> bool:
        """Whether a unit set to ``points`` may read ``measures`` with its output on.

        The current is within both set points, and the unit is at one of them, at its voltage, at
        its power, or cannot drive a current because of the battery's voltage.
        """
        current, voltage = measures.current, measures.voltage
        if not -points.sink - self._current <= current <= points.source + self._current:
            return False
        at_current = (
            current >= points.source - self._current
            if voltage < points.voltage
            else current <= -points.sink + self._current
        )
        at_voltage = abs(voltage - points.voltage) <= self._voltage
        at_power = abs(voltage * current) >= self._power
        return at_current or at_voltage or at_power
