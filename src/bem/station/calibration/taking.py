"""Takes the points of a check, one after another, and watches the limits at every reading.

It only ever leaves the output on while it takes points; whoever calls it switches off at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bem.domain.calibration.course import Point, Skipped
from bem.domain.calibration.fit import middle
from bem.station.calibration.path import Abandoned, Left, Path, PointsPlanned
from bem_drivers.base import Clock, Measured, Reading

PASS_S = 0.1
FRESH_S = 2.0
"""Older values are no answer to what is set now."""
FIRST_VALUE_S = 20.0
"""So long a meter may take for its first value."""


class ReferenceMeter(Protocol):
    """What gives the true value."""

    def newest(self) -> Measured | None:
        """Get its newest value, if it has one."""
        ...

    def trouble(self) -> str:
        """Say why it cannot be relied on; empty if it can."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a point is taken: what settles for how long (s), how many readings make its median."""

    settle_s: float = 2.0
    readings: int = 9
    timeout_s: float = 60.0


@dataclass(slots=True)
class Taken:
    """What has been taken, and what not."""

    points: list[Point] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Device and reference at one time."""

    device: Measured
    reference: Measured
    voltage: float


class Taking:
    """Takes the points of ``course`` by a path that is open, protected and off.

    ``stop`` says why to end at once, or nothing; ``tell`` gets a line for people after each point.
    """

    def __init__(
        self,
        path: Path,
        reference: ReferenceMeter,
        course: PointsPlanned,
        pace: Pace,
        clock: Clock,
        stop: Callable[[], str],
        tell: Callable[[str], None],
    ) -> None:
        self._path = path
        self._reference = reference
        self._course = course
        self._pace = pace
        self._clock = clock
        self._stop = stop
        self._tell = tell
        self._due_ns = clock.monotonic_ns()

    def run(self) -> Taken:
        """Take all points that may be taken.

        Raises:
            Abandoned: a limit was passed, device or reference fails, or ``stop`` said so.
            DeviceError: as the driver says.
        """
        taken = Taken()
        centre = self._course.centre(self._wait_for_values().voltage)
        closed: dict[bool, str] = {}
        for number, set_point in enumerate(self._course.set_points, 1):
            upwards = set_point > centre
            reason = closed.get(upwards) or self._course.hindrance(set_point, taken.points)
            if not reason:
                reason = self._try(set_point, taken)
            if reason:
                closed[upwards] = reason
                taken.skipped.append(Skipped(set_point=set_point, reason=reason))
            self._tell(self._line(number, set_point, reason, taken))
        return taken

    def _try(self, set_point: float, taken: Taken) -> str:
        """Take a point; says why it could not be taken."""
        try:
            point = self._take(set_point)
        except Left as left:
            self._path.rest()
            return str(left)
        missed = self._path.missed(point)
        doubt = self._course.doubt(point)
        if doubt:
            raise Abandoned(doubt)
        if not missed:
            taken.points.append(point)
        return missed

    def _take(self, set_point: float) -> Point:
        self._check_stop()
        self._path.set(set_point)
        begun_ns = self._clock.monotonic_ns()
        settled_ns = begun_ns + round(self._pace.settle_s * 1e9)
        pairs: list[_Pair] = []
        while len(pairs) < self._pace.readings:
            pair = self._turn()
            now_ns = self._clock.monotonic_ns()
            if pair is not None and _is_new(pair, pairs[-1] if pairs else None, settled_ns):
                pairs.append(pair)
            elif now_ns - begun_ns > self._pace.timeout_s * 1e9:
                raise Abandoned(
                    f"only {len(pairs)} of {self._pace.readings} readings of both device and "
                    f"reference came in {self._pace.timeout_s:g} s; is the meter set to a long "
                    "integration time?"
                )
        device = [pair.device.value for pair in pairs]
        reference = [pair.reference.value for pair in pairs]
        return Point(
            set_point=set_point,
            device=middle(device),
            reference=middle(reference),
            device_spread=max(device) - min(device),
            reference_spread=max(reference) - min(reference),
            voltage=middle([pair.voltage for pair in pairs]),
        )

    def _turn(self) -> _Pair | None:
        """Make one pass: feed the watchdog, read, judge. ``None``: no fresh pair.

        Raises:
            Left: the battery comes near to its voltage limits. Abandoned: as :meth:`run`.
        """
        self._check_stop()
        self._wait()
        reading = self._path.read()
        reference = self._reference.newest()
        trouble = self._reference.trouble()
        if trouble:
            raise Abandoned(trouble)
        self._path.judge(reading, reference)
        return self._pair(reading, reference)

    def _wait_for_values(self) -> _Pair:
        """Wait until device and reference have told something, and see that it fits."""
        until_ns = self._clock.monotonic_ns() + round(FIRST_VALUE_S * 1e9)
        while True:
            self._check_stop()
            self._wait()
            reading = self._path.read()
            reference = self._reference.newest()
            why = self._reference.trouble() or "no value came"
            pair = None if self._reference.trouble() else self._pair(reading, reference)
            if pair is not None:
                self._path.judge(reading, reference)
                why = self._path.unready(reading, pair.reference)
                if not why:
                    return pair
            if self._clock.monotonic_ns() > until_ns:
                raise Abandoned(f"points cannot be taken: {why}")

    def _pair(self, reading: Reading, reference: Measured | None) -> _Pair | None:
        device = reading.values[self._course.quantity]
        voltage = reading.values["voltage"]
        now_ns = self._clock.monotonic_ns()
        if reference is None or any(
            one.age_s(now_ns) > FRESH_S for one in (device, voltage, reference)
        ):
            return None
        return _Pair(device, reference, voltage.value)

    def _check_stop(self) -> None:
        reason = self._stop()
        if reason:
            raise Abandoned(reason)

    def _wait(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._due_ns > now_ns:
            self._clock.sleep((self._due_ns - now_ns) / 1e9)
            now_ns = self._due_ns
        self._due_ns = now_ns + round(PASS_S * 1e9)

    def _line(self, number: int, set_point: float, reason: str, taken: Taken) -> str:
        unit = self._course.quantity.unit
        head = f"point {number} of {len(self._course.set_points)}, {set_point:.4g} {unit}: "
        if reason:
            return f"{head}not taken: {reason}"
        point = taken.points[-1]
        return (
            f"{head}device {point.device:.5f} {unit}, reference {point.reference:.5f} {unit}, "
            f"error {point.device - point.reference:+.5f} {unit}"
        )


def _is_new(pair: _Pair, last: _Pair | None, settled_ns: int) -> bool:
    """Whether both were measured after all has settled and after the last pair."""
    after = (settled_ns, settled_ns) if last is None else (last.device.at_ns, last.reference.at_ns)
    return pair.device.at_ns > after[0] and pair.reference.at_ns > after[1]
