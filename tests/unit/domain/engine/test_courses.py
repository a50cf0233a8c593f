"""Set points that change over time: exact to the microsecond, in every pass."""

from bisect import bisect_right
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.engine.conftest import S, brief, driven, end, feed, program_of

from bem.domain.engine import Reading, advance, begin, next_change_us, setpoint_at
from bem.domain.happenings import StepEnded, StepStarted
from bem.domain.program import REST, Course, Mode, Setpoint

PULSES = Course(
    mode=Mode.CC,
    times_us=(0, 10 * S, 15 * S),
    values=(2.0, 0.0, -1.0),
    pass_us=20 * S,
    passes=3,
)


def amperes(value: float) -> Setpoint:
    return Setpoint(mode=Mode.CC, value=value)


def test_each_value_holds_until_the_next_in_every_pass() -> None:
    program = program_of(driven(1, PULSES), brief(2))
    readings = [Reading(n * S, 3.7, 1.0) for n in range(1, 62)]
    outcomes, events = feed(program, readings)
    held = [one.setpoint for one in outcomes[:60]]
    one_pass = [amperes(2.0)] * 10 + [REST] * 5 + [amperes(-1.0)] * 5
    assert held == one_pass * 3
    ended = next(one for one in events if isinstance(one, StepEnded))
    assert ended.duration_us == 60 * S
    assert ended.end == "its course of 60 s is through"
    assert [one.step for one in events if isinstance(one, StepStarted)] == [1, 2]


def test_an_end_may_come_before_the_course_is_through() -> None:
    program = program_of(driven(1, PULSES, end("voltage", "<=", 3.0)))
    readings = [Reading(n * S, 3.7 - 0.1 * n, 1.0) for n in range(1, 30)]
    outcomes, events = feed(program, readings)
    assert outcomes[-1].ended == "finished"
    last = events[-1]
    assert isinstance(last, StepEnded)
    assert last.end == "voltage at or below 3 V"


def test_a_course_of_ten_million_passes_does_not_drift() -> None:
    third = 333_333
    course = Course(
        mode=Mode.CP, times_us=(0, third), values=(5.0, -5.0), pass_us=1_000_001, passes=10_000_000
    )
    step = driven(1, course)
    start = 9_999_999 * 1_000_001
    assert setpoint_at(step, start - 1).value == -5.0
    assert setpoint_at(step, start).value == 5.0
    assert setpoint_at(step, start + third - 1).value == 5.0
    assert setpoint_at(step, start + third).value == -5.0
    assert next_change_us(step, start) == start + third
    assert next_change_us(step, start + third) == 10_000_000 * 1_000_001
    assert next_change_us(step, 10_000_000 * 1_000_001) is None


SPANS = st.lists(st.integers(1, 10**7), min_size=1, max_size=20)


@given(spans=SPANS, passes=st.integers(1, 10**6), data=st.data())
def test_a_course_never_drifts(spans: list[int], passes: int, data: st.DataObject) -> None:
    """Whatever was read before, the value is the one of the exact time in the exact pass."""
    times = tuple(accumulate(spans[:-1], initial=0))
    values = tuple(float(n + 1) for n in range(len(times)))
    course = Course(mode=Mode.CC, times_us=times, values=values, pass_us=sum(spans), passes=passes)
    program = program_of(driven(1, course))
    total = sum(spans) * passes
    instants = sorted(data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=20)))
    outcome = begin(program)
    for at_us in instants:
        outcome = advance(program, outcome.state, Reading(at_us, 3.7, 1.0))
        at_in_pass = at_us - at_us // sum(spans) * sum(spans)
        assert outcome.setpoint.value == values[bisect_right(times, at_in_pass) - 1]
        step = program.steps[0]
        change = next_change_us(step, at_us)
        assert change is not None
        assert setpoint_at(step, change - 1) == outcome.setpoint
    outcome = advance(program, outcome.state, Reading(total, 3.7, 1.0))
    assert outcome.ended == "finished"
