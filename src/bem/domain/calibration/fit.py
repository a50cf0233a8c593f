"""A straight line through points, and how far it can be trusted.

Ordinary least squares with the uncertainties of its coefficients as in GUM (JCGM 100:2008), H.3,
where a thermometer is calibrated in the same way.
"""

import math
from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict, Field

LEAST_POINTS = 3
"""Two points always lie on a line, which says nothing of how well they do."""
LARGEST = 1e12
"""Beyond it no instrument reads, and squares may overflow."""

_STUDENT = (
    *(12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23),
    *(2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09),
)
_STUDENT_BEYOND = ((100, 1.984), (50, 2.01), (40, 2.02), (30, 2.04), (25, 2.06))


class UnfitError(ValueError):
    """Points through which no line can be laid. The message says why."""


class Fit(BaseModel):
    """``reference = gain * device + offset``, in the unit of the points.

    ``gain_u``, ``mean_u``: standard uncertainties of the gain and of the line at ``centre``, the
    mean of the device's readings, where it is known best. ``scatter``: standard deviation of the
    residuals. ``degrees``: degrees of freedom.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    gain: float
    offset: float
    gain_u: float = Field(ge=0)
    mean_u: float = Field(ge=0)
    centre: float
    scatter: float = Field(ge=0)
    degrees: int = Field(ge=1)

    @property
    def offset_u(self) -> float:
        """Standard uncertainty of the offset (GUM H.3, u(b) of a line written about its centre)."""
        return self.u_at(0.0)

    def at(self, device: float) -> float:
        """Get what is there when the device reads ``device``."""
        return self.gain * device + self.offset

    def u_at(self, device: float) -> float:
        """Get the standard uncertainty of :meth:`at` (GUM H.3.5)."""
        return math.hypot(self.mean_u, (device - self.centre) * self.gain_u)


def fit_line(device: Sequence[float], reference: Sequence[float]) -> Fit:
    """Lay a line through points by least squares.

    With n points, means x, y and Sxx the sum of (xi - x)^2: gain = sum((xi - x)(yi - y)) / Sxx,
    offset = y - gain x, s^2 = sum(residual^2) / (n - 2), u(gain) = s / sqrt(Sxx),
    u(line at x) = s / sqrt(n) (GUM H.3.2, H.3.3).

    Raises:
        UnfitError: fewer than three points, all at one place, or numbers that are not finite.
    """
    count = len(device)
    if count != len(reference):
        raise UnfitError(f"{count} readings of the device and {len(reference)} of the reference")
    if count < LEAST_POINTS:
        raise UnfitError(f"{count} points are too few, a line needs {LEAST_POINTS}")
    if not all(abs(one) <= LARGEST for one in (*device, *reference)):
        raise UnfitError(f"a reading is not a finite number, or larger than {LARGEST:g}")
    centre, height = math.fsum(device) / count, math.fsum(reference) / count
    across = [one - centre for one in device]
    spread = math.fsum(one * one for one in across)
    # Below this the differences are rounding, and the gain would be made of it.
    if spread <= count * (1e-12 * max(map(abs, device))) ** 2:
        raise UnfitError(f"all points lie at {centre:g}; a line needs points apart from each other")
    gain = (
        math.fsum(one * (two - height) for one, two in zip(across, reference, strict=True)) / spread
    )
    residuals = (two - height - gain * one for one, two in zip(across, reference, strict=True))
    scatter = math.sqrt(math.fsum(one * one for one in residuals) / (count - 2))
    return Fit(
        gain=gain,
        offset=height - gain * centre,
        gain_u=scatter / math.sqrt(spread),
        mean_u=scatter / math.sqrt(count),
        centre=centre,
        scatter=scatter,
        degrees=count - 2,
    )


def coverage_factor(degrees: int) -> float:
    """Get k for a level of confidence of 95 %: Student's t as in GUM table G.2.

    Between two lines of the table it is the larger one.

    Raises:
        ValueError: no degree of freedom.
    """
    if degrees < 1:
        raise ValueError(f"{degrees} degrees of freedom leave nothing to judge by")
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    for least, factor in _STUDENT_BEYOND:
        if degrees >= least:
            return factor
    return _STUDENT[-1]


def middle(readings: Sequence[float]) -> float:
    """Get the median, by which one wild reading of nine changes nothing (devices.md section 5).

    Raises:
        UnfitError: there is none, or one is not finite.
    """
    if not readings or not all(map(math.isfinite, readings)):
        raise UnfitError("there are no readings, or one is not a finite number")
    return median(readings)
