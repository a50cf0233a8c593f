"""Readings that cannot be true: beyond what can be measured, frozen, or contradicted by a meter.

Pure: no clock of its own. Every bound lies where no healthy device comes, real or simulated; the
reasons stand beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bem_drivers.base import Command, Measured, Mode, Ratings

RATING_MARGIN_SHARE = 0.10
RATING_MARGIN = {"voltage": 0.5, "current": 0.5}
"""A reading a tenth and half a volt or ampere beyond the ratings is none: devices measure a little
beyond what they can do, not that much."""
TEMPERATURES = (-60.0, 200.0)
"""What a sensor at a battery can read (degC). One that is not connected reads far beyond."""
CELL_VOLTAGES = (-1.0, 10.0)
"""What one cell of any chemistry can read (V)."""

FROZEN_AFTER_CHANGE_S = 2.0
FROZEN_AFTER_CHANGE_READINGS = 3
"""Voltage and current exactly as before a change of the set point, in 3 measurements and 2 s of
them: a device that measures shows the change of current within its settling time of some 100 ms."""
CHANGE_FLOOR_A = 0.1
CHANGE_SHARE = 0.05
"""A change of the set point by more than 0.1 A or 5 %, whichever is more, must show."""
FROZEN_CHARGE_SHARE = 0.10
FROZEN_S = 3600.0
"""Voltage and current exactly the same while a tenth of the capacity moves at constant current or
power; for an hour where the capacity is not known. On the flattest part of a lithium iron phosphate
cell a device of 1 mV resolution without any noise may well show the same for 5 % of the capacity.
Constant voltage is not judged: a full battery rightly reads the same for days."""

METER_READINGS = 3
METER_SHARE = 0.03
METER_FLOOR = {"voltage": 0.10, "current": 0.10}
"""A meter contradicts the power device by 3 % or 0.1 V or A, whichever is more, in 3 measurements
of its own in a row: less than that are the drop along a cable and the accuracy of both."""
METER_SETTLE_S = 1.0
"""Measurements sooner than this after a change of the set point are not compared."""


def impossible(name: str, value: float, ratings: Ratings | None, called: str = "") -> str:
    """Say why a finite value cannot be true; empty if it can. ``called``: its name in words."""
    low, high = _possible(name, ratings)
    if low <= value <= high:
        return ""
    return (
        f"{called or name} reads {value:.6g}, which cannot be: {low:g} to {high:g} can be measured"
    )


def _possible(name: str, ratings: Ratings | None) -> tuple[float, float]:
    if name.startswith("temperature"):
        return TEMPERATURES
    if name.startswith("cell_voltage"):
        return CELL_VOLTAGES
    if ratings is None or name not in RATING_MARGIN:
        return float("-inf"), float("inf")
    rated = (
        (ratings.voltage_min, ratings.voltage_max)
        if name == "voltage"
        else (ratings.current_min, ratings.current_max)
    )
    margin = RATING_MARGIN[name] + RATING_MARGIN_SHARE * max(map(abs, rated))
    return rated[0] - margin, rated[1] + margin


@dataclass(slots=True)
class FrozenWatch:
    """Notices a device that delivers the same values again and again as if they were new.

    ``capacity``: Ah of the battery, ``None`` if not known. ``time_scale``: how much faster than the
    clock the battery's time passes.
    """

    capacity: float | None = None
    time_scale: float = 1.0
    _same: tuple[float, float] | None = field(default=None, init=False)
    _at_ns: int = field(default=0, init=False)
    _since_ns: int = field(default=0, init=False)
    _charge: float = field(default=0.0, init=False)
    _commanded: Command | None = field(default=None, init=False)
    _changed_ns: int | None = field(default=None, init=False)
    _since_change: int = field(default=0, init=False)

    def judge(self, voltage: float, current: float, at_ns: int, commanded: Command) -> str:
        """Take a reading measured at ``at_ns`` (monotonic); says why it is frozen, or nothing."""
        changed = self._commanded is not None and _differs(self._commanded, commanded, current)
        self._commanded = commanded
        if (voltage, current) != self._same:
            self._same = (voltage, current)
            self._at_ns = self._since_ns = at_ns
            self._charge = 0.0
            self._changed_ns = None
            return ""
        if changed:
            self._changed_ns, self._since_change = at_ns, 0
        passed_s = (at_ns - self._at_ns) / 1e9
        if passed_s <= 0:
            # The same measurement once more, which the age of a reading shows.
            return ""
        self._at_ns = at_ns
        self._since_change += 1
        if commanded.mode in (Mode.CC, Mode.CP):
            self._charge += abs(current) * passed_s * self.time_scale / 3600
        else:
            self._since_ns, self._charge = at_ns, 0.0
        return self._verdict(voltage, current, at_ns)

    def _verdict(self, voltage: float, current: float, at_ns: int) -> str:
        said = f"the readings are frozen: exactly {voltage:.6g} V and {current:.6g} A"
        if self._changed_ns is not None:
            unmoved_s = (at_ns - self._changed_ns) / 1e9
            if (
                unmoved_s >= FROZEN_AFTER_CHANGE_S
                and self._since_change >= FROZEN_AFTER_CHANGE_READINGS
            ):
                return f"{said} for {unmoved_s:.1f} s after the set point changed"
        if current == 0:
            return ""
        since_s = (at_ns - self._since_ns) / 1e9
        if self.capacity is None:
            return f"{said} for {since_s:.0f} s" if since_s >= FROZEN_S else ""
        if self._charge >= FROZEN_CHARGE_SHARE * self.capacity:
            return f"{said} while {self._charge:.4g} Ah moved"
        return ""


def _differs(before: Command, now: Command, current: float) -> bool:
    """Whether a change of the set point must show in the current."""
    if before == now:
        return False
    if now.mode is Mode.OFF:
        return abs(current) > CHANGE_FLOOR_A
    if now.mode is Mode.CC:
        return abs(now.setpoint - current) > max(CHANGE_FLOOR_A, CHANGE_SHARE * abs(now.setpoint))
    # What current a voltage or a power asks for, the battery decides.
    return False


@dataclass(slots=True)
class MeterWatch:
    """Compares the power device with a meter, whose channels are ``meter_voltage`` and the like."""

    _commanded: Command | None = field(default=None, init=False)
    _changed_ns: int = field(default=0, init=False)
    _seen_ns: dict[str, int] = field(default_factory=dict, init=False)
    _contradicted: dict[str, int] = field(default_factory=dict, init=False)

    def judge(
        self, readings: Mapping[str, Measured], values: Mapping[str, float], commanded: Command
    ) -> str:
        """Compare the newest measurements; says what contradicts, or nothing.

        ``values``: those of ``readings`` that are finite and fresh.
        """
        if commanded != self._commanded:
            self._commanded = commanded
            self._changed_ns = max((one.at_ns for one in readings.values()), default=0)
        for quantity in METER_FLOOR:
            name = f"meter_{quantity}"
            if name not in values or quantity not in values:
                continue
            at_ns = min(readings[name].at_ns, readings[quantity].at_ns)
            if (
                readings[name].at_ns <= self._seen_ns.get(name, 0)
                or (at_ns - self._changed_ns) / 1e9 < METER_SETTLE_S
            ):
                continue
            self._seen_ns[name] = readings[name].at_ns
            said = self._compare(quantity, values[quantity], values[name])
            if said:
                return said
        return ""

    def _compare(self, quantity: str, device: float, meter: float) -> str:
        allowed = max(METER_FLOOR[quantity], METER_SHARE * max(abs(device), abs(meter)))
        if abs(device - meter) <= allowed:
            self._contradicted[quantity] = 0
            return ""
        times = self._contradicted.get(quantity, 0) + 1
        self._contradicted[quantity] = times
        if times < METER_READINGS:
            return ""
        unit = {"voltage": "V", "current": "A"}[quantity]
        return (
            f"the power device reads {device:.5g} {unit} and the meter {meter:.5g} {unit}: "
            f"more than {allowed:.2g} {unit} apart"
        )
