"""A supply, a reference meter and a device at bare terminals, for checks by a source."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.unit.station.calibration.check_bench import (
    Error,
    SteppedReference,
    TurnedClock,
    WrongDevice,
)

from bem.domain.calibration.course import Quantity
from bem.domain.calibration.firmware import DEFAULTS
from bem.domain.calibration.judging import Accuracy
from bem.domain.calibration.report import Report
from bem.domain.limits import Limits
from bem.runtime.settings import StationDevice
from bem.station.calibration.check import Order, carry_out
from bem.station.calibration.taking import Pace
from bem_drivers.base import (
    OFF,
    Channel,
    Command,
    Measured,
    PowerDevice,
    Reading,
)
from bem_drivers.bk2831.driver import Bk2831Driver
from bem_drivers.bk2831.settings import Bk2831Settings
from bem_drivers.bk2831.simulator import Bk2831Unit, Bk2831UnitSettings
from bem_drivers.ea.driver import EaDriver
from bem_drivers.ea.settings import EaSettings
from bem_drivers.ea.simulator import EaUnit, EaUnitSettings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation import Faulty, LoopbackLine
from bem_drivers.simulation.circuit import Terminals

MOST = {Quantity.VOLTAGE: 5.1, Quantity.SUPPLY_VOLTAGE: 14.1}
ON = ("on", "source")
SUPPLY = EaUnitSettings(model="PS 2384-05B", voltage=84, current=5)
SINKING = EaUnitSettings(model="PSB 9080-60", voltage=80, current=5)


class WatchedNode(Terminals):
    """Bare terminals, or those of a battery; keeps the highest voltage and current there were."""

    def __init__(self, *, battery: bool = False) -> None:
        super().__init__(BatteryModelSettings(capacity_ah=20), connected=battery)
        self.voltage_max = 0.0
        self.current_max = 0.0

    def flow(self, dt_s: float) -> None:
        super().flow(dt_s)
        self.voltage_max = max(self.voltage_max, self.voltage)
        self.current_max = max(self.current_max, abs(self.current))


class OffDevice(WrongDevice):
    """Reads what is at its high or low side, wrongly, and is never to be anything but off."""

    channels = (*WrongDevice.channels, Channel("supply_voltage", "V", "Supply voltage"))
    error = Error()
    quantity = Quantity.VOLTAGE
    low_side: float | None = None
    high_side = 8.0
    said: tuple[str, ...] = ()

    def read(self) -> Reading:
        reading = super().read()
        now = self.clock.now_ns
        here = self.error.read(self.terminals.voltage)
        at_low = here if self.quantity is Quantity.VOLTAGE else 0.0
        at_high = self.high_side if self.quantity is Quantity.VOLTAGE else here
        values = {
            "voltage": Measured(at_low if self.low_side is None else self.low_side, now),
            "current": reading.values["current"],
            "supply_voltage": Measured(at_high, now),
        }
        return Reading(values, self.active, self.said)

    def apply(self, command: Command) -> None:
        raise AssertionError(f"it was switched on: {command}")

    def protect(self, protection: object) -> None:  # type: ignore[override]  # it must not come here
        raise AssertionError(f"it was bounded: {protection}")

    def release(self) -> None:
        raise AssertionError("it has no limits of this check to give up")


@dataclass
class SourceBench:
    """An EA supply, a BK 2831E and a device at terminals without a battery."""

    quantity: Quantity = Quantity.VOLTAGE
    unit: EaUnitSettings = SUPPLY
    battery: bool = False
    meter_unit: Bk2831UnitSettings = field(default_factory=Bk2831UnitSettings)
    clock: TurnedClock = field(default_factory=TurnedClock)
    told: list[str] = field(default_factory=list)
    switched: list[tuple[str, str]] = field(default_factory=list)
    stop: Callable[[], str] = lambda: ""

    def __post_init__(self) -> None:
        self.terminals = WatchedNode(battery=self.battery)
        self.terminals.advance(self.clock.now_ns)
        self.ea = EaUnit(self.unit, [self.terminals.connect("source")], self._record)
        self.source_line = LoopbackLine(Faulty(self.ea), self.clock)
        said = {"kind": "serial", "port": "/dev/none"}
        output = 1 if self.unit.outputs > 1 else None
        self.source = EaDriver(
            EaSettings.model_validate({"address": said, "output": output}),
            self.clock,
            self.source_line,
        )
        self.bk = Faulty(Bk2831Unit(self.meter_unit, self.terminals))
        driver = Bk2831Driver(
            Bk2831Settings.model_validate({"address": said, "quantity": "voltage_dc"}),
            self.clock,
            LoopbackLine(self.bk, self.clock),
        )
        self.meter = SteppedReference(StationDevice(driver="bk2831"), "voltage", driver, self.clock)
        self.device = OffDevice(self.terminals, self.clock, Error(), Error(), 0.0)
        self.device.quantity = self.quantity

    def _record(self, _at_ns: int, kind: str, facts: object) -> None:
        if kind == "output":
            assert isinstance(facts, dict)
            self.switched.append(("on" if facts["on"] else "off", "source"))

    @property
    def order(self) -> Order:
        return Order(
            quantity=self.quantity,
            limits=Limits(),
            operator="Ada",
            driver="epc",
            meter_driver="bk2831",
            meter_channel="voltage",
            meter_serial="C-17",
            accuracy=Accuracy(share=0.0001, fixed=0.0001),
            tolerance=Accuracy(share=0.002, fixed=0.005),
            firmware=DEFAULTS[self.quantity],
            pace=Pace(settle_s=0.3),
            source_driver="ea",
        )

    def check(self, order: Order | None = None, device: PowerDevice | None = None) -> Report:
        return carry_out(
            order or self.order,
            device or self.device,
            self.meter,
            self.meter.identity,
            self.clock,
            self._why_to_stop,
            self.told.append,
            self.source,
        )

    def _why_to_stop(self) -> str:
        return self.stop()

    def when_at(self, voltage: float, happen: Callable[[], object]) -> None:
        """Have something happen once the terminals have come to a voltage."""

        def look() -> str:
            if self.terminals.voltage >= voltage and not done:
                done.append(True)
                happen()
            return ""

        done: list[bool] = []
        self.stop = look

    def spoil_source(self, order: str) -> None:
        self.source_line.unit.break_down(order, self.clock.now_ns)

    def spoil_meter(self, order: str) -> None:
        self.bk.break_down(order, self.clock.now_ns)

    def assert_ended(self) -> None:
        """The source is off and let go of, the device was never on and is closed."""
        assert not self.ea.is_on()
        assert not self.ea.is_remote()
        assert self.switched.count(ON) <= 1
        assert (self.device.active, self.device.is_open) == (OFF, False)
        assert self.terminals.voltage_max <= MOST[self.quantity] * 1.005 + 0.001
