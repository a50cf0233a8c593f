"""A simulated instrument that does what a description says of it. Pure: no port, no clock.

It is stricter than most: a line that the description does not know, a number beyond the ratings,
a set point beyond its protection, or an order without remote control go to the error queue.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, get_args

from bem_drivers.base import Command, Mode
from bem_drivers.scpi.codec import Template, same_line, template
from bem_drivers.scpi.description import (
    AnyDescription,
    FaultQuery,
    Measure,
    MeterDescription,
    PowerDescription,
    Settable,
    Value,
)
from bem_drivers.simulation import faults
from bem_drivers.simulation.sensor import Sensors, SensorSettings

Record = Callable[[int, str, Mapping[str, object]], None]
NO_ERROR = '0,"No error"'
UNDEFINED = '-113,"Undefined header"'
CONFLICT = '-221,"Settings conflict"'
OUT_OF_RANGE = '-222,"Data out of range"'
PROTECTED = '-203,"Command protected"'
REFUSED = '-200,"Execution error"'
DEEPEST_QUEUE = 20
Sensed = Literal["voltage", "current", "temperature"]
SENSED: tuple[Sensed, ...] = get_args(Sensed)
_GUARD_FAULTS = {
    "voltage_min": "under_voltage",
    "voltage_max": "over_voltage",
    "current": "over_current",
    "power": "over_power",
}
_SWITCHES = ("frozen", "stuck", "refuse", "deaf", "panel")
_FIXED = SENSED


class SimulatedTerminals(Protocol):
    """What the unit sees of the battery."""

    @property
    def voltage(self) -> float:
        """V now."""
        ...

    @property
    def current(self) -> float:
        """A into the battery now."""
        ...

    @property
    def temperature(self) -> float:
        """Of the battery's body (degC)."""
        ...

    def advance(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        ...


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


@dataclass(slots=True)
class _Number:
    """A register or a guard and what it holds (SI)."""

    settable: Settable
    template: Template
    quantity: str
    most: float
    value: float


class ScpiMeterUnit:
    """A meter at ``terminals``; also what every other unit answers alike.

    ``identity`` is its answer to the identification, ``numbers`` the format of its numbers,
    ``sensors`` by what it measures; a power is the product of what it reads.

    Raises:
        ValueError: the description would not take ``identity`` or its "no error".
    """

    def __init__(
        self,
        description: AnyDescription,
        terminals: SimulatedTerminals,
        record: Record | None = None,
        *,
        identity: str = "BEM,SIMULATED,1,0",
        numbers: str = "+.6E",
        sensors: Mapping[Sensed, SensorSettings] = MappingProxyType({}),
    ) -> None:
        self.description: MeterDescription | PowerDescription = description
        if re.search(description.identification.pattern, identity) is None:
            raise ValueError(
                f"the pattern {description.identification.pattern!r} does not fit the identity "
                f"{identity!r} of the simulated unit; give it one that fits"
            )
        if description.errors is not None and not re.search(description.errors.none, NO_ERROR):
            raise ValueError(f"errors.none does not fit {NO_ERROR!r}, which the unit answers")
        self._terminals = terminals
        self._record = record or (lambda _t, _kind, _facts: None)
        self._identity = identity
        self._numbers = numbers
        self._errors: deque[str] = deque(maxlen=DEEPEST_QUEUE)
        self._sensors = Sensors(SENSED, sensors)
        self._remote = not description.remote.take
        self._switches = dict.fromkeys(_SWITCHES, False)
        self._fixed: dict[str, float] = {}
        self._frozen: dict[str, float] = {}
        self.faults: set[str] = set()

    # Time and lines --------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        self._terminals.advance(now_ns)

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Take a line; get the answers to it."""
        self.advance(now_ns)
        text = line.strip()
        answers = [line.rstrip("\r")] if self.description.echo else []
        if not text:
            return answers
        answer = self._handle(text, now_ns)
        if answer is None and ";" in text:
            said = [self._one(part, now_ns) for part in text.split(";")]
            answer = ";".join(one for one in said if one)
        elif answer is None:
            answer = self._one(text, now_ns)
        return [*answers, answer] if answer else answers

    def _one(self, line: str, now_ns: int) -> str:
        answer = self._handle(line.strip(), now_ns)
        if answer is None:
            self._record(now_ns, "command", {"line": line, "accepted": False})
            self._errors.append(UNDEFINED)
            return ""
        return answer

    def _handle(self, line: str, now_ns: int) -> str | None:
        """Get the answer to a line, empty for an order, ``None`` for a line that is not known."""
        if "?" in line:
            return self._answer(line, now_ns)
        description = self.description
        if _among(line, description.remote.take):
            self._remote = True
            return ""
        if _among(line, description.remote.give_back):
            self._remote = False
            return ""
        if _among(line, description.prepare):
            return ""
        for query in description.faults:
            if _among(line, query.clear):
                self.faults.difference_update(query.bits.values(), query.answers.values())
                return ""
        return None

    def _answer(self, line: str, now_ns: int) -> str | None:
        description = self.description
        if same_line(line, description.identification.ask):
            return self._identity
        if description.errors is not None and same_line(line, description.errors.ask):
            return self._errors.popleft() if self._errors else NO_ERROR
        for measure in description.measures:
            if same_line(line, measure.ask):
                return self._measured(measure, now_ns)
        for query in description.faults:
            if same_line(line, query.ask):
                return self._status(query)
        return None

    # What it measures ------------------------------------------------------------------------

    def _measured(self, measure: Measure, now_ns: int) -> str:
        parts = ["0"] * measure.size
        facts: dict[str, float] = {}
        for value in measure.values:
            read = self._read(value.quantity, now_ns)
            if self._switches["frozen"]:
                read = self._frozen.setdefault(value.channel, read)
            facts[value.channel] = read
            text = format(read * self._sign(value) / value.scale, self._numbers)
            parts[value.at] = f"{text} {value.suffix}" if value.suffix else text
        self._record(now_ns, "answer", facts)
        return measure.separator.join(parts)

    def _read(self, quantity: str, now_ns: int) -> float:
        if quantity == "power":
            return self._read("voltage", now_ns) * self._read("current", now_ns)
        true = {
            "voltage": self._terminals.voltage,
            "current": self._current(),
            "temperature": self._terminals.temperature,
        }
        for sensed in SENSED:
            if sensed == quantity:
                fixed = self._fixed.get(sensed, true[sensed])
                return self._sensors.read(sensed, fixed, now_ns)
        return 0.0

    def _current(self) -> float:
        return self._terminals.current

    def _sign(self, value: Value) -> int:
        return value.sign or 1

    def _status(self, query: FaultQuery) -> str:
        if query.bits:
            return str(sum(1 << bit for bit, name in query.bits.items() if name in self.faults))
        words = [word for word, name in query.answers.items() if name in self.faults]
        return words[0] if words else "NONE"

    # Faults on demand ------------------------------------------------------------------------

    def break_down(self, order: str, now_ns: int) -> None:
        """Obey ``frozen on|off``, ``voltage V|off``, ``current A|off``, ``temperature DEGC|off``
        (what it measures), and those of :class:`~bem_drivers.simulation.sensor.Sensors`.

        A unit with power also obeys ``stuck on|off`` (it does not switch), ``refuse on|off`` (set
        lines are errors), ``deaf on|off`` (set lines change nothing), ``panel on|off`` (somebody
        switches its output at the front panel), ``trip NAME`` (it goes off with that fault).

        Raises:
            ValueError: no such fault.
        """
        name, _, value = order.strip().partition(" ")
        if name in _FIXED:
            fixed = None if value == "off" else faults.number(name, value)
            self._fixed.pop(name, None)
            if fixed is not None:
                self._fixed[name] = fixed
        elif name in Sensors.WORDS:
            self._sensors.obey(order, now_ns)
        elif name in self._known_switches():
            self._switches[name] = faults.switch(name, value)
            self._frozen.clear()
            self._switched(name, now_ns)
        elif name == "trip" and value and "stuck" in self._known_switches():
            self._trip(value, now_ns)
        else:
            known = ", ".join((*_FIXED, *Sensors.WORDS, *self._known_switches()))
            raise ValueError(f"no fault {name!r}; there are: {known}, trip NAME (with power)")
        self._record(now_ns, "fault", {"order": order.strip()})

    def _known_switches(self) -> tuple[str, ...]:
        return _SWITCHES[:1]

    def _switched(self, name: str, now_ns: int) -> None:
        """Do what a switch does at once."""

    def _trip(self, fault: str, now_ns: int) -> None:
        """Go off by a fault."""


class ScpiPowerUnit(ScpiMeterUnit):
    """A source or a load whose ``lead`` is at ``terminals``. ``output_on`` is the truth."""

    description: PowerDescription

    def __init__(
        self,
        description: AnyDescription,
        terminals: SimulatedTerminals,
        lead: SimulatedLead,
        record: Record | None = None,
        *,
        identity: str = "BEM,SIMULATED,1,0",
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
        self._mode = Mode(next(iter(description.modes)))
        self._registers = {
            name: self._number(register, register.quantity, 0.0)
            for name, register in description.registers.items()
        }
        self._guards: dict[str, _Number] = {}
        for name in _GUARD_FAULTS:
            guard = getattr(description.guards, name)
            if guard is not None:
                quantity = "voltage" if name.startswith("voltage") else name
                number = self._guards[name] = self._number(guard, quantity, 0.0)
                number.value = 0.0 if name == "voltage_min" else number.most

    def _number(self, settable: Settable, quantity: str, value: float) -> _Number:
        most: float = getattr(self.description.ratings, f"{quantity}_max")
        # Instruments let themselves be set a little beyond their ratings.
        return _Number(settable, template(settable.set), quantity, most * 1.05, value)

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
        error = self._obey(line, now_ns)
        self._record(now_ns, "command", {"line": line, "accepted": not error})
        if error:
            self._errors.append(error)
        return ""

    def _is_order(self, line: str) -> bool:
        output = self.description.output
        return (
            _among(line, output.switch_on)
            or _among(line, output.switch_off)
            or any(_among(line, mode.select) for mode in self.description.modes.values())
            or any(number.template.value(line) is not None for number in self._numbers_kept())
        )

    def _obey(self, line: str, now_ns: int) -> str:
        """Do what a line says; the error that it makes, if any."""
        output = self.description.output
        if _among(line, output.switch_off):
            self._switch(False, "command", now_ns)
            return ""
        switches_on = _among(line, output.switch_on)
        if not self._remote:
            return PROTECTED
        if (switches_on and self.faults) or self._switches["refuse"]:
            return REFUSED
        error = ""
        if switches_on:
            self._switch(True, "command", now_ns)
        elif not self._switches["deaf"]:
            error = self._set(line)
            self._regulate()
        return error

    def _set(self, line: str) -> str:
        for name, mode in self.description.modes.items():
            if _among(line, mode.select):
                self._mode = Mode(name)
                return ""
        for number in self._numbers_kept():
            sent = number.template.value(line)
            if sent is None:
                continue
            value = sent * number.settable.scale
            if not 0.0 <= value <= number.most:
                return OUT_OF_RANGE
            if self._conflicts(number, value):
                return CONFLICT
            number.value = value
            self._choose_mode(number)
            return ""
        return UNDEFINED

    def _conflicts(self, number: _Number, value: float) -> bool:
        """Whether a set point would be beyond a protection that keeps headroom."""
        for name, guard in self._guards.items():
            if guard.quantity != number.quantity or name == "voltage_min":
                continue
            if not getattr(guard.settable, "headroom", 0.0):
                continue
            if guard is not number:
                return value > guard.value
            return any(
                one.value > value
                for one in self._registers.values()
                if one.quantity == guard.quantity
            )
        return False

    def _choose_mode(self, number: _Number) -> None:
        """A load whose mode is not selected obeys the set point that was given last."""
        if self._charges or any(mode.select for mode in self.description.modes.values()):
            return
        for name, mode in self.description.modes.items():
            if self._registers[mode.sets] is number:
                self._mode = Mode(name)

    def _numbers_kept(self) -> tuple[_Number, ...]:
        return (*self._registers.values(), *self._guards.values())

    def _answer(self, line: str, now_ns: int) -> str | None:
        answer = super()._answer(line, now_ns)
        if answer is not None:
            return answer
        output = self.description.output
        if same_line(line, output.ask):
            return (output.answers_on if self.output_on else output.answers_off)[0]
        present = self.description.modes.get(self._mode.value)  # type: ignore[call-overload]  # any mode of a device, of which it has some
        for mode in self.description.modes.values():
            if mode.ask is not None and same_line(line, mode.ask):
                return str(present.answers[0])
        for number in self._numbers_kept():
            if number.settable.ask is not None and same_line(line, number.settable.ask):
                text = format(number.value / number.settable.scale, self._numbers)
                suffix = number.settable.suffix
                return f"{text} {suffix}" if suffix else text
        return None

    # Power -----------------------------------------------------------------------------------

    def _current(self) -> float:
        return self._lead.current

    def _sign(self, value: Value) -> int:
        if value.sign is not None:
            return value.sign
        return -1 if not self._charges and value.quantity in ("current", "power") else 1

    def _switch(self, on: bool, reason: str, now_ns: int) -> None:
        if self._switches["stuck"] or on == self.output_on:
            return
        self.output_on = on
        self._record(now_ns, "output", {"on": on, "reason": reason})
        self._regulate()

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
        mode = self.description.modes[self._mode.value]  # type: ignore[index]  # as above
        floor = [
            self._registers[one].value
            for one in mode.bounds
            if self._registers[one].quantity == "voltage"
        ]
        if floor and voltage <= max(floor):
            self._lead.open()
            return
        value = self._registers[mode.sets].value
        if self._mode is Mode.CV:
            self._lead.regulate(Command(Mode.CV, value), -most, 0.0)
        else:
            self._lead.regulate(Command(self._mode, 0.0 - value), -most, 0.0)

    def _least(self, quantity: str, rated: float) -> float:
        """Get the tightest of the registers in use, for a load only those that bound its mode."""
        mode = self.description.modes[self._mode.value]  # type: ignore[index]  # as above
        selects = any(one.select for one in self.description.modes.values())
        names: tuple[str, ...] = tuple(self._registers)
        if not self._charges:
            names = mode.bounds
        elif selects:
            names = (mode.sets, *mode.bounds)
        values = [
            self._registers[name].value
            for name in names
            if self._registers[name].quantity == quantity
        ]
        return min([rated, *values])

    def _judge(self, now_ns: int) -> None:
        """Go off when a guard is broken."""
        if not self.output_on:
            return
        voltage, current = self._terminals.voltage, abs(self._lead.current)
        actual = {"voltage": voltage, "current": current, "power": voltage * current}
        for name, guard in self._guards.items():
            value = actual[guard.quantity]
            slack = 1e-6 * max(value, 1.0)
            broken = (
                value < guard.value - slack
                if name == "voltage_min"
                else value > guard.value + slack
            )
            if broken:
                self._trip(_GUARD_FAULTS[name], now_ns)
                return

    def _trip(self, fault: str, now_ns: int) -> None:
        self.faults.add(fault)
        self._switch(False, fault, now_ns)

    def _known_switches(self) -> tuple[str, ...]:
        return _SWITCHES

    def _switched(self, name: str, now_ns: int) -> None:
        if name == "panel":
            self._switch(self._switches["panel"], "panel", now_ns)


def _among(line: str, lines: tuple[str, ...]) -> bool:
    return any(same_line(line, one) for one in lines)
