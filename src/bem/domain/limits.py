"""Bounds on what a battery may see, and whether a reading keeps them.

Two sets of bounds matter. The *operating* limits bound every set point. The *trip* limits lie a
margin outside and end the run at the first reading beyond them: equipment regulates and measures
with finite accuracy, so a cell held at exactly its maximum reads a little above it now and then.
Beside them a profile, a step or an experiment has limits of its own, maybe with a delay.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

TRIP_VOLTAGE_FLOOR = 0.020
"""Least distance (V) between operating and trip voltage: 13 counts of the EPC's converter."""
TRIP_VOLTAGE_SHARE = 0.005
"""Distance between operating and trip voltage as a share of the highest voltage."""
TRIP_CURRENT_FLOOR = 0.050
"""Least distance (A) between operating and trip current: 6 counts of the EPC's converter."""
TRIP_CURRENT_SHARE = 0.02
"""Distance between operating and trip current as a share of the bound."""
TRIP_POWER_FLOOR = 0.2
"""Least distance (W) between operating and trip power: 2 counts of the EPC's set point."""
TRIP_POWER_SHARE = 0.025
"""Distance between operating and trip power as a share of the bound: what voltage and current add
up to, or a step at exactly the highest power would trip by the noise of its readings."""


class Compare(StrEnum):
    """Which side of a threshold is meant: of an end where it holds, of a limit where it breaks."""

    AT_LEAST = ">="
    AT_MOST = "<="


class Limited(StrEnum):
    """What a limit bounds; see :class:`bem.domain.profile.model.Limited`."""

    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER = "power"
    TEMPERATURE = "temperature"
    CELL_VOLTAGE = "cell_voltage"
    CHARGE = "charge"
    DURATION = "duration"
    FLOW = "flow"
    """Any channel whose name begins with ``flow``, L/min."""


SENSORS = {
    Limited.TEMPERATURE: "temperature",
    Limited.CELL_VOLTAGE: "cell_voltage_",
    Limited.FLOW: "flow",
}
"""Quantities that not every station measures, and how the names of their channels begin."""


class Limit(BaseModel):
    """A bound of a run or of a step beyond which the run fails, after ``delay_s`` s without pause.

    ``compare`` is the forbidden side: at least means that the value may not go above the
    threshold, at most that it may not go below it. The threshold itself is allowed.
    ``owner`` says whose it is, for people: ``profile``, ``step 3``, ``experiment``, ``battery``,
    ``station``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    quantity: Limited
    compare: Compare
    threshold: float
    delay_s: float = Field(default=0.0, ge=0)
    owner: str = "profile"


class Limits(BaseModel):
    """Bounds in V, A, W and degC. Discharge is negative. ``None``: not bounded here.

    Raises:
        pydantic.ValidationError: a minimum that is not below its maximum, a bound that is not
            finite, a charging current below zero or a discharging one above zero.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    voltage_min: float | None = None
    voltage_max: float | None = None
    current_min: float | None = None
    current_max: float | None = None
    power_min: float | None = None
    power_max: float | None = None
    temperature_min: float | None = None
    temperature_max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Limits":
        for quantity in ("voltage", "current", "power", "temperature"):
            low = getattr(self, f"{quantity}_min")
            high = getattr(self, f"{quantity}_max")
            if low is not None and high is not None and low >= high:
                raise ValueError(f"{quantity}_min {low:g} must be below {quantity}_max {high:g}")
        for quantity in ("current", "power"):
            low = getattr(self, f"{quantity}_min")
            high = getattr(self, f"{quantity}_max")
            if low is not None and low > 0:
                raise ValueError(f"{quantity}_min {low:g} bounds discharging: 0 or negative")
            if high is not None and high < 0:
                raise ValueError(f"{quantity}_max {high:g} bounds charging: 0 or positive")
        return self


def tightest(*sets: Limits) -> Limits:
    """Combine bounds: of each the one that allows least.

    Raises:
        pydantic.ValidationError: nothing is left, such as a station whose lowest voltage lies
            above the battery's highest.
    """
    chosen: dict[str, float] = {}
    for name in Limits.model_fields:
        given = [bound for one in sets if (bound := getattr(one, name)) is not None]
        if given:
            chosen[name] = max(given) if name.endswith("_min") else min(given)
    return Limits(**chosen)


