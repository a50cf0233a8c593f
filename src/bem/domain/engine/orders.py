"""What a person may order while a program runs, and how it goes on after its station was off.

Every order that the present state does not allow raises :class:`NotNow` and changes nothing.
"""

from dataclasses import replace

from bem.domain.engine.counting import flowing_anew, take, take_after_gap, take_paused
from bem.domain.engine.observing import ends_of
from bem.domain.engine.state import EngineState, NotNow, Outcome, Reading
from bem.domain.engine.stepping import current_step, expected_setpoint, step_ended
from bem.domain.engine.walking import Action, leave
from bem.domain.happenings import EndsChanged, Gap, Held, Paused, Resumed
from bem.domain.program import REST, End, Program, Quantity, StepOp, check_ends


def pause(program: Program, state: EngineState, at_us: int, by: str, note: str) -> Outcome:
    """Switch the output off; the step's clock stops until the run is resumed.

    Raises:
        NotNow: it is paused, waits for a person, or has ended.
    """
    _running_step(program, state)
    if state.activity == "paused":
        raise NotNow("the run is paused already")
    if state.activity == "waiting":
        raise NotNow("the run waits for a person already, and its output is off")
    state = _at(state, at_us)._replace(activity="paused", held=None)
    return Outcome(state._replace(stopped_us=state.at_us), REST, (Paused(by=by, note=note),))


def hold(program: Program, state: EngineState, at_us: int, by: str, note: str) -> Outcome:
    """Keep the present set point; counters and the step's clock run, but no end is judged.

    Raises:
        NotNow: it is held, paused, waits for a person, or has ended.
    """
    _running_step(program, state)
    refusals = {
        "held": "the run is held already",
        "paused": "the run is paused: resume it before you hold it",
        "waiting": "the run waits for a person, and there is no set point to hold",
    }
    if state.activity in refusals:
        raise NotNow(refusals[state.activity])
    kept = expected_setpoint(program, state)
    state = _at(state, at_us)._replace(activity="held", held=kept)
    return Outcome(state._replace(stopped_us=state.at_us), kept, (Held(by=by, note=note),))


def resume(program: Program, state: EngineState, reading: Reading, by: str, note: str) -> Outcome:
    """Go on at the same point of the step, or with the next one if this step waits for a person.

    Ends are judged again from the following reading on.

    Raises:
        NotNow: it neither is paused or held nor waits, or it has ended.
        ValueError: the reading is older than the last.
    """
    step = _running_step(program, state)
    if state.activity == "running":
        raise NotNow("the run is neither paused nor held: there is nothing to resume")
    before = reading.elapsed_us if state.stopped_us is None else state.stopped_us
    paused_us = max(reading.elapsed_us - before, 0)
    resumed = Resumed(by=by, note=note, paused_us=paused_us, voltage=reading.voltage)
    if state.activity == "waiting":
        state = take(step, state, reading)
        ended = step_ended(step, state, reading, _said("resumed", by, note), None)
        outcome = leave(program, state, ended, Action(), at_once=False)
        return replace(outcome, events=(resumed, *outcome.events))
    if state.activity == "paused":
        state = flowing_anew(take_paused(state, reading))
    else:
        state = take(step, state, reading)
    state = state._replace(activity="running", stopped_us=None, held=None)
    return Outcome(state, expected_setpoint(program, state), (resumed,))


def skip(program: Program, state: EngineState, reading: Reading, by: str, note: str) -> Outcome:
    """End the present step and go on with the one below it; a paused run stays paused.

    Raises:
        NotNow: it has ended.
        ValueError: the reading is older than the last.
    """
    step = _running_step(program, state)
    paused = state.activity == "paused"
    state = take_paused(state, reading) if paused else take(step, state, reading)
    ended = step_ended(step, state, reading, _said("skipped", by, note), None)
    outcome = leave(program, state, ended, Action(), at_once=False)
    if paused and outcome.state.activity == "running" and not outcome.finished:
        stays = outcome.state._replace(activity="paused", stopped_us=reading.elapsed_us)
        return replace(outcome, state=stays, setpoint=REST)
    return outcome


def change_ends(
    program: Program, state: EngineState, ends: tuple[End, ...], by: str, note: str
) -> Outcome:
    """Put other ends in the place of those of the present step, for this pass of it alone.

    Raises:
        NotNow: there is no end, one leads nowhere or cannot be of this step, or it has ended.
    """
    step = _running_step(program, state)
    if not ends and step.course is None and step.message is None:
        raise NotNow(f"step {step.number} would have no end: give at least one")
    if step.message is not None and any(end.quantity is not Quantity.DURATION for end in ends):
        raise NotNow(f"step {step.number} waits for a person: it may end by a duration only")
    try:
        check_ends(step.number, ends, len(program.operations))
    except ValueError as error:
        raise NotNow(str(error)) from error
    changed = EndsChanged(
        by=by,
        note=note,
        step=step.number,
        before=tuple(str(end) for end in ends_of(step, state)),
        after=tuple(str(end) for end in ends),
    )
    state = state._replace(ends=ends)
    return Outcome(state, expected_setpoint(program, state), (changed,))


def continue_after_gap(
    program: Program, state: EngineState, reading: Reading, off_us: int, reason: str
) -> Outcome:
    """Go on after the station was off: what lies between is no time of the step, and no charge.

    A run that was paused, held or waiting still is. ``off_us``: how long (µs) nothing was known,
    for the record; the elapsed time of the reading may leave it out or count it.

    Raises:
        NotNow: it has ended.
        ValueError: the reading is older than the last.
    """
    _running_step(program, state)
    before = state.last
    state = flowing_anew(take_after_gap(state, reading))
    gap = Gap(
        reason=reason,
        off_us=off_us,
        voltage_before=None if before is None else before.voltage,
        voltage_after=reading.voltage,
    )
    return Outcome(state, expected_setpoint(program, state), (gap,))


def _running_step(program: Program, state: EngineState) -> StepOp:
    step = current_step(program, state)
    if step is None:
        raise NotNow("the run has ended")
    return step


def _at(state: EngineState, at_us: int) -> EngineState:
    """Move a state on to an instant between readings."""
    at_us = max(at_us, state.at_us)
    return state._replace(at_us=at_us, step_us=state.step_elapsed_us(at_us))


def _said(what: str, by: str, note: str) -> str:
    words = f"{what} by {by}" if by else what
    return f"{words}: {note}" if note else words
