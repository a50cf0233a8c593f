"""Numbers with units and C-rates in a line: from the tree to SI values."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lark import Token, Tree

from bem.domain.profile.context import Line, either
from bem.domain.profile.model import Amperes, CRate, Parameter, ParameterKind
from bem.domain.profile.problems import Span
from bem.domain.units import Dimension, Unit, find_unit, format_number, to_si

_MINUS_SIGN = "\u2212"
"""The typographic minus that word processors put in."""


Given = tuple[tuple[str, str], ...]

_DIMENSIONS = {
    ParameterKind.CURRENT: Dimension.CURRENT,
    ParameterKind.C_RATE: Dimension.CURRENT,
    ParameterKind.VOLTAGE: Dimension.VOLTAGE,
    ParameterKind.POWER: Dimension.POWER,
    ParameterKind.RESISTANCE: Dimension.RESISTANCE,
    ParameterKind.DURATION: Dimension.DURATION,
    ParameterKind.CAPACITY: Dimension.CAPACITY,
    ParameterKind.ENERGY: Dimension.ENERGY,
    ParameterKind.TEMPERATURE: Dimension.TEMPERATURE,
}
"""What the parameters that have a unit measure."""


def kind_of(amount: "Amount") -> ParameterKind | None:
    """The kind of a parameter that has this value; ``None`` if there is none."""
    if amount.is_rate:
        return ParameterKind.C_RATE
    kinds = (kind for kind, dimension in _DIMENSIONS.items() if dimension is amount.dimension)
    return next(kinds, None)


def dimension_of(kind: ParameterKind) -> Dimension | None:
    """What a parameter measures; ``None`` for a number of times."""
    return _DIMENSIONS.get(kind)


@dataclass(frozen=True, slots=True)
class Amount:
    """A value in SI units; a C-rate has the dimension of a current and ``is_rate``."""

    value: float
    dimension: Dimension
    is_rate: bool
    span: Span
    text: str
    parameter: str | None = None

    @property
    def unsigned(self) -> str:
        """As written, without its sign."""
        return self.text.lstrip("-" + _MINUS_SIGN).lstrip()

    @property
    def mended(self) -> str | None:
        """What to write in its place if only the sign is wrong."""
        return self.unsigned if self.parameter is None else None

    def given(self, field: str) -> Given:
        """Who gives the field of a node that holds this value: its ``given_by``."""
        return () if self.parameter is None else ((field, self.parameter),)


def current(amount: Amount, value: float) -> Amperes | CRate:
    """A current of the model in the way of the amount: in A or as a C-rate."""
    given = amount.given("value")
    if amount.is_rate:
        return CRate(value=value, source=amount.span, given_by=given)
    return Amperes(value=value, source=amount.span, given_by=given)


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
    """The amount of a ``quantity``, ``rate`` or ``given`` tree, or ``None`` with a report.

    ``expected`` says in words what may stand there, for the message.
    """
    tokens = [one for one in tree.children if isinstance(one, Token)]
    span = line.span(tokens[0], tokens[-1])
    if tree.data == "rate":
        return _read_rate(line, tokens, span)
    if tree.data == "given":
        return _read_given(line, tokens[0], expected)
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


def find_parameter(line: Line, token: Token) -> Parameter | None:
    """The parameter that ``{rate}`` stands for, or ``None`` with a report."""
    name = token.value.strip("{} \t").lower()
    if name in line.parameters:
        parameter = line.parameters[name]
        line.is_incomplete |= parameter is None
        return parameter
    names = ", ".join(line.parameters)
    close = difflib.get_close_matches(name, line.parameters, n=1)
    there_is = f"there are {names}" if names else "there is none"
    line.report(
        line.span(token),
        f"there is no parameter '{name}' above; {there_is}. A line such as "
        f"'Parameter {name or 'rate'} = C/2' at the head of the profile makes one",
        expected=tuple(f"{{{one}}}" for one in line.parameters),
        suggestion=f"{{{close[0]}}}" if close else None,
    )
    return None


def _read_given(line: Line, token: Token, expected: Sequence[str]) -> Amount | None:
    parameter = find_parameter(line, token)
    if parameter is None:
        return None
    dimension = dimension_of(parameter.kind)
    if dimension is None:
        line.report(
            line.span(token),
            f"the parameter '{parameter.name}' is a number without a unit: "
            f"expected {either(expected)}",
            expected=expected,
        )
        return None
    return Amount(
        parameter.default,
        dimension,
        is_rate=parameter.kind is ParameterKind.C_RATE,
        span=line.span(token),
        text=token.value,
        parameter=parameter.name,
    )


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
    noun = "C-rate" if amount.is_rate else amount.dimension
    suggestion = None
    if amount.is_rate and not hint and tuple(expected) == (Dimension.TEMPERATURE.example,):
        suggestion = f"{format_number(amount.value)} degC"
        hint = f"; temperatures are written '{suggestion}'"
    line.report(
        amount.span,
        f"expected {either(expected)}; {amount.text} is {article} {noun}{hint}",
        expected=expected,
        suggestion=suggestion,
    )
