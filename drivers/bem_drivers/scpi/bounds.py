"""What a described source or load may do: its ratings and a run's limits, tightened. Pure."""

from dataclasses import dataclass

from bem_drivers.base import Protection, Ratings
from bem_drivers.scpi.description import Guard, PowerDescription, PowerRatings


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the instrument may do, as positive numbers in its own direction (V, A, W)."""

    voltage_min: float
    voltage_max: float
    current: float
    power: float

    @classmethod
    def of(cls, ratings: PowerRatings) -> "Bounds":
        return cls(ratings.voltage_min, ratings.voltage_max, ratings.current_max, ratings.power_max)


class Limits:
    """The bounds that hold at present, those of the ratings at first."""

    def __init__(self, description: PowerDescription) -> None:
        self._description = description
        self._charges = description.kind == "source"
        self.rated = Bounds.of(description.ratings)
        self.present = self.rated

    def ratings(self) -> Ratings:
        """Get the ratings, positive when charging."""
        rated = self.rated
        return Ratings(
            voltage_min=rated.voltage_min,
            voltage_max=rated.voltage_max,
            current_min=0.0 if self._charges else -rated.current,
            current_max=rated.current if self._charges else 0.0,
            power_min=0.0 if self._charges else -rated.power,
            power_max=rated.power if self._charges else 0.0,
        )

    def narrowed(self, protection: Protection) -> Bounds:
        """Combine what was asked with the ratings, the tighter of each."""
        rated = self.rated
        if self._charges:
            current, power = protection.current_max, protection.power_max
        else:
            current = -protection.current_min
            power = None if protection.power_min is None else -protection.power_min
        return Bounds(
            voltage_min=max(protection.voltage_min, rated.voltage_min),
            voltage_max=min(protection.voltage_max, rated.voltage_max),
            current=min(max(current, 0.0), rated.current),
            power=rated.power if power is None else min(max(power, 0.0), rated.power),
        )

    def window(self, quantity: str) -> tuple[float, float]:
        """Get the lowest and highest set point, positive when charging."""
        most = self.bound(quantity, upper=True)
        if quantity == "voltage":
            return self.present.voltage_min, most
        return (0.0, most) if self._charges else (-most, 0.0)

    def bound(self, quantity: str, *, upper: bool = False) -> float:
        """Get where a register that bounds ``quantity`` belongs; of a load's voltage the lower."""
        guards, bounds = self._description.guards, self.present
        if quantity == "voltage":
            if not self._charges and not upper:
                return bounds.voltage_min + _headroom(guards.voltage_min)
            return bounds.voltage_max - _headroom(guards.voltage_max)
        if quantity == "current":
            return bounds.current - _headroom(guards.current)
        return bounds.power - _headroom(guards.power)

    def held(self, guarded: dict[str, float]) -> Protection:
        """Get what is held, by guards that keep ``guarded`` and by the registers of every mode."""
        bounds = self.present
        current = guarded.get("current", bounds.current if self._holds("current") else None)
        power = guarded.get("power", bounds.power if self._holds("power") else None)
        voltage_min = guarded.get("voltage_min")
        voltage_max = guarded.get("voltage_max")
        if self._holds("voltage"):
            if self._charges:
                voltage_max = bounds.voltage_max if voltage_max is None else voltage_max
            else:
                voltage_min = bounds.voltage_min if voltage_min is None else voltage_min
        rated = self.rated
        most = rated.current if current is None else current
        return Protection(
            voltage_min=rated.voltage_min if voltage_min is None else voltage_min,
            voltage_max=rated.voltage_max if voltage_max is None else voltage_max,
            current_min=0.0 if self._charges else -most,
            current_max=most if self._charges else 0.0,
            power_min=0.0 if self._charges else _negative(power),
            power_max=power if self._charges else 0.0,
            silence_s=None,
        )

    def _holds(self, quantity: str) -> bool:
        """Whether every mode has a register of this quantity, so that it cannot go beyond."""
        registers = self._description.registers
        return all(
            any(registers[one].quantity == quantity for one in (mode.sets, *mode.bounds))
            for mode in self._description.modes.values()
        )


def _headroom(guard: Guard | None) -> float:
    return 0.0 if guard is None else guard.headroom


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
