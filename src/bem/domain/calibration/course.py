"""Which points to take, in which order, and which not: nothing may leave the limits.

The device may be wrong, that is why it is checked; so points are taken from where the battery is
outwards, and each is left out whose true value, by the errors found so far, would lie outside.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from bem.domain.limits import (
    TRIP_CURRENT_FLOOR,
    TRIP_CURRENT_SHARE,
    TRIP_VOLTAGE_FLOOR,
    TRIP_VOLTAGE_SHARE,
    Limits,
)

MOST_POINTS = 101
USUAL_POINTS = 11
GROSS_SHARE = 0.1
"""Device and reference that differ by more than this share of the value, and half of it of the
whole span, do not measure the same thing."""


class Quantity(StrEnum):
    """What is compared."""

    VOLTAGE = "voltage"
    CURRENT = "current"
    SUPPLY_VOLTAGE = "supply_voltage"
    """Of the high side of a converter, which it cannot set itself."""

    @property
    def unit(self) -> str:
        """Its unit."""
        return "A" if self is Quantity.CURRENT else "V"

    @property
    def in_words(self) -> str:
        """Its name for people."""
        return self.replace("_", " ")

    @property
    def metered_as(self) -> str:
        """What a meter calls it."""
        return "current" if self is Quantity.CURRENT else "voltage"


_MARGINS = {
    Quantity.VOLTAGE: (TRIP_VOLTAGE_FLOOR, TRIP_VOLTAGE_SHARE),
    Quantity.CURRENT: (TRIP_CURRENT_FLOOR, TRIP_CURRENT_SHARE),
}


class CourseRefused(ValueError):
    """Limits that leave no room for points. The message says which."""


class Point(BaseModel):
    """One point: medians of what device and reference read, and the spread of each (largest minus
    smallest), in V or A. ``voltage``: what the device read of it meanwhile (V).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    set_point: float
    device: float
    reference: float
    device_spread: float = 0.0
    reference_spread: float = 0.0
    voltage: float


class Skipped(BaseModel):
    """A point that was not taken, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    set_point: float
    reason: str


class Course(BaseModel):
    """Set points in the order in which to take them, and the limits that they keep.

    ``inner`` lies a margin inside ``limits``, as wide as the one outside of which a station trips.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    quantity: Quantity
    limits: Limits
    inner: Limits
    set_points: tuple[float, ...]

    @property
    def span(self) -> float:
        """The largest set point by amount."""
        return max(map(abs, self.set_points))

    def centre(self, voltage: float) -> float:
        """Get from where points are taken outwards, with the battery at ``voltage`` (V)."""
        return voltage if self.quantity is Quantity.VOLTAGE else 0.0

    def hindrance(self, set_point: float, taken: Sequence[Point]) -> str:
        """Say why a point must not be taken after those; empty if it may."""
        low, high = _bounds(self.limits, self.quantity)
        unit = self.quantity.unit
        for foreseen in _foreseen(set_point, taken):
            if not low <= foreseen <= high:
                return f"truly it would be {foreseen:.4g} {unit}, outside of {low:g} to {high:g}"
        if self.quantity is Quantity.CURRENT:
            low, high = _bounds(self.inner, Quantity.VOLTAGE)
            voltage = _foreseen_voltage(set_point, taken)
            if voltage is not None and not low <= voltage <= high:
                return f"the battery would come to {voltage:.4g} V, outside of {low:g} to {high:g}"
        return ""

    def missed(self, point: Point) -> str:
        """Say why a point is none: the device did not come to its set point; empty if it did."""
        floor, share = _MARGINS[self.quantity]
        if abs(point.device - point.set_point) <= floor + share * abs(point.set_point):
            return ""
        return (
            f"the device came to {point.device:.4g} {self.quantity.unit} only; another of its "
            "limits holds it back"
        )

    def doubt(self, point: Point) -> str:
        """Say why device and reference cannot measure the same; empty if they can."""
        if not disagreement(point.device, point.reference, self.span):
            return ""
        unit = self.quantity.unit
        return (
            f"the device reads {point.device:.4g} {unit} and the reference "
            f"{point.reference:.4g} {unit}: look at its wiring, sign and range"
        )


