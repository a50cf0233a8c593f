"""An RS-KEL103 as it behaves on the wire (devices.md §4.3). Pure: no port, no clock.

What devices.md does not tell is chosen here: a line that the load does not know, or a value beyond
its maxima, is ignored without a word. Formats are written by hand once more, so that driver and
simulator cannot agree on an error.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.base import Command, Mode
from bem_drivers.simulation import Record
from bem_drivers.simulation.circuit import Lead
from bem_drivers.simulation.faults import changed
from bem_drivers.simulation.sensor import Sensors, SensorSettings, sensor_orders
from bem_drivers.simulation.spec import Place, SimulatorSpec

FunctionName = Literal["CC", "CV", "CR", "CW"]
Quantity = Literal["voltage", "current"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
_NUMBER = r"([0-9]+(?:\.[0-9]*)?)"
ORDERS = {
    "voltage V|off": "it measures this voltage, whatever there is",
    "current A|off": "this current flows while its input is on, whatever was told",
    "frozen on|off": "it goes on telling what it measured last",
    "stuck on|off": "its input neither goes on nor off when told",
    "deaf on|off": "it answers and obeys nothing",
    "maximum A|off": "somebody sets another maximum current at the front panel",
    "panel CC|CV|CR|CW": "somebody chooses a function at the front panel",
    "trip": "its input goes off by itself",
    **sensor_orders(QUANTITIES),
}


class Kel103UnitSettings(BaseModel):
    """One simulated load. ``input_on``, ``function``: as somebody left it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    serial_number: str = Field(default="00001234", pattern=r"^\S+$")
    firmware: str = Field(default="3.30", pattern=r"^[0-9.]+$")
    voltage_upper: float = Field(default=120.0, gt=0, description="maximum (V)")
    current_upper: float = Field(default=30.0, gt=0, description="maximum (A)")
    power_upper: float = Field(default=300.0, gt=0, description="maximum (W)")
    function: FunctionName = "CC"
    input_on: bool = False
    current: float = Field(default=0.0, ge=0, description="set point (A)")
    resistance_ohm: float = Field(default=10.0, gt=0, description="set point in CR")
    sensors: dict[Quantity, SensorSettings] = Field(default={}, description="V, A")


@dataclass(frozen=True, slots=True)
class _Faults:
    voltage: float | None = None
    current: float | None = None
    maximum: float | None = None
    frozen: bool = False
    stuck: bool = False
    deaf: bool = False


