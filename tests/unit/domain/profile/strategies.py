"""Profiles of every kind of part there is, for the property tests."""

from collections.abc import Mapping
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from pydantic import ValidationError

from bem.domain.profile.model import (
    MAX_DELAY,
    MAX_PASSES,
    RESERVED,
    Amperes,
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    CRate,
    CurrentEnd,
    Driven,
    DurationEnd,
    EndNode,
    EnergyEnd,
    Item,
    Limit,
    Limited,
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
    StepNode,
    Table,
    TemperatureEnd,
    Then,
    VoltageDropEnd,
    VoltageEnd,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
MAGNITUDE = st.floats(min_value=0, allow_infinity=False)
NONZERO = FINITE.filter(bool)
USUAL = st.sampled_from([0.05, 0.5, 1.0, 1.25, 2.5, 3.9, 4.2, 5.0, 10.0])
SIGNED = USUAL | USUAL.map(lambda value: -value) | NONZERO
LASTING = USUAL | POSITIVE | st.integers(1, 10**6).map(float)
SIDES = st.none() | st.sampled_from(Side)

IDENTIFIERS = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True).filter(
    lambda name: name not in RESERVED
)
PLAIN = (
    st.text(min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda name: name != "" and name.isprintable())
)
MESSAGES = (PLAIN | st.sampled_from(["swap the fixture", "# 2 {rate}: next"])).filter(
    lambda message: '"' not in message
)

CURRENT = st.builds(Amperes, value=SIGNED) | st.builds(CRate, value=SIGNED)
MAGNITUDES = st.builds(Amperes, value=USUAL | MAGNITUDE) | st.builds(CRate, value=USUAL | MAGNITUDE)
ENDS = st.lists(
    st.builds(DurationEnd, value=MAGNITUDE | LASTING)
    | st.builds(VoltageEnd, value=USUAL | FINITE, side=SIDES)
    | st.builds(CurrentEnd, value=MAGNITUDES, side=SIDES)
    | st.builds(CapacityEnd, value=USUAL | POSITIVE)
    | st.builds(PowerEnd, value=USUAL | MAGNITUDE, side=SIDES)
    | st.builds(EnergyEnd, value=USUAL | POSITIVE)
    | st.builds(TemperatureEnd, value=USUAL | FINITE, side=st.sampled_from(Side))
    | st.builds(VoltageDropEnd, value=USUAL | POSITIVE)
    | st.builds(SlopeEnd, value=USUAL | POSITIVE, side=st.sampled_from(Side)),
    max_size=3,
).map(tuple)
RECORD = st.builds(
    Record,
    every=USUAL | POSITIVE,
    voltage_change=st.none() | USUAL | POSITIVE,
    current_change=st.none() | USUAL | POSITIVE,
) | st.builds(Record, current_change=USUAL)
DELAYS = st.just(0.0) | st.floats(0, MAX_DELAY)
MOST = st.sampled_from([Limited.CHARGE, Limited.DURATION])
LIMITS = st.lists(
    st.builds(
        Limit,
        quantity=st.sampled_from([one for one in Limited if one not in ("charge", "duration")]),
        side=st.sampled_from(Side),
        value=USUAL | FINITE,
        delay_s=DELAYS,
    )
    | st.builds(Limit, quantity=MOST, side=st.just(Side.ABOVE), value=LASTING, delay_s=DELAYS),
    max_size=2,
).map(tuple)
TIMES = st.just(1) | st.integers(1, MAX_PASSES)


def _points(rows: Mapping[float, float]) -> tuple[tuple[float, float], ...]:
    return ((0.0, 1.5), *sorted((abs(time), value) for time, value in rows.items()))


POINTS = st.dictionaries(POSITIVE | USUAL, FINITE, min_size=1, max_size=4).map(_points)
PULSES = st.lists(
    st.builds(Pulse, value=SIGNED | st.just(0.0), duration=LASTING), min_size=1, max_size=4
).map(tuple)
RESTS = st.lists(st.builds(Pulse, value=st.just(0.0), duration=LASTING), min_size=1).map(tuple)

