"""An end as the program has it."""

from dataclasses import dataclass

from bem.domain import program as compiled
from bem.domain.profile.model import End, Side, Then
from bem.domain.program import Compare, Quantity


@dataclass(frozen=True, slots=True)
class Resolved:
    """An end, how it is called, and whether the step can be relied upon to reach it."""

    end: compiled.End
    title: End
    reached: bool


def resolved(
    end: End,
    quantity: Quantity,
    compare: Compare,
    threshold: float,
    *,
    reached: bool,
    title: End | None = None,
) -> Resolved:
    """Make an end of a program from one of a profile. Where it goes to is set once it is known."""
    then = Then.NEXT if end.then is Then.GO_TO else end.then
    made = compiled.End(
        quantity=quantity, compare=compare, threshold=threshold, then=compiled.Then(then)
    )
    return Resolved(made, title or end, reached=reached)


def compare_of(side: Side) -> Compare:
    """Which comparison a side of a threshold is."""
    return Compare.AT_LEAST if side is Side.ABOVE else Compare.AT_MOST
