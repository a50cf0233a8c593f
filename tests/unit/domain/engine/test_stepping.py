"""The step engine: tables for what ends a step, properties for what must always hold."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.engine.conftest import S, brief, feed, program_of, steady, step

from bem.domain.engine import EngineState, Reading, advance, current_step
from bem.domain.happenings import CycleEnded, StepEnded, Throughput
from bem.domain.program import REST, LoopOp


@pytest.mark.parametrize(
    ("end", "readings", "ends_at_s"),
    [
        (("duration", ">=", 3.0), steady(9), 3),
        (("duration", ">=", 2.5), steady(9), 3),
        (("voltage", ">=", 4.2), [*steady(4), Reading(5 * S, 4.2, 1.0)], 5),
        (("voltage", "<=", 2.5), [*steady(2), Reading(3 * S, 2.4, -1.0)], 3),
        (("voltage", ">=", 3.0), steady(9), 1),
        (("current", "<=", 0.1), [*steady(5), Reading(6 * S, 4.2, 0.09)], 6),
        (("current", "<=", 0.1), [*steady(5), Reading(6 * S, 2.5, -0.09)], 6),
        (("current", ">=", 2.0), [*steady(5), Reading(6 * S, 3.0, -2.1)], 6),
        (("capacity", ">=", 2 / 3600), steady(9), 3),
        (("capacity", ">=", 2 / 3600), steady(9, current=-1.0), 3),
    ],
)
def test_a_step_ends_at_the_first_reading_whose_condition_holds(
    end: tuple[str, str, float], readings: list[Reading], ends_at_s: int
) -> None:
    outcomes, events = feed(program_of(step(1, end)), readings)
    assert outcomes[-1].finished
    assert outcomes[-1].setpoint == REST
    ended = events[-1]
    assert isinstance(ended, StepEnded)
    assert ended.duration_us == ends_at_s * S
    assert len(outcomes) == ends_at_s + 1


def test_seconds_are_seconds() -> None:
    """A time limit of the old system mixed up seconds and milliseconds."""
    program = program_of(step(1, ("duration", ">=", 3600.0)))
    outcomes, _ = feed(program, steady(3599))
    assert not outcomes[-1].finished
    outcomes, _ = feed(program, steady(3600))
    assert outcomes[-1].finished


def test_a_level_that_holds_already_ends_the_next_step_at_its_own_first_reading() -> None:
    """Level, not edge: a bound that was passed before the step began still ends it."""
    program = program_of(
        step(1, ("duration", ">=", 2.0)), step(2, ("voltage", ">=", 3.0)), brief(3)
    )
    outcomes, _ = feed(program, steady(9))
    numbers = [one.number for outcome in outcomes if (one := current_step(program, outcome.state))]
    assert numbers == [1, 1, 2, 3]


def test_a_current_end_waits_until_the_converter_had_time_to_switch_on() -> None:
    program = program_of(step(1, ("current", "<=", 0.1)))
    still_zero = [Reading(100_000 * n, 4.0, 0.0) for n in range(1, 10)]
    outcomes, _ = feed(program, still_zero)
    assert not outcomes[-1].finished
    outcomes, _ = feed(program, [*still_zero, Reading(S, 4.0, 0.0)])
    assert outcomes[-1].finished
    outcomes, _ = feed(program, [Reading(5 * S, 4.0, 0.0), Reading(6 * S, 4.0, 0.0)])
    assert not outcomes[-1].finished, "three readings of its own are needed, however old it is"


def test_the_first_of_several_ends_is_named() -> None:
    program = program_of(step(1, ("duration", ">=", 100.0), ("voltage", ">=", 4.2)))
    _, events = feed(program, [*steady(3), Reading(4 * S, 4.25, 1.0)])
    ended = events[-1]
    assert isinstance(ended, StepEnded)
    assert (ended.end, ended.value) == ("voltage at or above 4.2 V", 4.25)
    assert (ended.voltage, ended.current, ended.cycle) == (4.25, 1.0, 1)


def test_cycles_carry_their_own_throughput() -> None:
    program = program_of(
        step(1, ("duration", ">=", 10.0)),
        step(2, ("duration", ">=", 10.0), value=-1.0),
        LoopOp(start=0, passes=2, counts_cycles=True),
    )
    readings = [Reading(n * S, 4.0, 1.0 if (n - 1) % 20 < 10 else -1.0) for n in range(1, 41)]
    _, events = feed(program, readings)
    cycles = [one for one in events if isinstance(one, CycleEnded)]
    assert [one.duration_us for one in cycles] == [20 * S, 20 * S]
    whole = [one for one in events if isinstance(one, StepEnded)]
    for name in ("charge_in", "charge_out", "energy_in", "energy_out"):
        by_cycle = sum(getattr(one.moved, name) for one in cycles)
        by_step = sum(getattr(one.moved, name) for one in whole)
        assert by_cycle == pytest.approx(by_step)
    assert cycles[1].moved.charge_in == pytest.approx(9 / 3600, rel=0.1)
    assert cycles[1].moved.energy_in == pytest.approx(4 * cycles[1].moved.charge_in, rel=0.1)


@pytest.mark.parametrize(("voltage", "current"), [(math.nan, 1.0), (3.7, math.inf)])
def test_a_reading_that_is_no_number_is_no_reading(voltage: float, current: float) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        Reading(0, voltage, current)


def test_time_does_not_go_back_and_an_ended_program_takes_nothing_more() -> None:
    program = program_of(step(1, ("duration", ">=", 10.0)))
    outcomes, _ = feed(program, steady(2))
    with pytest.raises(ValueError, match="older than the last"):
        advance(program, outcomes[-1].state, Reading(S, 3.7, 1.0))
    outcomes, _ = feed(program, steady(20))
    with pytest.raises(ValueError, match="has ended"):
        advance(program, outcomes[-1].state, Reading(30 * S, 3.7, 1.0))


def test_a_state_of_another_program_is_refused() -> None:
    program = program_of(brief(1), LoopOp(start=0, passes=2))
    with pytest.raises(ValueError, match="another program"):
        advance(program, EngineState(position=1), Reading(S, 3.7, 1.0))


def test_nothing_drifts_over_a_hundred_days() -> None:
    """2400 cycles of an hour: durations stay whole microseconds, no charge is lost."""
    program = program_of(
        step(1, ("duration", ">=", 3600.0)), LoopOp(start=0, passes=2400, counts_cycles=True)
    )
    readings = (Reading(n * 3600 * S, 3.7, 1.0) for n in range(1, 2401))
    outcomes, events = feed(program, readings)
    assert outcomes[-1].finished
    assert {one.duration_us for one in events if isinstance(one, CycleEnded)} == {3600 * S}
    moved = outcomes[-1].state.moved
    assert moved.charge_in == pytest.approx(2399.0)


VALUES = st.floats(-50, 50)


@given(st.lists(st.tuples(st.integers(0, 10 * S), VALUES, VALUES), min_size=2, max_size=100))
def test_throughput_never_falls_and_balances(passed: list[tuple[int, float, float]]) -> None:
    program = program_of(step(1, ("duration", ">=", 1e9)))
    elapsed = 0
    readings = []
    for after, voltage, current in passed:
        elapsed += after
        readings.append(Reading(elapsed, voltage, current))
    outcomes, _ = feed(program, readings)
    counters = [one.state.moved for one in outcomes]
    for before, now in pairwise(counters):
        for name in Throughput.model_fields:
            assert getattr(now, name) >= getattr(before, name) >= 0.0
    net = math.fsum(
        (one.current + two.current) / 2 * (two.elapsed_us - one.elapsed_us) / 3.6e9
        for one, two in pairwise(readings)
    )
    last = counters[-1]
    assert last.charge_in - last.charge_out == pytest.approx(net, abs=1e-9)


@given(
    thresholds=st.lists(st.floats(0, 10), min_size=1, max_size=5),
    gaps=st.lists(st.integers(1, 3 * S), min_size=1, max_size=80),
)
def test_every_step_has_a_reading_of_its_own_and_time_is_shared_without_a_gap(
    thresholds: list[float], gaps: list[int]
) -> None:
    program = program_of(
        *(step(n + 1, ("duration", ">=", seconds)) for n, seconds in enumerate(thresholds))
    )
    elapsed, readings = 0, []
    for gap in gaps:
        elapsed += gap
        readings.append(Reading(elapsed, 3.7, 1.0))
    outcomes, events = feed(program, readings)
    ended = [event for event in events if isinstance(event, StepEnded)]
    assert [event.step for event in ended] == list(range(1, len(ended) + 1))
    for event in ended:
        assert event.duration_us / 1e6 >= thresholds[event.step - 1]
        assert event.duration_us > 0
    state = outcomes[-1].state
    assert (
        sum(event.duration_us for event in ended) == state.step_started_us or state.position is None
    )


@given(st.lists(st.tuples(VALUES, VALUES), max_size=50), st.integers(0, 50))
def test_a_state_is_all_that_is_needed_to_go_on(
    values: list[tuple[float, float]], cut: int
) -> None:
    """The engine is a function: resuming from a kept state gives what going on would have."""
    program = program_of(
        step(1, ("voltage", ">=", 10.0), ("duration", ">=", 7.0)),
        step(2, ("capacity", ">=", 0.01), ("current", "<=", 0.5)),
        LoopOp(start=0, passes=1000, counts_cycles=True),
    )
    readings = [Reading(n * S, voltage, current) for n, (voltage, current) in enumerate(values)]
    whole, _ = feed(program, readings)
    middle = whole[min(cut, len(whole) - 1)]
    for reading, expected in zip(readings[cut:], whole[cut + 1 :], strict=True):
        middle = advance(program, middle.state, reading)
        assert middle == expected
