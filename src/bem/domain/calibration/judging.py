"""How far a device is off, how certain that is, and whether a tolerance is kept."""

import math
from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bem.domain.calibration.fit import Fit, coverage_factor

_RECTANGULAR = math.sqrt(3)


class Accuracy(BaseModel):
    """Limits of an error as data sheets give them: a share of the reading and a fixed part.

    ``share``: 0.001 is 0.1 %. ``fixed``: V or A.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    share: float = Field(ge=0, le=1)
    fixed: float = Field(ge=0)

    def at(self, value: float) -> float:
        """Get the largest error at a value."""
        return self.share * abs(value) + self.fixed

    def u_at(self, value: float) -> float:
        """Get the standard uncertainty at a value.

        Any error within the limits is as likely as another: limit / sqrt(3) (GUM 4.3.7).
        """
        return self.at(value) / _RECTANGULAR


class Verdict(StrEnum):
    """What the check says of a tolerance."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Factors(BaseModel):
    """``true = gain * reading + offset``, each with its expanded uncertainty (95 %).

    ``coverage``: the factor k by which standard uncertainties were expanded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    gain: float
    gain_uncertainty: float = Field(ge=0)
    offset: float
    offset_uncertainty: float = Field(ge=0)
    coverage: float = Field(gt=0)


def factors(fit: Fit, meter: Accuracy) -> Factors:
    """Join what the scatter of the points and what the meter leaves uncertain.

    Both are independent, so that their squares add (GUM 5.1.2). The meter's share of the reading
    acts on the gain, its fixed part on the offset. k is that of the points alone, which is never
    too small.
    """
    coverage = coverage_factor(fit.degrees)
    gain_u = math.hypot(fit.gain_u, fit.gain * meter.share / _RECTANGULAR)
    offset_u = math.hypot(fit.offset_u, meter.fixed / _RECTANGULAR)
    return Factors(
        gain=fit.gain,
        gain_uncertainty=coverage * gain_u,
        offset=fit.offset,
        offset_uncertainty=coverage * offset_u,
        coverage=coverage,
    )


def uncertainty_at(device: float, fit: Fit, meter: Accuracy) -> float:
    """Get the expanded uncertainty (95 %) of an error found where the device reads ``device``."""
    return coverage_factor(fit.degrees) * math.hypot(fit.u_at(device), meter.u_at(fit.at(device)))


def judge(
    points: Sequence[tuple[float, float]], fit: Fit, meter: Accuracy, tolerance: Accuracy
) -> Verdict:
    """Judge points (device, reference) by a tolerance of the device's error.

    ``PASSED``: every error with its uncertainty lies within the tolerance. ``FAILED``: one lies
    outside even if its uncertainty is taken off. ``UNDECIDED``: neither; the reference is too
    uncertain for this tolerance (guard band of JCGM 106:2012, 8.3).
    """
    verdict = Verdict.PASSED
    for device, reference in points:
        error, allowed = abs(device - reference), tolerance.at(reference)
        uncertainty = uncertainty_at(device, fit, meter)
        if error - uncertainty > allowed:
            return Verdict.FAILED
        if error + uncertainty > allowed:
            verdict = Verdict.UNDECIDED
    return verdict
