"""The one-line instructions of the predecessor: ``WAIT, t``, ``CC, i, TIME|VOLTAGE, x`` and so on.

Besides those it had, its limit POWER, which it never finished, is understood after each mode.

Values are in V, A, W and s; a positive sign charges. They mean steps of the model like any other,
and print as such.
"""

from lark import Token, Tree

from bem.domain.profile.amounts import Amount, read_number
from bem.domain.profile.context import Line, either
from bem.domain.profile.ends import NAMED, build_end
from bem.domain.profile.model import (
    Amperes,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    DurationEnd,
    End,
    Rest,
    Step,
    VoltageEnd,
)
from bem.domain.units import Dimension, format_number, format_value, si_unit

_LIMITS = {
    "CC": ("TIME", "VOLTAGE", "POWER"),
    "CV": ("TIME", "CURRENT", "POWER"),
    "CP": ("TIME", "VOLTAGE", "CURRENT", "POWER"),
}


def read_instruction(line: Line, tree: Tree[Token]) -> Step | None:
    """The step of an instruction, or ``None`` with a report."""
    tokens = [one for one in tree.children if isinstance(one, Token)]
    mode, first, *limit = tokens
    value = read_number(line, first)
    if value is None:
        return None
    if not limit:
        end = _end(line, "TIME", value, first)
        return Rest(ends=(end,), source=line.whole, label=line.label) if end is not None else None
    kind, second = limit
    if kind.type not in _LIMITS[mode.type]:
        line.report(
            line.span(kind),
            f"{mode.type} ends at {either(_LIMITS[mode.type])}; found {kind.value}",
            expected=_LIMITS[mode.type],
        )
        return None
    threshold = read_number(line, second)
    end = _end(line, kind.type, threshold, second) if threshold is not None else None
    return _step(line, mode.type, value, first, end) if end is not None else None


def _end(line: Line, limit: str, value: float, token: Token) -> End | None:
    dimension = {"TIME": Dimension.DURATION, **NAMED}[limit]
    # Its limits of a current and a power carry the sign of the direction, ours are magnitudes.
    value = abs(value) if dimension in (Dimension.CURRENT, Dimension.POWER) else value
    span = line.span(token)
    shown = f"{format_number(value)} {si_unit(dimension).symbol}"
    return build_end(line, Amount(value, dimension, is_rate=False, span=span, text=shown), span)


def _step(line: Line, mode: str, value: float, token: Token, end: End) -> Step | None:
    span, whole, label = line.span(token), line.whole, line.label
    if mode == "CV":
        return ConstantVoltage(
            voltage=value, ends=(end,), source=whole, label=label, setpoint_source=span
        )
    if value == 0:
        return _zero(line, mode, end)
    if mode == "CP":
        return ConstantPower(
            power=value, ends=(end,), source=whole, label=label, setpoint_source=span
        )
    return ConstantCurrent(
        current=Amperes(value=value, source=span),
        ends=(end,),
        source=whole,
        label=label,
        setpoint_source=span,
    )


def _zero(line: Line, mode: str, end: End) -> Step | None:
    """No current and no power are a rest, as long as it is clear when it ends."""
    if isinstance(end, DurationEnd):
        return Rest(ends=(end,), source=line.whole, label=line.label)
    remedy = "end it at a TIME"
    if isinstance(end, VoltageEnd):
        shown = format_value(end.value, Dimension.VOLTAGE)
        remedy = f"write 'Rest until voltage above {shown}' or '... below {shown}'"
    line.report(
        line.whole,
        f"{mode} with 0 is a rest, and it is not known from which side it comes to its end: "
        f"{remedy}",
    )
    return None
