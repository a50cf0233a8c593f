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
    EnergyEnd,
    PowerEnd,
    Side,
    SlopeEnd,
    TemperatureEnd,
    Then,
    VoltageDropEnd,
    VoltageEnd,
)
from bem.domain.profile.problems import Span
from bem.domain.units import Dimension

SIDES = {"ABOVE": Side.ABOVE, "BELOW": Side.BELOW}
NAMED = {
    "VOLTAGE": Dimension.VOLTAGE,
    "CURRENT": Dimension.CURRENT,
    "CAPACITY": Dimension.CAPACITY,
    "POWER": Dimension.POWER,
    "ENERGY": Dimension.ENERGY,
    "TEMPERATURE": Dimension.TEMPERATURE,
    "SLOPE": Dimension.SLOPE,
}
"""The quantities that may be named in front of their value."""

_SIDED = (
    Dimension.VOLTAGE,
    Dimension.CURRENT,
    Dimension.POWER,
    Dimension.TEMPERATURE,
    Dimension.SLOPE,
)
_MOVED = (Dimension.CAPACITY, Dimension.ENERGY)
_ACTIONS = {"NEXT": Then.NEXT, "STOP": Then.STOP, "FAIL": Then.FAIL}


def read_end(line: Line, tree: Tree[Token]) -> End | None:
    """One end, such as ``until voltage above 3.9 V``; ``None`` with a report if there is none."""
    parts = tree.children
    tokens = {one.type: one for one in parts if isinstance(one, Token)}
    is_for = "FOR" in tokens
    named = next((NAMED[kind] for kind in tokens if kind in NAMED), None)
    expected: tuple[str, ...] = words.ENDS
    if named is not None:
        expected = (named.example,)
    elif is_for:
        expected = (Dimension.DURATION.example,)
    body = next(one for one in parts if isinstance(one, Tree))
    amount = read_amount(line, body, expected)
    action = _read_action(line, parts[-1])
    if amount is None:
        return None
    if named not in (None, amount.dimension):
        report_dimension(line, amount, expected)
        return None
    span = _span(line, parts, amount)
    if is_for and not _lasts(line, amount, span):
        return None
    side = next((one for kind, one in tokens.items() if kind in SIDES), None)
    if side is not None and not _has_side(line, side, amount):
        return None
    if "FALLS" in tokens:
        end: End | None = _drop(line, amount, span)
    else:
        end = build_end(line, amount, span, SIDES[side.type] if side is not None else None)
    return _with_action(end, *action) if end is not None else None


def _span(line: Line, parts: list[Token | Tree[Token]], amount: Amount) -> Span:
    first, last = parts[0], parts[-1]
    column = line.span(first).column if isinstance(first, Token) else amount.span.column
    end = line.span(last).end_column if isinstance(last, Token) else amount.span.end_column
    return Span(line=line.number, column=column, end_column=end)


def _with_action(end: End, then: Then, label: str | None) -> End:
    return end if then is Then.NEXT else end.model_copy(update={"then": then, "label": label})


def _read_action(line: Line, last: Token | Tree[Token]) -> tuple[Then, str | None]:
    """What follows the end; where it cannot go on, that is reported."""
    if not isinstance(last, Token):
        return Then.NEXT, None
    if last.type != "GO_TO":
        return _ACTIONS.get(last.type, Then.NEXT), None
    span = line.span(last)
    name = words.name_in(last)
    if name is None:
        line.report(
            Span(line=line.number, column=span.end_column, end_column=span.end_column + 1),
            "expected the label of a step or loop after 'go to', such as 'go to discharging'",
            expected=("a label",),
        )
        return Then.NEXT, None
    if name in _PLAIN:
        line.report(span, f"'{name}' is no label: write 'then {name}'", suggestion=name)
        return Then.NEXT, None
    target = Span(line=line.number, column=span.end_column - len(name), end_column=span.end_column)
    trouble = words.trouble_with_name(name)
    if trouble is not None:
        line.report(target, trouble, expected=("a label",))
        return Then.NEXT, None
    line.targets.append((name, target))
    return Then.GO_TO, name


