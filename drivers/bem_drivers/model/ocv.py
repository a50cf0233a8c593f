"""Open-circuit voltage of one cell over its state of charge.

The tables are typical of commercial cells at 25 degC and rise strictly, so that a voltage names
one state of charge. Outside of 0..1 the curve goes on steeply: an overcharged cell climbs and an
exhausted one falls until a limit ends it, and the charge balance stays exact.
"""

from bisect import bisect_right
from itertools import pairwise

from bem_drivers.model.settings import Chemistry

END_SLOPE = 20.0
"""Slope (V for a state of charge of 1) of a cell beyond full and below empty."""

_TABLES: dict[Chemistry, tuple[tuple[float, float], ...]] = {
    Chemistry.NMC: (
        (0.00, 2.500), (0.02, 2.950), (0.05, 3.220), (0.10, 3.400), (0.15, 3.480),
        (0.20, 3.540), (0.30, 3.610), (0.40, 3.650), (0.50, 3.700), (0.60, 3.780),
        (0.70, 3.880), (0.80, 3.980), (0.90, 4.080), (0.95, 4.130), (1.00, 4.200),
    ),
    Chemistry.LFP: (
        (0.00, 2.000), (0.02, 2.700), (0.05, 3.000), (0.10, 3.180), (0.20, 3.240),
        (0.30, 3.270), (0.40, 3.285), (0.50, 3.295), (0.60, 3.305), (0.70, 3.325),
        (0.80, 3.335), (0.90, 3.345), (0.95, 3.360), (0.98, 3.410), (1.00, 3.600),
    ),
    Chemistry.LEAD_ACID: (
        (0.00, 1.800), (0.05, 1.880), (0.10, 1.920), (0.20, 1.950), (0.30, 1.975),
        (0.40, 2.000), (0.50, 2.025), (0.60, 2.050), (0.70, 2.072), (0.80, 2.092),
        (0.90, 2.112), (0.97, 2.130), (1.00, 2.170),
    ),
}  # fmt: skip


class OpenCircuitCurve:
    """Piecewise linear voltage of a whole battery: that of one cell times the cells in series."""

    def __init__(self, chemistry: Chemistry, cells: int) -> None:
        points = _TABLES[chemistry]
        self._soc = tuple(soc for soc, _ in points)
        self._voltage = tuple(voltage * cells for _, voltage in points)
        between = tuple(
            (high[1] - low[1]) * cells / (high[0] - low[0]) for low, high in pairwise(points)
        )
        end = END_SLOPE * cells
        # One more slope on either side, so that a position in the table names its segment.
        self._slope = (end, *between, end)

    def at(self, soc: float) -> tuple[float, float]:
        """Get voltage (V) and slope (V for a state of charge of 1) at ``soc``."""
        position = bisect_right(self._soc, soc)
        anchor = max(position - 1, 0)
        slope = self._slope[position]
        return self._voltage[anchor] + slope * (soc - self._soc[anchor]), slope
