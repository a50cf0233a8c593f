"""A whole check: opens the device, protects the battery, takes points, switches off, judges."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from pydantic import ValidationError

from bem.domain.calibration.course import USUAL_POINTS, Course, CourseRefused, Quantity, plan
from bem.domain.calibration.firmware import DEFAULTS, Constants, corrected
from bem.domain.calibration.fit import UnfitError, coverage_factor, fit_line
from bem.domain.calibration.judging import Accuracy, factors, judge
from bem.domain.calibration.report import (
    DEFAULT_INTERVAL_DAYS,
    Instrument,
    Reference,
    Report,
    due_date,
)
from bem.domain.calibration.steps import GRIDS, Reach, Steps, plan_steps
from bem.domain.limits import Limits, tightest
from bem.station.calibration.ending import Words, opened
from bem.station.calibration.own_path import OwnPath
from bem.station.calibration.path import Abandoned, Path, PointsPlanned
from bem.station.calibration.source_path import SourcePath
from bem.station.calibration.taking import Pace, ReferenceMeter, Taken, Taking
from bem.station.clock import StationClock
from bem.station.power import limits_of
from bem_drivers.base import Identity, PowerDevice, Protection, Ratings

_LOGGER = logging.getLogger(__name__)
SILENCE_S = 2.0
"""So long a device with a watchdog tolerates it that we are silent, as after a kill."""
SOURCE_CURRENT_A = 0.2
"""Enough for the capacitors of a converter, too little to harm what is connected by mistake."""
EPC = "epc"
GROSS_GAIN = 0.2
"""A device whose gain is farther from 1 than that, for certain, is not what the meter is at."""


_OWN = Words("the output", "Disconnect the battery at once")
_SOURCE = Words("the source", "Switch it off at its panel at once")
_UNDER_CHECK = Words("the device under check", "Nothing has switched it on; disconnect its supply")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be checked, by whom, within which limits.

    ``limits``: of the battery; both voltages and both currents. With a source they are the range
    of the voltage, as far as the operator narrows it. ``meter_serial``, ``accuracy``: of the
    reference, as on its certificate. ``points``: how many; ``None``: as many as are usual.
    ``firmware``: the constants in the image of an EPC now. ``source_driver``: that of the source,
    which gives ``source_current`` (A) at most; empty without one.
    """

    quantity: Quantity
    limits: Limits
    operator: str
    driver: str
    meter_driver: str
    meter_channel: str
    meter_serial: str
    accuracy: Accuracy
    tolerance: Accuracy
    points: int | None = None
    interval_days: int = DEFAULT_INTERVAL_DAYS
    station: str = ""
    note: str = ""
    firmware: Constants | None = None
    pace: Pace = field(default_factory=Pace)
    silence_s: float = SILENCE_S
    source_driver: str = ""
    source_current: float = SOURCE_CURRENT_A


def carry_out(
    order: Order,
    device: PowerDevice,
    reference: ReferenceMeter,
    meter: Callable[[], Identity],
    clock: StationClock,
    stop: Callable[[], str],
    tell: Callable[[str], None],
    source: PowerDevice | None = None,
) -> Report:
    """Carry a check out on an unopened device; whatever way it ends, the output is off and closed.

    With an unopened ``source`` that one steps the voltage, and the device stays off. ``meter`` is
    asked for the identity of the reference after the points; ``stop`` says why to end at once,
    ``tell`` gets what people may want to know.

    Raises:
        Abandoned: there is no result; nothing is wrong with the output. DeviceError: as well, as
            the driver says. OutputUnverified: the output may be on.
    """
    path: Path
    course: PointsPlanned
    with ExitStack() as held:
        if source is None:
            held.enter_context(opened(device, _OWN, clock))
            path, course = _own(order, device, tell)
        else:
            held.enter_context(opened(device, _UNDER_CHECK, clock, bounded=False))
            # Opened last, it is the first to be off.
            held.enter_context(opened(source, _SOURCE, clock))
            path, course = _stepped(order, device, source, tell)
        taken = Taking(path, reference, course, order.pace, clock, stop, tell).run()
    instruments = _Instruments(
        device=_instrument(order.driver, device.identity),
        meter=_instrument(order.meter_driver, meter()),
        source=None if source is None else _instrument(order.source_driver, source.identity),
    )
    return _judged(order, course, taken, instruments, clock)


@dataclass(frozen=True, slots=True)
class _Instruments:
    """Who took part."""

    device: Instrument
    meter: Instrument
    source: Instrument | None


