"""One line of a profile's text to a step or the head of a block, with all that is wrong in it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypedDict

from lark import Token, Tree

from bem.domain.profile import words
from bem.domain.profile.amounts import (
    Amount,
    current,
    kind_of,
    read_amount,
    read_number,
    report_dimension,
)
from bem.domain.profile.context import Line, Parameters
from bem.domain.profile.heads import After, Head, read_after, read_block, read_repeat
from bem.domain.profile.instructions import read_instruction
from bem.domain.profile.model import (
    MAX_MESSAGE,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    End,
    Limit,
    Parameter,
    ParameterKind,
    Pause,
    Record,
    Rest,
    Step,
)
from bem.domain.profile.problems import Problem, Span
from bem.domain.profile.rules import read_limits, read_record
from bem.domain.profile.syntax import parse_line
from bem.domain.units import Dimension

_LABELLED = re.compile(r"(?P<lead>\s*)(?P<name>[^\W\d]\w*)(?P<colon>\s*:\s*)(?=\S)")
_NONE: Parameters = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limits:
    """A line of limits of the whole profile."""

    limits: tuple[Limit, ...]


Content = Step | Head | Limits | Record | Parameter


@dataclass(frozen=True, slots=True)
class Reading:
    """What a line says: ``None`` if it has to be mended first, and every problem found in it.

    ``label`` names it, ``parameter`` is the one it was meant to say, and ``targets`` are the
    labels to which its ends go, each with its place; all of them also where it has problems.
    """

    content: Content | None
    problems: list[Problem]
    label: str | None = None
    parameter: str | None = None
    targets: list[tuple[str, Span]] = field(default_factory=list)


def read_line(code: str, number: int, parameters: Parameters = _NONE) -> Reading:
    """Read one line, given without its comment but with its indentation."""
    line = _labelled(code, number, parameters)
    tree = parse_line(line)
    content: Content | None
    if tree is None:
        opens = words.opened_by(line.code.strip())
        content = None
        if opens is not None:
            content = Head(opens, line.whole, is_broken=True, label=line.label)
        return Reading(content, line.problems, line.label, _named_parameter(line.code))
    content = _READERS[tree.data](line, tree)
    if line.label is not None and isinstance(content, Limits | Record | Parameter):
        line.report(line.whole, "only steps and loops have a label: take it away")
    if isinstance(content, Head | None) or not (line.problems or line.is_incomplete):
        kept = content
    else:
        kept = None
    name = _named_parameter(line.code)
    return Reading(kept, line.problems, line.label, name, line.targets)


def _labelled(code: str, number: int, parameters: Parameters) -> Line:
    """The line with its label set apart; blanks stand in its place, so that columns stay."""
    found = _LABELLED.match(code)
    if found is None:
        return Line(code, number, parameters=parameters)
    name = found["name"].lower()
    trouble = words.trouble_with_name(name)
    start = len(found["lead"])
    blank = " " * found.end() + code[found.end() :]
    line = Line(
        blank,
        number,
        parameters=parameters,
        label=name if trouble is None else None,
        start=start,
    )
    if trouble is not None:
        span = Span(line=number, column=start + 1, end_column=start + 1 + len(name))
        line.report(span, trouble, expected=("a label such as 'soak_2'",))
    return line


def _named_parameter(code: str) -> str | None:
    found = re.match(r"\s*parameter\s+(\w+)", code, re.IGNORECASE)
    return found[1].lower() if found is not None else None


# -- steps


def _read_step(line: Line, tree: Tree[Token]) -> Step | None:
    first, *rest = tree.children
    parts = [one for one in rest if isinstance(one, Tree)]
    verb = first.type if isinstance(first, Token) else ""
    if verb in ("REST", "WAIT"):
        return Rest(**_common(line, read_after(line, parts)))
    if verb == "PAUSE":
        return _pause(line, next(one for one in rest if isinstance(one, Token)), parts)
    amount = read_amount(line, parts[0], words.setpoints(verb))
    after = read_after(line, parts[1:])
    if amount is None:
        return None
    if verb == "HOLD":
        return _hold(line, amount, after)
    return _drive(line, amount, after, charge=verb == "CHARGE")


class _Common(TypedDict):
    """What all steps have."""

    label: str | None
    ends: tuple[End, ...]
    record: Record | None
    limits: tuple[Limit, ...]
    source: Span
    setpoint_source: Span | None


def _common(line: Line, after: After, place: Span | None = None) -> _Common:
    return {
        "label": line.label,
        "ends": after.ends,
        "record": after.record,
        "limits": after.limits,
        "source": line.whole,
        "setpoint_source": place,
    }


def _pause(line: Line, token: Token, parts: list[Tree[Token]]) -> Pause | None:
    after = read_after(line, parts)
    message = token.value.strip('"').strip()
    if not message:
        trouble = "a pause tells a person what to do: write it between the quotes"
    elif len(message) > MAX_MESSAGE:
        trouble = f"a message has at most {MAX_MESSAGE} characters; this one has {len(message)}"
    elif not message.isprintable():
        trouble = "the message holds characters that cannot be printed; type it again"
    else:
        return Pause(message=message, **_common(line, after))
    line.report(line.span(token), trouble, expected=("a message in double quotes",))
    return None


def _hold(line: Line, amount: Amount, after: After) -> ConstantVoltage | None:
    if amount.dimension is not Dimension.VOLTAGE:
        hint = ""
        if amount.dimension in (Dimension.CURRENT, Dimension.POWER):
            hint = f"; for a constant {amount.dimension} write 'Charge at' or 'Discharge at'"
        report_dimension(line, amount, words.setpoints("HOLD"), hint)
        return None
    return ConstantVoltage(
        voltage=amount.value,
        given_by=amount.given("voltage"),
        **_common(line, after, amount.span),
    )


def _drive(
    line: Line, amount: Amount, after: After, *, charge: bool
) -> ConstantCurrent | ConstantPower | ConstantResistance | None:
    if not _can_drive(line, amount, charge=charge):
        return None
    common = _common(line, after, amount.span)
    signed = amount.value if charge else -amount.value
    if amount.dimension is Dimension.RESISTANCE:
        given = amount.given("resistance")
        return ConstantResistance(resistance=amount.value, given_by=given, **common)
    if amount.dimension is Dimension.POWER:
        return ConstantPower(power=signed, given_by=amount.given("power"), **common)
    return ConstantCurrent(current=current(amount, signed), **common)


def _can_drive(line: Line, amount: Amount, *, charge: bool) -> bool:
    verb, other = ("Charge", "Discharge") if charge else ("Discharge", "Charge")
    expected = words.setpoints(verb.upper())
    if amount.dimension not in (Dimension.CURRENT, Dimension.POWER, Dimension.RESISTANCE):
        is_voltage = amount.dimension is Dimension.VOLTAGE
        hint = f"; to hold a voltage write 'Hold at {amount.text}'" if is_voltage else ""
        report_dimension(line, amount, expected, hint)
        return False
    if amount.dimension is Dimension.RESISTANCE and charge:
        hint = f", and a resistance only discharges: write 'Discharge at {amount.unsigned}'"
        report_dimension(line, amount, expected, hint)
        return False
    if amount.value < 0:
        remedy = f", or '{other} at {amount.unsigned}'"
        line.report(
            amount.span,
            f"'{verb}' already gives the direction: write the value without a sign"
            f"{'' if amount.dimension is Dimension.RESISTANCE else remedy}",
            suggestion=amount.mended,
        )
        return False
    if amount.value == 0:
        line.report(
            amount.span,
            f"'{verb}' needs a value above 0; to wait without current write 'Rest'",
            expected=expected,
        )
        return False
    return True


# -- lines at the head of a profile


def _read_limits(line: Line, tree: Tree[Token]) -> Limits:
    return Limits(tuple(read_limits(line, tree)))


def _read_rule(line: Line, tree: Tree[Token]) -> Record | None:
    return read_record(line, next(one for one in tree.children if isinstance(one, Tree)))


def _read_parameter(line: Line, tree: Tree[Token]) -> Parameter | None:
    token = next(one for one in tree.children if isinstance(one, Token))
    body = next(one for one in tree.children if isinstance(one, Tree))
    name = words.name_in(token)
    trouble = words.trouble_with_name(name) if name is not None else "a parameter needs a name"
    if name is None or trouble is not None:
        line.report(
            line.span(token),
            f"{trouble}: write for example 'Parameter rate = C/2'",
            expected=("a name such as 'rate'",),
        )
        return None
    if body.data == "quantity" and len(body.children) == 1:
        return _number(line, name, body)
    amount = read_amount(line, body, ("a value such as C/2 or 4.2 V",))
    kind = kind_of(amount) if amount is not None else None
    if amount is None:
        return None
    if kind is None:
        line.report(
            amount.span,
            f"a {amount.dimension} cannot be a parameter: write {amount.text} where it is used",
        )
        return None
    return Parameter(name=name, kind=kind, default=amount.value, source=line.whole)


def _number(line: Line, name: str, tree: Tree[Token]) -> Parameter | None:
    token = next(one for one in tree.children if isinstance(one, Token))
    value = read_number(line, token)
    if value is None:
        return None
    kind = ParameterKind.NUMBER
    return Parameter(name=name, kind=kind, default=value, source=line.whole)


_READERS: Mapping[str, Callable[[Line, Tree[Token]], Content | None]] = {
    "step": _read_step,
    "repeat": read_repeat,
    "drive": read_block,
    "pulse": read_block,
    "instruction": read_instruction,
    "limits": _read_limits,
    "rule": _read_rule,
    "parameter": _read_parameter,
}
