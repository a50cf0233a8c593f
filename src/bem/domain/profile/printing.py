"""The model back to text, such that parsing it gives the same model again."""

from collections.abc import Iterator

from bem.domain.profile.amounts import dimension_of
from bem.domain.profile.model import (
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    CRate,
    Current,
    CurrentEnd,
    Driven,
    DurationEnd,
    End,
    EnergyEnd,
    Item,
    Limit,
    LoopEnd,
    LoopQuantity,
    Node,
    Parameter,
    ParameterKind,
    Pause,
    PowerEnd,
    Profile,
    Pulse,
    PulseTrain,
    Record,
    Repeat,
    Rest,
    Side,
    SlopeEnd,
    Step,
    Table,
    TemperatureEnd,
    Then,
    VoltageDropEnd,
    VoltageEnd,
)
from bem.domain.profile.rules import MEASURES
from bem.domain.units import (
    Dimension,
    format_number,
    format_percent,
    format_rate,
    format_value,
)

_INDENT = "    "
_DRIVEN = {Driven.CURRENT: "current", Driven.POWER: "power", Driven.C_RATE: "C-rate"}
_THEN = {Then.NEXT: "", Then.STOP: " then stop", Then.FAIL: " then fail"}
_MOVED = {
    LoopQuantity.CHARGE_IN: ("charge capacity", Dimension.CAPACITY),
    LoopQuantity.CHARGE_OUT: ("capacity", Dimension.CAPACITY),
    LoopQuantity.ENERGY_IN: ("charge energy", Dimension.ENERGY),
    LoopQuantity.ENERGY_OUT: ("energy", Dimension.ENERGY),
}


def print_profile(profile: Profile) -> str:
    """The text of a profile, one line a step, with a final newline unless it is empty."""
    lines = [] if profile.name is None else [f"Profile: {profile.name}"]
    lines.extend(f"Parameter {one.name} = {print_parameter(one)}" for one in profile.parameters)
    lines.extend(f"Limit {print_limit(limit)}" for limit in profile.limits)
    if profile.record is not None:
        lines.append(f"R{print_record(profile.record).removeprefix('r')}")
    for item in profile.body:
        lines.extend(_lines(item))
    return "".join(f"{line}\n" for line in lines)


def print_parameter(parameter: Parameter) -> str:
    """The value of a parameter as a person writes it: ``C/2``, ``4.2 V``, ``500``."""
    if parameter.kind is ParameterKind.C_RATE:
        return format_rate(parameter.default)
    dimension = dimension_of(parameter.kind)
    if dimension is None:
        return format_number(parameter.default)
    return format_value(parameter.default, dimension)


def print_step(step: Step) -> str:
    """The line of one step, without indentation; of a table or pulse train its head."""
    words = [print_setpoint(step)]
    words.extend(
        print_end(end) if index == 0 else f"or {print_end(end)}"
        for index, end in enumerate(step.ends)
    )
    line = " ".join(words)
    if step.record is not None:
        line += f"    {print_record(step.record)}"
    if step.limits:
        line += f"    limit {', '.join(print_limit(limit) for limit in step.limits)}"
    label = "" if step.label is None else f"{step.label}: "
    colon = ":" if isinstance(step, Table | PulseTrain) else ""
    return f"{label}{line}{colon}"


def print_setpoint(step: Step) -> str:
    """The line of a step up to its ends, without its label: ``Charge at C/2``."""
    match step:
        case Rest():
            return "Rest"
        case Pause():
            return f'Pause "{step.message}"'
        case Table():
            return " ".join(["Drive", _DRIVEN[step.drives], *_times(step)])
        case PulseTrain():
            return " ".join(["Pulse", *_driven(step), *_times(step)])
        case _:
            return _constant(step)


def _constant(
    step: ConstantVoltage | ConstantResistance | ConstantPower | ConstantCurrent,
) -> str:
    match step:
        case ConstantVoltage():
            return f"Hold at {_value(step, 'voltage', step.voltage, Dimension.VOLTAGE)}"
        case ConstantResistance():
            shown = _value(step, "resistance", step.resistance, Dimension.RESISTANCE)
            return f"Discharge at {shown}"
        case ConstantPower():
            verb = "Charge" if step.power > 0 else "Discharge"
            return f"{verb} at {_value(step, 'power', abs(step.power), Dimension.POWER)}"
        case ConstantCurrent():
            verb = "Charge" if step.current.value > 0 else "Discharge"
            return f"{verb} at {print_current(step.current)}"


def _times(step: Table | PulseTrain) -> Iterator[str]:
    if step.times != 1 or step.given_by:
        yield _count(step, step.times)


def _driven(train: PulseTrain) -> Iterator[str]:
    """What a train of nothing but rests drives; else its pulses say so."""
    if train.drives is not Driven.CURRENT and not any(one.value for one in train.pulses):
        yield _DRIVEN[train.drives]


def print_current(current: Current) -> str:
    """The magnitude of a current as it was given: in A, as a C-rate or by a parameter."""
    if isinstance(current, CRate):
        return _given(current, "value") or format_rate(abs(current.value))
    return _value(current, "value", abs(current.value), Dimension.CURRENT)


