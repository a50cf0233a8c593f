"""The line through the points of a check, and how far it can be trusted."""

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bem.domain.calibration.firmware import Constants, corrected
from bem.domain.calibration.fit import Fit, UnfitError, coverage_factor, fit_line, middle

reading = st.floats(min_value=-100, max_value=100)
points = st.lists(st.tuples(reading, reading), min_size=3, max_size=40)


def spread_of(device: list[float]) -> float:
    return max(device) - min(device)


def test_the_thermometer_of_the_guide() -> None:
    """GUM (JCGM 100:2008) H.3, table H.6: corrections of a thermometer over t - 20 degC."""
    temperature = [21.521, 22.012, 22.512, 23.003, 23.507, 23.999, 24.513, 25.002, 25.503]
    temperature += [26.010, 26.511]
    correction = [-0.171, -0.169, -0.166, -0.159, -0.164, -0.165, -0.156, -0.157, -0.159]
    correction += [-0.161, -0.160]
    fit = fit_line([one - 20 for one in temperature], correction)
    assert fit.offset == pytest.approx(-0.1712, abs=5e-5)
    assert fit.offset_u == pytest.approx(0.0029, abs=5e-5)
    assert fit.gain == pytest.approx(0.00218, abs=5e-6)
    assert fit.gain_u == pytest.approx(0.00067, abs=5e-6)
    assert fit.scatter == pytest.approx(0.0035, abs=5e-5)
    assert fit.at(10) == pytest.approx(-0.1494, abs=5e-5)
    assert fit.u_at(10) == pytest.approx(0.0041, abs=5e-5)


@given(
    st.lists(reading, min_size=3, max_size=40),
    st.floats(min_value=0.5, max_value=2),
    st.floats(min_value=-5, max_value=5),
)
def test_points_on_a_line_give_that_line(device: list[float], gain: float, offset: float) -> None:
    assume(spread_of(device) > 0.1)
    fit = fit_line(device, [gain * one + offset for one in device])
    assert fit.gain == pytest.approx(gain, abs=1e-9)
    assert fit.offset == pytest.approx(offset, abs=1e-7)
    assert fit.gain_u == pytest.approx(0, abs=1e-9)
    assert fit.offset_u == pytest.approx(0, abs=1e-7)


@given(points)
def test_no_other_line_is_nearer(taken: list[tuple[float, float]]) -> None:
    device, reference = [one for one, _ in taken], [two for _, two in taken]
    assume(spread_of(device) > 0.1)
    fit = fit_line(device, reference)
    residuals = [two - fit.at(one) for one, two in taken]
    size = 1e-9 * max(1.0, *map(abs, reference)) * len(taken)
    assert math.fsum(residuals) == pytest.approx(0, abs=size)
    across = math.fsum((one - fit.centre) * two for one, two in zip(device, residuals, strict=True))
    assert across == pytest.approx(0, abs=1e-6 * len(taken) * 100)


@given(points, st.floats(min_value=-50, max_value=50), st.floats(min_value=0.1, max_value=10))
def test_units_and_zero_of_the_scale_do_not_matter(
    taken: list[tuple[float, float]], shift: float, scale: float
) -> None:
    device, reference = [one for one, _ in taken], [two for _, two in taken]
    assume(spread_of(device) > 0.1)
    fit = fit_line(device, reference)
    other = fit_line([scale * (one + shift) for one in device], [scale * one for one in reference])
    assert other.gain == pytest.approx(fit.gain, abs=1e-6, rel=1e-6)
    assert other.gain_u == pytest.approx(fit.gain_u, abs=1e-6, rel=1e-6)
    assert other.mean_u == pytest.approx(scale * fit.mean_u, abs=1e-6, rel=1e-6)


@given(st.randoms(use_true_random=False), points)
def test_the_order_of_the_points_does_not_matter(
    shuffler: random.Random, taken: list[tuple[float, float]]
) -> None:
    assume(spread_of([one for one, _ in taken]) > 0.1)
    shuffled = shuffler.sample(taken, len(taken))
    fits = [fit_line(*map(list, zip(*some, strict=True))) for some in (taken, shuffled)]
    assert fits[0].gain == pytest.approx(fits[1].gain, abs=1e-9, rel=1e-9)
    assert fits[0].offset_u == pytest.approx(fits[1].offset_u, abs=1e-9, rel=1e-9)