_COMMON = {"ends": ENDS, "record": st.none() | RECORD, "limits": LIMITS}
STEPS = (
    st.builds(Rest, **_COMMON)
    | st.builds(ConstantCurrent, current=CURRENT, **_COMMON)
    | st.builds(ConstantVoltage, voltage=USUAL | FINITE, **_COMMON)
    | st.builds(ConstantPower, power=SIGNED, **_COMMON)
    | st.builds(ConstantResistance, resistance=USUAL | POSITIVE, **_COMMON)
    | st.builds(Table, drives=st.sampled_from(Driven), points=POINTS, times=TIMES, **_COMMON)
    | st.builds(
        PulseTrain,
        drives=st.sampled_from(Driven),
        pulses=PULSES | RESTS.filter(lambda pulses: len(pulses) < 5),
        times=TIMES,
        **_COMMON,
    )
    | st.builds(Pause, message=MESSAGES, **_COMMON)
)
LOOP_ENDS = st.builds(
    LoopEnd,
    quantity=st.sampled_from(LoopQuantity),
    side=st.sampled_from(Side),
    value=USUAL | POSITIVE,
    relative=st.booleans(),
)


def _loops(items: st.SearchStrategy[Item]) -> st.SearchStrategy[Item]:
    return st.builds(
        Repeat,
        times=st.none() | TIMES,
        until=st.none() | LOOP_ENDS,
        body=st.lists(items, min_size=1, max_size=3).map(tuple),
    )


ITEMS: st.SearchStrategy[Item] = st.recursive(STEPS, _loops, max_leaves=6)
DEFAULTS = USUAL | st.integers(1, 999).map(float)
PARAMETERS = st.lists(
    st.builds(
        Parameter,
        name=IDENTIFIERS,
        kind=st.sampled_from(ParameterKind),
        default=DEFAULTS | FINITE,
    ),
    max_size=4,
    unique_by=lambda one: one.name,
).map(tuple) | st.tuples(
    *(
        st.builds(Parameter, name=st.just(f"the_{kind}"), kind=st.just(kind), default=DEFAULTS)
        for kind in ParameterKind
    )
)

# Where a value may come from a parameter, and of which kind that is; None: see _kind.
_GIVEN: dict[type[Node], Mapping[str, ParameterKind | None]] = {
    Amperes: {"value": ParameterKind.CURRENT},
    CRate: {"value": ParameterKind.C_RATE},
    ConstantVoltage: {"voltage": ParameterKind.VOLTAGE},
    ConstantPower: {"power": ParameterKind.POWER},
    ConstantResistance: {"resistance": ParameterKind.RESISTANCE},
    DurationEnd: {"value": ParameterKind.DURATION},
    VoltageEnd: {"value": ParameterKind.VOLTAGE},
    CapacityEnd: {"value": ParameterKind.CAPACITY},
    PowerEnd: {"value": ParameterKind.POWER},
    EnergyEnd: {"value": ParameterKind.ENERGY},
    TemperatureEnd: {"value": ParameterKind.TEMPERATURE},
    VoltageDropEnd: {"value": ParameterKind.VOLTAGE},
    Limit: {"value": None, "delay_s": ParameterKind.DURATION},
    Record: {
        "every": ParameterKind.DURATION,
        "voltage_change": ParameterKind.VOLTAGE,
        "current_change": ParameterKind.CURRENT,
    },
    LoopEnd: {"value": None},
    Pulse: {"duration": ParameterKind.DURATION},
    Table: {"times": ParameterKind.NUMBER},
    PulseTrain: {"times": ParameterKind.NUMBER},
    Repeat: {"times": ParameterKind.NUMBER},
}
_SIGNED = (Amperes, CRate, ConstantPower)


