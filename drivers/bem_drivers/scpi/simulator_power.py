"""A simulated source or load that does what a description says of it. Pure: no port, no clock.

It is stricter than most: a number beyond the ratings, a set point beyond its protection, or an
order without remote control go to the error queue.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Protocol

from bem_drivers.base import Command, Mode
from bem_drivers.scpi.codec import same_line
from bem_drivers.scpi.description import AnyDescription, ModeDescription, PowerDescription, Value
from bem_drivers.scpi.simulator import (
    METER_ORDERS,
    ScpiMeterUnit,
    Sensed,
    SimulatedTerminals,
    among,
)
from bem_drivers.scpi.simulator_numbers import GUARD_FAULTS, Number, Numbers, Refused
from bem_drivers.simulation import Record
from bem_drivers.simulation.sensor import SensorSettings

PROTECTED = '-203,"Command protected"'
REFUSED = '-200,"Execution error"'
POWER_ORDERS = METER_ORDERS | {
    "stuck on|off": "its output does not switch; it says truly whether it is on",
    "refuse on|off": "what is set is an error",
    "deaf on|off": "what is set changes nothing",
    "panel on|off": "somebody switches its output at the front panel",
    "trip NAME": "it goes off with the fault of that name, such as over_temperature",
}


class SimulatedLead(Protocol):
    """What the unit does at the battery."""

    @property
    def current(self) -> float:
        """A of this unit; positive charges."""
        ...

    def regulate(self, command: Command, current_min: float, current_max: float) -> None:
        """Obey ``command`` within these currents (A)."""
        ...

    def open(self) -> None:
        """Carry no current."""
        ...


class ScpiPowerUnit(ScpiMeterUnit):
    """A source or a load whose ``lead`` is at ``terminals``. ``output_on`` is the truth."""

    description: PowerDescription
    orders: ClassVar[Mapping[str, str]] = POWER_ORDERS

    def __init__(
        self,
        description: AnyDescription,
        terminals: SimulatedTerminals,
        lead: SimulatedLead,
        record: Record | None = None,
        *,
        identity: str | None = None,
        numbers: str = "+.6E",
        sensors: Mapping[Sensed, SensorSettings] = MappingProxyType({}),
    ) -> None:
        super().__init__(
            description, terminals, record, identity=identity, numbers=numbers, sensors=sensors
        )
        if not isinstance(description, PowerDescription):
            raise ValueError(f"a {description.kind} has no output; make a ScpiMeterUnit of it")
        self._lead = lead
        self._charges = description.kind == "source"
        self.output_on = False
        self._modes = {Mode(name): mode for name, mode in description.modes.items()}
        self._selects = any(mode.select for mode in self._modes.values())
        self._mode = next(iter(self._modes))
        self._kept = Numbers(description)

    def advance(self, now_ns: int) -> None:
        super().advance(now_ns)
        self._judge(now_ns)
        self._regulate()

    def _handle(self, line: str, now_ns: int) -> str | None:
        answer = super()._handle(line, now_ns)
        if answer is not None or "?" in line:
            return answer
        if not self._is_order(line):
            return None
        error = ""
        try:
            self._obey(line, now_ns)
        except Refused as refused:
            error = str(refused)
            self._errors.append(error)
        self._record(now_ns, "command", {"line": line, "accepted": not error})
        return ""

    def _is_order(self, line: str) -> bool:
        output = self.description.output
        return (
            among(line, output.switch_on)
            or among(line, output.switch_off)
            or any(among(line, mode.select) for mode in self._modes.values())
            or self._kept.knows(line)
        )

    def _obey(self, line: str, now_ns: int) -> None:
        """Do what a line says.

        Raises:
            Refused: it is not done.
        """
        output = self.description.output
        if among(line, output.switch_off):
            self._switch(False, "command", now_ns)
            return
        switches_on = among(line, output.switch_on)
        if not self._remote:
            raise Refused(PROTECTED)
        if (switches_on and self.faults) or self._broken.refuse:
            raise Refused(REFUSED)
        if switches_on:
            self._switch(True, "command", now_ns)
        elif not self._broken.deaf:
            self._set(line)
            self._regulate()

    def _set(self, line: str) -> None:
        for name, mode in self._modes.items():
            if among(line, mode.select):
                self._mode = name
                return
        self._choose_mode(self._kept.set(line))

    def _choose_mode(self, number: Number) -> None:
        """A load whose mode is not selected obeys the set point that was given last."""
        if self._charges or self._selects:
            return
        for name, mode in self._modes.items():
            if self._kept.registers[mode.sets] is number:
                self._mode = name

    def _answer(self, line: str, now_ns: int) -> str | None:
        answer = super()._answer(line, now_ns)
        if answer is not None:
            return answer
        output = self.description.output
        if same_line(line, output.ask):
            return (output.answers_on if self.output_on else output.answers_off)[0]
        for mode in self._modes.values():
            if mode.ask is not None and same_line(line, mode.ask):
                return self._present.answers[0]
        number = self._kept.asked(line)
        if number is None:
            return None
        text = format(number.value / number.settable.scale, self._numbers)
        suffix = number.settable.suffix
        return f"{text} {suffix}" if suffix else text

    # Power -----------------------------------------------------------------------------------

    def _current(self) -> float:
        return self._lead.current

    def _sign(self, value: Value) -> int:
        if value.sign is not None:
            return value.sign
        return -1 if not self._charges and value.quantity in ("current", "power") else 1

    def _switch(self, on: bool, reason: str, now_ns: int) -> None:
        if self._broken.stuck or on == self.output_on:
            return
        self.output_on = on
        self._record(now_ns, "output", {"on": on, "reason": reason})
        self._regulate()

    @property
    def _present(self) -> ModeDescription:
        return self._modes[self._mode]

    def _regulate(self) -> None:
        if not self.output_on:
            self._lead.open()
            return
        voltage = max(self._terminals.voltage, 1e-6)
        ratings = self.description.ratings
        most = min(
            self._least("current", ratings.current_max),
            self._least("power", ratings.power_max) / voltage,
        )
        if self._charges:
            wanted = self._least("voltage", ratings.voltage_max)
            self._lead.regulate(Command(Mode.CV, wanted), 0.0, most)
            return
        registers = self._kept.registers
        floor = [
            registers[one].value
            for one in self._present.bounds
            if registers[one].quantity == "voltage"
        ]
        if floor and voltage <= max(floor):
            self._lead.open()
            return
        value = registers[self._present.sets].value
        if self._mode is not Mode.CV:
            value = 0.0 - value
        self._lead.regulate(Command(self._mode, value), -most, 0.0)

    def _least(self, quantity: str, rated: float) -> float:
        """Get the tightest of the registers in use, for a load only those that bound its mode."""
        names = tuple(self._kept.registers)
        if not self._charges:
            names = self._present.bounds
        elif self._selects:
            names = (self._present.sets, *self._present.bounds)
        return self._kept.least(names, quantity, rated)

    def _judge(self, now_ns: int) -> None:
        """Go off when a guard is broken."""
        if not self.output_on:
            return
        voltage, current = self._terminals.voltage, abs(self._lead.current)
        actual = {"voltage": voltage, "current": current, "power": voltage * current}
        for name, guard in self._kept.guards.items():
            value = actual[guard.quantity]
            slack = 1e-6 * max(value, 1.0)
            broken = (
                value < guard.value - slack
                if name == "voltage_min"
                else value > guard.value + slack
            )
            if broken:
                self._trip(GUARD_FAULTS[name], now_ns)
                return

    def _trip(self, fault: str, now_ns: int) -> None:
        self.faults.add(fault)
        self._switch(False, fault, now_ns)

    # Faults on demand ------------------------------------------------------------------------

    def break_down(self, order: str, now_ns: int) -> None:
        name, _, value = order.strip().partition(" ")
        if name == "trip" and value:
            self._record(now_ns, "fault", {"order": order.strip()})
            self._trip(value, now_ns)
            return
        super().break_down(order, now_ns)
        if name == "panel":
            self._switch(self._broken.panel, "panel", now_ns)
