"""Open-circuit voltage of one cell over its state of charge.

The tables are typical of commercial cells at 25 degC and rise strictly, so that a voltage names
one state of charge. Outside of 0..1 the curve goes on steeply: an overcharged cell climbs and an
exhausted one falls until a limit ends it, and the charge balance stays exact.
"""

from bisect import bisect_left, bisect_right
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
    Chemistry.NCA: (
        (0.00, 2.500), (0.02, 2.900), (0.05, 3.150), (0.10, 3.350), (0.15, 3.440),
        (0.20, 3.500), (0.30, 3.580), (0.40, 3.640), (0.50, 3.710), (0.60, 3.800),
        (0.70, 3.890), (0.80, 3.980), (0.90, 4.070), (0.95, 4.120), (1.00, 4.200),
    ),
    Chemistry.LMO: (
        (0.00, 3.000), (0.02, 3.350), (0.05, 3.600), (0.10, 3.740), (0.20, 3.830),
        (0.30, 3.880), (0.40, 3.920), (0.50, 3.960), (0.60, 4.010), (0.70, 4.055),
        (0.80, 4.090), (0.90, 4.125), (0.95, 4.150), (1.00, 4.200),
    ),
    Chemistry.LCO: (
        (0.00, 2.750), (0.02, 3.200), (0.05, 3.450), (0.10, 3.620), (0.20, 3.710),
        (0.30, 3.760), (0.40, 3.790), (0.50, 3.830), (0.60, 3.890), (0.70, 3.960),
        (0.80, 4.030), (0.90, 4.110), (0.95, 4.150), (1.00, 4.200),
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
    Chemistry.LEAD_ACID_GEL: (
        (0.00, 1.830), (0.05, 1.910), (0.10, 1.950), (0.20, 1.980), (0.30, 2.005),
        (0.40, 2.030), (0.50, 2.053), (0.60, 2.076), (0.70, 2.098), (0.80, 2.118),
        (0.90, 2.138), (0.97, 2.155), (1.00, 2.190),
    ),
    # Nernst's law with both half cells, 1.40 V at equal concentrations.
    Chemistry.VANADIUM: (
        (0.00, 1.050), (0.01, 1.164), (0.02, 1.200), (0.05, 1.249), (0.10, 1.287),
        (0.20, 1.329), (0.30, 1.356), (0.40, 1.379), (0.50, 1.400), (0.60, 1.421),
        (0.70, 1.444), (0.80, 1.471), (0.90, 1.513), (0.95, 1.551), (0.98, 1.600),
        (0.99, 1.636), (1.00, 1.750),
    ),
}  # fmt: skip


def cell_voltages(chemistry: Chemistry) -> tuple[float, float]:
    """Get the open-circuit voltages (V) of one empty and one full cell."""
    points = _TABLES[chemistry]
    return points[0][1], points[-1][1]


class OpenCircuitCurve:
    """Piecewise linear voltage of a whole battery: that of one cell times the cells in series.

    ``empty`` and ``full`` (V of the whole battery) are where its state of charge is 0 and 1: the
    chemistry's curve is cut there, and stretched where it does not reach that far.

    Raises:
        ValueError: nothing of the curve lies between ``empty`` and ``full``.
    """

    def __init__(
        self,
        chemistry: Chemistry,
        cells: int,
        empty: float | None = None,
        full: float | None = None,
    ) -> None:
        points = _between(
            _TABLES[chemistry],
            None if empty is None else empty / cells,
            None if full is None else full / cells,
        )
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

    def area(self, start: float, end: float) -> float:
        """Get the integral (V) of the voltage over the state of charge from start to end."""
        if end < start:
            return -self.area(end, start)
        first, last = bisect_right(self._soc, start), bisect_left(self._soc, end)
        if first >= last:
            return (end - start) * self.at((start + end) / 2)[0]
        inner = self._soc[first:last]
        return sum(
            (high - low) * self.at((low + high) / 2)[0]
            for low, high in pairwise((start, *inner, end))
        )


def _between(
    points: tuple[tuple[float, float], ...], empty: float | None, full: float | None
) -> tuple[tuple[float, float], ...]:
    """Cut the curve of one cell at these voltages, and call what is left 0 to 1."""
    lowest, highest = points[0][1], points[-1][1]
    low = lowest if empty is None else empty
    high = highest if full is None else full
    first, last = _position(points, low), _position(points, high)
    inside = [one for one in points if first < one[0] < last and low < one[1] < high]
    if not inside:
        raise ValueError(
            f"no point of the curve from {lowest:g} to {highest:g} V a cell lies between the empty "
            f"{low:g} V and the full {high:g} V; check the cells in series"
        )
    cut = [(first, low), *inside, (last, high)]
    return tuple(((soc - first) / (last - first), voltage) for soc, voltage in cut)


def _position(points: tuple[tuple[float, float], ...], voltage: float) -> float:
    """Get the state of charge at a voltage; 0 or 1 where the curve does not reach it."""
    for (soc, below), (next_soc, above) in pairwise(points):
        if voltage <= above:
            return soc + (next_soc - soc) * max(voltage - below, 0.0) / (above - below)
    return 1.0
