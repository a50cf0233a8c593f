"""An equivalent circuit stepped exactly: for a constant current the step may be of any length.

The circuit is an open-circuit voltage source, a resistance, and a resistance beside a capacitor;
all three resistive losses warm one lump of heat that cools towards the ambient temperature.
Current is positive when charging. Charge and energy are conserved: what is not stored is warmth,
or what a coulombic efficiency below 1 lets a side reaction have.
"""

import math
from typing import NamedTuple

from bem_drivers.model.ocv import OpenCircuitCurve
from bem_drivers.model.settings import BatteryModelSettings

RESISTANCE_OHM_AH = 0.050
POLARISATION_OHM_AH = 0.030
HEAT_CAPACITY_J_PER_K_AH = 18.0
THERMAL_RESISTANCE_K_AH_PER_W = 30.0
SECONDS_PER_HOUR = 3600.0
LEAST_CAPACITY_LEFT = 0.01
"""Share of its capacity that ageing leaves a battery."""


class BatteryState(NamedTuple):
    """All that changes in a battery: shares of 1, V, degC, A, C, C."""

    state_of_charge: float
    polarisation: float
    temperature: float
    current: float
    coulombs: float
    moved: float


class BatteryModel:
    """A battery at an instant. Not thread-safe; holds no clock."""

    def __init__(self, settings: BatteryModelSettings) -> None:
        size = settings.capacity_ah / settings.cells
        self.settings = settings
        self._curve = OpenCircuitCurve(
            settings.chemistry, settings.cells, settings.voltage_empty, settings.voltage_full
        )
        self._coulombs = settings.capacity_ah * SECONDS_PER_HOUR
        self._fewest_coulombs = self._coulombs * LEAST_CAPACITY_LEFT
        self._r0 = settings.resistance_ohm or RESISTANCE_OHM_AH / size
        self._r1 = settings.polarisation_ohm or POLARISATION_OHM_AH / size
        self._tau = settings.polarisation_s
        self._efficiency = settings.coulombic_efficiency
        # A full cycle moves the capacity twice.
        self._fade = settings.fade_per_cycle / 2.0
        self._growth = settings.resistance_growth_per_cycle / (2.0 * self._coulombs)
        self._new_r0, self._new_r1 = self._r0, self._r1
        self._moved = 0.0
        mass = settings.capacity_ah * settings.cells
        self._heat_capacity = settings.heat_capacity_j_per_k or HEAT_CAPACITY_J_PER_K_AH * mass
        self._cooling_rate = 1.0 / (
            self._heat_capacity
            * (settings.thermal_resistance_k_per_w or THERMAL_RESISTANCE_K_AH_PER_W / mass)
        )
        self._soc = settings.soc
        self._polarisation = 0.0
        self._temperature = settings.ambient_degc
        self._current = 0.0

    @property
    def state_of_charge(self) -> float:
        """State of charge; 0 is empty, 1 full; beyond that the battery is abused."""
        return self._soc

    @property
    def capacity(self) -> float:
        """Capacity (Ah) that is left."""
        return self._coulombs / SECONDS_PER_HOUR

    @property
    def resistance(self) -> float:
        """Resistance (ohm) that shows at once."""
        return self._r0

    @property
    def open_circuit_voltage(self) -> float:
        """Voltage (V) after a long rest at this state of charge."""
        return self._curve.at(self._soc)[0]

    @property
    def current(self) -> float:
        """Current (A) of the last step."""
        return self._current

    @property
    def voltage(self) -> float:
        """Voltage (V) at the terminals under the current of the last step."""
        return self._curve.at(self._soc)[0] + self._polarisation + self._r0 * self._current

    @property
    def temperature(self) -> float:
        """Temperature (degC) of the battery's body."""
        return self._temperature

    def snapshot(self) -> BatteryState:
        """Get all that changes, to go back to it by :meth:`restore`."""
        return BatteryState(
            self._soc,
            self._polarisation,
            self._temperature,
            self._current,
            self._coulombs,
            self._moved,
        )

    def restore(self, state: BatteryState) -> None:
        """Go back to an earlier instant of this battery."""
        (
            self._soc,
            self._polarisation,
            self._temperature,
            self._current,
            self._coulombs,
            self._moved,
        ) = state
        self._stiffen()

    def step(self, current_a: float, dt_s: float) -> None:
        """Let ``current_a`` (A) flow for ``dt_s`` (s, >= 0). Exact for any length.

        Raises:
            ValueError: a time that is negative, or a value that is not finite.
        """
        self._refuse_nonsense(current_a, dt_s)
        self._current = current_a
        if dt_s == 0:
            return
        rate = 1.0 / self._tau
        settled = current_a * self._r1
        start = self._polarisation - settled
        self._warm(
            (
                (0.0, current_a * current_a * self._r0 + settled * settled / self._r1),
                (rate, 2.0 * settled * start / self._r1),
                (2.0 * rate, start * start / self._r1),
            ),
            dt_s,
        )
        self._polarisation = settled + start * math.exp(-rate * dt_s)
        self._store(current_a * dt_s)

    def ramp(self, current_a: float, dt_s: float) -> None:
        """Let the current go evenly from what it is to ``current_a`` (A) within ``dt_s`` (s).

        Voltage and charge are exact for any length while the current keeps its sign; the warmth is
        that of the mean loss.

        Raises:
            ValueError: a time that is negative, or a value that is not finite.
        """
        before = self._current
        if current_a == before or dt_s == 0:
            self.step(current_a, dt_s)
            return
        self._refuse_nonsense(current_a, dt_s)
        polarisation = self._polarisation
        fading, lagging = self._fading(dt_s)
        self._polarisation = (
            self._r1 * (current_a * (1.0 - lagging) + before * (lagging - fading))
            + polarisation * fading
        )
        squares = (before * before + before * current_a + current_a * current_a) / 3.0
        slow = (polarisation * polarisation + self._polarisation * self._polarisation) / 2.0
        self._warm(((0.0, squares * self._r0 + slow / self._r1),), dt_s)
        self._current = current_a
        self._store((before + current_a) / 2.0 * dt_s)

    def source(self, dt_s: float = 0.0) -> tuple[float, float]:
        """Get the voltage (V) and the resistance (ohm) that stand for the battery after ``dt_s``.

        A current that flows until then brings the terminals to voltage + resistance * current.
        """
        open_circuit, slope = self._curve.at(self._soc)
        fading = math.exp(-dt_s / self._tau)
        source = open_circuit + self._polarisation * fading
        resistance = self._r0 + self._r1 * (1.0 - fading) + slope * dt_s * self._stored_share()
        return source, resistance

    def current_for_voltage(self, voltage_v: float, dt_s: float = 0.0) -> float:
        """Get the current (A) that brings the terminals to ``voltage_v`` (V) after ``dt_s`` (s).

        With ``dt_s`` 0 it is the current right now. Looking ahead is exact while the state of
        charge stays between two points of the curve, and it keeps a long step from overshooting.
        """
        source, resistance = self.source(dt_s)
        return (voltage_v - source) / resistance

    def current_for_power(self, power_w: float, dt_s: float = 0.0) -> float:
        """Get the current (A) at which the terminals take ``power_w`` (W) after ``dt_s`` (s).

        Of two solutions it is the one with the smaller current. A discharge that the battery
        cannot give gets the current at which it gives most.
        """
        return current_into(power_w, *self.source(dt_s))

    def current_for_resistance(self, load_ohm: float, dt_s: float = 0.0) -> float:
        """Get the current (A, negative) through a load of ``load_ohm`` (ohm) after ``dt_s`` (s)."""
        source, resistance = self.source(dt_s)
        return -source / (load_ohm + resistance)

    def ramp_for_voltage(self, voltage_v: float, dt_s: float) -> float:
        """Get the current (A) at the end of a ramp that ends at ``voltage_v`` (V)."""
        source, resistance = self._ramp_ahead(dt_s)
        wanted = (voltage_v - source) / resistance
        source, resistance = self._ramp_ahead(dt_s, wanted)
        return (voltage_v - source) / resistance

    def ramp_for_power(self, power_w: float, dt_s: float) -> float:
        """Get the current (A) at the end of a ramp that ends at ``power_w`` (W)."""
        wanted = current_into(power_w, *self._ramp_ahead(dt_s))
        return current_into(power_w, *self._ramp_ahead(dt_s, wanted))

    def ramp_for_resistance(self, load_ohm: float, dt_s: float) -> float:
        """Get the current (A) at the end of a ramp that ends at a load of ``load_ohm`` (ohm)."""
        source, resistance = self._ramp_ahead(dt_s)
        wanted = -source / (load_ohm + resistance)
        source, resistance = self._ramp_ahead(dt_s, wanted)
        return -source / (load_ohm + resistance)

    def _refuse_nonsense(self, current_a: float, dt_s: float) -> None:
        if not (math.isfinite(current_a) and math.isfinite(dt_s)) or dt_s < 0:
            raise ValueError(f"cannot step a battery by {current_a} A for {dt_s} s")

    def _store(self, coulombs: float) -> None:
        self._soc += coulombs * (self._efficiency if coulombs > 0 else 1.0) / self._coulombs
        if self._fade:
            faded = self._coulombs - self._fade * abs(coulombs)
            self._coulombs = max(faded, self._fewest_coulombs)
        self._moved += abs(coulombs)
        self._stiffen()

    def _stiffen(self) -> None:
        """Let resistances be those of the charge moved so far; a step itself has those before."""
        if self._growth:
            grown = 1.0 + self._growth * self._moved
            self._r0, self._r1 = self._new_r0 * grown, self._new_r1 * grown

    def _stored_share(self) -> float:
        return (self._efficiency if self._current > 0 else 1.0) / self._coulombs

    def _fading(self, dt_s: float) -> tuple[float, float]:
        """Get which share of a polarisation is left after ``dt_s`` (s), and its mean before."""
        fading = math.exp(-dt_s / self._tau)
        return fading, self._tau * (1.0 - fading) / dt_s

    def _ramp_ahead(self, dt_s: float, towards_a: float | None = None) -> tuple[float, float]:
        """As :meth:`source` for a ramp; ``towards_a`` (A) tells how far along the curve it goes."""
        open_circuit, slope = self._curve.at(self._soc)
        share = self._stored_share() * dt_s / 2.0
        if towards_a is not None:
            change = (self._current + towards_a) * share
            if change:
                # Across a bend of the curve the slope that counts is that of the chord.
                slope = (self._curve.at(self._soc + change)[0] - open_circuit) / change
        fading, lagging = self._fading(dt_s)
        source = (
            open_circuit
            + self._current * (slope * share + self._r1 * (lagging - fading))
            + self._polarisation * fading
        )
        return source, self._r0 + self._r1 * (1.0 - lagging) + slope * share

    def _warm(self, losses: tuple[tuple[float, float], ...], dt_s: float) -> None:
        """Apply losses of the form ``power * exp(-rate * t)``, given as (rate, power) pairs."""
        cooling = self._cooling_rate
        ambient = self.settings.ambient_degc
        cooled = math.exp(-cooling * dt_s)
        rise = (self._temperature - ambient) * cooled
        for rate, power in losses:
            gap = cooling - rate
            # Where both rates agree the quotient of the differences tends to t * exp(-rate t).
            response = (
                dt_s * cooled
                if abs(gap) * dt_s < 1e-9  # noqa: PLR2004 - the smallest gap a float resolves here
                else (math.exp(-rate * dt_s) - cooled) / gap
            )
            rise += power * response / self._heat_capacity
        self._temperature = ambient + rise


def current_into(power_w: float, source: float, resistance: float) -> float:
    """Get the current (A) that brings ``power_w`` (W) into a source (V) behind a resistance (ohm).

    Of two solutions it is the one with the smaller current; more than the source can give gets the
    current at which it gives most.
    """
    under_root = source * source + 4.0 * resistance * power_w
    return (math.sqrt(max(under_root, 0.0)) - source) / (2.0 * resistance)
