"""From the end of one step to the beginning of the next: loops, cycles, and where actions lead.

The counters of loops follow one rule: after every move exactly the loops around the new position
have one. A loop that was not around the old position begins with its first pass, and one that is
not around the new position is forgotten; a loop around both keeps its count. Going back to the
first step of the loop one is in therefore begins the same pass again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bem.domain.engine.counting import flowing_anew
from bem.domain.engine.courses import setpoint_at
from bem.domain.engine.state import Ended, EngineState, LoopState, Outcome
from bem.domain.happenings import (
    CycleEnded,
    Happening,
    LoopEnded,
    Paused,
    StepEnded,
    StepStarted,
)
from bem.domain.program import (
    REST,
    Compare,
    LoopEnd,
    LoopOp,
    Operation,
    Program,
    StepOp,
    Then,
)

MOST_IDLE_STEPS = 1000
"""Steps in a row that may be over at once (besides as many as the program has): beyond it the
program goes in circles without doing anything, and the run fails."""


@dataclass(frozen=True, slots=True)
class Action:
    """What follows the end of a step: :class:`~bem.domain.program.Then` and where it leads."""

    then: Then = Then.NEXT
    target: int | None = None


def leave(
    program: Program, state: EngineState, ended: StepEnded, action: Action, *, at_once: bool
) -> Outcome:
    """End the present step and do what follows it. ``at_once``: it was over before it did a thing.

    ``state`` has taken the reading at which this happens.
    """
    state = state._replace(idle_steps=state.idle_steps + 1 if at_once else 0)
    most = MOST_IDLE_STEPS + len(program.operations)
    why = f"step {ended.step} ended: {ended.end}"
    if state.idle_steps > most:
        outcome = _over(
            state,
            "failed",
            f"the program makes no progress: {state.idle_steps} steps in a row were over at once",
        )
    elif action.then is Then.STOP:
        outcome = _over(state, "finished", why)
    elif action.then is Then.FAIL:
        outcome = _over(state, "failed", why)
    elif action.target is not None:
        outcome = _go_to(program, state, action.target)
    else:
        outcome = enter(program, state, (state.position or 0) + 1)
    return replace(outcome, events=(ended, *outcome.events))


def enter(program: Program, state: EngineState, position: int) -> Outcome:
    """Walk from ``position`` over loops to the next step, counting passes and cycles; begin it."""
    events: list[Happening] = []
    loops = dict(state.loops)
    while position < len(program.operations):
        operation = program.operations[position]
        if isinstance(operation, StepOp):
            state = state._replace(loops=_around(program, state, loops, position))
            return _begin_step(state, operation, position, events)
        if operation.counts_cycles:
            events.append(_cycle_ended(state))
            state = _next_cycle(state)
        ended = _pass_ended(program, operation, position, loops, state)
        if ended is not None:
            events.append(ended)
        position = operation.start if position in loops else position + 1
    outcome = _over(state, "finished", "the program is through")
    return replace(outcome, events=tuple(events))


def _go_to(program: Program, state: EngineState, target: int) -> Outcome:
    loops = _around(program, state, state.loops, target)
    broken_off = any(
        index not in loops and loop.counts_cycles
        for index, loop in program.loops
        if index in state.loops
    )
    # A cycle that is broken off is not reported as one, and what follows does not count into it.
    state = _next_cycle(state) if broken_off else state
    return enter(program, state._replace(loops=loops), target)


def _around(
    program: Program, state: EngineState, loops: Mapping[int, LoopState], position: int
) -> dict[int, LoopState]:
    return {
        index: loops.get(index) or LoopState(moved_before_pass=state.moved)
        for index, loop in program.loops
        if loop.start <= position <= index
    }


def _begin_step(
    state: EngineState, step: StepOp, position: int, events: list[Happening]
) -> Outcome:
    waits = step.message is not None
    state = flowing_anew(
        state._replace(
            position=position,
            activity="waiting" if waits else "running",
            step_started_us=state.at_us,
            step_us=0,
            step_readings=0,
            moved_before_step=state.moved,
            stopped_us=state.at_us if waits else None,
            held=None,
            ends=None,
        )
    )
    events.append(StepStarted(step=step.number, cycle=state.cycle, title=step.title))
    if step.message is not None:
        events.append(Paused(note=step.message))
    return Outcome(state, setpoint_at(step, 0), tuple(events))


def _over(state: EngineState, ended: Ended, reason: str) -> Outcome:
    over = state._replace(
        position=None,
        activity="running",
        loops={},
        stopped_us=None,
        held=None,
        ends=None,
        ended=ended,
        reason=reason,
    )
    return Outcome(over, REST)


def _pass_ended(
    program: Program,
    loop: LoopOp,
    position: int,
    loops: dict[int, LoopState],
    state: EngineState,
) -> LoopEnded | None:
    """Count a finished pass of a loop; one that is over goes out of ``loops`` and starts afresh.

    Gives what is to be told if its end holds.
    """
    before = loops.pop(position, LoopState())
    done, first = before.done + 1, before.first
    if loop.until is not None:
        moved = state.moved.since(before.moved_before_pass)
        value: float = getattr(moved, loop.until.quantity)
        if _ends_loop(loop.until, value, first):
            words = loop.until.in_words(value if first is None else first)
            return _loop_ended(program.operations[loop.start : position], done, words, value)
        first = value if first is None else first
    if loop.passes is None or done < loop.passes:
        loops[position] = LoopState(done=done, moved_before_pass=state.moved, first=first)
    return None


def _loop_ended(body: Sequence[Operation], passes: int, end: str, value: float) -> LoopEnded:
    steps = [one.number for one in body if isinstance(one, StepOp)]
    return LoopEnded(first_step=steps[0], last_step=steps[-1], passes=passes, end=end, value=value)


def _ends_loop(until: LoopEnd, value: float, first: float | None) -> bool:
    if until.relative and first is None:
        return False  # the first pass is what the others are measured by
    threshold = until.threshold * (first or 0.0) if until.relative else until.threshold
    return value >= threshold if until.compare is Compare.AT_LEAST else value <= threshold


def _cycle_ended(state: EngineState) -> CycleEnded:
    return CycleEnded(
        cycle=state.cycle,
        duration_us=state.at_us - state.cycle_started_us,
        moved=state.moved.since(state.moved_before_cycle),
    )


def _next_cycle(state: EngineState) -> EngineState:
    return state._replace(
        cycle=state.cycle + 1,
        cycle_started_us=state.at_us,
        moved_before_cycle=state.moved,
    )
