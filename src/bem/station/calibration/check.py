"""A whole check: opens the device, protects the battery, takes points, switches off, judges."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import ValidationError

from bem.domain.calibration.course import Course, CourseRefused, Quantity, plan
from bem.domain.calibration.firmware import Constants, corrected
from bem.domain.calibration.fit import UnfitError, coverage_factor, fit_line
from bem.domain.calibration.judging import Accuracy, factors, judge
from bem.domain.calibration.report import (
    DEFAULT_INTERVAL_DAYS,
    Instrument,
    Reference,
    Report,
    due_date,
)
from bem.domain.limits import Limits, tightest
from bem.station.calibration.taking import Abandoned, Pace, ReferenceMeter, Taken, Taking
from bem.station.clock import StationClock
from bem.station.power import limits_of
from bem_drivers.base import Clock, DeviceError, Identity, PowerDevice, Protection

_LOGGER = logging.getLogger(__name__)
OFF_ATTEMPTS = 5
OFF_PAUSE_S = 0.5
SILENCE_S = 2.0
"""So long a device with a watchdog tolerates it that we are silent, as after a kill."""
EPC = "epc"
GROSS_GAIN = 0.2
"""A device whose gain is farther from 1 than that, for certain, is not what the meter is at."""


class OutputUnverified(Exception):
    """The device did not confirm that its output is off. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be checked, by whom, within which limits.

    ``limits``: of the battery; both voltages and both currents. ``meter_serial``, ``accuracy``: of
    the reference, as on its certificate. ``firmware``: the constants in the image of an EPC now.
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
    points: int = 11
    interval_days: int = DEFAULT_INTERVAL_DAYS
    station: str = ""
    note: str = ""
    firmware: Constants | None = None
    pace: Pace = field(default_factory=Pace)
    silence_s: float = SILENCE_S


def carry_out(
    order: Order,
    device: PowerDevice,
    reference: ReferenceMeter,
    meter: Callable[[], Identity],
    clock: StationClock,
    stop: Callable[[], str],
    tell: Callable[[str], None],
) -> Report:
    """Carry a check out on an unopened device; whatever way it ends, the output is off and closed.

    ``meter`` is asked for the identity of the reference after the points; ``stop`` says why to end
    at once, ``tell`` gets what people may want to know.

    Raises:
        Abandoned: there is no result; nothing is wrong with the output. DeviceError: as well, as
            the driver says. OutputUnverified: the output may be on.
    """
    try:
        device.open()
    except BaseException:
        device.close()
        raise
    with _off_at_the_end(device, clock):
        course = _protected(order, device, tell)
        taken = Taking(device, reference, course, order.pace, clock, stop, tell).run()
    return _judged(order, course, taken, _instrument(order.driver, device.identity), meter(), clock)


@contextmanager
def _off_at_the_end(device: PowerDevice, clock: Clock) -> Iterator[None]:
    try:
        yield
    finally:
        try:
            _switch_off(device, clock)
            try:
                device.release()
            except DeviceError as error:
                _LOGGER.warning("the device keeps the limits of the check: %s", error)
        finally:
            device.close()


def _switch_off(device: PowerDevice, clock: Clock) -> None:
    """Switch off, over a new connection if need be: opening makes safe.

    Raises:
        OutputUnverified: after some attempts.
    """
    said = ""
    interruption: BaseException | None = None
    for attempt in range(OFF_ATTEMPTS):
        try:
            if attempt:
                device.close()
                clock.sleep(OFF_PAUSE_S)
                device.open()
            device.make_safe()
        except BaseException as error:  # noqa: BLE001 - whatever comes, it is to be off first
            said = str(error) or type(error).__name__
            interruption = interruption if isinstance(error, Exception) else error
            _LOGGER.warning("the output is not off yet: %s", said)
        else:
            if interruption is not None:
                raise interruption
            return
    raise OutputUnverified(
        f"the output could not be verified off: {said}. Disconnect the battery at once"
    )


def _protected(order: Order, device: PowerDevice, tell: Callable[[str], None]) -> Course:
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
        course = plan(order.quantity, limits, order.points, present)
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
    return course


def _judged(
    order: Order,
    course: Course,
    taken: Taken,
    device: Instrument,
    meter: Identity,
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
        device=device,
        reference=Reference(
            instrument=_instrument(order.meter_driver, meter),
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
        return None, (
            "unknown, because a unit tells no raw counts over CAN; say what its image holds now "
            "(--firmware FACTOR OFFSET) to get the new ones"
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
