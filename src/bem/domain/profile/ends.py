"""The ends of a step in a line."""

from lark import Token, Tree

from bem.domain.profile import words
from bem.domain.profile.amounts import Amount, current, read_amount, report_dimension
from bem.domain.profile.context import Line
from bem.domain.profile.model import (
    CapacityEnd,
    CurrentEnd,
    DurationEnd,
    End,
    Side,
    VoltageEnd,
)
from bem.domain.profile.problems import Span
from bem.domain.units import Dimension

_SIDES = {"ABOVE": Side.ABOVE, "BELOW": Side.BELOW}
NAMED = {
    "VOLTAGE": Dimension.VOLTAGE,
    "CURRENT": Dimension.CURRENT,
    "CAPACITY": Dimension.CAPACITY,
}
"""The quantities that may be named in front of their value."""


def read_end(line: Line, tree: Tree[Token]) -> End | None:
    """One end, such as ``until voltage above 3.9 V``; ``None`` with a report if there is none."""
    tokens = {one.type: one for one in tree.children if isinstance(one, Token)}
    lead = next(iter(tokens.values()), None)
    is_for = "FOR" in tokens
    named = next((NAMED[kind] for kind in tokens if kind in NAMED), None)
    expected: tuple[str, ...] = words.ENDS
    if named is not None:
        expected = (named.example,)
    elif is_for:
        expected = (Dimension.DURATION.example,)
    body = next(one for one in tree.children if isinstance(one, Tree))
    amount = read_amount(line, body, expected)
    if amount is None:
        return None
    if named not in (None, amount.dimension):
        report_dimension(line, amount, expected)
        return None
    column = amount.span.column if lead is None else line.span(lead).column
    span = Span(line=line.number, column=column, end_column=amount.span.end_column)
    if is_for and not _lasts(line, amount, span):
        return None
    side = next((one for kind, one in tokens.items() if kind in _SIDES), None)
    if side is not None and not _has_side(line, side, amount):
        return None
    return build_end(line, amount, span, _SIDES[side.type] if side is not None else None)


def _lasts(line: Line, amount: Amount, span: Span) -> bool:
    if amount.dimension in (Dimension.DURATION, Dimension.CAPACITY):
        return True
    line.report(
        span,
        f"expected {Dimension.DURATION.example} after 'for'; to end at {amount.text} write "
        f"'until {amount.text}'",
        expected=(Dimension.DURATION.example,),
        suggestion=f"until {amount.text}",
    )
    return False


def _has_side(line: Line, side: Token, amount: Amount) -> bool:
    if amount.dimension in (Dimension.VOLTAGE, Dimension.CURRENT):
        return True
    if amount.dimension is Dimension.CAPACITY and side.type == "ABOVE":
        return True
    line.report(
        line.span(side),
        f"'{side.value}' goes with a voltage or a current, not with {amount.text}",
        expected=(Dimension.VOLTAGE.example, Dimension.CURRENT.example),
    )
    return False


def build_end(line: Line, amount: Amount, span: Span, side: Side | None = None) -> End | None:
    """The end of the model that an amount stands for; ``None`` with a report if out of range."""
    match amount.dimension:
        case Dimension.VOLTAGE:
            return VoltageEnd(value=amount.value, side=side, source=span)
        case Dimension.DURATION if amount.value >= 0:
            return DurationEnd(value=amount.value, source=span)
        case Dimension.CAPACITY if amount.value > 0:
            return CapacityEnd(value=amount.value, source=span)
        case Dimension.CURRENT if amount.value >= 0:
            return CurrentEnd(value=current(amount, amount.value), side=side, source=span)
        case _:
            _report_range(line, amount)
            return None


def _report_range(line: Line, amount: Amount) -> None:
    match amount.dimension:
        case Dimension.DURATION:
            line.report(amount.span, f"a duration is 0 or more; found {amount.text}")
        case Dimension.CAPACITY:
            line.report(
                amount.span,
                f"a charge to be moved is above 0, in either direction; found {amount.text}",
            )
        case Dimension.CURRENT:
            line.report(
                amount.span,
                f"an end at a current looks at its magnitude: write {amount.unsigned}",
                suggestion=amount.unsigned,
            )
        case _:
            report_dimension(line, amount, words.ENDS)
