"""Loops, where actions lead, and what becomes of the counters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.domain.engine.conftest import (
    S,
    brief,
    end,
    ending,
    feed,
    program_of,
    steady,
    step,
)

from bem.domain.engine import MOST_IDLE_STEPS, Reading, advance, begin
from bem.domain.happenings import (
    CycleEnded,
    LoopEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    sentence,
    severity,
)
from bem.domain.program import (
    REST,
    Compare,
    LoopEnd,
    LoopOp,
    LoopQuantity,
    Operation,
    Program,
    Then,
)


def _order(program: Program) -> list[int]:
    _, events = feed(program, (Reading(n, 3.7, 1.0) for n in range(1, 10_000)))
    return [event.step for event in events if isinstance(event, StepStarted)]


@pytest.mark.parametrize(
    ("operations", "order"),
    [
        ((brief(1), brief(2)), [1, 2]),
        ((brief(1), LoopOp(start=0, passes=1)), [1]),
        ((brief(1), LoopOp(start=0, passes=3)), [1, 1, 1]),
        ((brief(1), brief(2), LoopOp(start=1, passes=2), brief(3)), [1, 2, 2, 3]),
        (
            (brief(1), LoopOp(start=0, passes=2), brief(2), LoopOp(start=0, passes=2)),
            [1, 1, 2, 1, 1, 2],
        ),
        ((brief(1), LoopOp(start=0, passes=2), LoopOp(start=0, passes=3)), [1] * 6),
    ],
)
def test_loops_run_and_nest(operations: tuple[Operation, ...], order: list[int]) -> None:
    assert _order(program_of(*operations)) == order


@given(outer=st.integers(1, 12), inner=st.integers(1, 12), body=st.integers(1, 4))
def test_nested_loops_multiply(outer: int, inner: int, body: int) -> None:
    operations: tuple[Operation, ...] = (
        *(brief(n + 1) for n in range(body)),
        LoopOp(start=0, passes=inner),
        LoopOp(start=0, passes=outer, counts_cycles=True),
    )
    program = program_of(*operations)
    _, events = feed(program, (Reading(n, 3.7, 1.0) for n in range(1, 10_000)))
    assert sum(isinstance(one, StepStarted) for one in events) == outer * inner * body
    assert [one.cycle for one in events if isinstance(one, CycleEnded)] == list(range(1, outer + 1))


@pytest.mark.parametrize(
    "operations",
    [
        (LoopOp(start=0, passes=2),),
        (brief(1), LoopOp(start=1, passes=2)),
        (brief(1), LoopOp(start=0, passes=2), LoopOp(start=1, passes=2)),
    ],
)
def test_loops_without_a_body_or_across_another_are_refused(
    operations: tuple[Operation, ...],
) -> None:
    with pytest.raises(ValidationError):
        program_of(*operations)


def at_once(number: int, then: Then | int = Then.NEXT) -> Operation:
    """A step that its first reading ends, and what follows it."""
    return ending(number, end("duration", ">=", 0.0, then))


@pytest.mark.parametrize(
    ("then", "ended", "order"),
    [
        (Then.NEXT, "finished", [1, 2, 3]),
        (Then.STOP, "finished", [1]),
        (Then.FAIL, "failed", [1]),
        (2, "finished", [1, 3]),
    ],
)
def test_what_follows_an_end_is_done(then: Then | int, ended: str, order: list[int]) -> None:
    program = program_of(
        ending(1, end("voltage", ">=", 9.0), end("voltage", ">=", 4.0, then)),
        brief(2),
        brief(3),
        LoopOp(start=0, passes=1),
    )
    readings = [Reading(S, 3.9, 1.0), *(Reading(n * S, 4.1, 1.0) for n in range(2, 9))]
    outcomes, events = feed(program, readings)
    assert outcomes[-1].ended == ended
    assert outcomes[-1].setpoint == REST
    assert [one.step for one in events if isinstance(one, StepStarted)] == order
    fired = next(one for one in events if isinstance(one, StepEnded))
    assert (fired.end, fired.value) == ("voltage at or above 4 V", 4.1)
    assert not outcomes[-1].state.loops
    if then in (Then.STOP, Then.FAIL):
        assert outcomes[-1].reason == "step 1 ended: voltage at or above 4 V"


def rounds(start: int, **changes: object) -> LoopOp:
    return LoopOp.model_validate({"start": start, **changes})


def test_a_jump_inside_a_loop_keeps_its_count_and_one_out_and_in_again_starts_afresh() -> None:
    # 1 runs twice as often as the loop passes: each pass begins again once at 3 V
    inside = program_of(
        ending(1, end("voltage", ">=", 4.0), end("voltage", "<=", 3.0, 0)), rounds(0, passes=3)
    )
    readings = [Reading(n * S, 3.0 if n % 2 else 4.0, 1.0) for n in range(1, 20)]
    outcomes, events = feed(inside, readings)
    assert sum(isinstance(one, StepStarted) for one in events) == 6
    assert outcomes[-1].ended == "finished"

    # the second pass is left for step 3, which leads back into the loop: three whole passes more
    out = program_of(
        ending(1, end("voltage", "<=", 3.0, 3), end("voltage", ">=", 4.0)),
        brief(2),
        rounds(0, passes=3),
        ending(3, end("voltage", "<=", 3.5, 0), end("voltage", ">=", 4.0)),
    )
    volts = [4, 4, 3, 3, 4, 4, 4, 4, 4, 4, 4]
    outcomes, events = feed(out, [Reading(n * S, float(v), 1.0) for n, v in enumerate(volts)])
    order = [one.step for one in events if isinstance(one, StepStarted)]
    assert order == [1, 2, 1, 3, 1, 2, 1, 2, 1, 2, 3]
    assert outcomes[-1].ended == "finished"


def test_inner_loops_start_afresh_when_an_outer_pass_is_left() -> None:
    program = program_of(
        at_once(1),
        ending(2, end("voltage", "<=", 3.0, 0), end("voltage", ">=", 4.0)),
        rounds(1, passes=3),
        rounds(0, passes=2),
    )
    # the inner loop is left in its second pass: the outer pass begins again, the inner from one
    volts = [4, 4, 3, *[4] * 20]
    _, events = feed(program, [Reading(n * S, float(v), 1.0) for n, v in enumerate(volts)])
    order = [one.step for one in events if isinstance(one, StepStarted)]
    assert order == [1, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2]


def test_a_cycle_that_is_broken_off_is_not_reported_and_what_follows_has_the_next_number() -> None:
    program = program_of(
        ending(1, end("voltage", "<=", 3.0, 2), end("voltage", ">=", 4.0)),
        rounds(0, passes=5, counts_cycles=True),
        brief(2),
    )
    volts = [4, 4, 3, 4]
    _, events = feed(program, [Reading(n * S, float(v), 1.0) for n, v in enumerate(volts)])
    assert [one.cycle for one in events if isinstance(one, CycleEnded)] == [1, 2]
    assert [(one.step, one.cycle) for one in events if isinstance(one, StepStarted)] == [
        (1, 1), (1, 2), (1, 3), (2, 4),
    ]  # fmt: skip


def fading(hours: float, share: float, count: int) -> list[Reading]:
    """Discharges at 1 A, each a share of the one before it; two readings each."""
    readings, elapsed = [], 0
    for _ in range(count):
        readings.append(Reading(elapsed + 1, 3.7, -1.0))
        elapsed += round(hours * 3600 * S)
        readings.append(Reading(elapsed, 2.5, -1.0))
        hours *= share
    return readings


@pytest.mark.parametrize(
    ("until", "passes", "cycles"),
    [
        (
            LoopEnd(
                quantity=LoopQuantity.CHARGE_OUT,
                compare=Compare.AT_MOST,
                threshold=0.8,
                relative=True,
            ),
            None,
            4,  # 1, 0.9, 0.81, 0.729
        ),
        (
            LoopEnd(
                quantity=LoopQuantity.ENERGY_OUT, compare=Compare.AT_MOST, threshold=0.85 * 3.1
            ),
            100,
            3,
        ),
        (
            LoopEnd(
                quantity=LoopQuantity.CHARGE_OUT,
                compare=Compare.AT_MOST,
                threshold=0.1,
                relative=True,
            ),
            5,
            5,
        ),
        (
            LoopEnd(quantity=LoopQuantity.CHARGE_IN, compare=Compare.AT_LEAST, threshold=1.0),
            7,
            7,
        ),
    ],
)
def test_a_loop_ends_when_a_pass_moved_too_little(
    until: LoopEnd, passes: int | None, cycles: int
) -> None:
    program = program_of(
        step(1, ("voltage", "<=", 2.5), value=-1.0),
        LoopOp(start=0, passes=passes, until=until, counts_cycles=True),
    )
    outcomes, events = feed(program, fading(1.0, 0.9, 20))
    assert sum(isinstance(one, CycleEnded) for one in events) == cycles
    assert outcomes[-1].ended == "finished"
    told = [one.passes for one in events if isinstance(one, LoopEnded)]
    assert told == ([cycles] if cycles != passes else []), "a number that is through is no news"


@pytest.mark.parametrize(
    ("end", "words", "value"),
    [
        (
            LoopEnd(
                quantity=LoopQuantity.CHARGE_OUT,
                compare=Compare.AT_MOST,
                threshold=0.8,
                relative=True,
            ),
            "4 passes: discharged capacity of a pass at or below 0.8 Ah, 80 % of the first",
            0.729,
        ),
        (
            LoopEnd(quantity=LoopQuantity.ENERGY_OUT, compare=Compare.AT_LEAST, threshold=1.5),
            "1 pass: discharged energy of a pass at or above 1.5 Wh",
            3.1,
        ),
    ],
)
def test_a_loop_that_its_end_left_is_told_after_its_last_cycle(
    end: LoopEnd, words: str, value: float
) -> None:
    program = program_of(
        brief(1),
        step(2, ("voltage", "<=", 2.5), value=-1.0),
        brief(3),
        LoopOp(start=1, until=end, counts_cycles=True),
        step(4, ("duration", ">=", 1.0)),
    )
    readings = [Reading(1, 3.7, 0.0)]
    readings += fading(1.0, 0.9, 20)
    _, events = feed(program, readings)
    (at,) = [index for index, one in enumerate(events) if isinstance(one, LoopEnded)]
    said = f"Repeat of steps 2 to 3 ended after {words}, it was {value:g}"
    assert sentence(events[at]) == said
    assert isinstance(events[at - 1], CycleEnded)
    assert isinstance(events[at + 1], StepStarted)
    assert severity(events[at]) == "info"


def test_the_first_pass_of_a_loop_entered_again_is_measured_anew() -> None:
    until = LoopEnd(
        quantity=LoopQuantity.CHARGE_OUT, compare=Compare.AT_MOST, threshold=0.8, relative=True
    )
    program = program_of(
        step(1, ("voltage", "<=", 2.5), value=-1.0),
        LoopOp(start=0, until=until),
        rounds(0, passes=2),
    )
    _, events = feed(program, fading(1.0, 0.9, 20))
    assert sum(isinstance(one, StepStarted) for one in events) == 8


def test_a_loop_for_ever_goes_on() -> None:
    program = program_of(step(1, ("duration", ">=", 1.0)), LoopOp(start=0))
    outcomes, events = feed(program, steady(5000))
    assert outcomes[-1].ended is None
    assert sum(isinstance(one, StepStarted) for one in events) == 5001


@pytest.mark.parametrize(
    "program",
    [
        program_of(at_once(1), LoopOp(start=0)),
        program_of(at_once(1, 0)),
        program_of(at_once(1), at_once(2, 0)),
        program_of(step(1, ("voltage", ">=", 3.0)), LoopOp(start=0)),
    ],
)
@pytest.mark.parametrize("between_us", [0, S])
def test_going_in_circles_without_doing_anything_fails_with_a_reason(
    program: Program, between_us: int
) -> None:
    outcome = begin(program)
    for count in range(MOST_IDLE_STEPS + 100):
        if outcome.finished:
            break
        outcome = advance(program, outcome.state, Reading(count * between_us, 3.7, 1.0))
    assert outcome.ended == "failed"
    assert "makes no progress" in outcome.reason
    assert outcome.setpoint == REST


def test_many_short_steps_are_progress() -> None:
    """Pulses that are shorter than the time between readings end at their first reading."""
    program = program_of(step(1, ("duration", ">=", 0.01)), LoopOp(start=0, passes=5000))
    outcomes, events = feed(program, steady(6000))
    assert outcomes[-1].ended == "finished"
    assert isinstance(events[0], RunStarted)


def test_a_deep_jump_to_the_end_of_a_loop_counts_its_pass() -> None:
    program = program_of(
        ending(1, end("voltage", "<=", 3.0, 2), end("voltage", ">=", 4.0)),
        brief(2),
        rounds(0, passes=3),
    )
    _, events = feed(program, [Reading(n * S, 3.0, 1.0) for n in range(9)])
    assert [one.step for one in events if isinstance(one, StepStarted)] == [1, 1, 1]
