"""What the ends of a step look at, and whether they hold."""

import math
from collections.abc import Callable

from bem.domain.engine.state import EngineState, Reading
from bem.domain.program import Compare, End, Quantity, StepOp

SETTLE_US = 1_000_000
SETTLE_READINGS = 3
"""Ends at a current, a power, a fall or a slope of the voltage are judged once the power path has
held the set point of the step for 1 s and 3 readings: just after a converter switches on its
current is still zero, which is no charged battery. After a pause that begins anew."""

TEMPERATURES = "temperature"
"""Channels whose names begin so are temperatures."""


def is_settled(state: EngineState) -> bool:
    """Whether the power path has had time to do what the step wants."""
    return (
        state.at_us - state.flowing_since_us >= SETTLE_US and state.flow_readings >= SETTLE_READINGS
    )


def ends_of(step: StepOp, state: EngineState) -> tuple[End, ...]:
    """Get the ends that hold for this pass of the step."""
    return step.ends if state.ends is None else state.ends


def holding_end(step: StepOp, state: EngineState, reading: Reading) -> tuple[End, float] | None:
    """Get the first end that holds at this reading, which the state has taken, and its value."""
    for end in ends_of(step, state):
        value = _OBSERVE[end.quantity](state, reading, end)
        if value is None:
            continue
        beyond = (
            value >= end.threshold if end.compare is Compare.AT_LEAST else (value <= end.threshold)
        )
        if beyond:
            return end, value
    return None


def _temperature(reading: Reading, end: End) -> float | None:
    found = [
        value
        for name, value in reading.further.items()
        if name.startswith(TEMPERATURES) and math.isfinite(value)
    ]
    if not found:
        return None
    return max(found) if end.compare is Compare.AT_LEAST else min(found)


def _slope(state: EngineState) -> float | None:
    slope = None if state.slope is None else state.slope.at(state.at_us)
    return None if slope is None else abs(slope)


# ``None``: it cannot be judged yet.
_OBSERVE: dict[Quantity, Callable[[EngineState, Reading, End], float | None]] = {
    Quantity.DURATION: lambda state, _, __: state.step_us / 1e6,
    Quantity.VOLTAGE: lambda _, reading, __: reading.voltage,
    Quantity.CURRENT: lambda state, reading, _: abs(reading.current) if is_settled(state) else None,
    Quantity.CAPACITY: lambda state, _, __: abs(
        state.moved.since(state.moved_before_step).net_charge
    ),
    Quantity.POWER: lambda state, reading, _: abs(reading.power) if is_settled(state) else None,
    Quantity.ENERGY: lambda state, _, __: abs(
        state.moved.since(state.moved_before_step).net_energy
    ),
    Quantity.TEMPERATURE: lambda _, reading, end: _temperature(reading, end),
    Quantity.VOLTAGE_DROP: lambda state, reading, _: (
        None if state.highest is None else state.highest - reading.voltage
    ),
    Quantity.SLOPE: lambda state, _, __: _slope(state),
}
