"""What a person may order, what the run keeps meanwhile, and when it is refused."""

from collections.abc import Callable
from functools import partial

import pytest
from tests.unit.domain.engine.conftest import (
    S,
    brief,
    driven,
    end,
    ending,
    program_of,
    step,
    waiting,
)

from bem.domain.engine import (
    EngineState,
    NotNow,
    Outcome,
    Reading,
    advance,
    begin,
    change_ends,
    continue_after_gap,
    hold,
    pause,
    resume,
    skip,
)
from bem.domain.happenings import (
    EndsChanged,
    Gap,
    Held,
    Paused,
    Resumed,
    StepEnded,
    StepStarted,
    sentence,
)
from bem.domain.program import REST, Course, LoopOp, Mode, Program, Setpoint, Then

AMPERE = Setpoint(mode=Mode.CC, value=1.0)
LONG = program_of(step(1, ("duration", ">=", 100.0)), brief(2))


def read(seconds: float, voltage: float = 3.7, current: float = 1.0) -> Reading:
    return Reading(round(seconds * S), voltage, current)


def run(program: Program, *readings: Reading) -> Outcome:
    return go_on(program, begin(program), *readings)


def go_on(program: Program, outcome: Outcome, *readings: Reading) -> Outcome:
    for reading in readings:
        outcome = advance(program, outcome.state, reading)
    return outcome


def test_a_pause_keeps_the_time_and_the_charge_of_the_step() -> None:
    before = run(LONG, *(read(n) for n in range(1, 61)))
    paused = pause(LONG, before.state, 60 * S, "ann", "look at it")
    assert paused.setpoint == REST
    assert paused.events == (Paused(by="ann", note="look at it"),)
    resting = go_on(LONG, paused, *(read(n, current=0.0) for n in range(61, 500)))
    assert resting.setpoint == REST
    assert resting.state.step_elapsed_us(600 * S) == 60 * S
    resumed = resume(LONG, resting.state, read(500, 3.6, 0.0), "bob", "")
    assert resumed.setpoint == AMPERE
    assert resumed.events == (Resumed(by="bob", paused_us=440 * S, voltage=3.6),)
    assert resumed.state.step_elapsed_us(500 * S) == 60 * S
    ended = go_on(LONG, resumed, read(539))
    assert ended.events == ()
    (event, started) = go_on(LONG, ended, read(540)).events
    assert isinstance(event, StepEnded)
    assert isinstance(started, StepStarted)
    assert event.duration_us == 100 * S
    # 59 s before, and 39.5 + 0.5 s after; what flowed while the pause began is not of the step
    assert event.moved.charge_in == pytest.approx((59 + 19.5 + 1) / 3600)


def test_an_order_between_two_readings_may_be_newer_than_the_second() -> None:
    """Readings come through a queue: one taken just before the order arrives after it."""
    paused = pause(LONG, run(LONG, read(1)).state, round(2.05 * S), "ann", "")
    paused = go_on(LONG, paused, read(2))
    assert paused.state.step_us == round(2.05 * S)
    assert resume(LONG, paused.state, read(3), "ann", "").state.step_us == round(2.05 * S)


def test_a_current_that_is_still_zero_after_a_pause_ends_nothing() -> None:
    program = program_of(step(1, ("current", "<=", 0.1), ("voltage_drop", ">=", 0.2)))
    outcome = run(program, *(read(n, 4.2) for n in range(1, 60)))
    outcome = pause(program, outcome.state, 60 * S, "ann", "")
    outcome = resume(program, outcome.state, read(90, 3.9, 0.0), "ann", "")
    outcome = go_on(program, outcome, read(90.1, 3.9, 0.0), read(90.2, 3.9, 0.05))
    assert not outcome.finished
    outcome = go_on(program, outcome, *(read(90 + n, 3.95) for n in range(1, 5)))
    assert not outcome.finished, "the voltage before the pause is no peak of what flows now"
    assert go_on(program, outcome, read(99, 3.95, 0.05)).finished