def steps_of(order: Order, device: Ratings, source: Ratings) -> Steps:
    """Plan what a source steps through, within what both bear and the operator says.

    Raises:
        Abandoned: nothing is left of it.
    """
    own = (device.voltage_min, device.voltage_max)
    if source.current_max < order.source_current:
        raise Abandoned(
            f"the source gives {source.current_max:g} A at most, not {order.source_current:g} A; "
            "take a source, or give less by --source-current"
        )
    try:
        return plan_steps(
            order.quantity,
            GRIDS.get((order.driver, order.quantity)),
            Reach(own if order.quantity is Quantity.VOLTAGE else None, source.voltage_max),
            order.limits,
            order.source_current,
            order.points,
        )
    except CourseRefused as error:
        raise Abandoned(f"no points can be taken: {error}") from error


def _stepped(
    order: Order, device: PowerDevice, source: PowerDevice, tell: Callable[[str], None]
) -> tuple[SourcePath, Steps]:
    """Plan the voltages and have the source hold its limits.

    Raises:
        Abandoned: there are none, or the source would sink.
    """
    steps = steps_of(order, device.ratings, source.ratings)
    path = SourcePath(source, device, steps)
    held = path.protect(order.silence_s)
    _LOGGER.info("the source holds %s", held)
    if held.silence_s is None:
        tell(
            "the source has no watchdog: if this computer fails, it stays on. Stay beside it, and "
            "switch it off by hand then"
        )
    return path, steps


def _own(order: Order, device: PowerDevice, tell: Callable[[str], None]) -> tuple[OwnPath, Course]:
    """Plan the points within the limits of battery and device, and have the device hold them.

    Raises:
        Abandoned: the limits leave nothing to take.
    """
    present = device.read().values["voltage"].value
    try:
        limits = tightest(order.limits, limits_of(device.ratings))
        # A bound that only the device has is not the battery's, and guards nothing more.
        limits = limits.model_copy(
            update={
                name: None for name in Limits.model_fields if getattr(order.limits, name) is None
            }
        )
        count = USUAL_POINTS if order.points is None else order.points
        course = plan(order.quantity, limits, count, present)
    except (CourseRefused, ValidationError) as error:
        raise Abandoned(f"no points can be taken: {error}") from error
    bounds = limits.model_dump()
    held = device.protect(Protection(**bounds, silence_s=order.silence_s))
    device.keep_alive()
    _LOGGER.info("the device holds %s", held)
    if held.silence_s is None:
        tell(
            "this device has no watchdog: if this computer fails, its output stays on. "
            "Stay beside it, and switch it off by hand then"
        )
    return OwnPath(device, course), course


def _judged(
    order: Order,
    course: PointsPlanned,
    taken: Taken,
    instruments: _Instruments,
    clock: StationClock,
) -> Report:
    readings = [point.device for point in taken.points]
    references = [point.reference for point in taken.points]
    try:
        fit = fit_line(readings, references)
    except UnfitError as error:
        why = f"; {taken.skipped[0].reason}" if taken.skipped else ""
        raise Abandoned(f"no line can be laid: {error}{why}") from error
    if abs(fit.gain - 1) - coverage_factor(fit.degrees) * fit.gain_u > GROSS_GAIN:
        raise Abandoned(
            f"the reference moves {fit.gain:.3g} times as far as the device: is it connected to "
            "the same terminals, and does it go on measuring?"
        )
    constants, note = _constants(order, fit.gain, lambda present: corrected(fit, present))
    made_at = clock.utc_now()
    return Report(
        made_at=made_at,
        operator=order.operator,
        note=order.note,
        station=order.station,
        quantity=order.quantity,
        device=instruments.device,
        source=instruments.source,
        reference=Reference(
            instrument=instruments.meter,
            channel=order.meter_channel,
            serial=order.meter_serial,
            accuracy=order.accuracy,
        ),
        limits=course.limits,
        readings_per_point=order.pace.readings,
        points=tuple(taken.points),
        skipped=tuple(taken.skipped),
        fit=fit,
        factors=factors(fit, order.accuracy),
        tolerance=order.tolerance,
        verdict=judge(
            list(zip(readings, references, strict=True)), fit, order.accuracy, order.tolerance
        ),
        firmware_present=order.firmware,
        firmware=constants,
        firmware_note=note,
        due=due_date(made_at, order.interval_days),
    )


def _constants(
    order: Order, gain: float, correct: Callable[[Constants], Constants]
) -> tuple[Constants | None, str]:
    """Get the constants of an EPC's image that would make it right, or why there are none."""
    if order.driver != EPC:
        return None, ""
    if order.firmware is None:
        usual = DEFAULTS[order.quantity]
        return None, (
            "unknown, because a unit tells no raw counts over CAN; say what its image holds now "
            f"(--firmware FACTOR OFFSET, {usual.factor} {usual.offset} if nobody has calibrated "
            "it) to get the new ones"
        )
    try:
        return correct(order.firmware), ""
    except ValidationError:
        return None, f"none would do: with a gain of {gain:.3g} they do not fit into the image"


def _instrument(driver: str, identity: Identity) -> Instrument:
    return Instrument(
        driver=driver,
        make=identity.make,
        model=identity.model,
        serial=identity.serial,
        firmware=identity.firmware,
    )
