"""One battery with several instruments at its terminals: sources, loads, and what only looks.

Each power instrument holds a :class:`Lead`; the battery gets the sum of their currents. Where
several leads regulate at once, the voltage settles where all of them are content or at their
bounds, as it does on a bench.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from bem_drivers.base import OFF, Command, Mode
from bem_drivers.model.battery import SECONDS_PER_HOUR, BatteryModel, current_into
from bem_drivers.model.ledger import ExactSum, MeteredBattery
from bem_drivers.model.regulator import substeps
from bem_drivers.model.settings import BatteryModelSettings
from bem_drivers.simulation.node import Node

NS_PER_S = 1_000_000_000
HALVINGS = 100
CLOSE = 1e-12
"""Relative difference of two voltages below which halving stops."""
LEAST_VOLTAGE = 1e-6
"""Voltage (V) below which a power asks for no more current than at it."""


class Terminals:
    """The poles of a battery whose time passes ``speed`` times as fast as the caller's clock.

    The clock starts with the first :meth:`advance`. Not thread-safe. Not ``connected``: the poles
    are bare, and have the voltage of whatever source is at them.

    Raises:
        ValueError: a speed that is not above 0.
    """

    def __init__(
        self, battery: BatteryModelSettings, speed: float = 1.0, *, connected: bool = True
    ) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"speed {speed} of a battery must be above 0")
        self.battery = MeteredBattery(battery) if connected else Node(battery)
        self.speed = speed
        self._leads: dict[str, Lead] = {}
        self._closed: list[Lead] = []
        self._started_ns: int | None = None
        self._lived_s = 0.0

    @property
    def voltage(self) -> float:
        """Voltage (V) between the poles now."""
        return self.battery.voltage

    @property
    def current(self) -> float:
        """Current (A) into the battery now: the sum of all leads."""
        return self.battery.current

    @property
    def temperature(self) -> float:
        """Temperature (degC) of the battery's body."""
        return self.battery.temperature

    @property
    def lived_s(self) -> float:
        """How much of its own time (s) the battery has lived."""
        return self._lived_s

    def connect(self, name: str) -> "Lead":
        """Get a lead for the power instrument ``name``, without current.

        Raises:
            ValueError: there is a lead of this name.
        """
        if name in self._leads:
            raise ValueError(f"{name!r} is at these terminals already; give each lead its own name")
        lead = self._leads[name] = Lead(name, self)
        return lead

    def disconnect(self, name: str) -> None:
        """Take the lead ``name`` off, if it is there; its current ends."""
        lead = self._leads.get(name)
        if lead is not None:
            lead.open()
            del self._leads[name]

    def advance(self, now_ns: int) -> None:
        """Let current flow until ``now_ns`` (monotonic); an instant that has passed does nothing.

        Everybody at the terminals may call it.
        """
        if self._started_ns is None:
            self._started_ns = now_ns - round(self._lived_s / self.speed * NS_PER_S)
        passed_s = (now_ns - self._started_ns) / NS_PER_S * self.speed - self._lived_s
        if passed_s <= 0:
            return
        count, dt_s = substeps(passed_s)
        for _ in range(count):
            self.flow(dt_s)

    def flow(self, dt_s: float) -> None:
        """Let current flow for ``dt_s`` (s, >= 0) of the battery's time, in one step."""
        closed = self._closed
        if len(closed) == 1:
            # By far the most frequent, and asked for a hundred times a second.
            current = _alone(closed[0].wish, self.battery, dt_s)
            closed[0].carry(current, dt_s)
        else:
            currents = _settle([lead.wish for lead in closed], self.battery, dt_s)
            for lead, current in zip(closed, currents, strict=True):
                lead.carry(current, dt_s)
            current = math.fsum(currents)
        self.battery.step(current, dt_s)
        self._lived_s += dt_s

    def sort_out(self) -> None:
        """Note that a lead was opened or closed."""
        self._closed = [lead for lead in self._leads.values() if lead.wish is not _OPEN]