def test_hold_keeps_the_set_point_while_counters_and_clock_run_and_no_end_is_judged() -> None:
    course = Course(
        mode=Mode.CC, times_us=(0, 10 * S), values=(1.0, -1.0), pass_us=20 * S, passes=2
    )
    program = program_of(driven(1, course, end("voltage", ">=", 4.0)), brief(2))
    held = hold(program, run(program, read(1), read(5)).state, 6 * S, "ann", "wait")
    assert held.setpoint == AMPERE
    assert held.events == (Held(by="ann", note="wait"),)
    held = go_on(program, held, read(12, 4.5), read(14))
    assert held.setpoint == AMPERE, "also where the course would have changed it"
    assert held.state.moved.charge_in == pytest.approx(13 / 3600)
    resumed = resume(program, held.state, read(15), "ann", "")
    assert resumed.setpoint == Setpoint(mode=Mode.CC, value=-1.0)
    assert resumed.state.step_us == 15 * S
    assert resumed.events == (Resumed(by="ann", paused_us=9 * S, voltage=3.7),)
    assert go_on(program, resumed, read(16, 4.5)).state.position == 1


def test_a_paused_course_goes_on_where_it_was() -> None:
    course = Course(mode=Mode.CC, times_us=(0, 10 * S), values=(1.0, -1.0), pass_us=20 * S)
    program = program_of(driven(1, course))
    paused = pause(program, run(program, read(9)).state, 9 * S, "ann", "")
    resumed = resume(program, paused.state, read(1000), "ann", "")
    assert resumed.setpoint == AMPERE
    outcome = go_on(program, resumed, read(1000.999))
    assert outcome.setpoint == AMPERE
    outcome = go_on(program, outcome, read(1001))
    assert outcome.setpoint.value == -1.0
    assert not go_on(program, outcome, read(1010.999)).finished
    assert go_on(program, outcome, read(1011)).finished


def test_a_step_that_waits_for_a_person_rests_until_they_say_so() -> None:
    program = program_of(waiting(1), step(2, ("duration", ">=", 10.0)))
    began = begin(program)
    assert began.setpoint == REST
    assert began.state.activity == "waiting"
    assert began.events[-1] == Paused(note="swap the fixture")
    waited = go_on(program, began, *(read(3600 * n, current=0.0) for n in range(1, 100)))
    assert waited.state.activity == "waiting"
    assert waited.setpoint == REST
    resumed = resume(program, waited.state, read(400_000), "ann", "done")
    assert [one.kind for one in resumed.events] == ["resumed", "step_ended", "step_started"]
    assert sentence(resumed.events[1]) == "Step 1 ended: resumed by ann: done"
    assert resumed.setpoint == AMPERE
    assert resumed.state.activity == "running"


def test_a_wait_may_be_over_by_itself() -> None:
    program = program_of(waiting(1, end("duration", ">=", 3600.0, Then.FAIL)), brief(2))
    outcome = run(program, read(3599))
    assert outcome.ended is None
    assert go_on(program, outcome, read(3600)).ended == "failed"


def test_a_skipped_step_says_by_whom_and_the_next_begins() -> None:
    skipped = skip(LONG, run(LONG, read(1)).state, read(2), "ann", "too long")
    assert [sentence(one) for one in skipped.events] == [
        "Step 1 ended: skipped by ann: too long",
        "Step 2 began: step 2",
    ]
    assert skipped.state.position == 1
    last = skip(LONG, skipped.state, read(3), "ann", "")
    assert last.ended == "finished"
    assert last.setpoint == REST


def test_skipping_while_paused_switches_nothing_on() -> None:
    program = program_of(
        step(1, ("duration", ">=", 100.0)), step(2, ("duration", ">=", 10.0)), waiting(3)
    )
    paused = pause(program, run(program, read(1)).state, 1 * S, "ann", "")
    skipped = skip(program, paused.state, read(50), "ann", "")
    assert (skipped.state.activity, skipped.setpoint) == ("paused", REST)
    assert go_on(program, skipped, read(500)).setpoint == REST
    resumed = resume(program, skipped.state, read(90), "ann", "")
    assert resumed.setpoint == AMPERE
    assert resumed.state.step_us == 0
    again = skip(program, skipped.state, read(91), "ann", "")
    assert again.state.activity == "waiting"
    assert skip(program, again.state, read(92), "ann", "").ended == "finished"


def test_changed_ends_hold_for_this_pass_alone() -> None:
    program = program_of(step(1, ("voltage", ">=", 4.2)), LoopOp(start=0, passes=2), brief(2))
    outcome = run(program, read(1))
    changed = change_ends(program, outcome.state, (end("voltage", ">=", 4.0),), "ann", "hot")
    assert changed.events == (
        EndsChanged(
            by="ann",
            note="hot",
            step=1,
            before=("voltage at or above 4.2 V",),
            after=("voltage at or above 4 V",),
        ),
    )
    assert changed.setpoint == AMPERE
    outcome = go_on(program, changed, read(2, 4.1))
    assert outcome.state.step_started_us == 2 * S
    outcome = go_on(program, outcome, read(3, 4.1))
    assert outcome.events == ()
    assert go_on(program, outcome, read(4, 4.2)).state.position == 2


