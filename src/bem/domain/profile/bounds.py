"""The tightest bounds of a battery, a station and a profile, each with the one it comes from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bem.domain.battery import BatterySpec, StationSpec
from bem.domain.limits import Limits
from bem.domain.profile.model import Limit, Side
from bem.domain.units import Dimension, format_value, si_unit

Bounded = Literal["voltage", "current", "power"]
Kind = Literal["battery", "station", "limit"]

_ROUNDING = 1e-9
"""Share of a bound within which a value counts as the bound: a third of 3 A is not above 1 A."""

_LIKELY = 0.01
"""Share of a bound from which a value in another unit may be what was meant."""

_DIMENSIONS: dict[Bounded, Dimension] = {
    "voltage": Dimension.VOLTAGE,
    "current": Dimension.CURRENT,
    "power": Dimension.POWER,
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound (V, A or W, signed), and whose it is: ``the battery 'X'``.

    What a battery or a station bounds may be asked of it to the last. A limit of a profile ends
    the run beyond it: as readings vary a little, what is asked must lie inside.
    """

    value: float
    owner: str
    kind: Kind

    def is_passed(self, value: float, *, above: bool) -> bool:
        """Whether a value cannot be asked, ``above`` telling on which side of it this bound is."""
        beyond = value > self.value if above else value < self.value
        return beyond or (self.kind == "limit" and value == self.value)


@dataclass(frozen=True, slots=True)
class Breach:
    """A value beyond a bound: why, what to do, and the text that was probably meant."""

    message: str
    suggestion: str | None


class Bounds:
    """What may be asked of a battery at a station; either may be unknown."""

    def __init__(self, battery: BatterySpec | None, station: StationSpec | None) -> None:
        sources: list[tuple[Limits, str, Kind]] = []
        if battery is not None:
            sources.append((battery.limits, f"the battery '{battery.name}'", "battery"))
        if station is not None:
            sources.append((station.limits, f"the station '{station.name}'", "station"))
        # Of equal bounds the battery's, which stands first, is the one to name.
        self._lowest: dict[Bounded, Bound | None] = {}
        self._highest: dict[Bounded, Bound | None] = {}
        for quantity in _DIMENSIONS:
            below = _given(sources, f"{quantity}_min")
            above = _given(sources, f"{quantity}_max")
            self._lowest[quantity] = max(below, key=lambda one: one.value, default=None)
            self._highest[quantity] = min(above, key=lambda one: one.value, default=None)

    def tightened(self, limits: Iterable[Limit], owner: str) -> "Bounds":
        """Get the bounds inside the hard limits of a profile or a step."""
        tighter = Bounds(None, None)
        tighter._lowest, tighter._highest = dict(self._lowest), dict(self._highest)
        for limit in limits:
            if limit.delay_s == 0:
                tighter._tighten(limit, owner)
        return tighter

    def _tighten(self, limit: Limit, owner: str) -> None:
        quantity = next((one for one in _DIMENSIONS if one == limit.quantity), None)
        if quantity is None:
            return
        bound = Bound(limit.value, owner, "limit")
        if limit.side is Side.ABOVE:
            known = self._highest[quantity]
            if known is None or bound.value <= known.value:
                self._highest[quantity] = bound
            return
        known = self._lowest[quantity]
        if known is None or bound.value >= known.value:
            self._lowest[quantity] = bound

    def lowest(self, quantity: Bounded) -> Bound | None:
        """The bound below, of the one that allows least."""
        return self._lowest[quantity]

    def highest(self, quantity: Bounded) -> Bound | None:
        """The bound above, of the one that allows least."""
        return self._highest[quantity]

    def fit(self, value: float, quantity: Bounded) -> float:
        """Put a value that is beyond a bound by no more than rounding onto the bound."""
        for bound in (self.lowest(quantity), self.highest(quantity)):
            if bound is None or bound.kind == "limit":
                continue
            if abs(value - bound.value) <= _ROUNDING * abs(bound.value):
                return bound.value
        return value

    def breach(self, value: float, quantity: Bounded, written: Callable[[], str]) -> Breach | None:
        """Say why a value cannot be, or ``None`` if it can. ``written`` tells how it was given."""
        low, high = self.lowest(quantity), self.highest(quantity)
        if high is not None and high.is_passed(value, above=True):
            broken, above = high, True
        elif low is not None and low.is_passed(value, above=False):
            broken, above = low, False
        else:
            return None
        shown = written()
        if broken.kind == "limit":
            return Breach(_limit_message(broken, shown, quantity, above=above), None)
        if quantity == "voltage":
            message = _voltage_message(broken, shown, above=above)
        else:
            message = _drive_message(broken, shown, quantity, charge=above)
        suggestion = self._meant(value, quantity)
        if suggestion is not None:
            message += f"; did you mean {suggestion}?"
        elif quantity == "voltage":
            suggestion = format_value(broken.value, Dimension.VOLTAGE)
            message += f"; use at {'most' if above else 'least'} {suggestion}"
        elif broken.value != 0:
            suggestion = format_value(abs(broken.value), _DIMENSIONS[quantity])
            message += f"; use at most {suggestion}"
        return Breach(message, suggestion)

    def _meant(self, value: float, quantity: Bounded) -> str | None:
        """The same digits in milli-units or in whole ones, where only that fits."""
        low, high = self.lowest(quantity), self.highest(quantity)
        if low is None or high is None:
            return None
        unit = si_unit(_DIMENSIONS[quantity]).symbol
        # The digits somebody wrote are those of milli-units if the value came from "4.2 mV".
        for other, written in (
            (value / 1000, f"{value:.10g} m"),
            (value * 1000, f"{value * 1000:.10g} "),
        ):
            bound = high.value if other > 0 else low.value
            if low.value <= other <= high.value and abs(other) >= _LIKELY * abs(bound):
                return f"{written.lstrip('-')}{unit}"
        return None


def _given(sources: Sequence[tuple[Limits, str, Kind]], field: str) -> list[Bound]:
    return [
        Bound(value, owner, kind)
        for limits, owner, kind in sources
        if (value := getattr(limits, field)) is not None
    ]


def _voltage_message(bound: Bound, shown: str, *, above: bool) -> str:
    side, extreme = ("above", "highest") if above else ("below", "lowest")
    limit = format_value(bound.value, Dimension.VOLTAGE)
    return f"{shown} is {side} {limit}, the {extreme} voltage of {bound.owner}"


def _limit_message(bound: Bound, shown: str, quantity: Bounded, *, above: bool) -> str:
    limit = format_value(bound.value, _DIMENSIONS[quantity])
    side, most = ("below", "above") if above else ("above", "below")
    return (
        f"{shown} is not {side} {limit}, the limit of {bound.owner}, {most} which the run fails: "
        "readings vary a little, so leave some room or change the limit"
    )


def _drive_message(bound: Bound, shown: str, quantity: Bounded, *, charge: bool) -> str:
    if bound.value == 0:
        if bound.kind == "battery":
            verb = "charged" if charge else "discharged"
            return f"{bound.owner} must not be {verb}: its {quantity} limit there is 0"
        return f"{bound.owner} cannot {'charge' if charge else 'discharge'}: choose another station"
    if bound.kind == "battery":
        does = "takes" if charge else "gives"
    else:
        does = "supplies" if charge else "draws"
    limit = format_value(abs(bound.value), _DIMENSIONS[quantity])
    return f"{shown} is above {limit}, the most {bound.owner} {does}"
