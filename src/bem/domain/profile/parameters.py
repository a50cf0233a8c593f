"""The values of a profile that are given per experiment, and a profile with others filled in."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError

from bem.domain.profile.line import read_line
from bem.domain.profile.model import (
    MAX_PASSES,
    Amperes,
    CapacityEnd,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    CRate,
    Driven,
    DurationEnd,
    EnergyEnd,
    Limit,
    Limited,
    LoopEnd,
    LoopQuantity,
    Node,
    Parameter,
    ParameterKind,
    PowerEnd,
    Profile,
    Pulse,
    PulseTrain,
    Record,
    Repeat,
    Table,
    TemperatureEnd,
    VoltageDropEnd,
    VoltageEnd,
)
from bem.domain.profile.printing import print_parameter
from bem.domain.profile.problems import Problem, ProfileErrors, Span

_START = Span(line=1, column=1, end_column=1)
_BY_VERB = (Amperes, CRate, ConstantPower, Pulse)
"""Parts whose sign is the direction that a verb gives, or that are magnitudes."""
_KINDS: dict[tuple[type[Node], str], ParameterKind] = {
    (Amperes, "value"): ParameterKind.CURRENT,
    (CRate, "value"): ParameterKind.C_RATE,
    (ConstantVoltage, "voltage"): ParameterKind.VOLTAGE,
    (ConstantPower, "power"): ParameterKind.POWER,
    (ConstantResistance, "resistance"): ParameterKind.RESISTANCE,
    (DurationEnd, "value"): ParameterKind.DURATION,
    (VoltageEnd, "value"): ParameterKind.VOLTAGE,
    (CapacityEnd, "value"): ParameterKind.CAPACITY,
    (PowerEnd, "value"): ParameterKind.POWER,
    (EnergyEnd, "value"): ParameterKind.ENERGY,
    (TemperatureEnd, "value"): ParameterKind.TEMPERATURE,
    (VoltageDropEnd, "value"): ParameterKind.VOLTAGE,
    (Limit, "delay_s"): ParameterKind.DURATION,
    (Record, "every"): ParameterKind.DURATION,
    (Record, "voltage_change"): ParameterKind.VOLTAGE,
    (Record, "current_change"): ParameterKind.CURRENT,
    (Pulse, "duration"): ParameterKind.DURATION,
    (Table, "times"): ParameterKind.NUMBER,
    (PulseTrain, "times"): ParameterKind.NUMBER,
    (Repeat, "times"): ParameterKind.NUMBER,
}
_LIMITED = {
    Limited.VOLTAGE: ParameterKind.VOLTAGE,
    Limited.CURRENT: ParameterKind.CURRENT,
    Limited.POWER: ParameterKind.POWER,
    Limited.TEMPERATURE: ParameterKind.TEMPERATURE,
    Limited.CELL_VOLTAGE: ParameterKind.VOLTAGE,
    Limited.CHARGE: ParameterKind.CAPACITY,
    Limited.DURATION: ParameterKind.DURATION,
}
_DRIVEN = {
    Driven.CURRENT: ParameterKind.CURRENT,
    Driven.C_RATE: ParameterKind.C_RATE,
    Driven.POWER: ParameterKind.POWER,
}

Path = tuple[str | int, ...]
_Any = TypeVar("_Any", bound=Node)


def parameters_of(profile: Profile) -> tuple[Parameter, ...]:
    """The parameters of a profile in the order of the text, each with the value it has now."""
    return profile.parameters


def fill(profile: Profile, values: Mapping[str, str]) -> Profile:
    """Fill other values in, given as a person writes them: ``{"rate": "1C"}``.

    The result holds them in each place that the parameter gives and as the parameters' own values,
    so that it prints with them; those not named keep theirs. Places in the text are kept.

    Raises:
        ProfileErrors: naming each parameter that is unknown, of another kind, or out of range,
            at its line in the text.
    """
    problems: list[Problem] = []
    known = {one.name: one for one in profile.parameters}
    for name, text in values.items():
        if name not in known:
            names = ", ".join(known) or "none"
            message = f"the profile has no parameter '{name}'; it has {names}"
            problems.append(Problem.at(_START, message))
            continue
        filled = _read(known[name], text)
        if isinstance(filled, Problem):
            problems.append(filled)
        else:
            known[name] = filled
    if problems:
        raise ProfileErrors(problems)
    filler = _Filler(known)
    result = filler.fill(profile.model_copy(update={"parameters": tuple(known.values())}))
    if filler.problems:
        raise ProfileErrors(filler.problems)
    return result


def _read(parameter: Parameter, text: str) -> Parameter | Problem:
    place = parameter.source or _START
    reading = read_line(f"Parameter {parameter.name} = {' '.join(text.split())}", 1)
    found = reading.content
    example = print_parameter(parameter)
    name = f"parameter '{parameter.name}'"
    if not isinstance(found, Parameter):
        reasons = "; ".join(one.message for one in reading.problems)
        message = f"{name}: '{text}' cannot be read: {reasons}. Write it like {example}"
        return Problem.at(place, message, expected=(f"a value such as {example}",))
    if found.kind is not parameter.kind:
        is_bare = found.kind is ParameterKind.NUMBER
        what = "has no unit" if is_bare else f"is a {_say(found.kind)}"
        wanted = f"expected a {_say(parameter.kind)} such as {example}"
        message = f"{name}: '{text}' {what}; {wanted}"
        return Problem.at(place, message, expected=(f"a value such as {example}",))
    return parameter.model_copy(update={"default": found.default})


def _say(kind: ParameterKind) -> str:
    return {ParameterKind.C_RATE: "C-rate", ParameterKind.NUMBER: "number of times"}.get(
        kind, str(kind)
    )


class _Filler:
    """Puts the values of parameters into the fields that they give."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self.problems: list[Problem] = []
        self._parameters = parameters

    def fill(self, node: _Any) -> _Any:
        """The node with all that is in it; the very same one if nothing changes."""
        changes: dict[str, object] = {}
        for field in type(node).model_fields:
            before = getattr(node, field)
            after = self._inner(before)
            if after is not before:
                changes[field] = after
        for field, name in node.given_by:
            parameter = self._parameters.get(name)
            value = None if parameter is None else self._value(node, field, parameter)
            if value is not None:
                changes[field] = value
        return self._changed(node, changes) if changes else node

    def _inner(self, value: object) -> object:
        if isinstance(value, Node):
            return self.fill(value)
        if isinstance(value, tuple) and value and isinstance(value[0], Node):
            inner = tuple(self.fill(one) for one in value)
            return value if all(map(_is_same, inner, value)) else inner
        return value

    def _value(self, node: Node, field: str, parameter: Parameter) -> float | None:
        """The value for a field, or ``None`` if it has it already or, with a report, cannot."""
        value, before = parameter.default, getattr(node, field)
        if isinstance(before, int) and not (value.is_integer() and 1 <= value <= MAX_PASSES):
            self._report(parameter, f"a number of times is whole, 1 to {MAX_PASSES:,}")
            return None
        if isinstance(node, _BY_VERB) and field != "duration":
            if value < 0 or (value == 0 and isinstance(node, Pulse)):
                self._report(parameter, "the line gives the direction: write a value above 0")
                return None
            value = -value if before < 0 else value
        return None if value == before else value

    def _changed(self, node: _Any, changes: Mapping[str, object]) -> _Any:
        fields = {name: getattr(node, name) for name in type(node).model_fields}
        try:
            return type(node).model_validate({**fields, **changes})
        except ValidationError as error:
            places = {one["loc"][0] for one in error.errors() if one["loc"]}
            names = [
                name
                for field, name in node.given_by
                if field in changes and (field in places or not places)
            ] or self._inside(node)
            reasons = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
            for name in names:
                self._report(self._parameters[name], reasons)
            return node

    def _inside(self, node: Node) -> list[str]:
        """The parameters of the parts of a node: one of them does not go with the node."""
        parts = (getattr(node, name) for name in type(node).model_fields)
        return [name for one in parts if isinstance(one, Node) for _, name in one.given_by]

    def _report(self, parameter: Parameter, reason: str) -> None:
        message = f"parameter '{parameter.name}': {print_parameter(parameter)} cannot be: {reason}"
        problem = Problem.at(parameter.source or _START, message)
        if problem not in self.problems:
            self.problems.append(problem)


