"""Bounds on batteries: how they combine, and when a reading breaks them."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bem.domain.limits import Limits, tightest, trip_limits, violations

CELL = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=2.5)


def test_the_tightest_bound_of_each_quantity_counts() -> None:
    station = Limits(voltage_min=0.4, voltage_max=5.1, current_min=-15.5, current_max=1.0)
    assert tightest(CELL, station) == Limits(
        voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=1.0
    )


def test_bounds_that_leave_nothing_are_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"voltage_min 5 must be below voltage_max 4\.2"):
        tightest(CELL, Limits(voltage_min=5.0))


@pytest.mark.parametrize(
    "bounds",
    [
        {"voltage_min": 4.2, "voltage_max": 2.5},
        {"current_min": 1.0},
        {"current_max": -1.0},
        {"voltage_max": math.nan},
    ],
)
def test_contradicting_bounds_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Limits(**bounds)


def test_a_battery_held_at_its_maximum_does_not_trip_but_one_beyond_does() -> None:
    trip = trip_limits(CELL)
    assert not violations(trip, {"voltage": 4.203, "current": 2.51})
    found = violations(trip, {"voltage": 4.23, "current": 2.6})
    assert [(one.channel, one.bound) for one in found] == [
        ("voltage", "voltage_max"),
        ("current", "current_max"),
    ]
    assert "voltage 4.23 is above the limit 4.221" in str(found[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_breaks_every_bound(value: float) -> None:
    assert violations(CELL, {"voltage": value})


def test_every_temperature_channel_is_judged() -> None:
    limits = Limits(temperature_max=45)
    assert violations(limits, {"temperature_anode": 46.0, "temperature_body": 20.0})


BOUND = st.floats(-100, 100)


@given(low=BOUND, high=BOUND, value=st.floats())
def test_a_value_is_allowed_exactly_between_its_bounds(
    low: float, high: float, value: float
) -> None:
    assume(low < high)
    allowed = not violations(Limits(voltage_min=low, voltage_max=high), {"voltage": value})
    assert allowed == (low <= value <= high)


@given(st.lists(st.tuples(BOUND, BOUND).filter(lambda pair: pair[0] < pair[1]), min_size=1))
def test_combining_bounds_never_widens_any(pairs: list[tuple[float, float]]) -> None:
    assume(max(low for low, _ in pairs) < min(high for _, high in pairs))
    combined = tightest(*(Limits(voltage_min=low, voltage_max=high) for low, high in pairs))
    assert combined.voltage_min == max(low for low, _ in pairs)
    assert combined.voltage_max == min(high for _, high in pairs)
