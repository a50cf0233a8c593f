"""One line of a profile's text to a step or the head of a loop, with all that is wrong in it."""

from collections.abc import Callable
from dataclasses import dataclass

from lark import Token, Tree

from bem.domain.profile import words
from bem.domain.profile.amounts import Amount, current, read_amount, report_dimension
from bem.domain.profile.context import Line
from bem.domain.profile.ends import read_end
from bem.domain.profile.instructions import read_instruction
from bem.domain.profile.model import (
    MAX_PASSES,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    End,
    Record,
    Rest,
    Step,
)
from bem.domain.profile.problems import Problem, Span
from bem.domain.profile.syntax import parse_line
from bem.domain.units import Dimension

_MOST_DIGITS = 12
"""Digits beyond which a number of passes is too large without being looked at."""


@dataclass(frozen=True, slots=True)
class LoopHead:
    """A line that opens a loop. ``times`` is ``None`` if it could not be understood."""

    times: int | None
    source: Span


@dataclass(frozen=True, slots=True)
class _After:
    """What follows the set point."""

    ends: tuple[End, ...]
    record: Record | None


def read_line(code: str, number: int) -> tuple[Step | LoopHead | None, list[Problem]]:
    """Read one line, given without its comment but with its indentation.

    Returns:
        The step or loop head, or ``None`` if the line has to be mended first, and every problem
        found in it. With problems, the step may lack the parts they are about.
    """
    line = Line(code, number)
    tree = parse_line(line)
    if tree is None:
        broken = LoopHead(None, line.whole) if words.opens_loop(line.code) else None
        return broken, line.problems
    readers: dict[str, Callable[[Line, Tree[Token]], Step | LoopHead | None]] = {
        "step": _read_step,
        "repeat": _read_repeat,
        "instruction": read_instruction,
    }
    return readers[tree.data](line, tree), line.problems


def _read_repeat(line: Line, tree: Tree[Token]) -> LoopHead:
    token = next(one for one in tree.children if isinstance(one, Token))
    digits = token.value
    is_count = digits.isdigit() and len(digits) <= _MOST_DIGITS
    times = int(digits) if is_count else None
    if times is None or not 1 <= times <= MAX_PASSES:
        line.report(
            line.span(token),
            f"a loop runs 1 to {MAX_PASSES:,} times, a whole number; found {digits}",
            expected=("a number of times such as 500",),
        )
        times = None
    return LoopHead(times=times, source=line.whole)


def _read_step(line: Line, tree: Tree[Token]) -> Step | None:
    verb = next(one.type for one in tree.children if isinstance(one, Token))
    parts = [one for one in tree.children if isinstance(one, Tree)]
    if verb in ("REST", "WAIT"):
        after = _read_after(line, parts)
        return Rest(ends=after.ends, record=after.record, source=line.whole)
    amount = read_amount(line, parts[0], words.setpoints(verb))
    after = _read_after(line, parts[1:])
    if amount is None:
        return None
    if verb == "HOLD":
        return _hold(line, amount, after)
    return _drive(line, amount, after, charge=verb == "CHARGE")


def _read_after(line: Line, parts: list[Tree[Token]]) -> _After:
    ends: list[End] = []
    record = None
    for part in parts:
        if part.data == "end":
            end = read_end(line, part)
            if end is not None:
                ends.append(end)
        else:
            record = _read_record(line, part)
    return _After(tuple(ends), record)


def _hold(line: Line, amount: Amount, after: _After) -> ConstantVoltage | None:
    if amount.dimension is not Dimension.VOLTAGE:
        hint = ""
        if amount.dimension in (Dimension.CURRENT, Dimension.POWER):
            hint = f"; for a constant {amount.dimension} write 'Charge at' or 'Discharge at'"
        report_dimension(line, amount, words.setpoints("HOLD"), hint)
        return None
    return ConstantVoltage(
        voltage=amount.value,
        ends=after.ends,
        record=after.record,
        source=line.whole,
        setpoint_source=amount.span,
    )


def _drive(
    line: Line, amount: Amount, after: _After, *, charge: bool
) -> ConstantCurrent | ConstantPower | None:
    if not _can_drive(line, amount, charge=charge):
        return None
    signed = amount.value if charge else -amount.value
    if amount.dimension is Dimension.POWER:
        return ConstantPower(
            power=signed,
            ends=after.ends,
            record=after.record,
            source=line.whole,
            setpoint_source=amount.span,
        )
    return ConstantCurrent(
        current=current(amount, signed),
        ends=after.ends,
        record=after.record,
        source=line.whole,
        setpoint_source=amount.span,
    )


def _can_drive(line: Line, amount: Amount, *, charge: bool) -> bool:
    verb, other = ("Charge", "Discharge") if charge else ("Discharge", "Charge")
    expected = words.setpoints("CHARGE")
    if amount.dimension not in (Dimension.CURRENT, Dimension.POWER):
        is_voltage = amount.dimension is Dimension.VOLTAGE
        hint = f"; to hold a voltage write 'Hold at {amount.text}'" if is_voltage else ""
        report_dimension(line, amount, expected, hint)
        return False
    if amount.value < 0:
        line.report(
            amount.span,
            f"'{verb}' already gives the direction: write the value without a sign, or "
            f"'{other} at {amount.unsigned}'",
            suggestion=amount.unsigned,
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


def _read_record(line: Line, tree: Tree[Token]) -> Record | None:
    is_rule = tree.data == "record"  # else "(1 minute period)", which knows durations only
    expected = words.CHANGES if is_rule else (Dimension.DURATION.example,)
    changes = (Dimension.VOLTAGE, Dimension.CURRENT) if is_rule else ()
    found: dict[Dimension, float] = {}
    for part in tree.children:
        amount = read_amount(line, part, expected) if isinstance(part, Tree) else None
        if amount is None:
            continue
        if amount.is_rate or amount.dimension not in (Dimension.DURATION, *changes):
            report_dimension(line, amount, expected)
        elif amount.value <= 0:
            line.report(amount.span, f"recording needs a value above 0; found {amount.text}")
        elif amount.dimension in found:
            message = f"the record rule already has a {amount.dimension}: keep one of them"
            line.report(amount.span, message)
        else:
            found[amount.dimension] = amount.value
    if not found:
        return None
    return Record(
        every=found.get(Dimension.DURATION),
        voltage_change=found.get(Dimension.VOLTAGE),
        current_change=found.get(Dimension.CURRENT),
    )