@pytest.mark.parametrize("counts_off_time", [True, False])
def test_the_time_off_is_no_time_of_the_step_and_moves_no_charge(counts_off_time: bool) -> None:
    outcome = run(LONG, *(read(n) for n in range(1, 31)))
    stored = EngineState.from_json(outcome.state.to_json())
    back_s = 3630 if counts_off_time else 30
    gap = continue_after_gap(LONG, stored, read(back_s, 3.5, 0.0), 3600 * S, "power cut")
    assert gap.setpoint == AMPERE
    assert gap.events == (
        Gap(reason="power cut", off_us=3600 * S, voltage_before=3.7, voltage_after=3.5),
    )
    assert gap.state.moved == outcome.state.moved
    assert gap.state.step_us == 30 * S
    assert gap.state.cycle == 1
    outcome = go_on(LONG, gap, read(back_s + 69))
    assert outcome.state.position == 0
    assert go_on(LONG, gap, read(back_s + 70)).state.position == 1


def test_a_run_that_was_paused_is_paused_after_the_gap() -> None:
    paused = pause(LONG, run(LONG, read(1)).state, 1 * S, "ann", "")
    gap = continue_after_gap(LONG, paused.state, read(900), 800 * S, "power cut")
    assert (gap.state.activity, gap.setpoint) == ("paused", REST)
    assert resume(LONG, gap.state, read(1000), "ann", "").state.step_us == 1 * S


FIRST = begin(LONG).state
PAUSED = pause(LONG, FIRST, 0, "ann", "").state
HELD = hold(LONG, FIRST, 0, "ann", "").state
WAIT = program_of(waiting(1), brief(2))
WAITING = begin(WAIT).state
OVER = skip(LONG, skip(LONG, FIRST, read(1), "ann", "").state, read(2), "ann", "").state
Order = Callable[[Program, EngineState], Outcome]
PAUSE: Order = partial(pause, at_us=9 * S, by="ann", note="")
HOLD: Order = partial(hold, at_us=9 * S, by="ann", note="")
RESUME: Order = partial(resume, reading=read(9), by="ann", note="")
SKIP: Order = partial(skip, reading=read(9), by="ann", note="")
GAP: Order = partial(continue_after_gap, reading=read(9), off_us=0, reason="")


def changing(*ends: tuple[str, str, float]) -> Order:
    return partial(change_ends, ends=ending(1, *(end(*one) for one in ends)).ends, by="", note="")


@pytest.mark.parametrize(
    ("program", "state", "order", "says"),
    [
        (LONG, PAUSED, PAUSE, "paused already"),
        (WAIT, WAITING, PAUSE, "waits for a person already"),
        (LONG, HELD, HOLD, "held already"),
        (LONG, PAUSED, HOLD, "resume it before you hold it"),
        (WAIT, WAITING, HOLD, "no set point to hold"),
        (LONG, FIRST, RESUME, "neither paused nor held"),
        (LONG, OVER, PAUSE, "has ended"),
        (LONG, OVER, HOLD, "has ended"),
        (LONG, OVER, RESUME, "has ended"),
        (LONG, OVER, SKIP, "has ended"),
        (LONG, OVER, GAP, "has ended"),
        (LONG, OVER, changing(("voltage", ">=", 4.0)), "has ended"),
        (LONG, FIRST, partial(change_ends, ends=(), by="", note=""), "would have no end"),
        (WAIT, WAITING, changing(("voltage", ">=", 4.0)), "may end by a duration only"),
        (
            LONG,
            FIRST,
            partial(change_ends, ends=(end("voltage", ">=", 4.0, 7),), by="", note=""),
            "there is no operation 7",
        ),
    ],
)
def test_what_does_not_go_now_is_refused_in_a_sentence(
    program: Program, state: EngineState, order: Order, says: str
) -> None:
    with pytest.raises(NotNow, match=says):
        order(program, state)


def test_a_held_run_can_be_paused_and_then_goes_on_with_its_own_set_point() -> None:
    paused = pause(LONG, HELD, 5 * S, "ann", "")
    assert (paused.state.activity, paused.setpoint) == ("paused", REST)
    assert paused.state.step_us == 5 * S
    assert resume(LONG, paused.state, read(9), "ann", "").setpoint == AMPERE
