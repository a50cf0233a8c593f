"""Begins a program and takes its readings, one at a time."""

from dataclasses import replace

from bem.domain.engine.counting import take, take_paused
from bem.domain.engine.courses import course_us, setpoint_at
from bem.domain.engine.observing import holding_end
from bem.domain.engine.state import EngineState, Outcome, Reading
from bem.domain.engine.walking import Action, enter, leave
from bem.domain.happenings import RunStarted, StepEnded
from bem.domain.program import REST, Program, Quantity, Setpoint, StepOp


def begin(program: Program) -> Outcome:
    """Start a program at elapsed time 0."""
    started = RunStarted(program=program.name, steps=len(program.steps))
    outcome = enter(program, EngineState(position=0), position=0)
    return replace(outcome, events=(started, *outcome.events))


def advance(program: Program, state: EngineState, reading: Reading) -> Outcome:
    """Take one reading into account. While the run is paused or held no end is judged.

    Raises:
        ValueError: the reading is older than the last, or the program has ended.
    """
    step = current_step(program, state)
    if step is None:
        raise ValueError("the program has ended; it takes no further reading")
    if state.activity == "paused":
        return Outcome(take_paused(state, reading), REST)
    state = take(step, state, reading)
    if state.activity != "held":
        found = holding_end(step, state, reading)
        if found is not None:
            end, value = found
            at_once = state.step_readings == 1 and (
                end.quantity is not Quantity.DURATION or end.threshold == 0
            )
            ended = step_ended(step, state, reading, str(end), value)
            return leave(program, state, ended, Action(end.then, end.target), at_once=at_once)
        if step.course is not None and state.step_us >= course_us(step.course):
            words = f"its course of {course_us(step.course) / 1e6:.10g} s is through"
            ended = step_ended(step, state, reading, words, state.step_us / 1e6)
            return leave(program, state, ended, Action(), at_once=False)
    return Outcome(state, expected_setpoint(program, state))


def current_step(program: Program, state: EngineState) -> StepOp | None:
    """Get the step being run; ``None`` once the program has ended."""
    if state.position is None:
        return None
    operation = program.operations[state.position]
    if not isinstance(operation, StepOp):
        raise ValueError(
            f"operation {state.position} is a loop; the state belongs to another program"
        )
    return operation


def expected_setpoint(program: Program, state: EngineState) -> Setpoint:
    """Get what the power path shall hold in a state."""
    step = current_step(program, state)
    if step is None or state.activity in ("paused", "waiting"):
        return REST
    return state.held or setpoint_at(step, state.step_us)


def step_ended(
    step: StepOp, state: EngineState, reading: Reading, end: str, value: float | None
) -> StepEnded:
    """Say how a step ended, at a reading that the state has taken."""
    return StepEnded(
        step=step.number,
        cycle=state.cycle,
        title=step.title,
        end=end,
        value=value,
        duration_us=state.step_us,
        voltage=reading.voltage,
        current=reading.current,
        moved=state.moved.since(state.moved_before_step),
    )
