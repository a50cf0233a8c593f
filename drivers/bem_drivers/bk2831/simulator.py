"""A BK 2831E as it behaves on the wire (devices.md §4.4). Pure: no port, no clock.

What devices.md does not tell is chosen here: over-range is ``9.9e+37``, a line that the meter does
not know leaves an error behind, and an error is told once. Formats are written by hand once more,
so that driver and simulator cannot agree on an error.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.simulation import Record
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.faults import changed
from bem_drivers.simulation.sensor import Sensors, SensorSettings, sensor_orders
from bem_drivers.simulation.spec import Place, SimulatorSpec

FunctionName = Literal["VOLT:DC", "CURR:DC", "VOLT:AC", "CURR:AC", "RES"]
Quantity = Literal["voltage", "current", "resistance"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
OVER_RANGE = "9.9e+37"
_FUNCTIONS: tuple[FunctionName, ...] = get_args(FunctionName)
_MEASURES: dict[FunctionName, Quantity] = {
    "VOLT:DC": "voltage",
    "VOLT:AC": "voltage",
    "CURR:DC": "current",
    "CURR:AC": "current",
    "RES": "resistance",
}
_RANGES = ("0.002", "0.02", "0.2", "2", "20", "200", "1000")
_HIGHEST = {"VOLT:DC": 1000.0, "VOLT:AC": 1000.0, "CURR:DC": 20.0, "CURR:AC": 20.0, "RES": 1e8}
_BEYOND = 1.05
"""How far beyond its range it still measures."""
_CYCLE_NS = 20_000_000
_NAMES = "|".join(_FUNCTIONS)
_CHOOSE = re.compile(rf":FUNC ({_NAMES})", re.IGNORECASE)
_RANGE = re.compile(rf":({_NAMES}):RANGE(?: (\S+)|:AUTO (ON))", re.IGNORECASE)
_NPLC = re.compile(r":VOLT:DC:NPLC (0\.1|1|10)", re.IGNORECASE)
ORDERS = {
    "value X|off": "it measures this number, whatever there is",
    "frozen on|off": "it goes on telling what it measured last",
    "mute on|off": "it does not echo",
    "stubborn on|off": "it refuses whatever it is told and says an error",
    "panel VOLT:DC|CURR:DC|VOLT:AC|CURR:AC|RES": "somebody turns its knob",
    **sensor_orders(QUANTITIES),
}


class Bk2831UnitSettings(BaseModel):
    """One simulated meter. ``function``: as somebody left it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Literal["2831E", "5491B"] = "2831E"
    firmware: str = Field(default="Ver1.4.14", pattern=r"^[^,\s]+$")
    serial_number: str = Field(default="124H14118", pattern=r"^[^,\s]+$")
    function: FunctionName = "RES"
    old_errors: int = Field(default=0, ge=0, le=10, description="errors that nobody has asked for")
    resistance_ohm: float = Field(default=0.05, ge=0, description="what it finds in RES")
    sensors: dict[Quantity, SensorSettings] = Field(default={}, description="V, A, Ohm")


@dataclass(frozen=True, slots=True)
class _Faults:
    value: float | None = None
    frozen: bool = False
    mute: bool = False
    stubborn: bool = False


class Bk2831Unit:
    """A meter at ``terminals``. ``record`` gets what a test wants to know.

    It measures one integration time after another and tells the last that has ended, after a change
    of function still that of the function before.
    """

    def __init__(
        self, settings: Bk2831UnitSettings, terminals: Terminals, record: Record | None = None
    ) -> None:
        self.settings = settings
        self.terminals = terminals
        self.function: FunctionName = settings.function
        self.ranges: dict[str, float | None] = dict.fromkeys(_FUNCTIONS)
        self.nplc = 1.0
        self._record = record or (lambda _t, _kind, _facts: None)
        self._sensors = Sensors(QUANTITIES, settings.sensors)
        self._faults = _Faults()
        self._errors = settings.old_errors
        self._shown: str | None = None
        self._shown_ns = 0

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Take a line; get its echo, and its answer if it is a question."""
        self.advance(now_ns)
        said = line.strip()
        answers = self._answer(said, now_ns)
        return answers if self._faults.mute else [said, *answers]

    def advance(self, now_ns: int) -> None:
        """Live until ``now_ns``."""
        self.terminals.advance(now_ns)
        ended = now_ns - self._shown_ns >= self.nplc * _CYCLE_NS
        if self._shown is None or (ended and not self._faults.frozen):
            self._shown, self._shown_ns = self._sample(now_ns), now_ns

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from ``now_ns`` on, or have it no longer: see :data:`ORDERS`.

        Raises:
            ValueError: there is no such fault; the message lists those there are.
        """
        self.advance(now_ns)
        name, _, value = order.strip().partition(" ")
        if name == "panel":
            self._choose(value, now_ns)
        elif name in Sensors.WORDS:
            self._sensors.obey(order, now_ns)
        else:
            self._faults = changed(self._faults, name, value, "a BK 2831E", ORDERS)
        self._record(now_ns, "fault", {"order": order.strip()})

    def _answer(self, said: str, now_ns: int) -> list[str]:
        match said.upper():
            case "*IDN?":
                one = self.settings
                return [f"{one.model}  Multimeter,{one.firmware},{one.serial_number}"]
            case ":FUNC?":
                return [self.function]
            case ":FETC?":
                shown = self._shown or OVER_RANGE
                self._record(now_ns, "answer", {"function": self.function, "value": shown})
                return [shown]
            case ":SYST:ERR?":
                return [self._tell_error()]
        accepted = not self._faults.stubborn and self._obey(said, now_ns)
        self._record(now_ns, "command", {"line": said, "accepted": accepted})
        if not accepted:
            self._errors += 1
        return []

    def _obey(self, said: str, now_ns: int) -> bool:
        if match := _CHOOSE.fullmatch(said):
            self._choose(match[1], now_ns)
            return True
        if match := _NPLC.fullmatch(said):
            self.nplc = float(match[1])
            return True
        match = _RANGE.fullmatch(said)
        if match is None or (match[2] is not None and match[2] not in _RANGES):
            return False
        wanted = None if match[2] is None else float(match[2])
        if wanted is not None and wanted > _HIGHEST[match[1].upper()]:
            return False
        self.ranges[match[1].upper()] = wanted
        self._shown_ns = now_ns
        return True

    def _choose(self, name: str, now_ns: int) -> None:
        for function in _FUNCTIONS:
            if name.upper() == function:
                self.function = function
                self._shown_ns = now_ns
                return
        raise ValueError(f"no function {name!r}; there are: {', '.join(_FUNCTIONS)}")

    def _tell_error(self) -> str:
        if not self._errors:
            return "*E00 NO ERROR"
        self._errors -= 1
        return "*E01 COMMAND ERROR"

    def _sample(self, now_ns: int) -> str:
        true = {
            "VOLT:DC": self.terminals.voltage,
            "CURR:DC": self.terminals.current,
            "RES": self.settings.resistance_ohm,
        }.get(self.function, 0.0)
        value = true if self._faults.value is None else self._faults.value
        value = self._sensors.read(_MEASURES[self.function], value, now_ns)
        if abs(value) > (self.ranges[self.function] or _HIGHEST[self.function]) * _BEYOND:
            return OVER_RANGE
        return f"{value:.5e}"


def _make(settings: Bk2831UnitSettings, place: Place) -> Bk2831Unit:
    return Bk2831Unit(settings, place.terminals[0], place.record)


SIMULATOR = SimulatorSpec(
    wire="line", settings=Bk2831UnitSettings, make=_make, batteries=(1, 1), orders=ORDERS
)