class Lead:
    """What one instrument does at the terminals. Made by :meth:`Terminals.connect`."""

    def __init__(self, name: str, terminals: Terminals) -> None:
        self.name = name
        self.terminals = terminals
        self.wish = _OPEN
        self._current = 0.0
        self._books = {True: ExactSum(), False: ExactSum()}
        self._lived_s = terminals.lived_s

    @property
    def command(self) -> Command:
        """What was asked for last."""
        return self.wish.command

    @property
    def current(self) -> float:
        """Current (A) that this lead carries; positive charges."""
        return self._current

    @property
    def voltage(self) -> float:
        """Voltage (V) at the terminals."""
        return self.terminals.voltage

    @property
    def charge_in(self) -> float:
        """Ah that this lead has put into the battery."""
        return self._books[True].value / SECONDS_PER_HOUR

    @property
    def charge_out(self) -> float:
        """Ah that this lead has taken out."""
        return self._books[False].value / SECONDS_PER_HOUR

    def regulate(self, command: Command, current_min: float, current_max: float) -> None:
        """Obey ``command`` from now on within these currents (A); what is read next shows it.

        A source has ``current_min`` 0, a load ``current_max`` 0. Call ``terminals.advance`` first.

        Raises:
            ValueError: bounds that are not finite or the wrong way round.
        """
        before = self.wish
        self.ask(command, current_min, current_max)
        if self.wish != before:
            self.terminals.flow(0.0)

    def ask(self, command: Command, current_min: float, current_max: float) -> None:
        """As :meth:`regulate`, but shown only once time has passed."""
        before = self.wish
        if before == (command, current_min, current_max):
            return
        if not -math.inf < current_min <= current_max < math.inf:
            raise ValueError(
                f"lead {self.name!r}: {current_min} to {current_max} A are no bounds of a current"
            )
        if command.mode is Mode.OFF:
            self.wish = _OPEN
            self._current = 0.0
        else:
            self.wish = _Wish(command, current_min, current_max)
        if (before is _OPEN) != (self.wish is _OPEN):
            self.terminals.sort_out()

    def open(self) -> None:
        """Carry no current."""
        self.regulate(OFF, 0.0, 0.0)

    def flow(self, dt_s: float) -> None:
        """Live on by ``dt_s`` (s) of the battery's time, for an instrument with a clock of its own.

        Time that others have let pass already is not lived twice; 0 shows what was asked.
        """
        self._lived_s += dt_s
        missing_s = self._lived_s - self.terminals.lived_s
        if missing_s > 0 or dt_s == 0:
            self.terminals.flow(max(missing_s, 0.0))

    def catch_up(self) -> None:
        """Go on at the battery's present, after a time without :meth:`flow`."""
        self._lived_s = self.terminals.lived_s

    def carry(self, current_a: float, dt_s: float) -> None:
        """Book what the terminals have settled for this lead."""
        self._current = current_a
        if dt_s:
            self._books[current_a > 0].add(abs(current_a) * dt_s)


class _Wish(NamedTuple):
    command: Command
    lowest: float
    highest: float

    def within(self, current: float) -> float:
        return min(max(current, self.lowest), self.highest)

    def at(self, voltage: float) -> float:
        """Get the current (A) for a constant voltage or power at a voltage of the terminals."""
        setpoint = self.command.setpoint
        if self.command.mode is Mode.CV:
            return self.highest if voltage < setpoint else self.lowest
        return self.within(setpoint / max(voltage, LEAST_VOLTAGE))


_OPEN = _Wish(OFF, 0.0, 0.0)


def _settle(wishes: Sequence[_Wish], battery: BatteryModel, dt_s: float) -> list[float]:
    """Get the current (A) of each lead for the next ``dt_s`` (s)."""
    currents = [
        wish.within(wish.command.setpoint) if wish.command.mode is Mode.CC else 0.0
        for wish in wishes
    ]
    regulated = [place for place, wish in enumerate(wishes) if wish.command.mode is not Mode.CC]
    if not regulated:
        return currents
    source, resistance = battery.source(dt_s)
    source += resistance * math.fsum(currents)
    if len(regulated) == 1:
        currents[regulated[0]] = _regulated(wishes[regulated[0]], source, resistance)
        return currents
    settled = _together([wishes[place] for place in regulated], source, resistance)
    for place, current in zip(regulated, settled, strict=True):
        currents[place] = current
    return currents


def _alone(wish: _Wish, battery: BatteryModel, dt_s: float) -> float:
    if wish.command.mode is Mode.CC:
        return wish.within(wish.command.setpoint)
    return _regulated(wish, *battery.source(dt_s))


def _regulated(wish: _Wish, source: float, resistance: float) -> float:
    setpoint = wish.command.setpoint
    if wish.command.mode is Mode.CV:
        return wish.within((setpoint - source) / resistance)
    return wish.within(current_into(setpoint, source, resistance))


def _together(wishes: Sequence[_Wish], source: float, resistance: float) -> list[float]:
    """Find the voltage at which what all drive is what the battery takes, by halving.

    Those that regulate this very voltage share what the others leave, in proportion to how far
    each can go.
    """
    low = source + resistance * math.fsum(wish.lowest for wish in wishes)
    high = source + resistance * math.fsum(wish.highest for wish in wishes)
    if any(wish.command.mode is Mode.CP and wish.command.setpoint < 0 for wish in wishes):
        # A power has two solutions; half of the source is where a battery gives most.
        low = min(max(low, source / 2.0), high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if (middle - source) / resistance < math.fsum(wish.at(middle) for wish in wishes):
            low = middle
        else:
            high = middle
        if high - low <= CLOSE * max(abs(high), 1.0):
            break
    near = 2.0 * CLOSE * max(abs(high), 1.0)
    at_voltage = [
        wish
        for wish in wishes
        if wish.command.mode is Mode.CV and abs(wish.command.setpoint - high) <= near
    ]
    if not at_voltage:
        return [wish.at(high) for wish in wishes]
    voltage = at_voltage[0].command.setpoint
    others = math.fsum(wish.at(voltage) for wish in wishes if wish not in at_voltage)
    least = math.fsum(wish.lowest for wish in at_voltage)
    span = math.fsum(wish.highest - wish.lowest for wish in at_voltage)
    wanted = (voltage - source) / resistance - others
    share = min(max((wanted - least) / span, 0.0), 1.0) if span else 0.0
    return [
        wish.lowest + share * (wish.highest - wish.lowest)
        if wish in at_voltage
        else wish.at(voltage)
        for wish in wishes
    ]
