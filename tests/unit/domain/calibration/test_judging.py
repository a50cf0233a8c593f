"""A verdict counts what the reference leaves uncertain."""

import math

import pytest

from bem.domain.calibration.fit import coverage_factor, fit_line
from bem.domain.calibration.judging import Accuracy, Verdict, factors, judge, uncertainty_at

DEVICE = [3.0, 3.3, 3.6, 3.9, 4.2]
NOTHING = Accuracy(share=0, fixed=0)
GOOD = Accuracy(share=0.0003, fixed=0.0005)


def verdict(offset: float, meter: Accuracy, tolerance: Accuracy) -> Verdict:
    reference = [one - offset for one in DEVICE]
    fit = fit_line(DEVICE, reference)
    return judge(list(zip(DEVICE, reference, strict=True)), fit, meter, tolerance)


@pytest.mark.parametrize(
    ("offset", "fixed", "expected"),
    [
        (0.002, 0.010, Verdict.PASSED),
        (-0.002, 0.010, Verdict.PASSED),
        (0.009, 0.010, Verdict.UNDECIDED),
        (0.011, 0.010, Verdict.UNDECIDED),
        (0.020, 0.010, Verdict.FAILED),
        (-0.020, 0.010, Verdict.FAILED),
    ],
)
def test_errors_near_the_tolerance_are_not_decided(
    offset: float, fixed: float, expected: Verdict
) -> None:
    assert verdict(offset, GOOD, Accuracy(share=0, fixed=fixed)) is expected


def test_a_bad_reference_decides_nothing() -> None:
    bad = Accuracy(share=0.01, fixed=0.05)
    assert verdict(0.0, bad, Accuracy(share=0, fixed=0.01)) is Verdict.UNDECIDED


def test_one_point_beyond_is_enough() -> None:
    reference = [3.0, 3.3, 3.55, 3.9, 4.2]
    fit = fit_line(DEVICE, reference)
    points = list(zip(DEVICE, reference, strict=True))
    assert judge(points, fit, NOTHING, Accuracy(share=0, fixed=0.001)) is not Verdict.PASSED


def test_a_share_of_the_reading_grows_with_it() -> None:
    accuracy = Accuracy(share=0.001, fixed=0.002)
    assert accuracy.at(-10) == pytest.approx(0.012)
    assert accuracy.u_at(10) == pytest.approx(0.012 / math.sqrt(3))


def test_uncertainties_of_points_and_reference_add_by_their_squares() -> None:
    reference = [3.001, 3.299, 3.602, 3.899, 4.2]
    fit = fit_line(DEVICE, reference)
    found = factors(fit, GOOD)
    factor = coverage_factor(3)
    assert found.coverage == factor == 3.18
    assert found.gain_uncertainty == pytest.approx(
        factor * math.sqrt(fit.gain_u**2 + (fit.gain * 0.0003) ** 2 / 3)
    )
    assert found.offset_uncertainty == pytest.approx(
        factor * math.sqrt(fit.offset_u**2 + 0.0005**2 / 3)
    )
    alone = uncertainty_at(3.6, fit, NOTHING)
    assert alone == pytest.approx(factor * fit.u_at(3.6))
    assert uncertainty_at(3.6, fit, GOOD) > alone
