"""The heads of blocks: ``Repeat``, ``Drive`` and ``Pulse``, which own the lines below them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lark import Token, Tree

from bem.domain.profile import words
from bem.domain.profile.amounts import find_parameter, read_amount, report_dimension
from bem.domain.profile.context import Line
from bem.domain.profile.ends import SIDES, read_end
from bem.domain.profile.model import (
    MAX_PASSES,
    Driven,
    End,
    Limit,
    LoopEnd,
    LoopQuantity,
    ParameterKind,
    Record,
)
from bem.domain.profile.problems import Span
from bem.domain.profile.rules import read_limits, read_record
from bem.domain.profile.words import Opens
from bem.domain.units import Dimension, to_share

_MOST_DIGITS = 12
"""Digits beyond which a number of passes is too large without being looked at."""
_TIMES = ("a number of times such as 500",)

DRIVEN = {"CURRENT": Driven.CURRENT, "POWER": Driven.POWER, "C_RATE": Driven.C_RATE}
_QUANTITIES = {
    ("CAPACITY", "CHARGE"): LoopQuantity.CHARGE_IN,
    ("CAPACITY", "DISCHARGE"): LoopQuantity.CHARGE_OUT,
    ("ENERGY", "CHARGE"): LoopQuantity.ENERGY_IN,
    ("ENERGY", "DISCHARGE"): LoopQuantity.ENERGY_OUT,
}


@dataclass(frozen=True, slots=True)
class Count:
    """A number of times, and the parameter that gives it."""

    value: int
    parameter: str | None = None

    @property
    def given(self) -> tuple[tuple[str, str], ...]:
        """The ``given_by`` of a node for its field ``times``."""
        return () if self.parameter is None else (("times", self.parameter),)


@dataclass(frozen=True, slots=True)
class After:
    """What follows the set point of a step."""

    ends: tuple[End, ...] = ()
    record: Record | None = None
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """A line that opens a block. ``is_broken`` if it has to be mended before it means anything.

    ``times`` ``None``: no number was given.
    """

    opens: Opens
    source: Span
    is_broken: bool = False
    label: str | None = None
    times: Count | None = None
    until: LoopEnd | None = None
    drives: Driven | None = None
    after: After = field(default_factory=After)


def read_after(line: Line, parts: Sequence[Tree[Token]]) -> After:
    """The ends, the rule of recording and the limits among the parts of a line."""
    ends: list[End] = []
    limits: list[Limit] = []
    record: Record | None = None
    for part in parts:
        match part.data:
            case "end":
                end = read_end(line, part)
                ends.extend([] if end is None else [end])
            case "limits":
                limits.extend(read_limits(line, part))
            case "record" | "period":
                found = read_record(line, part)
                if record is not None and found is not None:
                    message = "this step already has a rule of recording: keep one of them"
                    line.report(line.whole, message)
                record = record or found
    return After(tuple(ends), record, tuple(limits))


def read_count(line: Line, tree: Tree[Token]) -> Count | None:
    """A number of times, or ``None`` with a report."""
    token = next(one for one in tree.children if isinstance(one, Token))
    parameter = None
    if token.type == "GIVEN":
        found = find_parameter(line, token)
        if found is None:
            return None
        if found.kind is not ParameterKind.NUMBER or not found.default.is_integer():
            line.report(
                line.span(token),
                f"the parameter '{found.name}' is no whole number without a unit: "
                f"expected {_TIMES[0]}",
                expected=_TIMES,
            )
            return None
        digits, parameter = str(int(found.default)), found.name
    else:
        digits = token.value
    is_count = digits.isdigit() and len(digits) <= _MOST_DIGITS
    if is_count and 1 <= int(digits) <= MAX_PASSES:
        return Count(int(digits), parameter)
    line.report(
        line.span(token),
        f"a loop runs 1 to {MAX_PASSES:,} times, a whole number; found {digits}",
        expected=_TIMES,
    )
    return None


def read_repeat(line: Line, tree: Tree[Token]) -> Head:
    """``Repeat at most 2000 times until energy below 3 Wh:`` and its shorter forms."""
    parts = [one for one in tree.children if isinstance(one, Tree)]
    count = next((one for one in parts if one.data == "count"), None)
    end = next((one for one in parts if one.data == "loop_end"), None)
    times = None if count is None else read_count(line, count)
    until = None if end is None else _read_loop_end(line, end)
    return Head(
        opens=Opens.LOOP,
        source=line.whole,
        is_broken=(count is not None and times is None) or (end is not None and until is None),
        label=line.label,
        times=times,
        until=until,
    )


def _read_loop_end(line: Line, tree: Tree[Token]) -> LoopEnd | None:
    tokens = {one.type: one for one in tree.children if isinstance(one, Token)}
    moved = "CAPACITY" if "CAPACITY" in tokens else "ENERGY"
    quantity = _QUANTITIES[moved, "CHARGE" if "CHARGE" in tokens else "DISCHARGE"]
    side = next(SIDES[kind] for kind in tokens if kind in SIDES)
    first, body = tree.children[0], next(one for one in tree.children if isinstance(one, Tree))
    if not isinstance(first, Token):
        return None  # the grammar begins it with 'until'
    if body.data == "share":
        return _read_share(line, first, body, LoopEnd(quantity=quantity, side=side, value=1.0))
    dimension = Dimension.CAPACITY if moved == "CAPACITY" else Dimension.ENERGY
    expected = (dimension.example, words.SHARE)
    amount = read_amount(line, body, expected)
    if amount is None:
        return None
    if amount.dimension is not dimension:
        report_dimension(line, amount, expected)
        return None
    if amount.value <= 0:
        line.report(amount.span, f"what a cycle moves is above 0; found {amount.text}")
        return None
    source = line.span(first).model_copy(update={"end_column": amount.span.end_column})
    given = amount.given("value")
    return LoopEnd(quantity=quantity, side=side, value=amount.value, source=source, given_by=given)


def _read_share(line: Line, first: Token, tree: Tree[Token], end: LoopEnd) -> LoopEnd | None:
    number = next(one for one in tree.children if isinstance(one, Token))
    value = to_share(number.value.replace("\N{MINUS SIGN}", "-"))
    if not 0 < value < float("inf"):
        line.report(line.span(number), f"a share is above 0 %; found {number.value} %")
        return None
    source = line.span(first, number)
    return end.model_copy(update={"value": value, "relative": True, "source": source})


def read_block(line: Line, tree: Tree[Token]) -> Head:
    """``Drive current 3 times until 2.5 V:`` and ``Pulse 10 times:``."""
    tokens = [one for one in tree.children if isinstance(one, Token)]
    parts = [one for one in tree.children if isinstance(one, Tree)]
    count = next((one for one in parts if one.data == "count"), None)
    times = Count(1) if count is None else read_count(line, count)
    return Head(
        opens=Opens.TABLE if tree.data == "drive" else Opens.PULSES,
        source=line.whole,
        is_broken=times is None,
        label=line.label,
        times=times,
        drives=next((DRIVEN[one.type] for one in tokens if one.type in DRIVEN), None),
        after=read_after(line, parts),
    )
