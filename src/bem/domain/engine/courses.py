"""The set point of a step at a time of its own, in whole microseconds: passes never drift."""

from bisect import bisect_right

from bem.domain.program import REST, Course, Setpoint, StepOp


def setpoint_at(step: StepOp, step_us: int) -> Setpoint:
    """Get what the power path shall hold ``step_us`` µs after the step began."""
    if step.message is not None:
        return REST
    if step.course is None:
        return step.setpoint
    value = step.course.values[_index(step.course, step_us)]
    return REST if value == 0 else Setpoint(mode=step.course.mode, value=value)


def course_us(course: Course) -> int:
    """Get how long all passes of a course last, µs."""
    return course.pass_us * course.passes


def next_change_us(step: StepOp, step_us: int) -> int | None:
    """Get when, in the step's own time (µs), its set point changes next or its course is over.

    ``None``: its set point does not change, or its course is over.
    """
    course = step.course
    if course is None or step_us >= course_us(course):
        return None
    index = _index(course, step_us)
    began = step_us // course.pass_us * course.pass_us
    last = index + 1 == len(course.times_us)
    return began + (course.pass_us if last else course.times_us[index + 1])


def _index(course: Course, step_us: int) -> int:
    """Get which value holds; the last once all passes are over."""
    if step_us >= course_us(course):
        return len(course.values) - 1
    return bisect_right(course.times_us, step_us % course.pass_us) - 1