_PLAIN = ("next", "stop", "fail")


def _lasts(line: Line, amount: Amount, span: Span) -> bool:
    if amount.dimension in (Dimension.DURATION, *_MOVED):
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
    if amount.dimension in _SIDED:
        return True
    if amount.dimension in _MOVED and side.type == "ABOVE":
        return True
    line.report(
        line.span(side),
        f"'{side.value}' goes with a voltage or a current, also with a power, a temperature or "
        f"dV/dt, but not with {amount.text}",
        expected=tuple(one.example for one in _SIDED),
    )
    return False


def _drop(line: Line, amount: Amount, span: Span) -> VoltageDropEnd | None:
    if amount.value > 0:
        return VoltageDropEnd(value=amount.value, source=span, given_by=amount.given("value"))
    line.report(
        amount.span,
        f"a fall of the voltage is above 0; found {amount.text}",
        suggestion=amount.mended if amount.value < 0 else None,
    )
    return None


def build_end(line: Line, amount: Amount, span: Span, side: Side | None = None) -> End | None:
    """The end of the model that an amount stands for; ``None`` with a report if out of range."""
    value, given = amount.value, amount.given("value")
    match amount.dimension:
        case Dimension.VOLTAGE:
            return VoltageEnd(value=value, side=side, source=span, given_by=given)
        case Dimension.DURATION if value >= 0:
            return DurationEnd(value=value, source=span, given_by=given)
        case Dimension.CURRENT if value >= 0:
            return CurrentEnd(value=current(amount, value), side=side, source=span)
        case Dimension.TEMPERATURE if side is not None:
            return TemperatureEnd(value=value, side=side, source=span, given_by=given)
        case _:
            return _further_end(line, amount, span, side)


def _further_end(line: Line, amount: Amount, span: Span, side: Side | None) -> End | None:
    value, given = amount.value, amount.given("value")
    match amount.dimension:
        case Dimension.CAPACITY if value > 0:
            return CapacityEnd(value=value, source=span, given_by=given)
        case Dimension.ENERGY if value > 0:
            return EnergyEnd(value=value, source=span, given_by=given)
        case Dimension.POWER if value >= 0:
            return PowerEnd(value=value, side=side, source=span, given_by=given)
        case Dimension.SLOPE if value > 0:
            return SlopeEnd(value=value, side=side or Side.BELOW, source=span)
        case _:
            _report_range(line, amount)
            return None


def _report_range(line: Line, amount: Amount) -> None:
    match amount.dimension:
        case Dimension.DURATION:
            line.report(amount.span, f"a duration is 0 or more; found {amount.text}")
        case Dimension.CAPACITY | Dimension.ENERGY:
            what = "a charge" if amount.dimension is Dimension.CAPACITY else "an energy"
            line.report(
                amount.span,
                f"{what} to be moved is above 0, in either direction; found {amount.text}",
            )
        case Dimension.CURRENT | Dimension.POWER | Dimension.SLOPE:
            _report_sign(line, amount)
        case Dimension.TEMPERATURE:
            shown = amount.text
            choices = (f"temperature above {shown}", f"temperature below {shown}")
            line.report(
                amount.span,
                f"it is not known from which side the temperature comes: write '{choices[0]}' or "
                f"'{choices[1]}'",
                expected=choices,
            )
        case _:
            report_dimension(line, amount, words.ENDS)


def _report_sign(line: Line, amount: Amount) -> None:
    what = "dV/dt" if amount.dimension is Dimension.SLOPE else f"a {amount.dimension}"
    remedy = f"write {amount.unsigned}" if amount.value < 0 else "write a value above 0"
    line.report(
        amount.span,
        f"an end at {what} looks at its magnitude: {remedy}",
        suggestion=amount.mended if amount.value < 0 else None,
    )
