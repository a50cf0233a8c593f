"""Judges each reading before anything else may use it. Pure: no clock and no device of its own.

A reading that is missing, not finite or too old is a fault and never a value; so is a device that
does something else than it was told. Everything is judged by level at every reading.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bem.domain.limits import Limits, violations
from bem.station.plausible import FrozenWatch, MeterWatch, impossible
from bem.station.sources import NO_METERS, POWER_PATH, Sensors
from bem_drivers.base import OFF, Command, Mode, Ratings, Reading

STALE_PERIODS = 3
STALE_FLOOR_S = 0.5
"""Voltage and current are stale after 3 periods, but not before 0.5 s."""
WRONG_OUTPUT_READINGS = 2
"""Readings in a row that must show another output than commanded: a device may need one to say
what it does since the last command."""

_ESSENTIAL = ("voltage", "current")
_SETPOINT_SHARE = 0.005
_SETPOINT_FLOOR = {Mode.CC: 0.01, Mode.CV: 0.01, Mode.CP: 0.2}
"""How far (A, V, W) a device's own word may be off the command: its resolution, no more."""


class Cause(StrEnum):
    """Why a station stops a run and latches."""

    MISSING = "missing_reading"
    INVALID = "invalid_reading"
    STALE = "stale_reading"
    IMPOSSIBLE = "impossible_reading"
    FROZEN = "frozen_reading"
    CONTRADICTED = "contradicted_reading"
    LIMIT = "limit"
    PROGRAM = "program"
    DEVICE_FAULT = "device_fault"
    WRONG_OUTPUT = "wrong_output"
    DEVICE_LOST = "device_lost"
    REFUSED = "device_refused"
    JOURNAL = "journal"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that must not be while an experiment runs; ``reason`` is for people."""

    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A reading after judgement.

    ``values`` holds only what is finite and fresh, with ``power`` (W) where voltage and current
    are. ``at_ns`` is the instant of the older of these two, ``None`` if one is missing. ``obeyed``:
    the device said that it did what it was told.
    """

    values: Mapping[str, float]
    at_ns: int | None
    active: Command | None
    faults: tuple[str, ...]
    troubles: tuple[Trouble, ...]
    obeyed: bool

    @property
    def output_on(self) -> bool | None:
        """Whether the device says that power may flow; ``None`` if it says nothing."""
        return None if self.active is None else self.active.mode is not Mode.OFF

    @property
    def first_reason(self) -> str:
        """The first trouble in words; empty if there is none."""
        return self.troubles[0].reason if self.troubles else ""

    @property
    def output_trouble(self) -> Trouble | None:
        """The trouble that matters even when nothing runs: an output nobody switched on."""
        for trouble in self.troubles:
            if trouble.cause is Cause.WRONG_OUTPUT:
                return trouble
        return None


