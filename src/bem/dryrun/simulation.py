"""Carries a program out on a battery model with the engine of the stations, as fast as it can.

Time passes in steps of adaptive length. One that turns out to have been too coarse, or in which
something decisive happened, is taken back and repeated shorter: the engine is pure and the model
can be set back. Ends by time and points of a course are landed on exactly.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bem.domain.engine import EngineState, Outcome, Reading, advance, begin, current_step, resume
from bem.domain.engine.courses import course_us, next_change_us
from bem.domain.happenings import Happening, StepEnded
from bem.domain.limits import Compare, Limit
from bem.domain.program import End, Program, Quantity, Setpoint, StepOp
from bem.dryrun.pace import RESOLUTION_US, Pace
from bem.dryrun.path import PowerPath
from bem.dryrun.trips import NOTHING, TEMPERATURE, Verdict, Watch
from bem_drivers.model import BatteryModel

_ROUNDING = 1e-3
"""µs by which a duration in s may miss a whole µs."""
PERSON = "a person"
"""Who lets a run go on that waits for a person: at once, as nobody knows when."""


class Moment(NamedTuple):
    """One reading of a dry run, and what happened at it.

    ``dt_us`` (µs) passed since the moment before, in which the current went evenly from
    ``from_current`` (A) to that of the reading. ``step`` is the step that the reading belongs to.
    """

    reading: Reading
    step: StepOp
    events: tuple[Happening, ...]
    dt_us: int
    from_current: float
    tripped: tuple[Limit, float] | None


class _Attempt(NamedTuple):
    """A step of time, tried: ``factor`` says how much longer it could have been."""

    dt_us: int
    reading: Reading
    outcome: Outcome
    verdict: Verdict
    factor: float


@dataclass(frozen=True, slots=True)
class _Crossing:
    """Something decisive is known to happen by ``sure_us``; where it has a value, it is here."""

    sure_us: int
    end: End | None
    value: float | None


class Simulation:
    """A run of a program on a model: iterate over :meth:`moments` until it is over, or enough."""

    def __init__(self, program: Program, battery: BatteryModel, window_v: float) -> None:
        """``window_v`` (V): how far the voltage of this battery moves between empty and full."""
        self.program = program
        self.battery = battery
        self.outcome = begin(program)
        self._path = PowerPath(battery, program.operating)
        self._pace = Pace(window_v, battery.settings.capacity_ah)
        self._watch = Watch(program, battery.settings.cells)
        self._verdict = NOTHING
        self._last: Reading | None = None
        self._switched_us = -1
        self._crossing: _Crossing | None = None
        self._durations_us: dict[int, int | None] = {}

    def moments(self) -> Iterator[Moment]:
        """Go on until the program has ended or a limit has tripped."""
        while (step := current_step(self.program, self.outcome.state)) is not None:
            if self.outcome.state.step_us == 0 and self.outcome.events:
                self._pace.begin_step(step)
            if self.outcome.state.activity == "waiting" and not step.ends and self._last:
                moment = self._let_go_on(step, self._last)
            else:
                moment = self._switch(step) or self._pass_time(step)
            yield moment
            if moment.tripped is not None:
                return

    def _let_go_on(self, step: StepOp, last: Reading) -> Moment:
        self.outcome = resume(self.program, self.outcome.state, last, PERSON, "")
        self._verdict = self._watch.keep(self._verdict)
        return Moment(last, step, self.outcome.events, 0, last.current, None)

    def _switch(self, step: StepOp) -> Moment | None:
        """Let the path obey another set point, with a reading of its own at the same instant.

        Currents jump there: with a reading on either side the engine integrates what has flown. If
        that reading ends its step, the next has its first only when time has passed, as at a
        station; its current then rises evenly until that.
        """
        wanted, present = self.outcome.setpoint, self._path.setpoint
        now_us = self.outcome.state.at_us
        if self._last is not None and (
            wanted is present or (wanted.mode is present.mode and wanted.value == present.value)
        ):
            return None
        if now_us == self._switched_us:
            self._path.setpoint = wanted
            return None
        self._switched_us = now_us
        self._path.switch(wanted)
        if step.course is not None and self.outcome.state.step_readings:
            moment = self._follow(step, wanted)
            if moment is not None:
                return moment
        return self._accept(step, self._judged(step, 0), self.battery.current)

    def _follow(self, step: StepOp, wanted: Setpoint) -> Moment | None:
        """Go on at the next point of a course. ``None``: its first instant may end something.

        The engine is told from which reading it integrates on, and judges at the next one. That is
        all a full reading would do here, at half the cost, and courses have very many points.
        """
        battery, state = self.battery, self.outcome.state
        voltage, current = battery.voltage, battery.current
        for end in step.ends:
            if end.quantity is Quantity.VOLTAGE and _is_beyond(end, voltage):
                return None
        temperature = battery.temperature
        reading = Reading(state.at_us, voltage, current, {TEMPERATURE: temperature})
        if self._watch.judge(step, state, reading, self._verdict) is not self._verdict:
            return None
        self.outcome = Outcome(state._replace(last=reading), wanted)
        self._last = reading
        return Moment(reading, step, (), 0, current, None)

    def _pass_time(self, step: StepOp) -> Moment:
        """Go on as far as it is safe to, and no further than to what ends the step."""
        started = self.battery.snapshot()
        due_us, ends_there = self._due(step)
        dt_us = self._proposed(step, due_us, ends_there)
        while True:
            self._path.flow(dt_us / 1e6)
            attempt = self._judged(step, dt_us)
            if dt_us <= RESOLUTION_US:
                break
            at_us = attempt.reading.elapsed_us
            if self._is_decisive(attempt, ends_there and at_us == due_us):
                self._crossing = _crossing(step, attempt)
                dt_us = self._towards(self._crossing)
            elif self._pace.is_too_coarse(attempt.factor):
                dt_us = max(int(dt_us * attempt.factor), RESOLUTION_US)
            else:
                break
            self.battery.restore(started)
        self._pace.went(dt_us, attempt.factor)
        return self._accept(step, attempt, started.current)

    def _due(self, step: StepOp) -> tuple[int | None, bool]:
        """Get the next instant (µs) to be landed on, and whether the step may end there."""
        state = self.outcome.state
        step_us = state.step_us
        ends_us = self._duration_us(step)
        due_us = change_us = next_change_us(step, step_us)
        if ends_us is not None and (change_us is None or ends_us < change_us):
            due_us = ends_us
        if self._verdict.since:
            delay_us = self._watch.next_us(step, self._verdict)
            if delay_us is not None:
                delay_us -= state.at_us - step_us
                due_us = delay_us if due_us is None else min(due_us, delay_us)
        if due_us is None:
            return None, False
        ends_there = due_us == ends_us or (
            due_us == change_us and step.course is not None and due_us >= course_us(step.course)
        )
        return state.at_us + max(due_us - step_us, 1), ends_there

    def _duration_us(self, step: StepOp) -> int | None:
        """Get the step's own time (µs) at which its duration ends it."""
        if step.number not in self._durations_us:
            self._durations_us[step.number] = min(
                (
                    math.ceil(end.threshold * 1e6 - _ROUNDING)
                    for end in step.ends
                    if end.quantity is Quantity.DURATION
                ),
                default=None,
            )
        return self._durations_us[step.number]

    def _proposed(self, step: StepOp, due_us: int | None, ends_there: bool) -> int:
        now_us = self.outcome.state.at_us
        crossing = self._crossing
        if crossing is not None and crossing.sure_us > now_us:
            dt_us = self._towards(crossing)
        else:
            self._crossing = None
            dt_us = self._pace.propose_us(self.battery.current)
        if due_us is None:
            return dt_us
        # Where the step may have ended otherwise by then, look just before: the engine names the
        # first of its ends that hold, and it should be the one that came first.
        look_us = due_us - RESOLUTION_US
        if ends_there and len(step.ends) > 1 and now_us < look_us < now_us + dt_us:
            return look_us - now_us
        return min(dt_us, due_us - now_us)

    def _judged(self, step: StepOp, dt_us: int) -> _Attempt:
        battery, state, last = self.battery, self.outcome.state, self._last
        temperature = battery.temperature
        reading = Reading(
            state.at_us + dt_us, battery.voltage, battery.current, {TEMPERATURE: temperature}
        )
        outcome = advance(self.program, state, reading)
        verdict = self._watch.judge(step, outcome.state, reading, self._verdict)
        factor = 1.0 if last is None or not dt_us else self._pace.judge(last, reading)
        return _Attempt(dt_us, reading, outcome, verdict, factor)

    def _is_decisive(self, attempt: _Attempt, on_time: bool) -> bool:
        """Whether something happened whose instant has to be found."""
        if attempt.verdict is not NOTHING and (
            attempt.verdict.since.keys() - self._verdict.since.keys()
        ):
            return True
        return not on_time and _ended(attempt.outcome) is not None

    def _towards(self, crossing: _Crossing) -> int:
        """Get how far to go to come just before what is known to happen."""
        state, last = self.outcome.state, self._last
        left_us = crossing.sure_us - state.at_us
        share = 0.5
        if crossing.end is not None and crossing.value is not None and last is not None:
            observe = _EVENLY.get(crossing.end.quantity)
            before = crossing.value if observe is None else observe(state, last)
            if before != crossing.value:
                share = (crossing.end.threshold - before) / (crossing.value - before)
        dt_us = int(left_us * min(max(share, 0.0), 0.9)) - RESOLUTION_US // 2
        return min(max(dt_us, RESOLUTION_US), left_us)

    def _accept(self, step: StepOp, attempt: _Attempt, from_current: float) -> Moment:
        self.outcome = attempt.outcome
        self._last = attempt.reading
        self._verdict = attempt.verdict
        if _ended(attempt.outcome) is not None:
            self._crossing = None
            self._verdict = self._watch.keep(attempt.verdict)
        return Moment(
            attempt.reading,
            step,
            attempt.outcome.events,
            attempt.dt_us,
            from_current,
            attempt.verdict.tripped,
        )


