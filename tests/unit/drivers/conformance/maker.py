"""What a driver is put up with, and what is to be expected of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance_bench import Bench

from bem_drivers.base import Command, DeviceError, Identity, Mode, Protection, Reading
from bem_drivers.registry import DriverSpec

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=0.5
)
CLOSE = 0.02
"""How far (V, A) a reading may be from the truth: resolution of the coarsest simulated device."""
LONGEST_OPEN_S = 10.0
TRIES = 6
"""Passes of a control loop within which a device must be back after a passing fault."""
SPOILT = ("wrong", "late", "half", "noise", "double", "lost")


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a device says: ``answers`` in place of its next ones, or after ``orders``.

    ``values``: what the driver makes of it; none where it must refuse.
    """

    answers: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Power:
    """What a power path can do at a battery between the bounds of ``PROTECTION``.

    ``charging`` and ``discharging`` are its modes in each direction. ``silence``: it has
    a watchdog. ``holds_voltage``: it holds bounds of the voltage by itself. ``trips``: a constant
    voltage that takes more than the bound of the current is a fault; otherwise the current stays
    at its bound.
    """

    charging: frozenset[Mode] = frozenset()
    discharging: frozenset[Mode] = frozenset()
    silence: bool = False
    holds_voltage: bool = True
    trips: bool = False

    @property
    def charges(self) -> bool:
        return bool(self.charging)

    @property
    def discharges(self) -> bool:
        return bool(self.discharging)

    def can(self, command: Command) -> bool:
        """Tell whether ``command`` is one for it."""
        if command.mode is Mode.CV:
            return Mode.CV in self.charging | self.discharging
        return command.mode in (self.charging if command.setpoint > 0 else self.discharging)

    def goes(self, charging: bool) -> bool:
        """Tell whether current can flow in this direction."""
        return self.charges if charging else self.discharges


@dataclass(frozen=True, slots=True)
class Maker:
    """A driver, how to put it up with its simulator, and what to expect of it.

    ``put_up(clock, number, changes)`` makes the first or second (0, 1) of two, unopened, with
    ``changes`` of the driver's settings. ``truth(bench)`` is what channels must read. ``spoilt``
    are orders to the simulator that spoil its answers in the ways of ``SPOILT``, ``silent`` those
    that silence it and give it its voice back. ``stranger`` are settings that name another unit.
    """

    name: str
    spec: DriverSpec
    put_up: Callable[[ManualClock, int, Mapping[str, object]], Bench]
    settings: Mapping[str, object]
    identities: tuple[Identity, Identity]
    truth: Callable[[Bench], dict[str, float]]
    spoilt: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[str, str] = ("silent on", "silent off")
    stranger: Mapping[str, object] | None = None
    said: tuple[Said, ...] = ()
    power: Power | None = None

    def __str__(self) -> str:
        return self.name

    def opened(self, clock: ManualClock, number: int = 0) -> Bench:
        """Get an opened device and its simulator."""
        bench = self.put_up(clock, number, {})
        bench.device.open()
        return bench

    def check(self, bench: Bench, reading: Reading) -> None:
        """See that a reading has every channel, dated, and tells the truth."""
        assert set(reading.values) == {channel.name for channel in bench.device.channels}
        now_ns = bench.clock.now_ns
        for name, measured in reading.values.items():
            assert math.isfinite(measured.value), name
            assert 0 <= measured.age_s(now_ns) < 2.0, name
        truth = self.truth(bench)
        assert {name: reading.values[name].value for name in truth} == pytest.approx(
            truth, abs=CLOSE
        )

    def comes_back(self, bench: Bench, check: Callable[[Reading], None] | None = None) -> Reading:
        """Read until there is no error: within ``TRIES`` passes."""
        for _ in range(TRIES):
            bench.a_pass()
            try:
                reading = bench.device.read()
            except DeviceError:
                continue
            (check or (lambda one: self.check(bench, one)))(reading)
            return reading
        return bench.device.read()