def print_end(end: End) -> str:
    """One end with its leading word and what follows it: ``until 4.2 V then stop``."""
    then = f" then go to {end.label}" if end.then is Then.GO_TO else _THEN[end.then]
    lead = "for" if isinstance(end, DurationEnd) else "until"
    return f"{lead} {_condition(end)}{then}"


def _condition(end: End) -> str:
    if isinstance(end, CurrentEnd):
        shown = print_current(end.value)
    else:
        shown = _value(end, "value", end.value, _MEASURED[type(end)])
    match end:
        case VoltageDropEnd():
            return f"voltage falls by {shown}"
        case VoltageEnd() | CurrentEnd() | PowerEnd() | TemperatureEnd() | SlopeEnd():
            return shown if end.side is None else f"{_SIDED[type(end)]} {end.side} {shown}"
        case _:
            return shown


_SIDED: dict[type[Node], str] = {
    VoltageEnd: "voltage",
    CurrentEnd: "current",
    PowerEnd: "power",
    TemperatureEnd: "temperature",
    SlopeEnd: "dV/dt",
}
_MEASURED: dict[type[Node], Dimension] = {
    DurationEnd: Dimension.DURATION,
    VoltageEnd: Dimension.VOLTAGE,
    CapacityEnd: Dimension.CAPACITY,
    PowerEnd: Dimension.POWER,
    EnergyEnd: Dimension.ENERGY,
    TemperatureEnd: Dimension.TEMPERATURE,
    VoltageDropEnd: Dimension.VOLTAGE,
    SlopeEnd: Dimension.SLOPE,
}


def print_limit(limit: Limit) -> str:
    """One limit without its leading word: ``temperature 45 degC``, ``voltage below 2.5 V``."""
    quantity = limit.quantity.replace("_", " ")
    side = "" if limit.side is Side.ABOVE else f"{limit.side} "
    shown = f"{quantity} {side}{_value(limit, 'value', limit.value, MEASURES[limit.quantity])}"
    delay = _value(limit, "delay_s", limit.delay_s, Dimension.DURATION)
    return f"{shown} for {delay}" if limit.delay_s or delay.startswith("{") else shown


def print_record(record: Record) -> str:
    """A rule of recording: ``record every 10 s or 5 mV``."""
    values = (
        ("every", record.every, Dimension.DURATION),
        ("voltage_change", record.voltage_change, Dimension.VOLTAGE),
        ("current_change", record.current_change, Dimension.CURRENT),
    )
    shown = [
        _value(record, field, value, dimension)
        for field, value, dimension in values
        if value is not None
    ]
    return f"record every {' or '.join(shown)}"


def print_loop(loop: Repeat) -> str:
    """The head of a loop: ``Repeat at most 2000 times until energy below 3 Wh:``."""
    words = ["Repeat"]
    if loop.times is None and loop.until is None:
        words.append("forever")
    if loop.times is not None:
        words.extend(["at most"] if loop.until is not None else [])
        words.append(_count(loop, loop.times))
    if loop.until is not None:
        words.append(print_loop_end(loop.until))
    label = "" if loop.label is None else f"{loop.label}: "
    return f"{label}{' '.join(words)}:"


def print_loop_end(end: LoopEnd) -> str:
    """What ends a loop: ``until capacity below 80 % of the first cycle``."""
    moved, dimension = _MOVED[end.quantity]
    if end.relative:
        shown = f"{format_percent(end.value)} % of the first cycle"
    else:
        shown = _value(end, "value", end.value, dimension)
    return f"until {moved} {end.side} {shown}"


def _count(node: Repeat | Table | PulseTrain, times: int) -> str:
    return f"{_given(node, 'times') or times} {'time' if times == 1 else 'times'}"


def _given(node: Node, field: str) -> str | None:
    """The parameter that gives a field, as it stands in the text, or ``None``."""
    return next((f"{{{name}}}" for given, name in node.given_by if given == field), None)


def _value(node: Node, field: str, value: float, dimension: Dimension) -> str:
    return _given(node, field) or format_value(value, dimension)


def _lines(item: Item, depth: int = 0) -> Iterator[str]:
    lead = _INDENT * depth
    if isinstance(item, Repeat):
        yield lead + print_loop(item)
        for inner in item.body:
            yield from _lines(inner, depth + 1)
        return
    yield lead + print_step(item)
    if isinstance(item, Table):
        for time, value in item.points:
            yield f"{lead}{_INDENT}{format_number(time):<8} {format_number(value)}"
    elif isinstance(item, PulseTrain):
        for pulse in item.pulses:
            yield f"{lead}{_INDENT}{_print_pulse(pulse, item.drives)}"


def _print_pulse(pulse: Pulse, drives: Driven) -> str:
    last = f"for {_value(pulse, 'duration', pulse.duration, Dimension.DURATION)}"
    if pulse.value == 0:
        return f"Rest {last}"
    verb = "Charge" if pulse.value > 0 else "Discharge"
    size = abs(pulse.value)
    if drives is Driven.C_RATE:
        shown = _given(pulse, "value") or format_rate(size)
    else:
        dimension = Dimension.POWER if drives is Driven.POWER else Dimension.CURRENT
        shown = _value(pulse, "value", size, dimension)
    return f"{verb} at {shown} {last}"
