"""The model back to text, such that parsing it gives the same model again."""

from collections.abc import Iterator

from bem.domain.profile.model import (
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CRate,
    Current,
    CurrentEnd,
    DurationEnd,
    End,
    Item,
    Profile,
    Record,
    Repeat,
    Rest,
    Side,
    Step,
    VoltageEnd,
)
from bem.domain.units import Dimension, format_rate, format_value

_INDENT = "    "


def print_profile(profile: Profile) -> str:
    """The text of a profile, one line a step, with a final newline unless it is empty."""
    lines = [] if profile.name is None else [f"Profile: {profile.name}"]
    for item in profile.body:
        lines.extend(_lines(item))
    return "".join(f"{line}\n" for line in lines)


def print_step(step: Step) -> str:
    """The line of one step, without indentation."""
    words = [print_setpoint(step)]
    words.extend(
        print_end(end) if index == 0 else f"or {print_end(end)}"
        for index, end in enumerate(step.ends)
    )
    line = " ".join(words)
    return line if step.record is None else f"{line}    {_record(step.record)}"


def print_setpoint(step: Step) -> str:
    """The line of a step up to its ends: ``Charge at C/2``."""
    match step:
        case Rest():
            return "Rest"
        case ConstantVoltage():
            return f"Hold at {format_value(step.voltage, Dimension.VOLTAGE)}"
        case ConstantPower():
            verb = "Charge" if step.power > 0 else "Discharge"
            return f"{verb} at {format_value(abs(step.power), Dimension.POWER)}"
        case ConstantCurrent():
            verb = "Charge" if step.current.value > 0 else "Discharge"
            return f"{verb} at {print_current(step.current)}"


def print_current(current: Current) -> str:
    """The magnitude of a current as it was given: in A or as a C-rate."""
    if isinstance(current, CRate):
        return format_rate(abs(current.value))
    return format_value(abs(current.value), Dimension.CURRENT)


def print_end(end: End) -> str:
    """One end with its leading word: ``until 4.2 V``, ``for 2 hours``."""
    match end:
        case DurationEnd():
            return f"for {format_value(end.value, Dimension.DURATION)}"
        case CapacityEnd():
            return f"until {format_value(end.value, Dimension.CAPACITY)}"
        case VoltageEnd():
            shown = format_value(end.value, Dimension.VOLTAGE)
            return f"until {_side('voltage', end.side)}{shown}"
        case CurrentEnd():
            return f"until {_side('current', end.side)}{print_current(end.value)}"


def _side(quantity: str, side: Side | None) -> str:
    return "" if side is None else f"{quantity} {side} "


def _record(record: Record) -> str:
    values = (
        (record.every, Dimension.DURATION),
        (record.voltage_change, Dimension.VOLTAGE),
        (record.current_change, Dimension.CURRENT),
    )
    shown = [format_value(value, dimension) for value, dimension in values if value is not None]
    return f"record every {' or '.join(shown)}"


def _lines(item: Item, depth: int = 0) -> Iterator[str]:
    lead = _INDENT * depth
    if isinstance(item, Repeat):
        yield f"{lead}Repeat {item.times} {'time' if item.times == 1 else 'times'}:"
        for inner in item.body:
            yield from _lines(inner, depth + 1)
    else:
        yield lead + print_step(item)