def trip_limits(operating: Limits) -> Limits:
    """Widen operating limits by the margins of this module; temperature stays."""
    voltage_margin = max(TRIP_VOLTAGE_FLOOR, TRIP_VOLTAGE_SHARE * abs(operating.voltage_max or 0.0))

    def current_margin(bound: float) -> float:
        return max(TRIP_CURRENT_FLOOR, TRIP_CURRENT_SHARE * abs(bound))

    def power_margin(bound: float) -> float:
        return max(TRIP_POWER_FLOOR, TRIP_POWER_SHARE * abs(bound))

    changed: dict[str, float] = {}
    if operating.voltage_min is not None:
        changed["voltage_min"] = operating.voltage_min - voltage_margin
    if operating.voltage_max is not None:
        changed["voltage_max"] = operating.voltage_max + voltage_margin
    if operating.current_min is not None:
        changed["current_min"] = operating.current_min - current_margin(operating.current_min)
    if operating.current_max is not None:
        changed["current_max"] = operating.current_max + current_margin(operating.current_max)
    if operating.power_min is not None:
        changed["power_min"] = operating.power_min - power_margin(operating.power_min)
    if operating.power_max is not None:
        changed["power_max"] = operating.power_max + power_margin(operating.power_max)
    return operating.model_copy(update=changed)


class Violation(BaseModel):
    """One reading beyond one bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: str
    value: float
    bound: str
    limit: float

    def __str__(self) -> str:
        side = "below" if self.bound.endswith("_min") else "above"
        return f"{self.channel} {self.value:.4g} is {side} the limit {self.limit:.4g}"


def violations(limits: Limits, values: Mapping[str, float]) -> list[Violation]:
    """Judge readings (channel name to value) against limits.

    ``voltage``, ``current`` and ``power`` are judged by their own bounds, every channel whose name
    starts with ``temperature`` by the temperature bounds. A value that is not finite breaks every
    bound of its quantity: it is no evidence that the battery is safe.
    """
    found: list[Violation] = []
    for channel, value in values.items():
        quantity = "temperature" if channel.startswith("temperature") else channel
        if quantity not in ("voltage", "current", "power", "temperature"):
            continue
        for bound in (f"{quantity}_min", f"{quantity}_max"):
            limit = getattr(limits, bound)
            if limit is None:
                continue
            beyond = value < limit if bound.endswith("_min") else value > limit
            if beyond or not math.isfinite(value):
                found.append(Violation(channel=channel, value=value, bound=bound, limit=limit))
    return found


MISSING_S = 10.0
"""How long (s) a limited quantity may have no reading before that breaks its limit."""

_UNITS = {
    Limited.VOLTAGE: "V",
    Limited.CURRENT: "A",
    Limited.POWER: "W",
    Limited.TEMPERATURE: "degC",
    Limited.CELL_VOLTAGE: "V",
    Limited.CHARGE: "Ah",
    Limited.DURATION: "s",
    Limited.FLOW: "L/min",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: times in µs, net charges moved in Ah.

    ``step_us`` is the step's own time, ``step_started_us`` tells one pass of a step from the next.
    """

    elapsed_us: int
    charge: float
    step_started_us: int
    step_us: int
    step_charge: float


