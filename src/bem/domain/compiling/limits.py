"""Limits of a profile and of its steps: they may only tighten what holds anyway."""

from bem.domain import program as compiled
from bem.domain.compiling.context import Context
from bem.domain.limits import Limits
from bem.domain.profile.bounds import Bound, Bounded
from bem.domain.profile.model import Limit, Limited, Side
from bem.domain.profile.printing import print_limit
from bem.domain.units import Dimension, format_value

_CHANNELS = {
    Limited.TEMPERATURE: "temperature",
    Limited.CELL_VOLTAGE: "cell_voltage_",
    Limited.FLOW: "flow",
}
_BOUNDED: dict[Limited, tuple[Bounded, Dimension]] = {
    Limited.VOLTAGE: ("voltage", Dimension.VOLTAGE),
    Limited.CURRENT: ("current", Dimension.CURRENT),
    Limited.POWER: ("power", Dimension.POWER),
}


def compile_limits(
    context: Context, limits: tuple[Limit, ...], owner: str
) -> tuple[compiled.Limit, ...]:
    """Turn limits into those of a program; those that cannot be are problems. ``owner`` as there.

    ``context`` is what holds without them.
    """
    for limit in limits:
        _check(context, limit)
    return tuple(
        compiled.Limit(
            quantity=compiled.Limited(limit.quantity),
            compare=(
                compiled.Compare.AT_LEAST if limit.side is Side.ABOVE else compiled.Compare.AT_MOST
            ),
            threshold=limit.value,
            delay_s=limit.delay_s,
            owner=owner,
        )
        for limit in limits
    )


def _check(context: Context, limit: Limit) -> None:
    channel = _CHANNELS.get(limit.quantity)
    if channel is not None and context.lacks_channel(channel) and context.station is not None:
        name = limit.quantity.replace("_", " ")
        context.report(
            limit,
            f"the station '{context.station.name}' reads no {name}, so nothing would keep the "
            f"limit '{print_limit(limit)}': take it out, or a station that has a sensor",
        )
    elif limit.quantity in _BOUNDED:
        _check_bounded(context, limit)
    elif limit.quantity is Limited.TEMPERATURE:
        _check_temperature(context, limit)


def _check_bounded(context: Context, limit: Limit) -> None:
    quantity, dimension = _BOUNDED[limit.quantity]
    low, high = context.bounds.lowest(quantity), context.bounds.highest(quantity)
    above = limit.side is Side.ABOVE
    same, other = (high, low) if above else (low, high)
    if same is not None and _is_beyond(limit.value, same.value, above=above):
        _report_looser(context, limit, same, dimension)
    elif other is not None and not _is_beyond(limit.value, other.value, above=above):
        shown = format_value(other.value, dimension)
        context.report(
            limit,
            f"the limit '{print_limit(limit)}' leaves nothing: {_its(other, quantity)} is {shown}",
        )
    elif quantity != "voltage" and (limit.value < 0 if above else limit.value > 0):
        context.report(
            limit,
            f"the limit '{print_limit(limit)}' does not even allow a rest, where the {quantity} "
            f"is 0: charging is positive, discharging negative",
        )


def _is_beyond(value: float, bound: float, *, above: bool) -> bool:
    return value > bound if above else value < bound


def _report_looser(context: Context, limit: Limit, bound: Bound, dimension: Dimension) -> None:
    shown = format_value(bound.value, dimension)
    context.report(
        limit,
        f"the limit '{print_limit(limit)}' is looser than {shown}, the limit of {bound.owner}, "
        f"which holds anyway: a profile can only tighten it. Use {shown} or less far, or take "
        "it out",
    )


def _its(bound: Bound, quantity: str) -> str:
    return f"the other bound of {bound.owner} for the {quantity}"


def _check_temperature(context: Context, limit: Limit) -> None:
    above = limit.side is Side.ABOVE
    sources: list[tuple[str, Limits]] = []
    if context.battery is not None:
        sources.append((f"the battery '{context.battery.name}'", context.battery.limits))
    if context.station is not None:
        sources.append((f"the station '{context.station.name}'", context.station.limits))
    for owner, limits in sources:
        bound = limits.temperature_max if above else limits.temperature_min
        if bound is not None and _is_beyond(limit.value, bound, above=above):
            _report_looser(context, limit, Bound(bound, owner, "battery"), Dimension.TEMPERATURE)
            return
