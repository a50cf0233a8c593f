"""An EA supply as it behaves on the wire (devices.md §4.2), and what it does to its batteries.

The unit knows no clock and no port. Layouts are written down here once more, so that driver and
simulator cannot agree on an error.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.base import Command, Mode
from bem_drivers.ea.simulator_text import Words, commands, magnitude, understand
from bem_drivers.simulation import Record
from bem_drivers.simulation.faults import changed
from bem_drivers.simulation.sensor import Sensors, SensorSettings, sensor_orders

Quantity = Literal["voltage", "current"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
QUEUE_LENGTH = 10
NO_ERROR = '0,"No error"'
UNDEFINED = '-113,"Undefined header"'
BAD_VALUE = '-104,"Data type error"'
BAD_SUFFIX = '-114,"Header suffix out of range"'
LOCAL = '-203,"Command protected"'
OUT_OF_RANGE = '-222,"Data out of range"'
TRIPPED = '-300,"Device-specific error"'
OVERLOAD = '-350,"Queue overflow"'
ORDERS = {
    "voltage V|off": "it measures this voltage, whatever there is",
    "current A|off": "this current flows while an output is on, whatever was told",
    "frozen on|off": "it goes on telling what it measured last",
    "stuck on|off": "its outputs neither go on nor off when told",
    "trip": "its outputs go off by themselves, with an error",
    "surge": "its outputs go on by themselves",
    "reboot": "its mains go off and on",
    **sensor_orders(QUANTITIES),
}


class Lead(Protocol):
    """What an output needs of the circuit it hangs on."""

    @property
    def current(self) -> float:
        """Current (A) that it carries; positive charges."""
        ...

    @property
    def voltage(self) -> float:
        """Voltage (V) at its ends."""
        ...

    @property
    def terminals(self) -> "Terminals":
        """Where it is connected."""
        ...

    def regulate(self, command: Command, current_min: float, current_max: float) -> None:
        """Obey ``command`` within these currents (A)."""
        ...

    def open(self) -> None:
        """Carry no current."""
        ...


class Terminals(Protocol):
    """A battery's poles, shared by all that is connected to them."""

    def advance(self, now_ns: int) -> None:
        """Let current flow until ``now_ns``."""
        ...


