"""The step engine: carries out a program, one reading at a time.

Pure. It is given its state and a reading, and returns the next state, the set point that the power
path shall hold, and what happened. It owns no clock: time is the ``elapsed_us`` of the readings,
whole microseconds since the run began, so that nothing drifts over months.

End conditions are tested by level at every reading, never by edge. A step that ends hands over to
the next at the same reading; the next is judged from the following reading on, so that every step
gets at least one reading of its own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bem.domain.happenings import (
    CycleEnded,
    Happening,
    RunStarted,
    StepEnded,
    StepStarted,
    Throughput,
)
from bem.domain.program import (
    REST,
    Compare,
    End,
    LoopOp,
    Program,
    Quantity,
    Setpoint,
    StepOp,
)

SETTLE_US = 1_000_000
SETTLE_READINGS = 3
"""A current end is judged once the step is 1 s old and has had 3 readings of its own: just after a
converter switches on its current is still zero, which is no charged battery."""

_US_PER_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured at one instant: V, A and further channels by name.

    Raises:
        ValueError: a voltage or current that is not finite; such a reading is a fault, no value.
    """

    elapsed_us: int
    voltage: float
    current: float
    further: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.voltage) and math.isfinite(self.current)):
            raise ValueError(f"voltage {self.voltage} and current {self.current} must be finite")

    @property
    def power(self) -> float:
        """W, positive when charging."""
        return self.voltage * self.current


@dataclass(frozen=True, slots=True)
class EngineState:
    """Where a run is. Everything needed to go on; nothing else is kept anywhere.

    ``position`` is the operation being run, ``None`` once the program has ended. ``passes`` counts
    the finished passes of each loop by its operation index. ``moved`` is the throughput since the
    run began, ``moved_before_step`` and ``moved_before_cycle`` its values when those began.
    """

    position: int | None
    passes: Mapping[int, int] = field(default_factory=dict)
    cycle: int = 1
    last: Reading | None = None
    step_started_us: int = 0
    step_readings: int = 0
    cycle_started_us: int = 0
    moved: Throughput = field(default_factory=Throughput)
    moved_before_step: Throughput = field(default_factory=Throughput)
    moved_before_cycle: Throughput = field(default_factory=Throughput)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next state, what the power path shall do, and what happened at this reading."""

    state: EngineState
    setpoint: Setpoint
    events: tuple[Happening, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the program has ended."""
        return self.state.position is None


def begin(program: Program) -> Outcome:
    """Start a program at elapsed time 0."""
    state = EngineState(position=0)
    started = RunStarted(program=program.name, steps=len(program.steps))
    outcome = _enter(program, state, position=0, at_us=0)
    return replace(outcome, events=(started, *outcome.events))


def advance(program: Program, state: EngineState, reading: Reading) -> Outcome:
    """Take one reading into account.

    Raises:
        ValueError: the reading is older than the last, or the program has ended.
    """
    position = state.position
    if position is None:
        raise ValueError("the program has ended; it takes no further reading")
    step = _step_at(program, position)
    if state.last is not None and reading.elapsed_us < state.last.elapsed_us:
        raise ValueError(
            f"reading at {reading.elapsed_us} us is older than the last, {state.last.elapsed_us} us"
        )
    state = replace(
        state,
        moved=_integrate(state.moved, state.last, reading),
        last=reading,
        step_readings=state.step_readings + 1,
    )
    for end in step.ends:
        value = _observe(end, state, reading)
        if value is not None and _holds(end, value):
            ended = _end_step(state, step, reading, end, value)
            outcome = _enter(program, state, position + 1, at_us=reading.elapsed_us)
            return replace(outcome, events=(ended, *outcome.events))
    return Outcome(state, step.setpoint)


def current_step(program: Program, state: EngineState) -> StepOp | None:
    """Get the step being run; ``None`` once the program has ended."""
    return None if state.position is None else _step_at(program, state.position)


def _step_at(program: Program, position: int) -> StepOp:
    operation = program.operations[position]
    if not isinstance(operation, StepOp):
        raise ValueError(f"operation {position} is a loop; the state belongs to another program")
    return operation


def _integrate(moved: Throughput, last: Reading | None, now: Reading) -> Throughput:
    """Add the charge and energy between two readings by the trapezoidal rule, signs kept apart."""
    if last is None:
        return moved
    hours = (now.elapsed_us - last.elapsed_us) / _US_PER_HOUR
    charge = (last.current + now.current) / 2 * hours
    energy = (last.power + now.power) / 2 * hours
    return Throughput(
        charge_in=moved.charge_in + max(charge, 0.0),
        charge_out=moved.charge_out + max(-charge, 0.0),
        energy_in=moved.energy_in + max(energy, 0.0),
        energy_out=moved.energy_out + max(-energy, 0.0),
    )


def _observe(end: End, state: EngineState, reading: Reading) -> float | None:
    """Get what an end condition looks at; ``None`` while it cannot be judged yet."""
    age_us = reading.elapsed_us - state.step_started_us
    match end.quantity:
        case Quantity.DURATION:
            return age_us / 1e6
        case Quantity.VOLTAGE:
            return reading.voltage
        case Quantity.CURRENT:
            settled = age_us >= SETTLE_US and state.step_readings >= SETTLE_READINGS
            return abs(reading.current) if settled else None
        case Quantity.CAPACITY:
            moved = state.moved.since(state.moved_before_step)
            return abs(moved.charge_in - moved.charge_out)


def _holds(end: End, value: float) -> bool:
    if end.compare is Compare.AT_LEAST:
        return value >= end.threshold
    return value <= end.threshold


def _end_step(
    state: EngineState, step: StepOp, reading: Reading, end: End, value: float
) -> StepEnded:
    return StepEnded(
        step=step.number,
        cycle=state.cycle,
        title=step.title,
        end=str(end),
        value=value,
        duration_us=reading.elapsed_us - state.step_started_us,
        voltage=reading.voltage,
        current=reading.current,
        moved=state.moved.since(state.moved_before_step),
    )


def _enter(program: Program, state: EngineState, position: int, at_us: int) -> Outcome:
    """Walk from ``position`` over loops to the next step, counting passes and cycles; begin it."""
    events: list[Happening] = []
    passes = dict(state.passes)
    while position < len(program.operations):
        operation = program.operations[position]
        if isinstance(operation, StepOp):
            state = replace(
                state,
                position=position,
                passes=passes,
                step_started_us=at_us,
                step_readings=0,
                moved_before_step=state.moved,
            )
            events.append(
                StepStarted(step=operation.number, cycle=state.cycle, title=operation.title)
            )
            return Outcome(state, operation.setpoint, tuple(events))
        if operation.counts_cycles:
            events.append(_end_cycle(state, at_us))
            state = replace(
                state,
                cycle=state.cycle + 1,
                cycle_started_us=at_us,
                moved_before_cycle=state.moved,
            )
        position = _after_pass(operation, position, passes)
    return Outcome(replace(state, position=None, passes=passes), REST, tuple(events))


def _after_pass(loop: LoopOp, position: int, passes: dict[int, int]) -> int:
    """Get the operation that follows one finished pass of a loop; inner loops start afresh."""
    done = passes.get(position, 0) + 1
    if done < loop.passes:
        passes[position] = done
        return loop.start
    passes.pop(position, None)
    return position + 1


def _end_cycle(state: EngineState, at_us: int) -> CycleEnded:
    return CycleEnded(
        cycle=state.cycle,
        duration_us=at_us - state.cycle_started_us,
        moved=state.moved.since(state.moved_before_cycle),
    )
