"""Ends at a voltage, a current or a power: on which side, whether sensible, whether reached."""

from bem.domain.compiling.context import Context
from bem.domain.compiling.resolved import Resolved, compare_of, resolved
from bem.domain.profile.loops import direction
from bem.domain.profile.model import (
    Amperes,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    CurrentEnd,
    Driven,
    PowerEnd,
    PulseTrain,
    Rest,
    Side,
    Step,
    Table,
    VoltageEnd,
)
from bem.domain.profile.printing import print_current
from bem.domain.program import Quantity
from bem.domain.units import Dimension, format_value

_ROUNDING = 1 + 1e-9


def voltage_end(context: Context, step: Step, end: VoltageEnd) -> Resolved | None:
    """Resolve an end at a voltage; ``None`` with a problem."""
    side = end.side or natural_voltage_side(step)
    if side is None:
        shown = format_value(end.value, Dimension.VOLTAGE)
        context.report(
            end,
            f"{_why_no_side(step)}: write 'voltage above {shown}' or 'voltage below {shown}'",
            expected=(f"voltage above {shown}", f"voltage below {shown}"),
        )
        return None
    threshold = context.bounds.fit(end.value, "voltage")
    breach = context.bounds.breach(
        threshold, "voltage", lambda: format_value(end.value, Dimension.VOLTAGE)
    )
    if breach is not None:
        suggestion = f"until {breach.suggestion}" if breach.suggestion else None
        context.report(
            end,
            f"this end lies beyond the limits: {breach.message}",
            suggestion=suggestion if end.side is None else None,
        )
        return None
    reached = _voltage_is_reached(step, end.value, side)
    return resolved(end, Quantity.VOLTAGE, compare_of(side), threshold, reached=reached)


def natural_voltage_side(step: Step) -> Side | None:
    """From where a step comes to a voltage; ``None`` where it may come from either side."""
    towards = direction(step)
    if towards == 0 or (isinstance(step, Table | PulseTrain) and _goes_both_ways(step)):
        return None
    return Side.ABOVE if towards > 0 else Side.BELOW


def _goes_both_ways(step: Table | PulseTrain) -> bool:
    if isinstance(step, PulseTrain):
        values = [pulse.value for pulse in step.pulses]
    else:
        values = [value for _, value in step.points]
    return max(values) > 0 > min(values)


def _why_no_side(step: Step) -> str:
    if isinstance(step, ConstantVoltage):
        return "a hold keeps its own voltage; it usually ends at a current such as C/20"
    if isinstance(step, Rest):
        return "a rest may reach it from either side"
    return "this step charges and discharges, and may reach it from either side"


def _voltage_is_reached(step: Step, value: float, side: Side) -> bool:
    if isinstance(step, Rest):
        return True
    if isinstance(step, ConstantVoltage):
        return value <= step.voltage if side is Side.ABOVE else value >= step.voltage
    return side is natural_voltage_side(step)


def current_end(context: Context, step: Step, end: CurrentEnd) -> Resolved | None:
    """Resolve an end at a current; ``None`` with a problem, or where a C-rate is not known."""
    if isinstance(step, Rest):
        context.report(
            end,
            "no current flows in a rest: end it by a duration or a voltage",
            expected=(Dimension.DURATION.example, Dimension.VOLTAGE.example),
        )
        return None
    if isinstance(step, ConstantCurrent):
        context.report(
            end,
            "the current of this step is constant: end it by a duration, a voltage or a "
            "capacity, or hold a voltage until a current",
            expected=(
                Dimension.DURATION.example,
                Dimension.VOLTAGE.example,
                Dimension.CAPACITY.example,
            ),
        )
        return None
    if _drives(step, Driven.CURRENT, Driven.C_RATE):
        _report_driven(context, end, "current")
        return None
    value = context.amperes(end.value)
    if value is None or _is_beyond_current(context, end, value):
        return None
    falls = isinstance(step, ConstantResistance) or direction(step) >= 0
    natural = Side.BELOW if falls else Side.ABOVE
    side = end.side or natural
    return resolved(
        end,
        Quantity.CURRENT,
        compare_of(side),
        value,
        reached=side is natural and value > 0 and _comes_down_to(context, step, value),
        title=end.model_copy(update={"value": Amperes(value=value)}),
    )


