"""A battery that keeps exact books of what went through its terminals.

What it says is what really happened to the model; what a run has measured is compared with it.
"""

import math
from typing import NamedTuple

from bem_drivers.model.battery import SECONDS_PER_HOUR, BatteryModel
from bem_drivers.model.settings import BatteryModelSettings


class MeteredBattery(BatteryModel):
    """As its base, with charge (Ah) and energy (Wh) into and out of it integrated in closed form.

    Sums keep their rounding errors apart, so that a thousand cycles are as exact as one. Going back
    to an earlier instant does not unbook: meter only what is done once.
    """

    def __init__(self, settings: BatteryModelSettings) -> None:
        super().__init__(settings)
        self._books = {True: (ExactSum(), ExactSum()), False: (ExactSum(), ExactSum())}

    @property
    def charge_in(self) -> float:
        """Ah put in."""
        return self._books[True][0].value / SECONDS_PER_HOUR

    @property
    def charge_out(self) -> float:
        """Ah taken out."""
        return self._books[False][0].value / SECONDS_PER_HOUR

    @property
    def energy_in(self) -> float:
        """Wh put in."""
        return self._books[True][1].value / SECONDS_PER_HOUR

    @property
    def energy_out(self) -> float:
        """Wh taken out."""
        return self._books[False][1].value / SECONDS_PER_HOUR

    def step(self, current_a: float, dt_s: float) -> None:
        """Do as the base does, and book it."""
        soc, polarisation, r0, r1 = self._soc, self._polarisation, self._r0, self._r1
        super().step(current_a, dt_s)
        if dt_s and current_a:
            # As _book for a current that stays, which a simulation does a hundred times a second.
            coulombs = current_a * dt_s
            passing = (polarisation - self._polarisation) * self._tau
            slow = current_a * (r1 * coulombs + passing)
            self._enter(soc, coulombs, r0 * current_a * coulombs + slow)

    def ramp(self, current_a: float, dt_s: float) -> None:
        """Do as the base does, and book it; a ramp through zero is split there."""
        before = self._current
        if before * current_a < 0:
            until_zero = dt_s * before / (before - current_a)
            self.ramp(0.0, until_zero)
            self.ramp(current_a, dt_s - until_zero)
            return
        started = self._before(before)
        super().ramp(current_a, dt_s)
        if dt_s and current_a != before:
            self._book(started, dt_s)

    def _before(self, first_a: float) -> "_Before":
        return _Before(self._soc, self._polarisation, self._r0, self._r1, first_a)

    def _book(self, before: "_Before", dt_s: float) -> None:
        soc, first_a = before.state_of_charge, before.current
        last_a = self._current
        rate = (last_a - first_a) / dt_s
        coulombs = (first_a + last_a) / 2.0 * dt_s
        instant = before.r0 * (first_a**2 + first_a * last_a + last_a**2) / 3.0 * dt_s
        self._enter(soc, coulombs, instant + self._slow_work(before, rate, dt_s))

    def _enter(self, soc: float, coulombs: float, lost: float) -> None:
        """Enter a charge (C) moved since ``soc``, and what of its energy (J) no source explains."""
        stored = self._soc - soc
        source = self._curve.area(soc, self._soc) * coulombs / stored if stored else 0.0
        charge, energy = self._books[coulombs > 0]
        charge.add(abs(coulombs))
        energy.add(abs(source + lost))

    def _slow_work(self, before: "_Before", rate: float, dt_s: float) -> float:
        """Integrate current times polarisation (J) over a ramp of ``rate`` (A/s)."""
        first_a, r1 = before.current, before.r1
        tau, fading = self._tau, math.exp(-dt_s / self._tau)
        settled = first_a - rate * tau
        even = settled * (first_a * dt_s + rate * dt_s**2 / 2.0) + rate * (
            first_a * dt_s**2 / 2.0 + rate * dt_s**3 / 3.0
        )
        passing = before.polarisation - r1 * settled
        return r1 * even + passing * (
            first_a * tau * (1.0 - fading) + rate * (tau**2 * (1.0 - fading) - tau * dt_s * fading)
        )


class _Before(NamedTuple):
    """A battery when a step began: share of 1, V, ohm, ohm, and the A with which it began."""

    state_of_charge: float
    polarisation: float
    r0: float
    r1: float
    current: float


class ExactSum:
    """Adds many small values to a large one without losing them (Neumaier)."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._lost = 0.0

    @property
    def value(self) -> float:
        return self._sum + self._lost

    def add(self, value: float) -> None:
        total = self._sum + value
        if abs(self._sum) >= abs(value):
            self._lost += (self._sum - total) + value
        else:
            self._lost += (value - total) + self._sum
        self._sum = total
