"""Small programs and readings, as the tests of the engine need them."""

from collections.abc import Iterable

from bem.domain.engine import Outcome, Reading, advance, begin
from bem.domain.happenings import Happening
from bem.domain.limits import Limits
from bem.domain.program import (
    Compare,
    Course,
    End,
    Mode,
    Operation,
    Program,
    Quantity,
    Setpoint,
    StepOp,
    Then,
)

S = 1_000_000
"""One second in the unit of elapsed time."""


def step(number: int, *ends: tuple[str, str, float], value: float = 1.0) -> StepOp:
    return StepOp(
        number=number,
        title=f"step {number}",
        setpoint=Setpoint(mode=Mode.CC, value=value),
        ends=tuple(
            End(quantity=Quantity(quantity), compare=Compare(compare), threshold=threshold)
            for quantity, compare, threshold in ends
        ),
    )


def brief(number: int) -> StepOp:
    """A step that its first reading ends."""
    return step(number, ("duration", ">=", 0.0))


def program_of(*operations: Operation) -> Program:
    return Program(name="test", operations=operations, operating=Limits())


def feed(program: Program, readings: Iterable[Reading]) -> tuple[list[Outcome], list[Happening]]:
    """Run a program over readings until they or it end."""
    outcomes = [begin(program)]
    for reading in readings:
        if outcomes[-1].finished:
            break
        outcomes.append(advance(program, outcomes[-1].state, reading))
    return outcomes, [event for outcome in outcomes for event in outcome.events]


def steady(
    count: int, voltage: float = 3.7, current: float = 1.0, every_us: int = S
) -> list[Reading]:
    return [Reading(every_us * n, voltage, current) for n in range(1, count + 1)]


def end(quantity: str, compare: str, threshold: float, then: Then | int = Then.NEXT) -> End:
    """An end; ``then`` may be the operation to go to."""
    goes = isinstance(then, int)
    return End(
        quantity=Quantity(quantity),
        compare=Compare(compare),
        threshold=threshold,
        then=Then.GO_TO if goes else then,
        target=then if goes else None,
    )


def ending(number: int, *ends: End, value: float = 1.0) -> StepOp:
    """A step with these ends."""
    return StepOp(
        number=number,
        title=f"step {number}",
        setpoint=Setpoint(mode=Mode.CC, value=value),
        ends=ends,
    )


def waiting(number: int, *ends: End) -> StepOp:
    """A step that waits for a person."""
    return StepOp(
        number=number,
        title=f"step {number}",
        setpoint=Setpoint(mode=Mode.REST),
        ends=ends,
        message="swap the fixture",
    )


def driven(number: int, course: Course, *ends: End) -> StepOp:
    """A step with a course."""
    return StepOp(
        number=number,
        title=f"step {number}",
        setpoint=Setpoint(mode=course.mode, value=course.values[0]),
        ends=ends,
        course=course,
    )
