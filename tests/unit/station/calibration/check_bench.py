"""A device that reads wrongly, its reference meter and a turned clock, for calibration checks."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.support.clock import ManualClock

from bem.domain.calibration.course import Quantity
from bem.domain.calibration.judging import Accuracy
from bem.domain.calibration.report import Report
from bem.domain.limits import Limits
from bem.runtime.settings import StationDevice
from bem.station.calibration.check import Order, carry_out
from bem.station.calibration.reference import Reference
from bem_drivers.base import (
    OFF,
    Channel,
    Command,
    CommunicationLost,
    DeviceFault,
    Identity,
    Measured,
    Mode,
    PowerDevice,
    Protection,
    Ratings,
    Reading,
)
from bem_drivers.bk2831.driver import Bk2831Driver
from bem_drivers.bk2831.settings import Bk2831Settings
from bem_drivers.bk2831.simulator import Bk2831Unit, Bk2831UnitSettings
from bem_drivers.can import Frame
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation import Faulty, LoopbackLine
from bem_drivers.simulation.circuit import Terminals

CELL = BatteryModelSettings(capacity_ah=20, resistance_ohm=0.25, polarisation_ohm=0.001)
"""Stiff enough for half an hour, soft enough for voltages apart from each other."""
LIMITS = Limits(voltage_min=3.2, voltage_max=4.2, current_min=-1.8, current_max=1.8)


class TurnedClock(ManualClock):
    """Time passes when somebody waits; the time of day stands still."""

    def utc_now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class WatchedTerminals(Terminals):
    """Keeps how far it truly went at any time."""

    def __init__(self, battery: BatteryModelSettings) -> None:
        super().__init__(battery)
        self.currents = [0.0, 0.0]
        self.voltages = [self.voltage, self.voltage]

    def flow(self, dt_s: float) -> None:
        super().flow(dt_s)
        self.currents = [min(self.currents[0], self.current), max(self.currents[1], self.current)]
        self.voltages = [min(self.voltages[0], self.voltage), max(self.voltages[1], self.voltage)]

    def kept(self, limits: Limits) -> bool:
        low, high = limits.voltage_min or 0.0, limits.voltage_max or 0.0
        least, most = limits.current_min or 0.0, limits.current_max or 0.0
        slack = 1e-9
        return (
            low - slack <= self.voltages[0]
            and self.voltages[1] <= high + slack
            and least - slack <= self.currents[0]
            and self.currents[1] <= most + slack
        )


@dataclass
class Error:
    """What is there = gain * what the device reads + offset."""

    gain: float = 1.0
    offset: float = 0.0

    def read(self, true: float) -> float:
        return (true - self.offset) / self.gain

    def true(self, read: float) -> float:
        return self.gain * read + self.offset


class WrongDevice(PowerDevice):
    """Regulates and limits by what it reads, which is wrong by a known error."""

    channels: tuple[Channel, ...] = (
        Channel("voltage", "V", "Voltage"),
        Channel("current", "A", "Current"),
    )

    def __init__(
        self, terminals: Terminals, clock: TurnedClock, volts: Error, amperes: Error, noise: float
    ) -> None:
        self.identity = Identity("Test", "Wrong", "7", "1.0")
        self.ratings = Ratings(0.0, 60.0, -20.0, 20.0, -400.0, 400.0)
        self.terminals, self.clock = terminals, clock
        self.lead = terminals.connect("wrong")
        self.volts, self.amperes, self.noise = volts, amperes, noise
        self.random = random.Random(3)  # noqa: S311 - noise, not a secret
        self.is_open = False
        self.protection: Protection | None = None
        self.active = OFF
        self.alive_ns: list[int] = []
        self.calls = 0
        self.fail: Callable[[int], None] = lambda _call: None
        self.safe_fails = 0

    def open(self) -> None:
        self.is_open = True
        self.active = OFF
        self._obey()

    def close(self) -> None:
        self.is_open = False

    def read(self) -> Reading:
        self._call()
        now = self.clock.now_ns
        volts = self.volts.read(self.terminals.voltage) + self.random.gauss(0, self.noise)
        amperes = self.amperes.read(self.lead.current) + self.random.gauss(0, self.noise)
        values = {"voltage": Measured(volts, now), "current": Measured(amperes, now)}
        return Reading(values, self.active)

    def protect(self, protection: Protection) -> Protection:
        self._call()
        self.protection = protection
        return protection

    def release(self) -> None:
        self.protection = None

    def keep_alive(self) -> None:
        self._call()
        self.alive_ns.append(self.clock.now_ns)

    def apply(self, command: Command) -> None:
        self._call()
        self.active = command
        self._obey()

    def make_safe(self) -> None:
        if self.safe_fails:
            self.safe_fails -= 1
            raise CommunicationLost("nothing answers")
        self._call()
        self.active = OFF
        self._obey()

    def _call(self) -> None:
        assert self.is_open, "used while closed"
        self.calls += 1
        self.terminals.advance(self.clock.now_ns)
        self.fail(self.calls)

    def _obey(self) -> None:
        self.terminals.advance(self.clock.now_ns)
        if self.active is OFF:
            self.lead.open()
            return
        setpoint = self.active.setpoint
        error = self.volts if self.active.mode is Mode.CV else self.amperes
        bounds = self.protection
        assert bounds is not None
        self.lead.regulate(
            Command(self.active.mode, error.true(setpoint)),
            self.amperes.true(bounds.current_min),
            self.amperes.true(bounds.current_max),
        )


class SteppedReference(Reference):
    """Read when it is asked for, since time is turned here."""

    def newest(self) -> Measured | None:
        self.meter.turn()
        return super().newest()


@dataclass
class Bench:
    """A device, a BK 2831E and a battery between them."""

    clock: TurnedClock = field(default_factory=TurnedClock)
    told: list[str] = field(default_factory=list)
    stop: Callable[[], str] = lambda: ""

    def __post_init__(self) -> None:
        self.terminals = WatchedTerminals(CELL)
        self.terminals.advance(self.clock.now_ns)

    def wrong(self, volts: Error, amperes: Error, noise: float = 0.0) -> WrongDevice:
        return WrongDevice(self.terminals, self.clock, volts, amperes, noise)

    def meter(self, quantity: Quantity, *orders: str, offset: float = 0.0) -> SteppedReference:
        settings = {"sensors": {str(quantity): {"offset": offset}}}
        unit = Bk2831Unit(Bk2831UnitSettings.model_validate(settings), self.terminals)
        for order in orders:
            unit.break_down(order, self.clock.now_ns)
        said = {"address": {"kind": "serial", "port": "/dev/none"}, "quantity": f"{quantity}_dc"}
        line = LoopbackLine(Faulty(unit), self.clock)
        driver = Bk2831Driver(Bk2831Settings.model_validate(said), self.clock, line)
        definition = StationDevice(driver="bk2831")
        return SteppedReference(definition, str(quantity), driver, self.clock)

    def check(self, order: Order, device: PowerDevice, meter: Reference) -> Report:
        return carry_out(
            order, device, meter, meter.identity, self.clock, self.stop, self.told.append
        )


def order(quantity: Quantity) -> Order:
    return Order(
        quantity=quantity,
        limits=LIMITS,
        operator="Ada",
        driver="test",
        meter_driver="bk2831",
        meter_channel=str(quantity),
        meter_serial="C-17",
        accuracy=Accuracy(share=0.0001, fixed=0.0001),
        tolerance=Accuracy(share=0.002, fixed=0.005),
    )


class Link:
    """A bus in memory with one simulated EPC."""

    def __init__(self, unit: EpcUnit, clock: TurnedClock) -> None:
        self.unit, self.clock = unit, clock
        self.arrived: list[Frame] = []

    def open(self) -> None:
        self.arrived.clear()

    def close(self) -> None:
        self.arrived.clear()

    def send(self, frame: Frame) -> None:
        self.unit.receive(frame.frame_id, frame.data, self.clock.now_ns)

    def receive(self, timeout_s: float) -> Frame | None:
        end_ns = self.clock.now_ns + round(timeout_s * 1e9)
        while True:
            self.arrived += [Frame(*one) for one in self.unit.advance(self.clock.now_ns)]
            if self.arrived or self.clock.now_ns >= end_ns:
                return self.arrived.pop(0) if self.arrived else None
            self.clock.now_ns = min(self.clock.now_ns + 1_000_000, end_ns)


ENDS: dict[str, BaseException] = {
    "the device is lost": CommunicationLost("unplugged"),
    "the device fails": DeviceFault("it smokes"),
    "the driver has a defect": ZeroDivisionError("defect"),
    "somebody is impatient": KeyboardInterrupt(),
}
