"""Bounds on batteries: how they combine, and when a reading breaks them."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bem.domain.limits import (
    Compare,
    Exceeded,
    Limit,
    Limited,
    Limits,
    LimitWatch,
    Progress,
    tightest,
    trip_limits,
    violations,
)

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


S = 1_000_000
ABOVE, BELOW = Compare.AT_LEAST, Compare.AT_MOST


def limit(
    quantity: str, compare: Compare, threshold: float, delay_s: float = 0.0, owner: str = "profile"
) -> Limit:
    return Limit(
        quantity=Limited(quantity),
        compare=compare,
        threshold=threshold,
        delay_s=delay_s,
        owner=owner,
    )


def at(
    seconds: float,
    *,
    charge: float = 0.0,
    step_started_us: int = 0,
    step_us: int | None = None,
    step_charge: float = 0.0,
) -> Progress:
    """Progress of a run whose step began with it."""
    elapsed_us = round(seconds * S)
    return Progress(
        elapsed_us=elapsed_us,
        charge=charge,
        step_started_us=step_started_us,
        step_us=elapsed_us if step_us is None else step_us,
        step_charge=step_charge,
    )


def judge_all(
    watched: Limit, readings: list[tuple[float, float]], channel: str = "voltage"
) -> list[float]:
    """The seconds at which a limit of the run is broken, for readings (s, value)."""
    watch, broken_at = LimitWatch((watched,)), []
    for seconds, value in readings:
        watch, found = watch.judge({channel: value}, at(seconds))
        if found:
            broken_at.append(seconds)
    return broken_at


@pytest.mark.parametrize(
    ("watched", "values"),
    [
        (limit("voltage", ABOVE, 4.2), {"voltage": 4.21}),
        (limit("voltage", BELOW, 2.5), {"voltage": 2.49}),
        (limit("current", ABOVE, 2.0), {"current": 2.1}),
        (limit("current", BELOW, -2.0), {"current": -2.1}),
        (limit("power", ABOVE, 8.0), {"voltage": 4.0, "current": 2.1}),
        (limit("power", BELOW, -8.0), {"power": -8.1}),
        (limit("temperature", ABOVE, 45), {"temperature_body": 20, "temperature_anode": 46}),
        (limit("temperature", BELOW, 0), {"temperature_body": -1}),
        (limit("cell_voltage", ABOVE, 4.2), {"cell_voltage_1": 4.1, "cell_voltage_12": 4.21}),
        (limit("flow", BELOW, 1.0), {"flow_positive": 2.0, "flow_negative": 0.5}),
    ],
)
def test_a_hard_limit_breaks_at_the_first_reading_beyond_it(
    watched: Limit, values: dict[str, float]
) -> None:
    _, found = LimitWatch((watched,)).judge(values, at(0.1))
    assert [one.limit for one in found] == [watched]
    _, found = LimitWatch().judge(values, at(0.1), of_step=(watched,))
    assert [one.limit for one in found] == [watched]
    inside = dict.fromkeys(values, watched.threshold)
    inside["power"] = watched.threshold
    _, found = LimitWatch((watched,)).judge(inside, at(0.1))
    assert not found, "the threshold itself is allowed"


def test_charge_and_duration_are_of_the_run_or_of_the_step() -> None:
    limits = (limit("charge", ABOVE, 2.0), limit("duration", ABOVE, 100))
    watch = LimitWatch(limits)
    _, found = watch.judge({}, at(90, charge=-2.1, step_charge=0.1))
    assert [one.value for one in found] == [2.1]
    _, found = watch.judge({}, at(101, step_us=1 * S))
    assert [one.value for one in found] == [101.0]
    _, found = LimitWatch().judge({}, at(101, charge=3.0, step_us=1 * S), of_step=limits)
    assert not found
    _, found = LimitWatch().judge({}, at(300, step_charge=-2.5, step_us=101 * S), of_step=limits)
    assert [one.value for one in found] == [2.5, 101.0]


def test_a_delayed_limit_breaks_after_its_time_without_a_pause() -> None:
    watched = limit("voltage", ABOVE, 4.25, delay_s=2)
    long = [(0, 4.2), (1, 4.3), (2, 4.3), (2.9, 4.3), (3, 4.3), (4, 4.3)]
    assert judge_all(watched, long) == [3, 4]
    interrupted = [(0, 4.3), (1, 4.3), (1.9, 4.2), (2, 4.3), (3.9, 4.3), (4, 4.3)]
    assert judge_all(watched, interrupted) == [4]


def test_a_delayed_limit_of_a_step_begins_anew_with_each_pass() -> None:
    watched = (limit("voltage", ABOVE, 4.25, delay_s=2),)
    watch = LimitWatch()
    watch, _ = watch.judge({"voltage": 4.3}, at(0), watched)
    watch, found = watch.judge({"voltage": 4.3}, at(3, step_started_us=2 * S), watched)
    assert not found
    _, found = watch.judge({"voltage": 4.3}, at(5, step_started_us=2 * S), watched)
    assert [one.for_s for one in found] == [2.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [ABOVE, BELOW])
def test_a_value_that_is_no_number_breaks_every_limit(value: float, side: Compare) -> None:
    assert judge_all(limit("temperature", side, 45), [(0, value)], "temperature_1") == [0]


def test_a_limited_quantity_that_is_not_read_breaks_its_limit_after_a_while() -> None:
    watched = limit("temperature", ABOVE, 45)
    readings = [(0.0, 3.7), (9.0, 3.7), (10.0, 3.7)]
    assert judge_all(watched, readings, "voltage") == [10]
    watch, _ = LimitWatch((watched,)).judge({}, at(0))
    _, (found,) = watch.judge({}, at(11))
    assert str(found) == (
        "no temperature was read for 11 s, which must not be above the limit 45 degC (profile)"
    )


def test_a_violation_says_whose_limit_which_value_and_how_long() -> None:
    watched = limit("temperature", ABOVE, 45, delay_s=2, owner="step 3")
    watch, _ = LimitWatch((watched,)).judge({"temperature_body": 45.5}, at(1))
    _, (found,) = watch.judge({"temperature_body": 46.2, "temperature_2": 45.1}, at(3.5))
    assert (found.owner, found.channel, found.value, found.for_s) == (
        "step 3", "temperature_body", 46.2, 2.5,
    )  # fmt: skip
    assert str(found) == "temperature_body 46.2 degC is above the limit 45 degC (step 3), for 2.5 s"
    assert Exceeded.model_validate_json(found.model_dump_json()) == found


@given(
    values=st.lists(st.tuples(st.integers(1, 5 * S), st.booleans()), max_size=40),
    delay=st.floats(0, 10),
)
def test_a_delay_counts_only_what_is_beyond_without_a_pause(
    values: list[tuple[int, bool]], delay: float
) -> None:
    watch, elapsed, since = LimitWatch((limit("voltage", ABOVE, 4.2, delay),)), 0, None
    for passed, beyond in values:
        elapsed += passed
        watch, found = watch.judge({"voltage": 4.3 if beyond else 4.2}, at(elapsed / S))
        since = (elapsed if since is None else since) if beyond else None
        assert bool(found) == (since is not None and elapsed - since >= delay * S)