def _is_same(one: object, other: object) -> bool:
    return one is other


def inconsistencies(profile: Profile) -> Iterator[tuple[Path, str]]:
    """What keeps a model from being written as text: where, and why.

    A text says each value once, so the fields that a parameter gives have to have its value.
    """
    names = [one.name for one in profile.parameters]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("parameters", index), f"there is already a parameter '{name}'"
    known = {one.name: one for one in profile.parameters}
    for path, node, drives in _walk(profile, (), None):
        for field, name in node.given_by:
            trouble = _trouble(node, field, known.get(name), drives)
            if trouble is not None:
                yield (*path, "given_by"), f"{field}: '{name}' {trouble}"


def _trouble(
    node: Node, field: str, parameter: Parameter | None, drives: Driven | None
) -> str | None:
    if parameter is None:
        return "is no parameter of the profile"
    kind = _kind(node, field, drives)
    if kind is None:
        return "cannot give this field: write its value"
    if kind is not parameter.kind:
        return f"is a {_say(parameter.kind)}, and this field holds a {_say(kind)}"
    value = getattr(node, field)
    same = parameter.default == (abs(value) if isinstance(node, _BY_VERB) else value)
    if isinstance(node, Pulse) and field == "value" and value == 0:
        return "gives a pulse of 0, which is a rest"
    if not same:
        return f"has the value {print_parameter(parameter)}, and this field another"
    return None


def _kind(node: Node, field: str, drives: Driven | None) -> ParameterKind | None:
    if field == "value":
        match node:
            case Limit():
                return _LIMITED.get(node.quantity)
            case LoopEnd() if not node.relative:
                is_charge = node.quantity in (LoopQuantity.CHARGE_IN, LoopQuantity.CHARGE_OUT)
                return ParameterKind.CAPACITY if is_charge else ParameterKind.ENERGY
            case Pulse() if drives is not None:
                return _DRIVEN[drives]
    return _KINDS.get((type(node), field))


def nodes_of(profile: Profile) -> Iterator[tuple[Path, Node]]:
    """All parts of a profile, the profile itself first, each with its path."""
    return ((path, node) for path, node, _ in _walk(profile, (), None))


def _walk(
    node: Node, path: Path, drives: Driven | None
) -> Iterator[tuple[Path, Node, Driven | None]]:
    """All nodes with their paths, each with what the train around it drives."""
    yield path, node, drives
    drives = node.drives if isinstance(node, PulseTrain) else drives
    for field in type(node).model_fields:
        value = getattr(node, field)
        if isinstance(value, Node):
            yield from _walk(value, (*path, field), drives)
        elif isinstance(value, tuple):
            for index, one in enumerate(value):
                if isinstance(one, Node):
                    yield from _walk(one, (*path, field, index), drives)
