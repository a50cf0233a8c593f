"""A source steps upwards within what device and source bear, and what the operator says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.domain.calibration.course import CourseRefused, Point, Quantity
from bem.domain.calibration.steps import GRIDS, Grid, Reach, Steps, plan_steps
from bem.domain.limits import Limits

LOW = GRIDS["epc", Quantity.VOLTAGE]
HIGH = GRIDS["epc", Quantity.SUPPLY_VOLTAGE]
REACH = Reach(device=(0.4, 5.1), source=84.0)


def plan(
    grid: Grid | None = LOW,
    reach: Reach = REACH,
    count: int | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Steps:
    wanted = Limits(voltage_min=low, voltage_max=high)
    return plan_steps(Quantity.VOLTAGE, grid, reach, wanted, 0.2, count)


def point(set_point: float, reference: float, device: float | None = None) -> Point:
    read = reference if device is None else device
    return Point(set_point=set_point, device=read, reference=reference, voltage=read)


def test_the_voltages_of_an_epc_are_those_of_its_procedure() -> None:
    assert plan().set_points == tuple(one / 2 for one in range(1, 11))
    steps = plan(HIGH, Reach(None, 84.0))
    assert steps.set_points == tuple(one / 2 for one in range(10, 29))
    assert steps.limits == Limits(voltage_min=5, voltage_max=14.1, current_min=0.0, current_max=0.2)


def test_the_operator_narrows_the_range() -> None:
    assert plan(low=2.2, high=4.2).set_points == (2.5, 3.0, 3.5, 4.0)
    assert plan(low=2.0, high=4.0, count=5).set_points == (2.0, 2.5, 3.0, 3.5, 4.0)


@pytest.mark.parametrize("high", [6.0, 60.0, None])
def test_nobody_leads_beyond_what_the_device_bears(high: float | None) -> None:
    assert plan(high=high, count=3).set_points[-1] <= 5.1
    assert plan(HIGH, Reach(None, 84.0), high=high, count=3).set_points[-1] <= 14.1


def test_a_small_source_ends_the_grid() -> None:
    assert plan(HIGH, Reach(None, 8.0)).set_points[-1] == 8.0


def test_another_device_is_stepped_through_its_own_range() -> None:
    steps = plan(None, Reach((0.0, 20.0), 42.0))
    assert len(steps.set_points) == 11
    assert (steps.set_points[0], steps.set_points[-1]) == (0.0, 20.0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"grid": None, "reach": Reach(None, 84.0)}, "give --voltage-min and --voltage-max"),
        ({"low": 6.0}, "is no range"),
        ({"low": -1.0}, "is no range"),
        ({"reach": Reach((0.4, 5.1), 0.3)}, "from 0.5 V to 0.3 V"),
        ({"low": 4.2, "count": None}, "only 2 of the usual voltages"),
        ({"count": 2}, "take 3 to 101"),
        ({"count": 102}, "take 3 to 101"),
    ],
)
def test_a_range_that_is_none_is_refused(arguments: dict[str, object], why: str) -> None:
    with pytest.raises(CourseRefused, match=why):
        plan(**arguments)  # type: ignore[arg-type]  # each case names its own


def test_a_source_that_gives_more_than_it_says_is_not_asked_for_all() -> None:
    steps = plan()
    assert steps.hindrance(0.5, []) == ""
    assert steps.hindrance(5.0, [point(4.5, 4.55)]) == ""
    assert "truly it would be 5.222 V, above 5.125" in steps.hindrance(5.0, [point(4.5, 4.7)])
    assert steps.hindrance(5.0, [point(4.5, 4.3)]) == ""


@given(st.floats(0.5, 4.5), st.floats(0.9, 1.1), st.floats(-0.2, 0.2))
def test_no_step_is_foreseen_beyond_the_highest_true_value(
    last: float, gain: float, offset: float
) -> None:
    steps = plan()
    for wanted in steps.set_points:
        if wanted > last and not steps.hindrance(wanted, [point(last, gain * last + offset)]):
            # An error of either kind: an offset stays, and a share grows with the voltage.
            assert gain * last + offset - last + wanted <= steps.highest + 1e-9


@pytest.mark.parametrize(
    ("set_point", "device", "reference", "why"),
    [
        (0.5, 0.5, 0.0, "the device reads 0.5 V and the reference 0 V"),
        (0.5, 0.5, -0.5, "look at wiring, sign and range"),
        (2.0, 3.7, 3.7, "is it at the same terminals, and nothing else there"),
        (2.0, 2.06, 2.0, ""),
        (2.0, 2.1, 2.15, ""),
    ],
)
def test_what_cannot_be_one_thing_is_seen(
    set_point: float, device: float, reference: float, why: str
) -> None:
    found = plan().doubt(point(set_point, reference, device))
    assert why in found
    assert bool(found) is bool(why)
