"""Points are taken from where the battery is outwards, and none truly leaves the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.domain.calibration.course import Course, CourseRefused, Point, Quantity, plan
from bem.domain.limits import Limits

LIMITS = Limits(voltage_min=3.0, voltage_max=4.2, current_min=-2.0, current_max=2.0)


def point(set_point: float, reference: float, voltage: float = 3.7) -> Point:
    return Point(set_point=set_point, device=set_point, reference=reference, voltage=voltage)


def test_voltages_are_taken_from_the_battery_outwards() -> None:
    course = plan(Quantity.VOLTAGE, LIMITS, 5, voltage=3.7)
    assert course.set_points == pytest.approx((3.6, 3.8895, 3.3105, 4.179, 3.021), abs=1e-3)


def test_currents_begin_with_none_and_change_sides() -> None:
    course = plan(Quantity.CURRENT, LIMITS, 5, voltage=3.7)
    assert course.set_points == pytest.approx((0, -0.975, 0.975, -1.95, 1.95))


def test_a_source_alone_gets_no_discharge() -> None:
    limits = LIMITS.model_copy(update={"current_min": 0.0})
    course = plan(Quantity.CURRENT, limits, 3, voltage=3.7)
    assert course.set_points == pytest.approx((0, 0.975, 1.95))


@given(
    st.sampled_from([Quantity.VOLTAGE, Quantity.CURRENT]),
    st.floats(0, 50),
    st.floats(0.2, 20),
    st.floats(-100, 0),
    st.floats(0.2, 100),
    st.integers(3, 101),
    st.floats(0, 60),
)
def test_every_set_point_is_a_margin_inside_the_limits(
    quantity: Quantity, low: float, span: float, least: float, most: float, count: int, now: float
) -> None:
    limits = Limits(voltage_min=low, voltage_max=low + span, current_min=least, current_max=most)
    try:
        course = plan(quantity, limits, count, now)
    except CourseRefused:
        return
    bounds = {Quantity.VOLTAGE: (low + 0.02, low + span - 0.02), Quantity.CURRENT: (least, most)}
    lowest, highest = bounds[quantity]
    assert len(course.set_points) == count
    # They are whole microvolts and microamperes.
    assert all(lowest - 1e-6 <= one <= highest + 1e-6 for one in course.set_points)


@pytest.mark.parametrize(
    ("changed", "count", "why"),
    [
        ({"voltage_max": None}, 5, "voltage_max is missing"),
        ({"current_min": None}, 5, "current_min is missing"),
        ({"voltage_max": 3.03}, 5, "leave no room"),
        ({"current_min": -0.04, "current_max": 0.04}, 5, "leave no room"),
        ({}, 2, "take 3 to 101"),
        ({}, 102, "take 3 to 101"),
    ],
)
def test_limits_without_room_are_refused(
    changed: dict[str, float | None], count: int, why: str
) -> None:
    with pytest.raises(CourseRefused, match=why):
        plan(Quantity.VOLTAGE, LIMITS.model_copy(update=changed), count, 3.7)


@pytest.fixture
def currents() -> Course:
    return plan(Quantity.CURRENT, LIMITS, 11, voltage=3.7)


def test_a_device_that_gives_more_than_it_says_is_not_asked_for_all(currents: Course) -> None:
    taken = [point(0, 0), point(0.975, 0.975 * 1.05)]
    assert currents.hindrance(1.5, taken) == ""
    assert "truly it would be 2.04" in currents.hindrance(1.95, taken)
    # It gives less than it says: nothing is in danger.
    assert currents.hindrance(1.95, [point(0, 0), point(0.975, 0.975 * 0.95)]) == ""


def test_an_error_found_on_the_other_side_may_have_either_sign(currents: Course) -> None:
    for error in (0.1, -0.1):
        assert "truly" in currents.hindrance(1.95, [point(-1.0, -1.0 + error)])


def test_an_offset_at_no_current_is_no_error_that_grows(currents: Course) -> None:
    at_rest = Point(set_point=0, device=-0.004, reference=0, voltage=3.7)
    assert currents.hindrance(1.95, [at_rest]) == ""


def test_a_current_that_would_bring_the_battery_to_its_limit_is_left_out(currents: Course) -> None:
    taken = [point(0, 0, voltage=4.0), point(0.5, 0.5, voltage=4.06)]
    assert currents.hindrance(1.4, taken) == ""
    assert "the battery would come to 4.234 V" in currents.hindrance(1.95, taken)
    assert currents.hindrance(-1.95, taken) == ""


@pytest.mark.parametrize(
    ("device", "reference", "well"),
    [
        (0.39, 0.0, False),  # not connected
        (0.39, -0.39, False),  # the wrong way round
        (1.95, 1.86, True),
        (0.0, -0.03, True),
        (1.95, 1950.0, False),  # mA
    ],
)
def test_what_does_not_measure_the_same_is_seen_at_the_first_points(
    currents: Course, device: float, reference: float, well: bool
) -> None:
    taken = Point(set_point=device, device=device, reference=reference, voltage=3.7)
    assert (currents.doubt(taken) == "") is well


def test_a_set_point_that_was_not_reached_is_no_point() -> None:
    course = plan(Quantity.VOLTAGE, LIMITS, 5, voltage=3.7)
    near = Point(set_point=4.0, device=3.985, reference=4.0, voltage=3.985)
    far = Point(set_point=4.0, device=3.8, reference=3.8, voltage=3.8)
    assert course.missed(near) == ""
    assert "came to 3.8 V only" in course.missed(far)