def _comes_down_to(context: Context, step: Step, current: float) -> bool:
    """Whether a discharge through a resistance has so small a current at its lowest voltage."""
    low = context.bounds.lowest("voltage")
    if not isinstance(step, ConstantResistance) or low is None:
        return True
    return current * step.resistance >= low.value


def _drives(step: Step, *what: Driven) -> bool:
    return isinstance(step, Table | PulseTrain) and step.drives in what


def _report_driven(context: Context, end: CurrentEnd | PowerEnd, quantity: str) -> None:
    context.report(
        end,
        f"the {quantity} of this step is what it drives: end it by a duration, a voltage or a "
        "capacity",
        expected=(
            Dimension.DURATION.example,
            Dimension.VOLTAGE.example,
            Dimension.CAPACITY.example,
        ),
    )


def _is_beyond_current(context: Context, end: CurrentEnd, value: float) -> bool:
    bounds = (context.bounds.highest("current"), context.bounds.lowest("current"))
    known = [abs(bound.value) for bound in bounds if bound is not None]
    if len(known) < len(bounds) or value <= max(known) * _ROUNDING:
        return False
    context.report(
        end,
        f"{print_current(end.value)} is above {max(known):g} A, the highest current there "
        "will be, so this end makes no sense: check the number and its unit",
        expected=(f"a current below {max(known):g} A",),
    )
    return True


def power_end(context: Context, step: Step, end: PowerEnd) -> Resolved | None:
    """Resolve an end at a power; ``None`` with a problem."""
    if isinstance(step, Rest):
        context.report(
            end,
            "no power flows in a rest: end it by a duration or a voltage",
            expected=(Dimension.DURATION.example, Dimension.VOLTAGE.example),
        )
        return None
    if isinstance(step, ConstantPower) or _drives(step, Driven.POWER):
        _report_driven(context, end, "power")
        return None
    if _is_beyond_power(context, end):
        return None
    charges = isinstance(step, ConstantCurrent) and direction(step) > 0
    natural = Side.ABOVE if charges else Side.BELOW
    side = end.side or natural
    return resolved(
        end,
        Quantity.POWER,
        compare_of(side),
        end.value,
        reached=side is natural and end.value > 0 and _power_is_reached(context, step, end.value),
    )


def _power_is_reached(context: Context, step: Step, power: float) -> bool:
    """Whether the power of a step comes to a value while the voltage keeps its bounds."""
    low, high = context.bounds.lowest("voltage"), context.bounds.highest("voltage")
    match step:
        case ConstantResistance():
            return low is None or power * step.resistance >= low.value**2
        case ConstantCurrent():
            current = context.amperes(step.current)
            bound = high if direction(step) > 0 else low
            if current is None or bound is None:
                return True
            at_bound = abs(current) * bound.value
            return power <= at_bound if direction(step) > 0 else power >= at_bound
        case _:
            return isinstance(step, ConstantVoltage)


def _is_beyond_power(context: Context, end: PowerEnd) -> bool:
    bounds = (context.bounds.highest("power"), context.bounds.lowest("power"))
    top = context.bounds.highest("voltage")
    currents = (context.bounds.highest("current"), context.bounds.lowest("current"))
    known = [abs(bound.value) for bound in bounds if bound is not None]
    most = max(known) if len(known) == len(bounds) else float("inf")
    amperes = [abs(bound.value) for bound in currents if bound is not None]
    if top is not None and len(amperes) == len(currents):
        most = min(most, top.value * max(amperes))
    if end.value <= most * _ROUNDING:
        return False
    context.report(
        end,
        f"{format_value(end.value, Dimension.POWER)} is above {most:.4g} W, the highest power "
        "there will be, so this end makes no sense: check the number and its unit",
        expected=(f"a power below {most:.4g} W",),
    )
    return True
