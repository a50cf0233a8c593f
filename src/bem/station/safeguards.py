"""What is checked before an output goes on, and what then holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from bem.domain.limits import SENSORS, Limits, trip_limits, violations
from bem.domain.program import End, Limit, Mode, Program, Quantity
from bem.station.orders import Refused
from bem.station.power import limits_of
from bem.station.sources import NO_METERS, Sensors
from bem_drivers.base import Protection, Ratings


@dataclass(frozen=True, slots=True)
class Safeguards:
    """What holds during a run: limits judged here at every reading, and the device's own.

    ``operating`` bounds every set point. ``required``: further channels that must keep giving
    values for the limits to be watched.
    """

    operating: Limits
    limits: Limits
    protection: Protection
    required: frozenset[str]


def safeguards(
    program: Program,
    ratings: Ratings,
    values: Mapping[str, float],
    silence_s: float,
    limits: Sequence[Limit] = (),
    sensors: Sensors = NO_METERS,
    had: Collection[str] = (),
) -> Safeguards:
    """Check a program against the device and the battery as it lies there; get what shall hold.

    ``values`` is what is measured now with the output off; ``silence_s`` (s) how long the device
    tolerates silence; ``limits`` are the experiment's own. ``sensors``: all that the station
    measures when nothing is missing. ``had``: channels that gave values when the run was
    interrupted; it does not go on with fewer than that.

    Raises:
        Refused: the program asks for more than the device can do, the open-circuit voltage is
            outside of the program's window, or something is bounded that is not measured.
    """
    rated = limits_of(ratings)
    _check_within(program.operating, rated)
    operating = _completed(program.operating, rated)
    _check_setpoints(program, operating)
    trip = trip_limits(operating)
    found = violations(trip, {"voltage": values["voltage"]})
    if found:
        raise Refused(
            f"the open-circuit {found[0]}; check battery, wiring and polarity, "
            f"and that this is the battery the program was made for"
        )
    required = _required(program, trip, limits, values, sensors, had)
    found = violations(trip, {name: values[name] for name in required})
    if found:
        raise Refused(str(found[0]), retry=True)
    return Safeguards(
        operating=operating,
        limits=trip,
        protection=_protection(trip, rated, program.operating, silence_s),
        required=required,
    )


def check_ends(ends: Sequence[End], operating: Limits) -> None:
    """Make sure that a step may have these ends; where they lead is the engine's to judge.

    Raises:
        Refused: one can never hold, or lies beyond the limits of the run.
    """
    for end in ends:
        if end.threshold <= 0 and end.quantity is not Quantity.TEMPERATURE:
            raise Refused(f"the end '{end}' must be above 0")
        low, high = _bounds_of(end, operating)
        if not low <= end.threshold <= high:
            raise Refused(
                f"the end '{end}' is outside of the {low:g} to {high:g} that this run allows"
            )


def _bounds_of(end: End, operating: Limits) -> tuple[float, float]:
    """Get what the threshold of an end may be; magnitudes for current and power."""
    infinity = float("inf")

    def side(name: str, otherwise: float) -> float:
        bound = getattr(operating, name)
        return otherwise if bound is None else float(bound)

    match end.quantity:
        case Quantity.VOLTAGE:
            return side("voltage_min", 0.0), side("voltage_max", infinity)
        case Quantity.TEMPERATURE:
            return side("temperature_min", -infinity), side("temperature_max", infinity)
        case Quantity.CURRENT | Quantity.POWER:
            low = abs(side(f"{end.quantity}_min", infinity))
            return 0.0, max(low, abs(side(f"{end.quantity}_max", infinity)))
    return -infinity, infinity


def _required(
    program: Program,
    trip: Limits,
    limits: Sequence[Limit],
    values: Mapping[str, float],
    sensors: Sensors,
    had: Collection[str],
) -> frozenset[str]:
    """Get the further channels that must keep giving values.

    Raises:
        Refused: none measures what is bounded, or what ends a step; or none does at present; or
            one of those that did gives nothing yet.
    """
    needed = {SENSORS.get(limit.quantity): "limits" for limit in _all_limits(program, limits)}
    if trip.temperature_min is not None or trip.temperature_max is not None:
        needed["temperature"] = "limits"
    for step in program.steps:
        if any(end.quantity is Quantity.TEMPERATURE for end in step.ends):
            needed.setdefault("temperature", f"ends step {step.number} by")
    required: set[str] = set()
    for start, how in needed.items():
        if start is None:
            continue
        found = {name for name in values if name.startswith(start)}
        missed = [
            name
            for name in sorted(set(had).difference(values))
            if name.startswith(start) and (sensors.unknown or name in sensors.channels)
        ]
        if missed or not found:
            raise _lacking(start, how, sensors, missed)
        required |= found
    return frozenset(required)


def _lacking(start: str, how: str, sensors: Sensors, missed: Sequence[str]) -> Refused:
    """Say that nothing measures what a program needs, or not all that did when it was interrupted.

    A meter that is switched on after the station must not leave a run to a person.
    """
    awaited = [
        name
        for name in sensors.channels
        if name.startswith(start) and (not missed or name in missed)
    ]
    reasons = sensors.lacking(awaited)
    if sensors.unknown and (not awaited or set(missed).difference(awaited)):
        reasons += [f"meter {name} was not found yet" for name in sensors.unknown]
    what = start.replace("_", " ").strip()
    if not reasons:
        return Refused(f"the program {how} {what}, but this station measures none")
    little = "not all that it did" if missed else "none"
    return Refused(
        f"the program {how} {what}, but this station measures {little} at present: "
        f"{'; '.join(reasons)}",
        retry=True,
    )


def _all_limits(program: Program, limits: Sequence[Limit]) -> tuple[Limit, ...]:
    of_steps = tuple(limit for step in program.steps for limit in step.limits)
    return (*program.limits, *limits, *of_steps)


def _check_within(asked: Limits, rated: Limits) -> None:
    for name in Limits.model_fields:
        bound, rating = getattr(asked, name), getattr(rated, name)
        if bound is None or rating is None:
            continue
        if bound < rating if name.endswith("_min") else bound > rating:
            raise Refused(
                f"{name} {bound:g} of the program is beyond the {rating:g} of this station's device"
            )


def _completed(operating: Limits, rated: Limits) -> Limits:
    """Fill bounds that a program leaves open with those of the device."""
    given = operating.model_dump(exclude_none=True)
    try:
        return Limits.model_validate(rated.model_dump(exclude_none=True) | given)
    except ValidationError as error:
        raise Refused(
            f"the program's limits leave nothing of this device: {error.errors()[0]['msg']}"
        ) from error


def _check_setpoints(program: Program, operating: Limits) -> None:
    bounded = {Mode.CC: "current", Mode.CV: "voltage", Mode.CP: "power"}
    for step in program.steps:
        mode = step.setpoint.mode if step.course is None else step.course.mode
        quantity = bounded.get(mode)
        if quantity is None:
            continue
        low, high = getattr(operating, f"{quantity}_min"), getattr(operating, f"{quantity}_max")
        for value in (step.setpoint.value,) if step.course is None else step.course.values:
            if not low <= value <= high:
                raise Refused(
                    f"step {step.number}: {quantity} {value:g} is outside of the "
                    f"{low:g} to {high:g} of this station's device"
                )


def _protection(trip: Limits, rated: Limits, operating: Limits, silence_s: float) -> Protection:
    def inside(name: str) -> float:
        bound, rating = float(getattr(trip, name)), float(getattr(rated, name))
        return max(bound, rating) if name.endswith("_min") else min(bound, rating)

    return Protection(
        voltage_min=inside("voltage_min"),
        voltage_max=inside("voltage_max"),
        current_min=inside("current_min"),
        current_max=inside("current_max"),
        power_min=None if operating.power_min is None else inside("power_min"),
        power_max=None if operating.power_max is None else inside("power_max"),
        temperature_min=trip.temperature_min,
        temperature_max=trip.temperature_max,
        silence_s=silence_s,
    )
