"""One step of a profile as an operation of a program."""

from bem.domain import program as compiled
from bem.domain.compiling.context import Context
from bem.domain.compiling.courses import course_of, first_of
from bem.domain.compiling.ends import check_reached, resolve_end
from bem.domain.compiling.limits import compile_limits
from bem.domain.compiling.resolved import Resolved
from bem.domain.compiling.setpoints import setpoint_of
from bem.domain.compiling.titles import title_of
from bem.domain.profile.model import Pause, PulseTrain, Record, Step, Table, Then
from bem.domain.program import StepOp


def compile_step(
    context: Context, step: Step, number: int, record: Record | None, places: dict[str, int]
) -> StepOp | None:
    """Compile a step; ``None`` with problems, or where something it needs is not known.

    ``record`` is the rule of the profile for steps without one; ``places`` has the operation that
    each label stands for.
    """
    limits = compile_limits(context, step.limits, f"step {number}")
    context = context.within(step.limits, "this step")
    before = len(context.problems)
    setpoint, course = _set(context, step)
    ends = [found for end in step.ends if (found := resolve_end(context, step, end)) is not None]
    complete = len(ends) == len(step.ends)
    if complete and len(context.problems) == before:
        check_reached(context, step, ends)
    if setpoint is None or not complete or len(context.problems) > before:
        return None
    targeted = [made for one in ends if (made := _with_target(one, places)) is not None]
    if len(targeted) < len(ends):
        return None
    return StepOp(
        number=number,
        title=title_of(step, setpoint, [one.title for one in ends]),
        setpoint=setpoint,
        ends=tuple(targeted),
        record=_record(step.record or record),
        line=step.source.line if step.source is not None else None,
        label=step.label,
        limits=limits,
        course=course,
        message=step.message if isinstance(step, Pause) else None,
    )


def _set(context: Context, step: Step) -> tuple[compiled.Setpoint | None, compiled.Course | None]:
    if not isinstance(step, Table | PulseTrain):
        return setpoint_of(context, step), None
    course = course_of(context, step)
    return (None, None) if course is None else (first_of(course), course)


def _with_target(one: Resolved, places: dict[str, int]) -> compiled.End | None:
    """Say where an end goes to; ``None`` if its label is not there, which is said elsewhere."""
    if one.title.then is not Then.GO_TO:
        return one.end
    target = places.get(one.title.label or "")
    if target is None:
        return None
    return one.end.model_copy(update={"then": compiled.Then.GO_TO, "target": target})


def _record(record: Record | None) -> compiled.RecordRule | None:
    if record is None:
        return None
    return compiled.RecordRule(
        every_s=record.every,
        voltage_change=record.voltage_change,
        current_change=record.current_change,
    )