class Kel103Unit:
    """A load that was switched on. ``record`` gets what a test wants to know."""

    def __init__(
        self, settings: Kel103UnitSettings, lead: Lead, record: Record | None = None
    ) -> None:
        self.settings = settings
        self.lead = lead
        self.function: FunctionName = settings.function
        self.input_on = settings.input_on
        self.locked = False
        self.set_points = {"A": settings.current, "V": settings.voltage_upper, "W": 0.0}
        self._record = record or (lambda _t, _kind, _facts: None)
        self._sensors = Sensors(QUANTITIES, settings.sensors)
        self._faults = _Faults()
        self._shown = (0.0, 0.0, 0.0)
        self._now_ns = 0
        self._lines: list[tuple[re.Pattern[str], Callable[[str], list[str]]]] = [
            (re.compile(pattern, re.IGNORECASE), act)
            for pattern, act in (
                (r"\*IDN(\?)", self._identity),
                (r":?SYST(?:em)?:LOCK +([01])", self._lock),
                (r":?INP(?:ut)? +([01])", self._switch),
                (r":?(VOLT|CURR|POW)(?:age|ent|er)?:UPP(?:er)?\?", self._upper),
                (r":?MEAS(?:ure)?:(VOLT|CURR|POW)(?:age|ent|er)?\?", self._measure),
                (r":?FUNC(?:tion)?(\?)", self._tell_function),
                (r":?FUNC(?:tion)? +(CC|CV|CR|CW)", self._choose),
                (rf":?CURR(?:ent)? +{_NUMBER} *A", lambda text: self._set("A", text)),
                (rf":?VOLT(?:age)? +{_NUMBER} *V", lambda text: self._set("V", text)),
                (rf":?POW(?:er)? +{_NUMBER} *W", lambda text: self._set("W", text)),
            )
        ]
        self._regulate()

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Take a line; get its answer if it is a question."""
        self.advance(now_ns)
        said = line.strip()
        for pattern, act in self._lines:
            match = pattern.fullmatch(said)
            if match is not None:
                return act(match[1])
        self._record(now_ns, "command", {"line": said, "accepted": False})
        return []

    def advance(self, now_ns: int) -> None:
        """Live until ``now_ns``."""
        self._now_ns = now_ns
        self.lead.terminals.advance(now_ns)
        # Where current follows voltage it moves on as the battery does.
        self._regulate()

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from ``now_ns`` on, or have it no longer: see :data:`ORDERS`.

        Raises:
            ValueError: there is no such fault; the message lists those there are.
        """
        self.advance(now_ns)
        name, _, value = order.strip().partition(" ")
        if name == "trip":
            self._turn(on=False, reason="trip")
        elif name == "panel" and value in ("CC", "CV", "CR", "CW"):
            self._choose(value)
        elif name in Sensors.WORDS:
            self._sensors.obey(order, now_ns)
        else:
            self._faults = changed(self._faults, name, value, "an RS-KEL103", ORDERS)
        self._record(now_ns, "fault", {"order": order.strip()})
        self._regulate()

    # Lines -----------------------------------------------------------------------------------

    def _identity(self, _text: str) -> list[str]:
        return [f"RS-KEL103 V{self.settings.firmware} SN:{self.settings.serial_number}"]

    def _lock(self, text: str) -> list[str]:
        self.locked = text == "1"
        return []

    def _switch(self, text: str) -> list[str]:
        accepted = not (self._faults.stuck or self._faults.deaf)
        self._record(self._now_ns, "command", {"line": f":INP {text}", "accepted": accepted})
        if accepted:
            self._turn(on=text == "1", reason="command")
        return []

    def _choose(self, text: str) -> list[str]:
        if not self._faults.deaf:
            for name in ("CC", "CV", "CR", "CW"):
                if text.upper() == name:
                    self.function = name
            self._regulate()
        return []

    def _set(self, unit: str, text: str) -> list[str]:
        value = float(text)
        accepted = value <= self._maximum(unit) and not self._faults.deaf
        self._record(self._now_ns, "command", {"line": f"{text}{unit}", "accepted": accepted})
        if accepted:
            self.set_points[unit] = value
            self._regulate()
        return []

    def _tell_function(self, _text: str) -> list[str]:
        return [self.function]

    def _upper(self, text: str) -> list[str]:
        unit = {"VOLT": "V", "CURR": "A", "POW": "W"}[text.upper()]
        decimals = 3 if unit == "A" else 2
        return [f"{self._maximum(unit):.{decimals}f}{unit}"]

    def _measure(self, text: str) -> list[str]:
        if not self._faults.frozen:
            self._shown = self._sample()
        voltage, current, power = self._shown
        self._record(
            self._now_ns, "answer", {"voltage": voltage, "current": current, "power": power}
        )
        return {
            "VOLT": [f"{voltage:.4f}V"],
            "CURR": [f"{current:.4f}A"],
            "POW": [f"{power:.3f}W"],
        }[text.upper()]

    # Power stage -----------------------------------------------------------------------------

    def _sample(self) -> tuple[float, float, float]:
        true_voltage = self.lead.voltage if self._faults.voltage is None else self._faults.voltage
        voltage = self._sensors.read("voltage", true_voltage, self._now_ns)
        current = 0.0 - self._sensors.read("current", self.lead.current, self._now_ns)
        return voltage, current, voltage * current

    def _maximum(self, unit: str) -> float:
        settings = self.settings
        current = settings.current_upper if self._faults.maximum is None else self._faults.maximum
        return {"V": settings.voltage_upper, "A": current, "W": settings.power_upper}[unit]

    def _turn(self, *, on: bool, reason: str) -> None:
        if on != self.input_on:
            self.input_on = on
            self._record(self._now_ns, "output", {"on": on, "reason": reason})
        self._regulate()

    def _regulate(self) -> None:
        if not self.input_on:
            self.lead.open()
            return
        voltage = max(self.lead.voltage, 0.0)
        most = min(self._maximum("A"), self._maximum("W") / max(voltage, 0.1))
        if self._faults.current is not None:
            command = Command(Mode.CC, -self._faults.current)
            most = self._faults.current
        elif self.function == "CV":
            command = Command(Mode.CV, self.set_points["V"])
        elif self.function == "CW":
            command = Command(Mode.CP, -self.set_points["W"])
        elif self.function == "CR":
            command = Command(Mode.CC, -voltage / self.settings.resistance_ohm)
        else:
            command = Command(Mode.CC, -self.set_points["A"])
        self.lead.regulate(command, -most, 0.0)


def _make(settings: Kel103UnitSettings, place: Place) -> Kel103Unit:
    return Kel103Unit(settings, place.lead(), place.record)


SIMULATOR = SimulatorSpec(
    wire="line", settings=Kel103UnitSettings, make=_make, batteries=(1, 1), orders=ORDERS
)