def _ended(outcome: Outcome) -> StepEnded | None:
    for event in outcome.events:
        if isinstance(event, StepEnded):
            return event
    return None


def _is_beyond(end: End, value: float) -> bool:
    if end.compare is Compare.AT_LEAST:
        return value >= end.threshold
    return value <= end.threshold


def _crossing(step: StepOp, attempt: _Attempt) -> _Crossing:
    ended = _ended(attempt.outcome)
    at_us = attempt.reading.elapsed_us
    if ended is None:
        return _Crossing(at_us, None, None)
    end = next((one for one in step.ends if str(one) == ended.end), None)
    return _Crossing(at_us, end, ended.value)


def _charge(state: EngineState, _: Reading) -> float:
    moved, start = state.moved, state.moved_before_step
    return abs((moved.charge_in - start.charge_in) - (moved.charge_out - start.charge_out))


def _energy(state: EngineState, _: Reading) -> float:
    moved, start = state.moved, state.moved_before_step
    return abs((moved.energy_in - start.energy_in) - (moved.energy_out - start.energy_out))


_EVENLY: dict[Quantity, Callable[[EngineState, Reading], float]] = {
    Quantity.VOLTAGE: lambda _, last: last.voltage,
    Quantity.CURRENT: lambda _, last: abs(last.current),
    Quantity.POWER: lambda _, last: abs(last.power),
    Quantity.TEMPERATURE: lambda _, last: last.further[TEMPERATURE],
    Quantity.CAPACITY: _charge,
    Quantity.ENERGY: _energy,
}
"""What ends look at that goes evenly over time, in a state with its last reading."""
