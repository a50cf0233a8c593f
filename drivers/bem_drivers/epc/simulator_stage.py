"""The analogue half of a simulated EPC: power stage, battery, converters, sensors."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.base import OFF, Command, Mode
from bem_drivers.epc.simulator_faults import NO_FAULTS
from bem_drivers.epc.simulator_registers import FirmwareVersion
from bem_drivers.epc.simulator_wire import Measures
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.simulation.circuit import Lead, Terminals
from bem_drivers.simulation.sensor import Sensors, SensorSettings

FULL_SCALE = 4095
LS_VOLTAGE_SPAN_MV = 6000
HS_VOLTAGE_SPAN_MV = 15000
LS_CURRENT_SPAN_MA = 33000
LS_CURRENT_OFFSET_MA = -16000
MILLIAMPERE_PER_AMPERE = 1000
BODY_RANGE = (-450, 1299)
"""What the sensor at the body can tell (0.1 degC)."""
NTC_RANGE = (-171, 748)
"""What the table for the two thermistors holds (0.1 degC)."""
Quantity = Literal["voltage", "current", "supply", "body", "anode", "ambient"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
COUNTS: dict[Quantity, float] = {
    "voltage": LS_VOLTAGE_SPAN_MV / FULL_SCALE / 1000,
    "current": LS_CURRENT_SPAN_MA / FULL_SCALE / 1000,
    "supply": HS_VOLTAGE_SPAN_MV / FULL_SCALE / 1000,
}
"""V, A, V of a count of each converter."""
COUNT_A = COUNTS["current"]


class EpcTraits(BaseModel):
    """What one simulated unit is like, whatever hangs on it.

    With ``strictness`` strict, the traps of devices.md §2.7 stop or lock the unit as in the
    firmware; lenient, they are recorded and do no harm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    device_id: int = Field(default=0x13, ge=0, le=0x3F)
    serial_number: int = Field(default=1, ge=0, le=255)
    body_sensor: bool = True
    anode_sensor: bool = False
    ambient_sensor: bool = False
    supply_voltage: float = Field(default=8.0, ge=0, description="high side (V)")
    sensors: dict[Quantity, SensorSettings] = Field(default={}, description="V, A, degC")
    strictness: Literal["strict", "lenient"] = "strict"
    firmware: FirmwareVersion = Field(
        default="1.0.0", description="1.0.1 refuses a WAIT that no time ends"
    )


