"""Which stations can take a battery, and which profiles run there: the reasons why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bem.domain.battery import BatterySpec, StationSpec
from bem.domain.compiling import Capacity, compile_profile
from bem.domain.limits import SENSORS, Compare, Limit
from bem.domain.profile.model import Profile as Parsed
from bem.domain.profile.parameters import fill
from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.text import parse_profile
from bem.domain.program import Program
from bem.lab.capacity import measured_capacity
from bem.lab.models import Battery, Experiment, Profile, Station
from bem.lab.operations.errors import OperationRefused, refusal
from bem.lab.operations.profiles import explain


def misfits(battery: Battery, station: Station) -> list[str]:
    """Get the reasons why a battery must not go on a station; none if it may.

    A station must be able to bear the battery's highest voltage, reach into its voltage window,
    and move current and power in at least one direction that the battery allows. What a profile
    asks beyond that is the compiler's business. A node that is offline is no reason: the
    experiment waits for it.
    """
    reasons: list[str] = []
    if not station.present:
        reasons.append(f"node {station.node_id} has no such station any more")
    if station.voltage_max is not None and station.voltage_max < battery.voltage_max:
        reasons.append(
            f"bears at most {station.voltage_max:g} V, the battery reaches "
            f"{battery.voltage_max:g} V"
        )
    if station.voltage_min is not None and station.voltage_min >= battery.voltage_max:
        reasons.append(
            f"works from {station.voltage_min:g} V, the battery ends at {battery.voltage_max:g} V"
        )
    charges = battery.current_max > 0 and _above_zero(station.current_max, station.power_max)
    discharges = battery.current_min < 0 and _below_zero(station.current_min, station.power_min)
    if not charges and not discharges:
        reasons.append(
            "can neither charge nor discharge this battery: station "
            f"{_range(station.current_min, station.current_max)}, battery "
            f"{_range(battery.current_min, battery.current_max)}"
        )
    return reasons


def unwatched(limits: Sequence[Limit], station: Station) -> list[str]:
    """Get the reasons why limits of an experiment cannot be watched at a station; none if all can.

    Those of a profile are the compiler's business. A station that has not told what it measures may
    measure everything.
    """
    channels = station.spec().channels
    if channels is None:
        return []
    reasons: list[str] = []
    for limit in limits:
        start = SENSORS.get(limit.quantity)
        if start is not None and not any(name.startswith(start) for name in channels):
            what = limit.quantity.replace("_", " ")
            side = "above" if limit.compare is Compare.AT_LEAST else "below"
            reasons.append(
                f"“{station}” measures no {what}, so nothing would watch the limit {what} {side} "
                f"{limit.threshold:g}; it measures {', '.join(channels) or 'voltage and current'}: "
                "take the limit out, or choose a station that has the sensor"
            )
    return reasons


def _above_zero(*bounds: float | None) -> bool:
    return all(bound is None or bound > 0 for bound in bounds)


def _below_zero(*bounds: float | None) -> bool:
    return all(bound is None or bound < 0 for bound in bounds)


def _range(low: float | None, high: float | None) -> str:
    return f"{'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'} A"


@dataclass(frozen=True, slots=True)
class Trial:
    """A profile tried on a battery at a station: its program, or why there is none."""

    profile: Profile
    program: Program | None
    reasons: tuple[str, ...] = ()


def try_profile(profile: Profile, battery: BatterySpec, station: StationSpec) -> Trial:
    """Compile a stored profile without refusing anything."""
    try:
        program = compile_profile(parse_profile(profile.text), battery, station)
    except ProfileErrors as error:
        return Trial(profile, None, tuple(explain(problem) for problem in error.problems))
    return Trial(profile, program)


def compile_or_refuse(
    profile: Profile,
    battery: Battery,
    station: Station,
    *,
    parameters: Mapping[str, str] | None = None,
    capacity_source: str = Experiment.CapacitySource.NOMINAL,
) -> Program:
    """Compile a stored profile for a battery at a station, with its parameters filled in.

    Raises:
        OperationRefused: it does not run there (each reason has line and column), a parameter is
            not one of the profile's, or the battery has no capacity of this source.
    """
    capacity = _capacity(battery, capacity_source)
    parsed = _parsed(profile)
    try:
        filled = fill(parsed, parameters or {})
    except ProfileErrors as error:
        raise _refused("parameters", error) from None
    try:
        return compile_profile(filled, battery.spec(), station.spec(), capacity=capacity)
    except ProfileErrors as error:
        raise _refused("profile", error) from None


def _capacity(battery: Battery, source: str) -> Capacity | None:
    """Get what C-rates are taken of; ``None`` where that is the nominal one, if there is any."""
    if source != Experiment.CapacitySource.MEASURED:
        return None
    measured = measured_capacity(battery)
    if measured is None:
        raise refusal(
            f"no complete cycle of “{battery}” is recorded, so its capacity is not known from a "
            "measurement: choose the nominal one",
            field="capacity_source",
        )
    return Capacity(value=measured.capacity, source="measured")


def _parsed(profile: Profile) -> Parsed:
    try:
        return parse_profile(profile.text)
    except ProfileErrors as error:
        raise _refused("profile", error) from None


def _refused(field: str, error: ProfileErrors) -> OperationRefused:
    return OperationRefused({field: [explain(problem) for problem in error.problems]})
