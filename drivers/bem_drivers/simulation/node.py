"""Terminals without a battery: what is connected there has capacitors, and something bleeds them.

A source brings them to its voltage within moments; when it goes off, they are empty soon after.
"""

import math

from bem_drivers.model.ledger import MeteredBattery
from bem_drivers.model.settings import BatteryModelSettings

SERIES_OHM = 0.01
BLEED_OHM = 1000.0
EMPTYING_S = 1.0
"""Time constant: 1 mF of capacitors and the bleeding resistance."""


class Node(MeteredBattery):
    """Stands where a battery would. Stores nothing for good: its charges and energies stay 0.

    ``settings`` counts for its ambient temperature alone.
    """

    def __init__(self, settings: BatteryModelSettings) -> None:
        super().__init__(settings)
        self._held = 0.0

    @property
    def voltage(self) -> float:
        """Voltage (V) at the terminals; never the wrong way round."""
        return max(self._held + SERIES_OHM * self._current, 0.0)

    def source(self, dt_s: float = 0.0) -> tuple[float, float]:
        """Get the voltage (V) and the resistance (ohm) that stand for it after ``dt_s``."""
        left = math.exp(-dt_s / EMPTYING_S)
        return self._held * left, SERIES_OHM + BLEED_OHM * (1.0 - left)

    def step(self, current_a: float, dt_s: float) -> None:
        """Let ``current_a`` (A) flow for ``dt_s`` (s, >= 0).

        Raises:
            ValueError: a time that is negative, or a value that is not finite.
        """
        self._refuse_nonsense(current_a, dt_s)
        self._current = current_a
        left = math.exp(-dt_s / EMPTYING_S)
        self._held = max(self._held * left + BLEED_OHM * current_a * (1.0 - left), 0.0)