@dataclass(slots=True)
class Supervisor:
    """Judges the readings of one power path.

    ``stale_s``: age (s) beyond which voltage and current are no evidence any more. ``limits``:
    hard limits of the running experiment, ``None`` when none runs. ``required``: further channels
    without which these limits cannot be watched. ``ratings``: what the device can do, once known.
    """

    stale_s: float
    limits: Limits | None = None
    required: frozenset[str] = frozenset()
    ratings: Ratings | None = None
    _frozen: FrozenWatch = field(default_factory=FrozenWatch, init=False)
    _meters: MeterWatch = field(default_factory=MeterWatch, init=False)
    _commanded: Command = field(default=OFF, init=False)
    _differing: int = field(default=0, init=False)

    def watch(
        self,
        limits: Limits | None,
        required: frozenset[str] = frozenset(),
        *,
        capacity: float | None = None,
        time_scale: float = 1.0,
    ) -> None:
        """Begin to hold ``limits``, or none.

        ``capacity`` (Ah) and ``time_scale``: see :class:`bem.station.plausible.FrozenWatch`.
        """
        self.limits = limits
        self.required = required
        self._frozen = FrozenWatch(capacity, time_scale)
        self._differing = 0

    def judge(
        self, reading: Reading, now_ns: int, commanded: Command, sensors: Sensors = NO_METERS
    ) -> Judged:
        """Judge a reading taken just before ``now_ns`` while ``commanded`` should be held.

        ``sensors`` tell which of its values are of meters.
        """
        needed = (*_ESSENTIAL, *sorted(self.required))
        missing = sensors.lacking(name for name in needed if name not in reading.values)
        troubles = [Trouble(Cause.MISSING, reason) for reason in missing]
        for name in needed:
            trouble = self._doubt(reading, name, now_ns, sensors)
            if trouble is not None:
                troubles.append(trouble)
        values = self._usable(reading, now_ns, sensors)
        at_ns = None
        if all(name in values for name in _ESSENTIAL):
            values["power"] = values["voltage"] * values["current"]
            at_ns = min(reading.values[name].at_ns for name in _ESSENTIAL)
            troubles.extend(self._disbelieve(reading, values, at_ns, commanded))
        if self.limits is not None:
            beyond = violations(self.limits, values)
            troubles.extend(Trouble(Cause.LIMIT, str(violation)) for violation in beyond)
        if reading.faults:
            said = ", ".join(reading.faults)
            troubles.append(Trouble(Cause.DEVICE_FAULT, f"the device reports: {said}"))
        obeyed = not differs(commanded, reading.active)
        self._count(obeyed, commanded, reading.active)
        if self._differing >= WRONG_OUTPUT_READINGS:
            troubles.append(Trouble(Cause.WRONG_OUTPUT, _contradiction(commanded, reading.active)))
        return Judged(values, at_ns, reading.active, reading.faults, tuple(troubles), obeyed)

    def _count(self, obeyed: bool, commanded: Command, active: Command | None) -> None:
        """Count readings in a row that show another output than commanded.

        A device that still does what it was told before the newest command is one reading late,
        however often the command changes.
        """
        if obeyed:
            self._differing = 0
        elif commanded != self._commanded and not differs(self._commanded, active):
            self._differing = 1
        else:
            self._differing += 1
        self._commanded = commanded

    def _usable(self, reading: Reading, now_ns: int, sensors: Sensors) -> dict[str, float]:
        """Get what is finite, fresh and possible."""
        return {
            name: measured.value
            for name, measured in reading.values.items()
            if math.isfinite(measured.value)
            and measured.age_s(now_ns) <= self._oldest_s(name, sensors)
            and not impossible(name, measured.value, self.ratings)
        }

    def _disbelieve(
        self, reading: Reading, values: Mapping[str, float], at_ns: int, commanded: Command
    ) -> list[Trouble]:
        frozen = self._frozen.judge(values["voltage"], values["current"], at_ns, commanded)
        contradicted = self._meters.judge(reading.values, values, commanded)
        found = ((Cause.FROZEN, frozen), (Cause.CONTRADICTED, contradicted))
        return [Trouble(cause, reason) for cause, reason in found if reason]

    def _oldest_s(self, name: str, sensors: Sensors) -> float:
        return self.stale_s if name in _ESSENTIAL else sensors.source(name).stale_s

    def _doubt(self, reading: Reading, name: str, now_ns: int, sensors: Sensors) -> Trouble | None:
        """Say why a value that is there is no evidence."""
        measured = reading.values.get(name)
        if measured is None:
            return None
        source = sensors.source(name)
        called = name if source is POWER_PATH else f"{name} of {source.name}"
        if not math.isfinite(measured.value):
            return Trouble(Cause.INVALID, f"{called} reads {measured.value}, which is no value")
        unbelievable = impossible(name, measured.value, self.ratings, called)
        if unbelievable:
            return Trouble(Cause.IMPOSSIBLE, unbelievable)
        age_s, oldest_s = measured.age_s(now_ns), self._oldest_s(name, sensors)
        if age_s > oldest_s:
            return Trouble(
                Cause.STALE, f"{called} is {age_s:.2f} s old, at most {oldest_s:g} s are allowed"
            )
        return None


def stale_after_s(period_s: float) -> float:
    """Get the age (s) beyond which voltage and current are stale in a loop of this period (s)."""
    return max(STALE_PERIODS * period_s, STALE_FLOOR_S)


def differs(commanded: Command, active: Command | None) -> bool:
    """Whether a device does something else than it was told, beyond its resolution."""
    if active is None or active.mode is not commanded.mode:
        return True
    if commanded.mode is Mode.OFF:
        return False
    allowed = max(_SETPOINT_FLOOR[commanded.mode], _SETPOINT_SHARE * abs(commanded.setpoint))
    return abs(active.setpoint - commanded.setpoint) > allowed


def _contradiction(commanded: Command, active: Command | None) -> str:
    if active is None:
        return f"the device does not say what it does; {_said(commanded)} was commanded"
    if active.mode is Mode.OFF:
        return f"output went off by itself; {_said(commanded)} was commanded"
    if commanded.mode is Mode.OFF:
        return f"output is on ({_said(active)}) although off was commanded"
    return f"the device does {_said(active)} although {_said(commanded)} was commanded"


def _said(command: Command) -> str:
    if command.mode is Mode.OFF:
        return "off"
    unit = {Mode.CC: "A", Mode.CV: "V", Mode.CP: "W"}[command.mode]
    return f"{command.mode.upper()} {command.setpoint:g} {unit}"
