"""The limits that a run would meet: its station would switch off, so the dry run ends there.

The rules are those of :class:`bem.domain.limits.LimitWatch`, once more for speed: a dry run judges
far more readings than a station, of few quantities that are always there. A property test in
``tests/unit/dryrun/test_trips.py`` holds the two equal.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from bem.domain.engine import EngineState, Reading
from bem.domain.limits import Compare, Limit, Limited, trip_limits
from bem.domain.program import Program, StepOp

OPERATING = "battery and station"
"""Owner of the limits that a program brings along from its battery and its station."""
TEMPERATURE = "temperature_body"
"""The channel with the temperature (degC) of the battery model."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which limits are passed, each since when (µs), and the first that has been for too long."""

    since: Mapping[int, int] = field(default_factory=dict)
    tripped: tuple[Limit, float] | None = None


NOTHING = Verdict()


class _Checked(NamedTuple):
    """A limit made ready: ``sign`` times the value may not be above ``most``."""

    observe: Callable[["_Judged"], float]
    sign: float
    most: float
    limit: Limit


class _Judged(NamedTuple):
    """What limits look at: the reading in V, A, W, degC, and what the state knows."""

    voltage: float
    current: float
    power: float
    temperature: float
    state: EngineState


class Watch:
    """Judges readings by the limits of a program and of its steps, by level, with their delays."""

    def __init__(self, program: Program, cells: int) -> None:
        self._cells = cells
        self._of_run = self._ready((*_operating(program), *program.limits), of_step=False)
        self._of_steps: dict[int, tuple[_Checked, ...]] = {}

    def judge(self, step: StepOp, state: EngineState, reading: Reading, before: Verdict) -> Verdict:
        """Judge a reading that the state has taken; ``before`` is the verdict on the last one."""
        voltage, current = reading.voltage, reading.current
        judged = _Judged(voltage, current, voltage * current, reading.further[TEMPERATURE], state)
        passed = [
            (index, one)
            for index, one in enumerate(self._limits(step))
            if one.sign * one.observe(judged) > one.most
        ]
        if not passed:
            return NOTHING
        now_us = reading.elapsed_us
        since = {index: before.since.get(index, now_us) for index, _ in passed}
        tripped = next(
            (
                (one.limit, one.observe(judged))
                for index, one in passed
                if now_us - since[index] >= one.limit.delay_s * 1e6
            ),
            None,
        )
        return Verdict(since, tripped)

    def next_us(self, step: StepOp, verdict: Verdict) -> int | None:
        """Get when the delay of a limit that is passed is over."""
        limits = self._limits(step)
        return min(
            (at + round(limits[index].limit.delay_s * 1e6) for index, at in verdict.since.items()),
            default=None,
        )

    def keep(self, verdict: Verdict) -> Verdict:
        """Get what of a verdict stands when its step is over: what limits of the run say."""
        since = {index: at for index, at in verdict.since.items() if index < len(self._of_run)}
        return Verdict(since) if since else NOTHING

    def _limits(self, step: StepOp) -> tuple[_Checked, ...]:
        if not step.limits:
            return self._of_run
        watched = self._of_steps.get(step.number)
        if watched is None:
            watched = (*self._of_run, *self._ready(step.limits, of_step=True))
            self._of_steps[step.number] = watched
        return watched

    def _ready(self, limits: Iterable[Limit], *, of_step: bool) -> tuple[_Checked, ...]:
        """Make limits ready, apart from those of a flow.

        The model of a battery has no pump. At a station a flow that is not read breaks its limit
        after a while: judged here, it would end every dry run that has such a limit.
        """
        observers: dict[Limited, Callable[[_Judged], float]] = {
            Limited.VOLTAGE: attrgetter("voltage"),
            Limited.CURRENT: attrgetter("current"),
            Limited.POWER: attrgetter("power"),
            Limited.TEMPERATURE: attrgetter("temperature"),
            Limited.CELL_VOLTAGE: lambda judged: judged.voltage / self._cells,
            Limited.CHARGE: _step_charge if of_step else _run_charge,
            Limited.DURATION: _step_duration if of_step else _run_duration,
        }
        ready: list[_Checked] = []
        for limit in limits:
            observe = observers.get(limit.quantity)
            if observe is not None:
                sign = 1.0 if limit.compare is Compare.AT_LEAST else -1.0
                # The bound itself is still allowed, as everywhere in the safety of a station.
                ready.append(_Checked(observe, sign, sign * limit.threshold, limit))
        return tuple(ready)


def _operating(program: Program) -> list[Limit]:
    bounds = trip_limits(program.operating)
    found: list[Limit] = []
    for quantity in (Limited.VOLTAGE, Limited.CURRENT, Limited.POWER, Limited.TEMPERATURE):
        for side, compare in (("min", Compare.AT_MOST), ("max", Compare.AT_LEAST)):
            threshold = getattr(bounds, f"{quantity}_{side}")
            if threshold is not None:
                found.append(
                    Limit(quantity=quantity, compare=compare, threshold=threshold, owner=OPERATING)
                )
    return found


def _run_charge(judged: _Judged) -> float:
    moved = judged.state.moved
    return abs(moved.charge_in - moved.charge_out)


def _step_charge(judged: _Judged) -> float:
    moved, start = judged.state.moved, judged.state.moved_before_step
    return abs((moved.charge_in - start.charge_in) - (moved.charge_out - start.charge_out))


def _run_duration(judged: _Judged) -> float:
    return judged.state.at_us / 1e6


def _step_duration(judged: _Judged) -> float:
    return judged.state.step_us / 1e6
