"""Numbers with units and C-rates in a line: from the tree to SI values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lark import Token, Tree

from bem.domain.profile.context import Line, either
from bem.domain.profile.model import Amperes, CRate
from bem.domain.profile.problems import Span
from bem.domain.units import Dimension, Unit, find_unit, to_si

_MINUS_SIGN = "\u2212"
"""The typographic minus that word processors put in."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A value in SI units; a C-rate has the dimension of a current and ``is_rate``."""

    value: float
    dimension: Dimension
    is_rate: bool
    span: Span
    text: str

    @property
    def unsigned(self) -> str:
        """As written, without its sign."""
        return self.text.lstrip("-" + _MINUS_SIGN).lstrip()


def current(amount: Amount, value: float) -> Amperes | CRate:
    """A current of the model in the way of the amount: in A or as a C-rate."""
    if amount.is_rate:
        return CRate(value=value, source=amount.span)
    return Amperes(value=value, source=amount.span)


def read_number(line: Line, token: Token, to: Callable[[str], float] = float) -> float | None:
    """The value of a NUMBER token, or ``None`` with a report if no double can hold it."""
    try:
        value = to(token.value.replace(_MINUS_SIGN, "-"))
    except ValueError:
        value = math.inf
    if math.isfinite(value):
        return value
    line.report(line.span(token), f"{token.value} is too large")
    return None


def read_amount(line: Line, tree: Tree[Token], expected: Sequence[str]) -> Amount | None:
    """The amount of a ``quantity`` or ``rate`` tree, or ``None`` with a report.

    ``expected`` says in words what may stand there, for the message.
    """
    tokens = [one for one in tree.children if isinstance(one, Token)]
    span = line.span(tokens[0], tokens[-1])
    if tree.data == "rate":
        return _read_rate(line, tokens, span)
    if len(tokens) == 1:
        _report_no_unit(line, span, expected)
        return None
    units = [find_unit(token.value) for token in tokens[1::2]]
    known = [unit for unit in units if unit is not None]
    if len(known) < len(units):
        return None  # reported by the grammar
    if len(known) > 1 and any(unit.dimension is not Dimension.DURATION for unit in known):
        line.report(
            span,
            f"expected one value, found several in '{line.text(span)}': put 'or' between ends; "
            "only a duration may have parts (1 h 30 min)",
            expected=expected,
        )
        return None
    return _sum_up(line, tokens[::2], known, span)


def _sum_up(
    line: Line, numbers: Sequence[Token], units: Sequence[Unit], span: Span
) -> Amount | None:
    total = 0.0
    for number, unit in zip(numbers, units, strict=True):
        value = read_number(line, number, partial(to_si, unit=unit))
        if value is None:
            return None
        total += value
    return Amount(total, units[0].dimension, is_rate=False, span=span, text=line.text(span))


def _read_rate(line: Line, tokens: Sequence[Token], span: Span) -> Amount | None:
    number = next((one for one in tokens if one.type == "NUMBER"), None)
    value = 1.0 if number is None else read_number(line, number)
    if value is None:
        return None
    text = line.text(span)
    is_fraction = number is not None and number is not tokens[0]
    if is_fraction:
        value = 1 / value if value > 0 else 0.0
        if value == 0 or not math.isfinite(value):
            line.report(
                span,
                f"{text} is no C-rate: write for example C/2, which moves the capacity in 2 hours",
                expected=("a C-rate such as C/2",),
            )
            return None
    return Amount(value, Dimension.CURRENT, is_rate=True, span=span, text=text)


def _report_no_unit(line: Line, span: Span, expected: Sequence[str]) -> None:
    text = line.text(span)
    suggestion = f"{text} V" if tuple(expected) == (Dimension.VOLTAGE.example,) else None
    line.report(
        span,
        f"{text} has no unit: expected {either(expected)}",
        expected=expected,
        suggestion=suggestion,
    )


def report_dimension(line: Line, amount: Amount, expected: Sequence[str], hint: str = "") -> None:
    """Say that an amount measures something that has no place there."""
    article = "an" if amount.dimension is Dimension.ENERGY else "a"
    line.report(
        amount.span,
        f"expected {either(expected)}; {amount.text} is {article} {amount.dimension}{hint}",
        expected=expected,
    )