class EaUnitSettings(BaseModel):
    """One simulated unit. A model with ``2384`` has two outputs, one with ``PSB`` sinks too."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    make: str = "EA Elektro-Automatik GmbH & Co. KG"
    model: str = "PS 2042-10B"
    serial_number: str = "2814450001"
    firmware: str = "V3.09"
    voltage: float = Field(default=42.0, gt=0, description="nominal voltage (V)")
    current: float = Field(default=10.0, gt=0, description="nominal current (A), each way")
    power: float = Field(default=160.0, gt=0, description="nominal power (W), each way")
    sensors: dict[Quantity, SensorSettings] = Field(
        default={}, description="V, A; those of each output"
    )

    @property
    def outputs(self) -> int:
        """How many outputs it has."""
        return 2 if "2384" in self.model else 1

    @property
    def bidirectional(self) -> bool:
        """Whether it sinks current too."""
        return "PSB" in self.model


class _Refused(Exception):
    """A command that the unit does not take; the error that it queues."""


@dataclass(slots=True)
class _Output:
    """One output. Set points at power-on are the nominal values, as bad as they can be."""

    lead: Lead | None
    voltage: float
    source: float
    sink: float
    remote: bool = False
    on: bool = False
    measured: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Faults:
    """What is wrong at present; see :data:`ORDERS`."""

    voltage: float | None = None
    current: float | None = None
    frozen: bool = False
    stuck: bool = False


class EaUnit:
    """A unit that was just switched on. ``leads``: where its outputs hang, ``None`` for nowhere.

    ``record`` gets (instant, kind, facts): ``command`` (line, error), ``answer`` (output, voltage,
    current) and ``output`` (output, on, reason).

    Raises:
        ValueError: more leads than outputs.
    """

    def __init__(
        self,
        settings: EaUnitSettings,
        leads: Sequence[Lead | None],
        record: Record | None = None,
    ) -> None:
        if len(leads) > settings.outputs:
            raise ValueError(f"{settings.model} has {settings.outputs} outputs, not {len(leads)}")
        self.settings = settings
        self._record = record or (lambda _at_ns, _kind, _facts: None)
        self._leads = [*leads, *[None] * (settings.outputs - len(leads))]
        self._outputs = self._fresh()
        self._errors: deque[str] = deque()
        self._faults = _Faults()
        self._sensors = Sensors(QUANTITIES, settings.sensors)

    def _fresh(self) -> list[_Output]:
        settings = self.settings
        return [
            _Output(lead, settings.voltage, settings.current, settings.current)
            for lead in self._leads
        ]

    def is_on(self, output: int = 1) -> bool:
        """Whether an output (from 1) is on, as it truly is."""
        return self._outputs[output - 1].on

    def set_points(self, output: int = 1) -> tuple[float, float, float]:
        """Get what an output (from 1) is set to: V, and A to source and to sink."""
        chosen = self._outputs[output - 1]
        return chosen.voltage, chosen.source, chosen.sink

    def is_remote(self, output: int = 1) -> bool:
        """Whether an output (from 1) is under remote control."""
        return self._outputs[output - 1].remote

    # Time ------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        for output in self._outputs:
            if output.lead is not None:
                output.lead.terminals.advance(now_ns)
                self._regulate(output)

    def _regulate(self, output: _Output) -> None:
        """Drive the lead: constant voltage within the current set points crosses over by itself."""
        if output.lead is None:
            return
        if not output.on:
            output.lead.open()
            return
        forced = self._faults.current
        if forced is not None:
            output.lead.regulate(Command(Mode.CC, forced), forced, forced)
            return
        by_power = self.settings.power / max(output.lead.voltage, 0.1)
        lowest = -min(output.sink, by_power) if self.settings.bidirectional else 0.0
        highest = min(output.source, by_power)
        output.lead.regulate(Command(Mode.CV, output.voltage), lowest, highest)

    # Lines -----------------------------------------------------------------------------------

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Take one line; get the answers to its questions, none to its commands."""
        self.advance(now_ns)
        answers = []
        for command in commands(line):
            error = ""
            try:
                answer = self._obey(understand(command), now_ns)
            except _Refused as refused:
                answer, error = None, str(refused)
                self._queue(error)
            if answer is None:
                self._record(now_ns, "command", {"line": command, "error": error})
            else:
                answers.append(answer)
        return answers

    def _obey(self, words: Words | None, now_ns: int) -> str | None:
        if words is None:
            raise _Refused(UNDEFINED)
        if words.header == "*idn?":
            settings = self.settings
            return (
                f"{settings.make}, {settings.model}, {settings.serial_number}, {settings.firmware}"
            )
        if words.header == "system:error?":
            return self._errors.popleft() if self._errors else NO_ERROR
        number = self._number(words)
        if number is None:
            raise _Refused(BAD_SUFFIX)
        if words.header.endswith("?"):
            return self._answer(words.header, number, now_ns)
        self._set(words, number, now_ns)
        return None

    def _number(self, words: Words) -> int | None:
        """Get the output (from 1) that a command means; a dual unit is told which, others not."""
        if self.settings.outputs == 1:
            return 1 if words.output is None else None
        return words.output if words.output in (1, 2) else None

    def _answer(self, header: str, number: int, now_ns: int) -> str:
        settings, output = self.settings, self._outputs[number - 1]
        if header == "measure:array?":
            return self._measure(number, now_ns)
        answers = {
            "output?": "ON" if output.on else "OFF",
            "system:nominal:voltage?": f"{settings.voltage:.2f} V",
            "system:nominal:current?": f"{settings.current:.2f} A",
            "system:nominal:power?": f"{settings.power:.1f} W",
        }
        if header not in answers:
            raise _Refused(UNDEFINED)
        return answers[header]

    def _measure(self, number: int, now_ns: int) -> str:
        output = self._outputs[number - 1]
        if not self._faults.frozen:
            output.measured = self._sample(output, now_ns)
        voltage, current = output.measured
        facts = {"output": number, "voltage": voltage, "current": current}
        self._record(now_ns, "answer", facts)
        return f"{voltage:.2f} V, {current:.2f} A, {voltage * current:.1f} W"

    def _sample(self, output: _Output, now_ns: int) -> tuple[float, float]:
        if output.lead is not None:
            voltage, current = output.lead.voltage, output.lead.current
        else:
            voltage, current = (output.voltage if output.on else 0.0), 0.0
        voltage = voltage if self._faults.voltage is None else self._faults.voltage
        read = self._sensors.read
        return read("voltage", voltage, now_ns), read("current", current, now_ns)

    def _set(self, words: Words, number: int, now_ns: int) -> None:
        output = self._outputs[number - 1]
        if words.header == "system:lock":
            output.remote = _switch(words.value)
            return
        if not output.remote:
            raise _Refused(LOCAL)
        if words.header != "output":
            self._set_point(output, words)
            return
        on = _switch(words.value)
        if not self._faults.stuck:
            self._switch(number, on, "command", now_ns)

    def _set_point(self, output: _Output, words: Words) -> None:
        ratings = {"voltage": self.settings.voltage, "current": self.settings.current}
        if self.settings.bidirectional:
            ratings["sink:current"] = self.settings.current
        if words.header not in ratings:
            raise _Refused(UNDEFINED)
        value = magnitude(words.value)
        if value is None:
            raise _Refused(BAD_VALUE)
        if value > ratings[words.header]:
            raise _Refused(OUT_OF_RANGE)
        if words.header == "voltage":
            output.voltage = value
        elif words.header == "current":
            output.source = value
        else:
            output.sink = value
        self._regulate(output)

    def _queue(self, error: str) -> None:
        if len(self._errors) < QUEUE_LENGTH:
            self._errors.append(error)
        else:
            self._errors[-1] = OVERLOAD

    def _switch(self, number: int, on: bool, reason: str, now_ns: int) -> None:
        output = self._outputs[number - 1]
        if output.on != on:
            output.on = on
            self._record(now_ns, "output", {"output": number, "on": on, "reason": reason})
        self._regulate(output)

    # Faults ----------------------------------------------------------------------------------

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from ``now_ns`` on, or have it no longer: see :data:`ORDERS`.

        Raises:
            ValueError: there is no such fault, or it does not take that value.
        """
        self.advance(now_ns)
        name, _, value = order.strip().partition(" ")
        if name in ("trip", "surge", "reboot") and not value:
            self._event(name, now_ns)
        elif name in Sensors.WORDS:
            self._sensors.obey(order, now_ns)
        else:
            self._faults = changed(self._faults, name, value, "an EA supply", ORDERS)
        for output in self._outputs:
            self._regulate(output)
        self._record(now_ns, "fault", {"order": order})

    def _event(self, name: str, now_ns: int) -> None:
        for number in range(1, len(self._outputs) + 1):
            self._switch(number, name == "surge", name, now_ns)
        if name == "trip":
            self._queue(TRIPPED)
        if name == "reboot":
            self._errors.clear()
            self._outputs = self._fresh()


def _switch(value: str) -> bool:
    if value.upper() not in ("ON", "OFF"):
        raise _Refused(BAD_VALUE)
    return value.upper() == "ON"
