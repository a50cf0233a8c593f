"""Set points inside what battery, station and profile allow."""

from functools import partial

from bem.domain import program as compiled
from bem.domain.compiling.context import Context
from bem.domain.compiling.titles import shown_setpoint
from bem.domain.profile.bounds import Bound, Bounded
from bem.domain.profile.model import (
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Pause,
    Rest,
    Step,
    VoltageEnd,
)
from bem.domain.program import Mode
from bem.domain.units import Dimension, format_value

_ROUNDING = 1 + 1e-9


def setpoint_of(
    context: Context,
    step: Rest | Pause | ConstantCurrent | ConstantVoltage | ConstantPower | ConstantResistance,
) -> compiled.Setpoint | None:
    """Get what the power path holds during a step; ``None`` with a problem, or if not known."""
    match step:
        case Rest() | Pause():
            return compiled.REST
        case ConstantCurrent():
            value = context.amperes(step.current)
            return None if value is None else _bounded(context, step, Mode.CC, value, "current")
        case ConstantVoltage():
            return _bounded(context, step, Mode.CV, step.voltage, "voltage")
        case ConstantPower():
            return _power(context, step)
        case ConstantResistance():
            return _resistance(context, step)


def _bounded(
    context: Context, step: Step, mode: Mode, value: float, quantity: Bounded
) -> compiled.Setpoint | None:
    value = context.bounds.fit(value, quantity)
    breach = context.bounds.breach(value, quantity, lambda: shown_setpoint(step, value))
    if breach is None:
        return compiled.Setpoint(mode=mode, value=value)
    place = step.setpoint_source or step.source
    context.report(place, breach.message, suggestion=breach.suggestion)
    return None


def _power(context: Context, step: ConstantPower) -> compiled.Setpoint | None:
    setpoint = _bounded(context, step, Mode.CP, step.power, "power")
    if setpoint is not None:
        ends = [end.value for end in step.ends if isinstance(end, VoltageEnd)]
        only = ends[0] if len(ends) == len(step.ends) == 1 else None
        check_current_of_power(context, step, step.power, only_end=only)
    return setpoint


def check_current_of_power(
    context: Context, step: Step, power: float, *, only_end: float | None = None
) -> None:
    """Refuse a power (W, signed) whose current is certain to pass its bound.

    The current is least at the highest voltage. A discharge that ends at a voltage alone
    (``only_end``, V) certainly comes down to it, where its current is greatest.
    """
    charge = power > 0
    bounds = context.bounds
    bound = bounds.highest("current") if charge else bounds.lowest("current")
    top = bounds.highest("voltage")
    voltage = top.value if top is not None else None
    if not charge and only_end is not None:
        voltage = only_end
    if bound is None or voltage is None or voltage <= 0:
        return
    current = abs(power) / voltage
    if current <= abs(bound.value) * _ROUNDING:
        return
    shown = format_value(abs(power), Dimension.POWER)
    context.report(
        step.setpoint_source or step.source,
        f"{shown} at {format_value(voltage, Dimension.VOLTAGE)} is {current:.4g} A, above "
        f"{_most(bound, charge=charge)}: lower the power"
        + ("" if charge else " or end at a higher voltage"),
        suggestion=f"{abs(bound.value) * voltage:.4g} W" if bound.value else None,
    )


def _most(bound: Bound, *, charge: bool) -> str:
    limit = format_value(abs(bound.value), Dimension.CURRENT)
    if bound.kind == "limit":
        return f"{limit}, the limit of {bound.owner}"
    return f"{limit}, the most {bound.owner} {'takes' if charge else 'gives'}"


def _resistance(context: Context, step: ConstantResistance) -> compiled.Setpoint | None:
    """Refuse a resistance whose current or power at the highest voltage passes its bound."""
    setpoint = compiled.Setpoint(mode=Mode.CR, value=step.resistance)
    top = context.bounds.highest("voltage")
    if top is None or top.value <= 0:
        return setpoint
    current, power = top.value / step.resistance, top.value**2 / step.resistance
    quantities: tuple[tuple[Bounded, float, Dimension, float], ...] = (
        ("current", current, Dimension.CURRENT, top.value),
        ("power", power, Dimension.POWER, top.value**2),
    )
    for quantity, value, dimension, scale in quantities:
        if value <= _least_room(context, quantity) * _ROUNDING:
            continue
        written = partial(_drawn, step, top.value, value, dimension)
        breach = context.bounds.breach(-value, quantity, written)
        room = _least_room(context, quantity)
        context.report(
            step.setpoint_source or step.source,
            "" if breach is None else _without_hint(breach.message),
            suggestion=f"{_up(scale / room)} ohm" if room > 0 else None,
        )
        return None
    return setpoint


def _drawn(step: ConstantResistance, voltage: float, value: float, dimension: Dimension) -> str:
    return (
        f"{format_value(float(f'{value:.4g}'), dimension)}, which "
        f"{format_value(step.resistance, Dimension.RESISTANCE)} draws at "
        f"{format_value(voltage, Dimension.VOLTAGE)},"
    )


def _least_room(context: Context, quantity: Bounded) -> float:
    """How much may be drawn, as a magnitude; infinite where nothing bounds it."""
    bound = context.bounds.lowest(quantity)
    return float("inf") if bound is None else abs(min(bound.value, 0.0))


def _without_hint(message: str) -> str:
    """What the bound says, without its hint at a current: a resistance is what is to change."""
    return f"{message.split(';', maxsplit=1)[0]}; take a higher resistance"


def _up(value: float) -> str:
    """Four digits that are not below the value."""
    shown = float(f"{value:.4g}")
    return f"{shown if shown >= value else value * 1.0005:.4g}"