@given(
    st.lists(st.floats(), max_size=10),
    st.lists(st.floats(), max_size=10),
)
def test_whatever_comes_there_is_a_finite_line_or_none(
    device: list[float], reference: list[float]
) -> None:
    try:
        fit = fit_line(device, reference)
    except UnfitError:
        return
    assert all(map(math.isfinite, (fit.gain, fit.offset, fit.gain_u, fit.mean_u, fit.scatter)))
    assert fit.gain_u >= 0


@pytest.mark.parametrize(
    ("device", "reference", "why"),
    [
        ([1.0, 2.0], [1.0, 2.0], "2 points are too few"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "all points lie at 1"),
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], "all points lie at 0"),
        ([1.0, 2.0, math.nan], [1.0, 2.0, 3.0], "not a finite number"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 1e13], "larger than 1e\\+12"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "3 readings of the device and 2"),
    ],
)
def test_points_without_a_line_are_refused(
    device: list[float], reference: list[float], why: str
) -> None:
    with pytest.raises(UnfitError, match=why):
        fit_line(device, reference)


def test_the_stated_uncertainty_holds_in_19_of_20_checks() -> None:
    noise = random.Random(5)  # noqa: S311 - noise, not a secret
    device = [3.0 + 0.12 * place for place in range(11)]
    gain, offset, checks = 1.012, -0.03, 2000
    held = {"gain": 0, "offset": 0}
    for _ in range(checks):
        fit = fit_line(device, [gain * one + offset + noise.gauss(0, 0.002) for one in device])
        factor = coverage_factor(fit.degrees)
        held["gain"] += abs(fit.gain - gain) <= factor * fit.gain_u
        held["offset"] += abs(fit.offset - offset) <= factor * fit.offset_u
    for times in held.values():
        assert 0.93 < times / checks < 0.97


def test_few_points_make_a_wide_uncertainty() -> None:
    assert coverage_factor(1) == 12.71
    assert coverage_factor(9) == 2.26
    # Between 20 and 25 in the table.
    assert coverage_factor(24) == 2.09
    assert coverage_factor(29) == 2.06
    assert coverage_factor(1000) == 1.984
    with pytest.raises(ValueError, match="0 degrees"):
        coverage_factor(0)


def test_one_wild_reading_changes_no_median() -> None:
    assert middle([3.7] * 8 + [0.0]) == 3.7
    for wrong in ([], [3.7, math.nan]):
        with pytest.raises(UnfitError):
            middle(wrong)


def exact(gain: float, offset: float) -> Fit:
    return fit_line([1.0, 2.0, 3.0], [gain * one + offset for one in (1.0, 2.0, 3.0)])


@given(
    st.floats(min_value=0.9, max_value=1.1),
    st.floats(min_value=-0.2, max_value=0.2),
    st.integers(0, 4095),
)
def test_new_firmware_constants_read_what_is_there(gain: float, offset: float, raw: int) -> None:
    """devices.md section 5: factor = round(a * 4095), offset = round(b)."""
    present = Constants(factor=33000, offset=-16000)
    new = corrected(exact(gain, offset), present)
    told_ma = raw * present.factor / 4095 + present.offset
    there_ma = gain * told_ma + offset * 1000
    # Both constants are rounded.
    assert raw * new.factor / 4095 + new.offset == pytest.approx(there_ma, abs=1.0 + 1e-6)


def test_a_unit_that_is_right_keeps_its_constants() -> None:
    for present in (Constants(factor=6000, offset=0), Constants(factor=33000, offset=-16000)):
        assert corrected(exact(1.0, 0.0), present) == present
    with pytest.raises(ValueError, match="factor"):
        corrected(exact(3.0, 0.0), Constants(factor=33000, offset=0))
