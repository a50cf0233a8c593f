"""Tables and pulse trains as courses: in whole microseconds, and never unrolled."""

from collections.abc import Iterator
from functools import partial
from itertools import accumulate, pairwise

from bem.domain import program as compiled
from bem.domain.compiling.context import Context
from bem.domain.compiling.ends import LONGEST_DURATION
from bem.domain.compiling.setpoints import check_current_of_power
from bem.domain.profile.bounds import Bounded
from bem.domain.profile.loops import length_of, spans_of
from bem.domain.profile.model import Driven, PulseTrain, Step, Table
from bem.domain.profile.problems import Span
from bem.domain.program import Mode
from bem.domain.units import Dimension, format_rate, format_value

_US_PER_S = 1_000_000
_QUANTITIES: dict[Driven, tuple[Mode, Bounded, Dimension]] = {
    Driven.CURRENT: (Mode.CC, "current", Dimension.CURRENT),
    Driven.C_RATE: (Mode.CC, "current", Dimension.CURRENT),
    Driven.POWER: (Mode.CP, "power", Dimension.POWER),
}


def course_of(context: Context, step: Table | PulseTrain) -> compiled.Course | None:
    """Get the course of a step; ``None`` with a problem, or if it is not known yet."""
    spans = list(spans_of(step))
    times = _times(context, step)
    values = _values(context, step, [value for _, value in spans])
    if times is None or values is None:
        return None
    mode, _, _ = _QUANTITIES[step.drives]
    if mode is Mode.CP and not _check_powers(context, step, values):
        return None
    return compiled.Course(
        mode=mode,
        times_us=tuple(times[:-1]),
        values=tuple(values),
        pass_us=times[-1],
        passes=step.times,
    )


def first_of(course: compiled.Course) -> compiled.Setpoint:
    """Get the set point with which a course begins."""
    value = course.values[0]
    return compiled.REST if value == 0 else compiled.Setpoint(mode=course.mode, value=value)


def _times(context: Context, step: Table | PulseTrain) -> list[int] | None:
    """Get when each value begins, and at last the end of the pass, in µs."""
    length = length_of(step)
    if length > LONGEST_DURATION:
        context.report(
            step, f"this step lasts {length:.3g} s, longer than ten years: check its times"
        )
        return None
    if isinstance(step, PulseTrain):
        lengths = [round(span * _US_PER_S) for span, _ in spans_of(step)]
        times = list(accumulate(lengths, initial=0))
    else:
        times = [round(time * _US_PER_S) for time, _ in step.points]
        times.append(2 * times[-1] - times[-2])
    if all(before < after for before, after in pairwise(times)):
        return times
    context.report(step, "two times of this step are less than 1 us apart: check their unit")
    return None


def _values(context: Context, step: Table | PulseTrain, given: list[float]) -> list[float] | None:
    """Get the values in A or W, all inside the bounds."""
    scale: float | None = 1.0
    if step.drives is Driven.C_RATE:
        scale = context.ampere_per_c(step.setpoint_source or step.source, "a C-rate")
    if scale is None:
        return None
    _, quantity, _ = _QUANTITIES[step.drives]
    values = [context.bounds.fit(value * scale, quantity) for value in given]
    # Of many values that are too high the highest is said, on either side.
    fits = True
    for index in sorted({values.index(max(values)), values.index(min(values))}):
        written = partial(_shown, step, given[index], values[index])
        breach = context.bounds.breach(values[index], quantity, written)
        if breach is not None:
            fits = False
            where = "row" if isinstance(step, Table) else "pulse"
            place = step.setpoint_source or step.source
            context.report(_place(step, index) or place, f"{where} {index + 1}: {breach.message}")
    return values if fits else None


def _place(step: Table | PulseTrain, index: int) -> Span | None:
    return step.pulses[index].source if isinstance(step, PulseTrain) else None


def _shown(step: Table | PulseTrain, given: float, value: float) -> str:
    _, _, dimension = _QUANTITIES[step.drives]
    magnitude = format_value(float(f"{abs(value):.6g}"), dimension)
    return f"{format_rate(abs(given))} ({magnitude})" if step.drives is Driven.C_RATE else magnitude


def _check_powers(context: Context, step: Step, values: list[float]) -> bool:
    before = len(context.problems)
    for power in _extremes(values):
        check_current_of_power(context, step, power)
    return len(context.problems) == before


def _extremes(values: list[float]) -> Iterator[float]:
    if max(values) > 0:
        yield max(values)
    if min(values) < 0:
        yield min(values)
