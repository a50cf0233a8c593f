"""Takes a reading into the counters of a run."""

from bem.domain.engine.observing import ends_of, is_settled
from bem.domain.engine.slope import Slope
from bem.domain.engine.state import EngineState, Reading
from bem.domain.happenings import Throughput
from bem.domain.program import Quantity, StepOp

_US_PER_HOUR = 3_600_000_000


def take(step: StepOp, state: EngineState, reading: Reading) -> EngineState:
    """Take a reading of a run that is not paused: time and throughput belong to the step.

    Raises:
        ValueError: it is older than the last.
    """
    _check_time(state, reading)
    state = state._replace(
        moved=integrate(state.moved, state.last, reading),
        last=reading,
        at_us=max(reading.elapsed_us, state.at_us),
        step_us=state.step_elapsed_us(reading.elapsed_us),
        step_readings=state.step_readings + 1,
        flow_readings=state.flow_readings + 1,
    )
    return _watch_voltage(step, state, reading) if is_settled(state) else state


def take_paused(state: EngineState, reading: Reading) -> EngineState:
    """Take a reading of a paused run: what flows is of the run and the cycle, not of the step.

    Raises:
        ValueError: it is older than the last.
    """
    _check_time(state, reading)
    moved = integrate(state.moved, state.last, reading)
    return state._replace(
        moved=moved,
        moved_before_step=state.moved_before_step.plus(moved.since(state.moved)),
        last=reading,
        at_us=max(reading.elapsed_us, state.at_us),
    )


def take_after_gap(state: EngineState, reading: Reading) -> EngineState:
    """Take the first reading after a gap, over which nothing is known: no time, no charge.

    Raises:
        ValueError: it is older than the last.
    """
    _check_time(state, reading)
    return state._replace(last=reading, at_us=max(reading.elapsed_us, state.at_us))


def flowing_anew(state: EngineState) -> EngineState:
    """Forget what is only true of a power path that has not been switched off since."""
    return state._replace(flowing_since_us=state.at_us, flow_readings=0, highest=None, slope=None)


def integrate(moved: Throughput, last: Reading | None, now: Reading) -> Throughput:
    """Add the charge and energy between two readings by the trapezoidal rule, signs kept apart."""
    if last is None or now.elapsed_us == last.elapsed_us:
        return moved
    hours = (now.elapsed_us - last.elapsed_us) / _US_PER_HOUR
    charge_in, charge_out = _areas(last.current, now.current, hours)
    energy_in, energy_out = _areas(last.power, now.power, hours)
    return Throughput(
        charge_in=moved.charge_in + charge_in,
        charge_out=moved.charge_out + charge_out,
        energy_in=moved.energy_in + energy_in,
        energy_out=moved.energy_out + energy_out,
    )


def _areas(first: float, second: float, width: float) -> tuple[float, float]:
    """Get the areas above and below zero of a straight line between two values."""
    if first >= 0 and second >= 0:
        return (first + second) / 2 * width, 0.0
    if first <= 0 and second <= 0:
        return 0.0, -(first + second) / 2 * width
    share = first / (first - second)  # of the width until the line crosses zero
    before, after = abs(first) / 2 * share * width, abs(second) / 2 * (1 - share) * width
    return (before, after) if first > 0 else (after, before)


def _watch_voltage(step: StepOp, state: EngineState, reading: Reading) -> EngineState:
    ends = {end.quantity for end in ends_of(step, state)}
    if Quantity.VOLTAGE_DROP in ends:
        highest = reading.voltage if state.highest is None else state.highest
        state = state._replace(highest=max(highest, reading.voltage))
    if Quantity.SLOPE in ends:
        slope = state.slope or Slope(since_us=reading.elapsed_us)
        state = state._replace(slope=slope.taking(reading.elapsed_us, reading.voltage))
    return state


def _check_time(state: EngineState, reading: Reading) -> None:
    # An order between two readings may be newer than the second of them was when it was taken.
    if state.last is not None and reading.elapsed_us < state.last.elapsed_us:
        raise ValueError(
            f"reading at {reading.elapsed_us} us is older than the last, {state.last.elapsed_us} us"
        )
