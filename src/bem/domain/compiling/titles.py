"""What the steps of a program are called: as they were written, with C-rates as amperes."""

from bem.domain import program as compiled
from bem.domain.profile.model import (
    Amperes,
    ConstantCurrent,
    ConstantPower,
    CRate,
    CurrentEnd,
    End,
    Step,
)
from bem.domain.profile.printing import print_current, print_end, print_setpoint
from bem.domain.units import Dimension, format_value


def title_of(step: Step, setpoint: compiled.Setpoint, ends: list[End]) -> str:
    """``Charge at 1.25 A until 4.2 V``."""
    shown = step
    if isinstance(step, ConstantCurrent):
        amperes = Amperes(value=rounded(setpoint.value))
        if step.current != amperes:
            shown = step.model_copy(update={"current": amperes})
    elif step.given_by:
        shown = step.model_copy(update={"given_by": ()})
    return " ".join([print_setpoint(shown), " or ".join(map(_print_end, ends))]).rstrip()


def shown_setpoint(step: Step, value: float) -> str:
    """The set point as written, with its amperes if it is a C-rate: ``2C (5 A)``."""
    match step:
        case ConstantCurrent() if step.current.given_by or isinstance(step.current, CRate):
            amperes = format_value(rounded(abs(value)), Dimension.CURRENT)
            return f"{print_current(step.current)} ({amperes})"
        case ConstantCurrent():
            return print_current(step.current)
        case ConstantPower():
            return format_value(abs(value), Dimension.POWER)
        case _:
            return format_value(value, Dimension.VOLTAGE)


def rounded(value: float) -> float:
    """To what a person reads; the program keeps the exact value."""
    return float(f"{value:.6g}")


def _print_end(end: End) -> str:
    if isinstance(end, CurrentEnd):
        amperes = Amperes(value=rounded(end.value.value))
        return print_end(end.model_copy(update={"value": amperes}))
    return print_end(end.model_copy(update={"given_by": ()}) if end.given_by else end)