class Exceeded(BaseModel):
    """A limit that is broken: whose it is, what was read where, and for how long already.

    ``channel`` and ``value`` are ``None`` where there is no reading at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Limit
    channel: str | None
    value: float | None
    for_s: float

    @property
    def owner(self) -> str:
        """Whose limit it is."""
        return self.limit.owner

    def __str__(self) -> str:
        unit = _UNITS[self.limit.quantity]
        side = "above" if self.limit.compare is Compare.AT_LEAST else "below"
        bound = f"the limit {self.limit.threshold:.6g} {unit}".rstrip() + f" ({self.owner})"
        if self.value is None:
            name = self.limit.quantity.replace("_", " ")
            return f"no {name} was read for {self.for_s:.3g} s, which must not be {side} {bound}"
        lasting = f", for {self.for_s:.3g} s" if self.for_s > 0 else ""
        return f"{self.channel} {self.value:.6g} {unit}".rstrip() + f" is {side} {bound}{lasting}"


@dataclass(frozen=True, slots=True)
class LimitWatch:
    """Judges the limits of a run and of its present step at every reading, by level.

    A limit without a delay breaks at the first reading beyond it. One with a delay breaks once
    all readings of so long a time were beyond; a single one that is not starts it again. A
    value that is not finite is beyond every limit of its quantity. ``of_run`` are the limits that
    hold all the time: there, charge and duration are those of the run.
    """

    of_run: tuple[Limit, ...] = ()
    _run_since: Mapping[int, int] = field(default_factory=dict)
    _step_since: Mapping[int, int] = field(default_factory=dict)
    _step_started_us: int | None = None

    def judge(
        self, values: Mapping[str, float], progress: Progress, of_step: tuple[Limit, ...] = ()
    ) -> tuple["LimitWatch", tuple[Exceeded, ...]]:
        """Judge a reading (channel name to value); return the watch to go on with.

        ``of_step`` are the limits of the present step: charge and duration are those of the step,
        and what was beyond in an earlier step or pass does not count.
        """
        same = self._step_started_us == progress.step_started_us
        run_values = _Judged(values, progress.elapsed_us, progress.charge, progress.elapsed_us)
        step_values = _Judged(values, progress.step_us, progress.step_charge, progress.elapsed_us)
        run_since, of_the_run = _beyond(self.of_run, run_values, self._run_since)
        step_since, of_the_step = _beyond(of_step, step_values, self._step_since if same else {})
        watch = LimitWatch(self.of_run, run_since, step_since, progress.step_started_us)
        return watch, (*of_the_run, *of_the_step)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What limits of one scope look at: readings, and the scope's own time and charge."""

    values: Mapping[str, float]
    duration_us: int
    charge: float
    now_us: int

    def of(self, quantity: Limited) -> dict[str, float]:
        """Get the values of a quantity by channel."""
        return _LOOK[quantity](self)

    def begins_with(self, start: str) -> dict[str, float]:
        """Get the channels whose names begin so."""
        return {name: value for name, value in self.values.items() if name.startswith(start)}

    def named(self, name: str) -> dict[str, float]:
        """Get the one channel of that name."""
        return {name: self.values[name]} if name in self.values else {}

    def power(self) -> dict[str, float]:
        """Get the power, computed where no channel has it."""
        if "power" in self.values or not {"voltage", "current"} <= self.values.keys():
            return self.named("power")
        return {"power": self.values["voltage"] * self.values["current"]}


_LOOK: dict[Limited, Callable[[_Judged], dict[str, float]]] = {
    Limited.VOLTAGE: lambda judged: judged.named("voltage"),
    Limited.CURRENT: lambda judged: judged.named("current"),
    Limited.POWER: lambda judged: judged.power(),
    Limited.TEMPERATURE: lambda judged: judged.begins_with("temperature"),
    Limited.CELL_VOLTAGE: lambda judged: judged.begins_with("cell_voltage_"),
    Limited.CHARGE: lambda judged: {"charge": abs(judged.charge)},
    Limited.DURATION: lambda judged: {"duration": judged.duration_us / 1e6},
    Limited.FLOW: lambda judged: judged.begins_with("flow"),
}


def _beyond(
    limits: tuple[Limit, ...], judged: _Judged, since: Mapping[int, int]
) -> tuple[dict[int, int], list[Exceeded]]:
    """Judge limits by their index: since when each is broken, and which have been long enough."""
    broken_since: dict[int, int] = {}
    found: list[Exceeded] = []
    for index, limit in enumerate(limits):
        values = judged.of(limit.quantity)
        worst = _worst(limit, values)
        if values and worst is None:
            continue
        broken_since[index] = since.get(index, judged.now_us)
        for_us = judged.now_us - broken_since[index]
        delay_s = limit.delay_s if values else max(limit.delay_s, MISSING_S)
        if for_us >= delay_s * 1e6:
            channel, value = worst if worst is not None else (None, None)
            found.append(Exceeded(limit=limit, channel=channel, value=value, for_s=for_us / 1e6))
    return broken_since, found


def _worst(limit: Limit, values: Mapping[str, float]) -> tuple[str, float] | None:
    """Get the value that is furthest beyond a limit, or not finite; ``None`` if all keep it."""
    sign = 1.0 if limit.compare is Compare.AT_LEAST else -1.0

    def excess(value: float) -> float:
        return sign * (value - limit.threshold) if math.isfinite(value) else math.inf

    beyond = {name: value for name, value in values.items() if excess(value) > 0}
    if not beyond:
        return None
    return max(beyond.items(), key=lambda item: excess(item[1]))