class EpcUnitSettings(EpcTraits):
    """One simulated unit with its battery.

    ``speed`` makes the battery's time pass faster; the firmware's own time never changes.
    """

    battery: BatteryModelSettings = BatteryModelSettings()
    speed: float = Field(default=1.0, gt=0, le=100_000)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The registers that the power stage regulates by: mA and 0.1 W."""

    current_min: int
    current_max: int
    power_min: int
    power_max: int


class PowerStage:
    """A battery on the low side, a supply on the high side, and what the converters see of them.

    The current settles within a few milliseconds in the firmware, below the 10 ms at which it
    answers; here it settles at once.

    With a ``lead`` the stage hangs on a battery that others may hang on too; then ``battery`` of
    the settings counts for nothing, and ``speed`` must be that of the lead's terminals. With a
    ``supply`` its high side has the voltage there, in place of ``supply_voltage`` of the settings;
    what it draws or gives back there is not simulated.

    Raises:
        ValueError: the speeds differ.
    """

    def __init__(
        self,
        settings: EpcUnitSettings,
        lead: Lead | None = None,
        supply: Terminals | None = None,
    ) -> None:
        if lead is None:
            lead = Terminals(settings.battery, settings.speed).connect("stage")
        if lead.terminals.speed != settings.speed:
            raise ValueError(
                f"EPC 0x{settings.device_id:02X} has the speed {settings.speed:g} and its battery "
                f"{lead.terminals.speed:g}; give both the same"
            )
        lead.catch_up()
        self.lead = lead
        self.supply_voltage = settings.supply_voltage
        self._supply = supply
        self.cell_connected = True
        self.faults = NO_FAULTS
        self.sensors = Sensors(QUANTITIES, settings.sensors)
        self._driven = Command(Mode.CC, 0.0)
        self._settings = settings

    @property
    def battery(self) -> BatteryModel:
        """The battery as it truly is."""
        return self.lead.terminals.battery

    def measures(self, now_ns: int) -> Measures:
        """Get what the converters read at ``now_ns``.

        1.47 mV a count on the low side, 3.66 mV on the high side, 8.06 mA a count of the current,
        so that no current reads -4 mA.
        """
        faults = self.faults
        volts = self.battery.voltage if self.cell_connected else 0.0
        amperes = self.lead.current if self.cell_connected else 0.0
        supply = self.supply_voltage if self._supply is None else self._supply.voltage
        if faults is not NO_FAULTS:
            if faults.voltage is not None:
                volts = faults.voltage
            if faults.supply is not None:
                supply = faults.supply
        read = self.sensors.read
        return Measures(
            _converted(read("voltage", volts, now_ns), LS_VOLTAGE_SPAN_MV, 0),
            _converted(read("current", amperes, now_ns), LS_CURRENT_SPAN_MA, LS_CURRENT_OFFSET_MA),
            _converted(read("supply", supply, now_ns), HS_VOLTAGE_SPAN_MV, 0),
        )

    def temperatures(self, now_ns: int) -> tuple[int, int, int]:
        """Get body, anode, ambient (0.1 degC); 0 for a sensor that is not fitted."""
        fitted, faults = self._settings, self.faults
        battery = self.battery.temperature
        ambient = self.battery.settings.ambient_degc
        body = battery if faults.body is None else faults.body
        anode = battery if faults.anode is None else faults.anode
        ambient = ambient if faults.ambient is None else faults.ambient
        read = self.sensors.read
        return (
            _tenths(read("body", body, now_ns), BODY_RANGE) if fitted.body_sensor else 0,
            _tenths(read("anode", anode, now_ns), NTC_RANGE) if fitted.anode_sensor else 0,
            _tenths(read("ambient", ambient, now_ns), NTC_RANGE) if fitted.ambient_sensor else 0,
        )

    def rest(self, model_s: float) -> None:
        """Let the battery rest for ``model_s`` of its time (s)."""
        self.lead.ask(OFF, 0.0, 0.0)
        self.lead.flow(model_s)

    def flow(self, command: Command, bounds: Bounds, model_s: float) -> None:
        """Let the stage obey ``command`` for ``model_s`` of the battery's time (s)."""
        if command is OFF or not self.cell_connected:
            self.lead.ask(OFF, 0.0, 0.0)
        elif self.faults.current is not None:
            self._drive(self.faults.current)
        else:
            self._regulate(command, bounds)
        self.lead.flow(model_s)

    def _regulate(self, command: Command, bounds: Bounds) -> None:
        millivolts = max(int(self.battery.voltage * 1000), 1)
        most = _power_clamp(bounds.power_max, millivolts)
        least = -_power_clamp(-bounds.power_min, millivolts)
        # The loop regulates the reading, which is cut off downwards: a discharge at the limit
        # stays at the last count within it and does not trip.
        lowest = bounds.current_min / MILLIAMPERE_PER_AMPERE
        within = max(lowest + COUNT_A, least)
        if command.mode is not Mode.CC:
            highest = min(bounds.current_max / MILLIAMPERE_PER_AMPERE, most)
            self.lead.ask(command, min(within, highest), highest)
            return
        # Checked against the limits once, when the command came; those of today may be others.
        current = command.setpoint
        if lowest <= current < lowest + COUNT_A:
            current = lowest + COUNT_A
        self._drive(min(max(current, least), most))

    def _drive(self, current: float) -> None:
        if current != self._driven.setpoint:
            self._driven = Command(Mode.CC, current)
        self.lead.ask(self._driven, current, current)


def _converted(value: float, span: int, offset: int) -> int:
    """Get mV or mA as a converter tells V or A: in whole counts, cut off downwards."""
    counts = int((value * 1000 - offset) * FULL_SCALE / span)
    return min(max(counts, 0), FULL_SCALE) * span // FULL_SCALE + offset


def _tenths(degrees: float, within: tuple[int, int]) -> int:
    """Get a temperature as its sensor tells it, cut off downwards."""
    low, high = within
    return min(max(math.floor(degrees * 10), low), high)


def _power_clamp(power_dw: int, millivolts: int) -> float:
    """Get the current (A) that a power limit allows in the firmware.

    It counts the part below a whole ampere twice: a limit of 10 W at 3.8 V lets 3.26 A through
    instead of 2.63 A (EPC firmware 1.0.0).
    """
    milliamperes = max(power_dw, 0) * 100_000 // millivolts
    return (milliamperes + milliamperes % MILLIAMPERE_PER_AMPERE) / MILLIAMPERE_PER_AMPERE