def _kind(node: Node) -> ParameterKind | None:
    if isinstance(node, Limit):
        kinds = {
            Limited.CHARGE: ParameterKind.CAPACITY,
            Limited.CELL_VOLTAGE: ParameterKind.VOLTAGE,
        }
        if node.quantity in kinds:
            return kinds[node.quantity]
        return None if node.quantity is Limited.FLOW else ParameterKind(node.quantity.value)
    if isinstance(node, LoopEnd) and not node.relative:
        is_charge = node.quantity in (LoopQuantity.CHARGE_IN, LoopQuantity.CHARGE_OUT)
        return ParameterKind.CAPACITY if is_charge else ParameterKind.ENERGY
    return None


_Any = TypeVar("_Any", bound=Node)


class _Decorator:
    """Gives parts of a profile labels, targets and parameters, so that they fit each other."""

    def __init__(
        self, random: Random, labels: list[str], parameters: tuple[Parameter, ...]
    ) -> None:
        self._random = random
        self._labels = list(labels)
        self._free = list(labels)
        self._parameters = parameters
        self.targets: list[str] = []

    def decorate(self, node: _Any) -> _Any:
        changes: dict[str, object] = {}
        for field in type(node).model_fields:
            value = getattr(node, field)
            if isinstance(value, Node):
                changes[field] = self.decorate(value)
            elif isinstance(value, tuple) and value and isinstance(value[0], Node):
                changes[field] = tuple(self.decorate(one) for one in value)
        if isinstance(node, StepNode | Repeat) and self._free and self._random.random() < 0.4:
            changes["label"] = self._free.pop()
        if isinstance(node, EndNode):
            changes.update(self._action())
        changes.update(self._given(node))
        fields = {name: getattr(node, name) for name in type(node).model_fields}
        try:
            return type(node).model_validate({**fields, **changes})
        except ValidationError:
            return node  # a value of a parameter that has no place here

    def _action(self) -> dict[str, object]:
        then = self._random.choice(list(Then))
        if then is not Then.GO_TO:
            return {"then": then}
        return {"then": then, "label": self._random.choice(self._labels)} if self._labels else {}

    def _given(self, node: Node) -> dict[str, object]:
        found: dict[str, object] = {}
        names = []
        for field, kind in _GIVEN.get(type(node), {}).items():
            fitting = [one for one in self._parameters if one.kind is (kind or _kind(node))]
            before = getattr(node, field)
            if not fitting or before is None or self._random.random() < 0.3:
                continue
            one = self._random.choice(fitting)
            value = one.default
            if isinstance(node, _SIGNED):
                if value <= 0:
                    continue
                value = -value if before < 0 else value
            found[field] = value
            names.append((field, one.name))
        return {**found, "given_by": tuple(names)} if names else {}


def _labels_of(node: Node) -> set[str]:
    found = {node.label} if isinstance(node, StepNode | Repeat) and node.label else set()
    for field in type(node).model_fields:
        value = getattr(node, field)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Node):
                found |= _labels_of(one)
    return found


def _reachable(node: _Any, labels: set[str]) -> _Any:
    """Take away targets whose step could not be labelled after all."""
    changes: dict[str, object] = {}
    if isinstance(node, EndNode) and node.label is not None and node.label not in labels:
        return node.model_copy(update={"then": Then.NEXT, "label": None})
    for field in type(node).model_fields:
        value = getattr(node, field)
        if isinstance(value, tuple) and value and isinstance(value[0], Node):
            changes[field] = tuple(_reachable(one, labels) for one in value)
    return node.model_copy(update=changes)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Whole profiles that a text can say."""
    parameters = draw(PARAMETERS)
    body = tuple(draw(st.lists(ITEMS, max_size=4)))
    labels = draw(st.lists(IDENTIFIERS, max_size=6, unique=True))
    plain = Profile(
        name=draw(st.none() | PLAIN),
        parameters=parameters,
        limits=draw(LIMITS),
        record=draw(st.none() | RECORD),
        body=body,
    )
    random = draw(st.randoms(use_true_random=False))
    decorated = _Decorator(random, list(reversed(labels)), parameters).decorate(plain)
    return _reachable(decorated, _labels_of(decorated))
