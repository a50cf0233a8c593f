"""The dry run trips where a station would: its rules are a copy of the station's, for speed."""

from collections.abc import Mapping
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from bem.domain.engine import EngineState, Reading
from bem.domain.happenings import Throughput
from bem.domain.limits import (
    Compare,
    Exceeded,
    Limit,
    Limited,
    Limits,
    LimitWatch,
    Violation,
    trip_limits,
    violations,
)
from bem.domain.program import REST, Program, StepOp
from bem.dryrun.trips import NOTHING, OPERATING, TEMPERATURE, Watch

CELLS = 2
VALUES = st.sampled_from([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 9.0]) | st.floats(-10, 10)
"""Few of them, that readings meet thresholds exactly now and then; and any others."""
LAPSES_US = st.sampled_from([1, 400_000, 1_000_000, 2_500_000]) | st.integers(1, 20_000_000)
DELAYS_S = st.sampled_from([0.0, 1e-6, 1.0, 2.5, 4.0]) | st.floats(0, 20)


class Look(NamedTuple):
    """One reading, ``lapse_us`` after the last; ``anew``: it is the first of a step."""

    lapse_us: int
    anew: bool
    step: int
    voltage: float
    current: float
    temperature: float
    charge_in: float
    charge_out: float


LOOKS = st.lists(
    st.builds(
        Look,
        LAPSES_US,
        st.booleans(),
        st.integers(0, 1),
        VALUES,
        VALUES,
        VALUES,
        st.floats(0, 2),
        st.floats(0, 2),
    ),
    max_size=30,
)
LIMITS = st.lists(
    st.builds(
        Limit,
        quantity=st.sampled_from(Limited),
        compare=st.sampled_from(Compare),
        threshold=VALUES,
        delay_s=DELAYS_S,
    ),
    max_size=5,
).map(tuple)
BOUNDS = st.builds(
    Limits,
    voltage_min=st.none() | st.just(0.5),
    voltage_max=st.none() | st.just(3.0),
    current_min=st.none() | st.just(-1.0),
    current_max=st.none() | st.just(2.0),
    power_min=st.none() | st.just(-3.0),
    power_max=st.none() | st.just(6.0),
    temperature_min=st.none() | st.just(0.0),
    temperature_max=st.none() | st.just(4.0),
)


def first_of(
    operating: Limits, values: Mapping[str, float], broken: tuple[Exceeded, ...]
) -> tuple[str, float, float | None] | None:
    """Get what the station names first: whose limit, its threshold, what was read."""
    trips: list[Violation] = violations(trip_limits(operating), values)
    if trips:
        return OPERATING, trips[0].limit, trips[0].value
    if broken:
        return broken[0].owner, broken[0].limit.threshold, broken[0].value
    return None


@given(BOUNDS, LIMITS, st.tuples(LIMITS, LIMITS), LOOKS)
def test_any_series_of_readings_trips_as_the_station_would(
    operating: Limits,
    of_run: tuple[Limit, ...],
    of_steps: tuple[tuple[Limit, ...], ...],
    looks: list[Look],
) -> None:
    steps = [
        StepOp(number=number, title="Rest", setpoint=REST, message="Look", limits=limits)
        for number, limits in enumerate(of_steps, 1)
    ]
    program = Program(name="any", operations=tuple(steps), operating=operating, limits=of_run)
    dry, verdict = Watch(program, CELLS), NOTHING
    station = LimitWatch(_seen(of_run))
    state, step = EngineState(position=0), steps[0]
    for look in looks:
        began_us, before = state.step_started_us, state.moved_before_step
        if look.anew:
            verdict = dry.keep(verdict)
            step = steps[look.step]
            began_us, before = state.at_us, state.moved
        at_us = state.at_us + look.lapse_us
        more = Throughput(charge_in=look.charge_in, charge_out=look.charge_out)
        state = EngineState(
            position=step.number - 1,
            at_us=at_us,
            step_started_us=began_us,
            step_us=at_us - began_us,
            moved=state.moved.plus(more),
            moved_before_step=before,
        )
        values = {
            "voltage": look.voltage,
            "current": look.current,
            "power": look.voltage * look.current,
            TEMPERATURE: look.temperature,
            "cell_voltage_1": look.voltage / CELLS,
        }
        reading = Reading(at_us, look.voltage, look.current, {TEMPERATURE: look.temperature})
        verdict = dry.judge(step, state, reading, verdict)
        station, broken = station.judge(values, state.progress(at_us), _seen(step.limits))
        tripped = verdict.tripped
        found = None if tripped is None else (tripped[0].owner, tripped[0].threshold, tripped[1])
        assert found == first_of(operating, values, broken)


def _seen(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Leave out the flow: a station reads it, a model of a battery has none."""
    return tuple(one for one in limits if one.quantity is not Limited.FLOW)
