"""Which voltages a source steps through while the device under check only measures.

There is no battery: nothing below the range does harm, and what is above it is guarded by the true
value, as the reference tells it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from bem.domain.calibration.course import (
    MOST_POINTS,
    USUAL_POINTS,
    CourseRefused,
    Point,
    Quantity,
    disagreement,
)
from bem.domain.calibration.fit import LEAST_POINTS
from bem.domain.limits import Limits, trip_limits

_SLACK = 1e-9


class Grid(NamedTuple):
    """Voltages (V) at which a device is calibrated: from ``low`` to ``high``; ``most`` it bears."""

    low: float
    high: float
    step: float
    most: float

    def points(self) -> tuple[float, ...]:
        """Get all of them."""
        count = round((self.high - self.low) / self.step) + 1
        return tuple(round(self.low + self.step * place, 6) for place in range(count))


GRIDS = {
    ("epc", Quantity.VOLTAGE): Grid(low=0.5, high=5.0, step=0.5, most=5.1),
    ("epc", Quantity.SUPPLY_VOLTAGE): Grid(low=5.0, high=14.0, step=0.5, most=14.1),
}
"""By driver (devices.md sections 2.4 and 5)."""


class Reach(NamedTuple):
    """Voltages (V) that the device may get at these terminals, and the highest of the source.

    ``device``: lowest and highest; ``None`` where nothing but the operator knows.
    """

    device: tuple[float, float] | None
    source: float


class Steps(BaseModel):
    """Set points of the source in rising order, and the limits that the true values keep.

    Of ``limits`` the currents are those that the source may give.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    quantity: Quantity
    limits: Limits
    set_points: tuple[float, ...]

    @property
    def span(self) -> float:
        """The highest set point."""
        return self.set_points[-1]

    @property
    def highest(self) -> float:
        """True voltage (V) above which the source goes off: a margin above the limit."""
        return trip_limits(self.limits).voltage_max or 0.0

    def centre(self, voltage: float) -> float:  # noqa: ARG002 - as of a course, which a battery has
        """Get from where points are taken outwards: from nothing, upwards."""
        return 0.0

    def hindrance(self, set_point: float, taken: Sequence[Point]) -> str:
        """Say why a set point must not follow those; empty if it may.

        The source may be off by an offset or by a share, which grows with the voltage.
        """
        if not taken:
            return ""
        last = taken[-1]
        error = last.reference - last.set_point
        foreseen = set_point + error * max(1.0, set_point / max(last.set_point, _SLACK))
        if foreseen <= self.highest:
            return ""
        return f"truly it would be {foreseen:.4g} V, above {self.highest:.4g}"

    def doubt(self, point: Point) -> str:
        """Say why what is at the terminals cannot be what the source was set to; empty if it can.

        Or why device and reference cannot measure the same.
        """
        found = disagreement(point.device, point.reference, self.span)
        if found:
            return (
                f"the device reads {point.device:.4g} V and the reference {point.reference:.4g} V: "
                "look at wiring, sign and range"
            )
        if disagreement(point.set_point, point.reference, self.span):
            return (
                f"the source was set to {point.set_point:.4g} V and device and reference read "
                f"{point.reference:.4g} V: is it at the same terminals, and nothing else there?"
            )
        return ""


def plan_steps(
    quantity: Quantity,
    grid: Grid | None,
    reach: Reach,
    wanted: Limits,
    current: float,
    count: int | None,
) -> Steps:
    """Choose set points: those of ``grid`` in the range, or ``count`` spread over it.

    The range is what ``wanted`` says, else the grid's, else the device's, and never more than what
    device and source bear. ``current`` (A): the most that the source may give.

    Raises:
        CourseRefused: no range is known, it is empty, or it has too few or too many points.
    """
    low, high, most = _range(grid, reach, wanted)
    if count is None and grid is not None:
        values = tuple(one for one in grid.points() if low - _SLACK <= one <= high + _SLACK)
    else:
        count = USUAL_POINTS if count is None else count
        if not LEAST_POINTS <= count <= MOST_POINTS:
            raise CourseRefused(f"{count} points: take {LEAST_POINTS} to {MOST_POINTS}")
        values = tuple(round(low + (high - low) * place / (count - 1), 6) for place in range(count))
    if len(values) < LEAST_POINTS:
        raise CourseRefused(
            f"only {len(values)} of the usual voltages lie within {low:g} to {high:g} V; "
            "give a wider range, or --points"
        )
    limits = Limits(voltage_min=low, voltage_max=most, current_min=0.0, current_max=current)
    return Steps(quantity=quantity, limits=limits, set_points=values)


def _range(grid: Grid | None, reach: Reach, wanted: Limits) -> tuple[float, float, float]:
    """Get the lowest and highest set point, and what the true value may come to."""
    usual = reach.device if grid is None else (grid.low, grid.high)
    low = wanted.voltage_min
    high = wanted.voltage_max
    if usual is not None:
        low = max(usual[0], 0.0) if low is None else low
        high = usual[1] if high is None else high
    if low is None or high is None:
        raise CourseRefused(
            "what this device may get there is not known: give --voltage-min and --voltage-max"
        )
    borne = [reach.source]
    if reach.device is not None:
        borne.append(reach.device[1])
    if grid is not None:
        borne.append(grid.most)
    if wanted.voltage_max is not None:
        borne.append(wanted.voltage_max)
    most = min(borne)
    if not 0.0 <= low < min(high, most):
        raise CourseRefused(
            f"from {low:g} V to {min(high, most):g} V, which device and source bear, is no range; "
            "give another, or take another source"
        )
    return low, min(high, most), most
