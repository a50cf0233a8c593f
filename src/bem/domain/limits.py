"""Bounds on what a battery may see, and whether a reading keeps them.

Two sets of bounds matter. The *operating* limits bound every set point. The *trip* limits lie a
margin outside and end the run at the first reading beyond them: equipment regulates and measures
with finite accuracy, so a cell held at exactly its maximum reads a little above it now and then.
"""

import math
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, model_validator

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
