"""A simulated meter that does what a description says of it. Pure: no port, no clock.

It is stricter than most: a line that the description does not know goes to the error queue. What
sources and loads do beyond it is in :mod:`bem_drivers.scpi.simulator_power`.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol, get_args

from bem_drivers.scpi.codec import same_line
from bem_drivers.scpi.description import (
    AnyDescription,
    FaultQuery,
    Measure,
    MeterDescription,
    PowerDescription,
    Value,
)
from bem_drivers.scpi.simulator_numbers import UNDEFINED
from bem_drivers.simulation import Record
from bem_drivers.simulation.faults import changed
from bem_drivers.simulation.sensor import Sensors, SensorSettings, sensor_orders

NO_ERROR = '0,"No error"'
DEEPEST_QUEUE = 20
Sensed = Literal["voltage", "current", "temperature"]
SENSED: tuple[Sensed, ...] = get_args(Sensed)
METER_ORDERS = {
    "voltage NUMBER|off": "V that it measures, whatever there is",
    "current NUMBER|off": "A that it measures, whatever flows",
    "temperature NUMBER|off": "degC that it measures, whatever there is",
    "frozen on|off": "it goes on answering what it measured last",
    **sensor_orders(SENSED),
}


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


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong at present; a meter only has those of :data:`METER_ORDERS`."""

    voltage: float | None = None
    current: float | None = None
    temperature: float | None = None
    frozen: bool = False
    stuck: bool = False
    refuse: bool = False
    deaf: bool = False
    panel: bool = False


class ScpiMeterUnit:
    """A meter at ``terminals``; also what every other unit answers alike.

    ``identity`` is its answer to the identification, by default with the title of the description
    for a model; ``numbers`` the format of its numbers, ``sensors`` by what it measures; a power is
    the product of what it reads.

    Raises:
        ValueError: the description would not take ``identity`` or its "no error".
    """

    orders: ClassVar[Mapping[str, str]] = METER_ORDERS
    """What :meth:`break_down` takes, with explanations."""

    def __init__(
        self,
        description: AnyDescription,
        terminals: SimulatedTerminals,
        record: Record | None = None,
        *,
        identity: str | None = None,
        numbers: str = "+.6E",
        sensors: Mapping[Sensed, SensorSettings] = MappingProxyType({}),
    ) -> None:
        self.description: MeterDescription | PowerDescription = description
        if identity is None:
            identity = f"BEM,{description.title.replace(',', '')},1,0"
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
        self._broken = Faults()
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
        if among(line, description.remote.take):
            self._remote = True
            return ""
        if among(line, description.remote.give_back):
            self._remote = False
            return ""
        if among(line, description.prepare):
            return ""
        for query in description.faults:
            if among(line, query.clear):
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
            if self._broken.frozen:
                read = self._frozen.setdefault(value.channel, read)
            facts[value.channel] = read
            text = format(read * self._sign(value) / value.scale, self._numbers)
            parts[value.at] = f"{text} {value.suffix}" if value.suffix else text
        self._record(now_ns, "answer", facts)
        return measure.separator.join(parts)

    def _read(self, quantity: str, now_ns: int) -> float:
        if quantity == "power":
            return self._read("voltage", now_ns) * self._read("current", now_ns)
        broken = self._broken
        true: dict[Sensed, tuple[float, float | None]] = {
            "voltage": (self._terminals.voltage, broken.voltage),
            "current": (self._current(), broken.current),
            "temperature": (self._terminals.temperature, broken.temperature),
        }
        for sensed, (value, instead) in true.items():
            if sensed == quantity:
                return self._sensors.read(sensed, value if instead is None else instead, now_ns)
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
        """Have a fault from ``now_ns`` on, or have it no longer: see :attr:`orders`.

        Raises:
            ValueError: no such fault.
        """
        name, _, value = order.strip().partition(" ")
        if name not in {known.partition(" ")[0] for known in self.orders}:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(self.orders)}")
        if name in Sensors.WORDS:
            self._sensors.obey(order, now_ns)
        else:
            self._broken = changed(self._broken, name, value, "a SCPI instrument", self.orders)
            self._frozen.clear()
        self._record(now_ns, "fault", {"order": order.strip()})


def among(line: str, lines: tuple[str, ...]) -> bool:
    """Whether a line is one of ``lines``."""
    return any(same_line(line, one) for one in lines)
