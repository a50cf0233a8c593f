"""The limits that a run would meet: its station would switch off, so the dry run ends there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bem.domain.engine import EngineState, Reading
from bem.domain.happenings import Throughput
from bem.domain.limits import trip_limits
from bem.domain.program import Compare, Limit, Limited, Program, StepOp

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


class Watch:
    """Judges readings by the limits of a program and of its steps, by level, with their delays."""

    def __init__(self, program: Program, cells: int) -> None:
        self._cells = cells
        self._of_run = (*_operating(program), *program.limits)
        self._values: dict[Limited, Callable[[EngineState, Reading, bool], float]] = {
            Limited.VOLTAGE: lambda _, reading, __: reading.voltage,
            Limited.CURRENT: lambda _, reading, __: reading.current,
            Limited.POWER: lambda _, reading, __: reading.power,
            Limited.TEMPERATURE: lambda _, reading, __: reading.further[TEMPERATURE],
            Limited.CELL_VOLTAGE: lambda _, reading, __: reading.voltage / self._cells,
            Limited.CHARGE: _charge,
            Limited.DURATION: _duration,
        }
        self._watched: dict[int, tuple[tuple[Limit, bool], ...]] = {}

    def judge(
        self, step: StepOp, state: EngineState, reading: Reading, before: Verdict
    ) -> Verdict:
        """Judge a reading that the state has taken; ``before`` is the verdict on the last one."""
        since: dict[int, int] = {}
        tripped = None
        for index, (limit, of_step) in enumerate(self._limits(step)):
            observe = self._values.get(limit.quantity)
            if observe is None:
                continue
            value = observe(state, reading, of_step)
            if not _is_beyond(limit, value):
                continue
            since[index] = before.since.get(index, reading.elapsed_us)
            if tripped is None and reading.elapsed_us - since[index] >= limit.delay_s * 1e6:
                tripped = (limit, value)
        return Verdict(since, tripped) if since else NOTHING

    def next_us(self, step: StepOp, verdict: Verdict) -> int | None:
        """Get when the delay of a limit that is passed is over."""
        limits = self._limits(step)
        return min(
            (at + round(limits[index][0].delay_s * 1e6) for index, at in verdict.since.items()),
            default=None,
        )

    def keep(self, verdict: Verdict) -> Verdict:
        """Get what of a verdict stands when its step is over: what limits of the run say."""
        since = {index: at for index, at in verdict.since.items() if index < len(self._of_run)}
        return Verdict(since) if since else NOTHING

    def _limits(self, step: StepOp) -> tuple[tuple[Limit, bool], ...]:
        """Get the limits that hold in a step, and whether each is the step's own."""
        watched = self._watched.get(step.number)
        if watched is None:
            watched = (
                *((limit, False) for limit in self._of_run),
                *((limit, True) for limit in step.limits),
            )
            self._watched[step.number] = watched
        return watched


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


def _is_beyond(limit: Limit, value: float) -> bool:
    """The bound itself is still allowed, as everywhere in the safety of a station."""
    if limit.compare is Compare.AT_LEAST:
        return value > limit.threshold
    return value < limit.threshold


def _charge(state: EngineState, _: Reading, of_step: bool) -> float:
    start = state.moved_before_step if of_step else Throughput()
    moved = state.moved
    return abs(
        (moved.charge_in - start.charge_in) - (moved.charge_out - start.charge_out)
    )


def _duration(state: EngineState, reading: Reading, of_step: bool) -> float:
    return (reading.elapsed_us - (state.step_started_us if of_step else 0)) / 1e6