def plan(quantity: Quantity, limits: Limits, count: int, voltage: float) -> Course:
    """Spread ``count`` points over the limits, from where the battery is outwards.

    That is ``voltage`` (V), or no current. ``limits`` need both voltages and both currents. Where
    currents of both signs are allowed, one point is at zero.

    Raises:
        CourseRefused: a limit is missing, they leave no room, there are too few or many points, or
            no device can set this quantity itself.
    """
    if quantity is Quantity.SUPPLY_VOLTAGE:
        raise CourseRefused("a device does not set its own supply voltage; it needs a source")
    if not 3 <= count <= MOST_POINTS:  # noqa: PLR2004 - what a line needs
        raise CourseRefused(f"{count} points: take 3 to {MOST_POINTS}")
    inner = _inside(limits)
    low, high = _bounds(inner, quantity)
    values = [round(low + (high - low) * place / (count - 1), 6) for place in range(count)]
    if low < 0 < high:
        nearest = min(range(count), key=lambda place: abs(values[place]))
        values[nearest] = 0.0
    course = Course(quantity=quantity, limits=limits, inner=inner, set_points=tuple(values))
    centre = course.centre(voltage)
    outwards = tuple(sorted(values, key=lambda value: abs(value - centre)))
    return course.model_copy(update={"set_points": outwards})


def disagreement(one: float, other: float, span: float) -> bool:
    """Whether two values on a scale of ``span`` differ by more than any error explains."""
    largest = max(abs(one), abs(other))
    return abs(one - other) > GROSS_SHARE * (largest + span / 2)


def _inside(limits: Limits) -> Limits:
    for name in ("voltage_min", "voltage_max", "current_min", "current_max"):
        if getattr(limits, name) is None:
            raise CourseRefused(f"{name} is missing: give all four limits of the battery")
    low, high = _bounds(limits, Quantity.VOLTAGE)
    voltage = max(TRIP_VOLTAGE_FLOOR, TRIP_VOLTAGE_SHARE * abs(high))
    least, most = _bounds(limits, Quantity.CURRENT)

    def current(bound: float) -> float:
        """Come nearer to zero, but not across it."""
        room = max(TRIP_CURRENT_FLOOR, TRIP_CURRENT_SHARE * abs(bound))
        return max(abs(bound) - room, 0.0)

    inner = {
        "voltage_min": low + voltage,
        "voltage_max": high - voltage,
        "current_min": -current(least),
        "current_max": current(most),
    }
    for quantity in ("voltage", "current"):
        if inner[f"{quantity}_min"] >= inner[f"{quantity}_max"]:
            raise CourseRefused(
                f"{quantity}_min {getattr(limits, f'{quantity}_min'):g} and {quantity}_max "
                f"{getattr(limits, f'{quantity}_max'):g} leave no room between the margins; "
                "give wider limits"
            )
    return limits.model_copy(update=inner)


def _bounds(limits: Limits, quantity: Quantity) -> tuple[float, float]:
    low, high = getattr(limits, f"{quantity}_min"), getattr(limits, f"{quantity}_max")
    return float(low), float(high)


def _foreseen(set_point: float, taken: Sequence[Point]) -> Iterable[float]:
    """Foresee what a set point truly comes to by the errors found so far.

    The farthest point on the same side of zero tells most: an error of the gain grows with the
    value. From the other side it may be of the gain or the offset, and have either sign here.
    """
    yield set_point
    same = [point for point in taken if point.set_point * set_point > 0]
    if same:
        farthest = max(same, key=lambda point: abs(point.set_point))
        grown = max(1.0, abs(set_point / farthest.set_point))
        yield set_point + (farthest.reference - farthest.device) * grown
        return
    for point in taken:
        error = abs(point.reference - point.device)
        yield set_point + error
        yield set_point - error


def _foreseen_voltage(current: float, taken: Sequence[Point]) -> float | None:
    """Foresee the battery's voltage by its resistance as found so far; ``None``: not known yet."""
    at_rest = [point.voltage for point in taken if point.set_point == 0]
    loaded = [point for point in taken if point.set_point != 0 and point.reference != 0]
    if not at_rest or not loaded:
        return None
    farthest = max(loaded, key=lambda point: abs(point.reference))
    resistance = abs((farthest.voltage - at_rest[-1]) / farthest.reference)
    return at_rest[-1] + resistance * current
