"""Rules of recording and limits, of a step or of the whole profile."""

from collections.abc import Sequence

from lark import Token, Tree

from bem.domain.profile import words
from bem.domain.profile.amounts import Amount, read_amount, report_dimension
from bem.domain.profile.context import Line, either
from bem.domain.profile.ends import SIDES
from bem.domain.profile.model import MAX_DELAY, Limit, Limited, Record, Side
from bem.domain.profile.problems import Span
from bem.domain.units import Dimension

MEASURES = {
    Limited.VOLTAGE: Dimension.VOLTAGE,
    Limited.CURRENT: Dimension.CURRENT,
    Limited.POWER: Dimension.POWER,
    Limited.TEMPERATURE: Dimension.TEMPERATURE,
    Limited.CELL_VOLTAGE: Dimension.VOLTAGE,
    Limited.CHARGE: Dimension.CAPACITY,
    Limited.DURATION: Dimension.DURATION,
    Limited.FLOW: Dimension.FLOW,
}
"""In what each limit is given."""
_LIMITED = {
    "VOLTAGE": Limited.VOLTAGE,
    "CURRENT": Limited.CURRENT,
    "POWER": Limited.POWER,
    "TEMPERATURE": Limited.TEMPERATURE,
    "CHARGE": Limited.CHARGE,
    "DURATION": Limited.DURATION,
    "TIME": Limited.DURATION,
    "FLOW": Limited.FLOW,
}
_MOST_ONLY = (Limited.CHARGE, Limited.DURATION)
_CHANGES = {
    Dimension.DURATION: "every",
    Dimension.VOLTAGE: "voltage_change",
    Dimension.CURRENT: "current_change",
}


def read_record(line: Line, tree: Tree[Token]) -> Record | None:
    """``record every 10 s or 5 mV`` and ``(1 minute period)``."""
    is_rule = tree.data == "record"  # else "(1 minute period)", which knows durations only
    expected = words.CHANGES if is_rule else (Dimension.DURATION.example,)
    known = tuple(_CHANGES) if is_rule else (Dimension.DURATION,)
    found: dict[Dimension, Amount] = {}
    for part in tree.children:
        amount = read_amount(line, part, expected) if isinstance(part, Tree) else None
        if amount is None:
            continue
        if amount.is_rate or amount.dimension not in known:
            report_dimension(line, amount, expected)
        elif amount.value <= 0:
            line.report(amount.span, f"recording needs a value above 0; found {amount.text}")
        elif amount.dimension in found:
            message = f"the record rule already has a {amount.dimension}: keep one of them"
            line.report(amount.span, message)
        else:
            found[amount.dimension] = amount
    if not found:
        return None
    given = [pair for of, one in found.items() for pair in one.given(_CHANGES[of])]
    values = {_CHANGES[of]: one.value for of, one in found.items()}
    return Record(**values, given_by=tuple(given))


def read_limits(line: Line, tree: Tree[Token]) -> list[Limit]:
    """``limit temperature 45 degC, voltage below 2.5 V for 2 s``, those that can be understood."""
    found = (_read_limit(line, part) for part in tree.children if isinstance(part, Tree))
    return [one for one in found if one is not None]


def _read_limit(line: Line, tree: Tree[Token]) -> Limit | None:
    tokens = {one.type: one for one in tree.children if isinstance(one, Token)}
    named = _named(tokens)
    expected = words.LIMITS if named is None else (MEASURES[named].example,)
    body, *delays = [one for one in tree.children if isinstance(one, Tree)]
    amount = read_amount(line, body, expected)
    delay = _read_delay(line, delays[0]) if delays else None
    if amount is None or (delays and delay is None):
        return None
    quantity = named or next(
        (one for one, measure in MEASURES.items() if measure is amount.dimension), None
    )
    if quantity is None or amount.is_rate or MEASURES[quantity] is not amount.dimension:
        hint = "; limits are given in A, not as a C-rate" if amount.is_rate else ""
        report_dimension(line, amount, expected, hint)
        return None
    side = next((SIDES[kind] for kind in tokens if kind in SIDES), Side.ABOVE)
    if quantity in _MOST_ONLY and not _is_most(line, quantity, side, amount):
        return None
    return Limit(
        quantity=quantity,
        side=side,
        value=amount.value,
        delay_s=delay.value if delay is not None else 0.0,
        source=_span(line, tree, delay or amount),
        given_by=(
            *amount.given("value"),
            *(delay.given("delay_s") if delay is not None else ()),
        ),
    )


def _named(tokens: dict[str, Token]) -> Limited | None:
    if "CELL" in tokens:
        return Limited.CELL_VOLTAGE
    return next((_LIMITED[kind] for kind in tokens if kind in _LIMITED), None)


def _span(line: Line, tree: Tree[Token], last: Amount) -> Span:
    first = tree.children[0]
    start = first if isinstance(first, Token) else next(first.scan_values(_is_token))
    return Span(line=line.number, column=line.span(start).column, end_column=last.span.end_column)


def _is_token(value: object) -> bool:
    return isinstance(value, Token)


def _is_most(line: Line, quantity: Limited, side: Side, amount: Amount) -> bool:
    if side is Side.ABOVE and amount.value > 0:
        return True
    line.report(
        amount.span,
        f"a limit of the {quantity} is a most, above 0: write 'limit {quantity} {amount.unsigned}'",
    )
    return False


def _read_delay(line: Line, tree: Tree[Token]) -> Amount | None:
    expected: Sequence[str] = (Dimension.DURATION.example,)
    part = next(one for one in tree.children if isinstance(one, Tree))
    amount = read_amount(line, part, expected)
    if amount is None:
        return None
    if amount.dimension is not Dimension.DURATION:
        report_dimension(line, amount, expected)
        return None
    if not 0 <= amount.value <= MAX_DELAY:
        line.report(
            amount.span,
            f"a limit may wait 0 s to 1 day before it acts; found {amount.text}. "
            f"Expected {either(expected)}",
            expected=expected,
        )
        return None
    return amount
