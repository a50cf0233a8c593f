"""What ends a step, as the program has it; and whether any of it is certain to come."""

from collections.abc import Callable
from typing import Any

from bem.domain.compiling.context import Context
from bem.domain.compiling.electric_ends import current_end, power_end, voltage_end
from bem.domain.compiling.resolved import Resolved, compare_of, resolved
from bem.domain.profile.loops import direction
from bem.domain.profile.model import (
    CapacityEnd,
    ConstantVoltage,
    CurrentEnd,
    DurationEnd,
    End,
    EnergyEnd,
    Node,
    Pause,
    PowerEnd,
    PulseTrain,
    Rest,
    Side,
    SlopeEnd,
    Step,
    Table,
    TemperatureEnd,
    VoltageDropEnd,
    VoltageEnd,
)
from bem.domain.profile.printing import print_end, print_step
from bem.domain.program import Compare, Quantity
from bem.domain.units import Dimension, format_value

LONGEST_DURATION = 10 * 365 * 86400.0
"""Longest duration (s) that can be meant: ten years."""
MOST_CAPACITY = 2.0
"""Multiple of a battery's capacity beyond which an end at a charge moved never comes."""


def resolve_end(context: Context, step: Step, end: End) -> Resolved | None:
    """Resolve an end of a step; ``None`` with a problem, or if something is not known yet."""
    if isinstance(step, Pause) and not isinstance(end, DurationEnd):
        context.report(
            end,
            "a pause waits for a person: it may end by a duration, and by nothing that is read",
            expected=(Dimension.DURATION.example,),
        )
        return None
    return _RESOLVE[type(end)](context, step, end)


def _duration_end(context: Context, _: Step, end: DurationEnd) -> Resolved | None:
    if end.value > LONGEST_DURATION:
        context.report(
            end, f"'{print_end(end)}' is longer than ten years: check the number and its unit"
        )
        return None
    return resolved(end, Quantity.DURATION, Compare.AT_LEAST, end.value, reached=True)


def _capacity_end(context: Context, step: Step, end: CapacityEnd) -> Resolved | None:
    if _moves_nothing(context, step, end, "charge"):
        return None
    known = None if context.battery is None else context.battery.capacity
    reached = known is None or end.value <= MOST_CAPACITY * known
    return resolved(end, Quantity.CAPACITY, Compare.AT_LEAST, end.value, reached=reached)


def _energy_end(context: Context, step: Step, end: EnergyEnd) -> Resolved | None:
    if _moves_nothing(context, step, end, "energy"):
        return None
    known = None if context.battery is None else context.battery.capacity
    top = context.bounds.highest("voltage")
    reached = known is None or top is None or end.value <= MOST_CAPACITY * known * top.value
    return resolved(end, Quantity.ENERGY, Compare.AT_LEAST, end.value, reached=reached)


def _moves_nothing(context: Context, step: Step, end: End, what: str) -> bool:
    if not isinstance(step, Rest):
        return False
    context.report(
        end,
        f"a rest moves no {what}: end it by a duration or a voltage",
        expected=(Dimension.DURATION.example, Dimension.VOLTAGE.example),
    )
    return True


def _temperature_end(context: Context, _: Step, end: TemperatureEnd) -> Resolved | None:
    if context.lacks_channel("temperature") and context.station is not None:
        context.report(
            end,
            f"the station '{context.station.name}' reads no temperature: take another end, or a "
            "station that has a sensor",
        )
        return None
    limits = None if context.battery is None else context.battery.limits
    if limits is not None and context.battery is not None:
        whose = f"the battery '{context.battery.name}'"
        shown = format_value(end.value, Dimension.TEMPERATURE)
        for bound, side, most in (
            (limits.temperature_max, Side.ABOVE, "most"),
            (limits.temperature_min, Side.BELOW, "least"),
        ):
            if bound is None:
                continue
            beyond = end.value > bound if side is Side.ABOVE else end.value < bound
            if beyond:
                limit = format_value(bound, Dimension.TEMPERATURE)
                context.report(
                    end,
                    f"this end lies beyond the limits: {shown} is {side} {limit}, the {most} "
                    f"{whose} may have",
                )
                return None
    return resolved(end, Quantity.TEMPERATURE, compare_of(end.side), end.value, reached=False)


def _voltage_drop_end(context: Context, step: Step, end: VoltageDropEnd) -> Resolved | None:
    if _keeps_its_voltage(context, step, end, "falls"):
        return None
    low, high = context.bounds.lowest("voltage"), context.bounds.highest("voltage")
    window = None if low is None or high is None else high.value - low.value
    if window is not None and end.value > window:
        context.report(
            end,
            f"'{print_end(end)}' is more than all of the allowed voltage, "
            f"{format_value(float(f'{window:.6g}'), Dimension.VOLTAGE)}: check the number and its "
            "unit",
        )
        return None
    reached = direction(step) < 0
    return resolved(end, Quantity.VOLTAGE_DROP, Compare.AT_LEAST, end.value, reached=reached)


def _slope_end(context: Context, step: Step, end: SlopeEnd) -> Resolved | None:
    if _keeps_its_voltage(context, step, end, "changes"):
        return None
    reached = isinstance(step, Rest) and end.side is Side.BELOW
    return resolved(end, Quantity.SLOPE, compare_of(end.side), end.value, reached=reached)


def _keeps_its_voltage(context: Context, step: Step, end: End, does: str) -> bool:
    if not isinstance(step, ConstantVoltage):
        return False
    context.report(
        end,
        f"a hold keeps its voltage, which therefore never {does}; it usually ends at a current "
        "such as C/20",
        expected=(Dimension.CURRENT.example, Dimension.DURATION.example),
    )
    return True


# By the type of the end; each takes an end of its own type.
_RESOLVE: dict[type[Node], Callable[[Context, Step, Any], Resolved | None]] = {
    DurationEnd: _duration_end,
    VoltageEnd: voltage_end,
    CurrentEnd: current_end,
    CapacityEnd: _capacity_end,
    PowerEnd: power_end,
    EnergyEnd: _energy_end,
    TemperatureEnd: _temperature_end,
    VoltageDropEnd: _voltage_drop_end,
    SlopeEnd: _slope_end,
}


def check_reached(context: Context, step: Step, ends: list[Resolved]) -> None:
    """Refuse a step that may never end. Tables, pulse trains and pauses end in any case."""
    if isinstance(step, Table | PulseTrain | Pause) or any(one.reached for one in ends):
        return
    proposal = _proposed_end(context, step)
    example = print_end(proposal)
    mended = print_step(step.model_copy(update={"ends": (*step.ends, proposal)}))
    if ends:
        shown = "' and '".join(print_end(one.title) for one in ends)
        message = (
            f"this step may never end: it cannot be relied upon to come to '{shown}'. "
            f"Add an end that is reached, such as '{example}'"
        )
    else:
        message = f"this step has no end: say until what or for how long, such as '{example}'"
    expected = (f"'until' and {Dimension.VOLTAGE.example}", "'for' and a duration")
    context.report(step, message, expected=expected, suggestion=mended)


def _proposed_end(context: Context, step: Step) -> End:
    """An end that makes sense for the step, to show in a message."""
    towards = direction(step)
    bound = None
    if towards > 0:
        bound = context.bounds.highest("voltage")
    elif towards < 0:
        bound = context.bounds.lowest("voltage")
    if bound is not None and bound.kind != "limit":
        return VoltageEnd(value=bound.value)
    return DurationEnd(value=1800.0 if isinstance(step, Rest) else 7200.0)
