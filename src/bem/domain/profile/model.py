"""The typed model of a profile: what text and YAML both stand for.

Values are in V, A, W, Ah, Wh, s, ohm, degC, V/s and L/min; current and power are positive when
charging. New kinds of steps and ends join the unions by their ``kind``; existing kinds only ever
gain optional fields, so that profiles once stored stay readable.
"""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from bem.domain.profile.problems import Span

MAX_PASSES = 10_000_000
"""Most passes of one loop."""
MAX_DEPTH = 20
"""Most loops inside each other."""
MAX_NAME = 200
"""Most characters of a profile's name."""
MAX_MESSAGE = 500
"""Most characters of what a person is told in a pause."""
MAX_POINTS = 100_000
"""Most rows of a table over time."""
MAX_PULSES = 100
"""Most pulses of one pass of a train."""
MAX_DELAY = 86_400.0
"""Longest delay (s) of a limit."""
IDENTIFIER = r"^[a-z][a-z0-9_]{0,31}$"
"""Labels and parameters: lower-case letters, digits and underscores."""


RESERVED = frozenset(
    (
        *("profile", "parameter", "record", "limit", "repeat", "drive", "pulse"),
        *("next", "stop", "fail", "forever"),
    )
)
"""Words that open a line of their own or follow 'then', and so can name nothing."""


def _is_free(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"'{name}' is a word of the language: choose another name")
    return name


Identifier = Annotated[str, Field(pattern=IDENTIFIER), AfterValidator(_is_free)]


class Node(BaseModel):
    """A part of a profile. ``source``, where it stood in the text, does not count for equality.

    ``given_by`` names, for each field whose value comes from a parameter of the profile, that
    parameter: the field then holds the parameter's default, or what an experiment filled in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: Span | None = Field(default=None, exclude=True, repr=False)
    given_by: tuple[tuple[str, Identifier], ...] = ()

    @field_validator("given_by")
    @classmethod
    def _each_field_once(cls, given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        names = [name for name, _ in given]
        for name in names:
            if name not in cls.model_fields or names.count(name) > 1:
                raise ValueError(f"'{name}' is no field of this part, or stands there twice")
        return tuple(sorted(given))

    def _content(self) -> tuple[object, ...]:
        fields = type(self).model_fields.items()
        return tuple(getattr(self, name) for name, field in fields if not field.exclude)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node) or type(self) is not type(other):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash((type(self), self._content()))


class Amperes(Node):
    """A current in A."""

    unit: Literal["A"] = "A"
    value: float


class CRate(Node):
    """A current as a multiple of the one that moves the capacity in an hour."""

    unit: Literal["C"] = "C"
    value: float


Current = Annotated[Amperes | CRate, Field(discriminator="unit")]


class Side(StrEnum):
    """On which side of its threshold an end holds; the threshold itself counts."""

    ABOVE = "above"
    BELOW = "below"


class Then(StrEnum):
    """What follows when an end has ended its step."""

    NEXT = "next"
    """The step below; what happens where nothing is said."""
    GO_TO = "go_to"
    """The step or loop with the label."""
    STOP = "stop"
    """The run ends, finished."""
    FAIL = "fail"
    """The run ends as failed, with an alarm."""


class EndNode(Node):
    """What all ends have: ``then`` says how the run goes on, ``label`` where it goes to.

    Raises:
        pydantic.ValidationError: a label without going there, or the other way round.
    """

    then: Then = Then.NEXT
    label: Identifier | None = None

    @model_validator(mode="after")
    def _label_where_it_goes(self) -> "EndNode":
        if (self.then is Then.GO_TO) != (self.label is not None):
            raise ValueError("'go_to' needs a label, and nothing else has one")
        return self


class DurationEnd(EndNode):
    """The step has lasted ``value`` s."""

    kind: Literal["duration"] = "duration"
    value: float = Field(ge=0)


class VoltageEnd(EndNode):
    """The voltage has reached ``value`` V; without a side, from where the step comes."""

    kind: Literal["voltage"] = "voltage"
    value: float
    side: Side | None = None


class CurrentEnd(EndNode):
    """The magnitude of the current has reached ``value``; without a side, as it develops."""

    kind: Literal["current"] = "current"
    value: Current
    side: Side | None = None

    @field_validator("value")
    @classmethod
    def _magnitude(cls, value: Amperes | CRate) -> Amperes | CRate:
        if value.value < 0:
            raise ValueError(f"{value.value:g} is a magnitude: 0 or more")
        return value


class CapacityEnd(EndNode):
    """The step has moved ``value`` Ah."""

    kind: Literal["capacity"] = "capacity"
    value: float = Field(gt=0)


class PowerEnd(EndNode):
    """The magnitude of the power has reached ``value`` W; without a side, as it develops."""

    kind: Literal["power"] = "power"
    value: float = Field(ge=0)
    side: Side | None = None


class EnergyEnd(EndNode):
    """The step has moved ``value`` Wh."""

    kind: Literal["energy"] = "energy"
    value: float = Field(gt=0)


class TemperatureEnd(EndNode):
    """The hottest (above) or coldest (below) temperature channel has reached ``value`` degC."""

    kind: Literal["temperature"] = "temperature"
    value: float
    side: Side


class VoltageDropEnd(EndNode):
    """The voltage has fallen by ``value`` V from its highest in this step (-ΔV)."""

    kind: Literal["voltage_drop"] = "voltage_drop"
    value: float = Field(gt=0)


class SlopeEnd(EndNode):
    """The magnitude of dV/dt has fallen to (below) or reached (above) ``value`` V/s."""

    kind: Literal["slope"] = "slope"
    value: float = Field(gt=0)
    side: Side = Side.BELOW


End = Annotated[
    DurationEnd
    | VoltageEnd
    | CurrentEnd
    | CapacityEnd
    | PowerEnd
    | EnergyEnd
    | TemperatureEnd
    | VoltageDropEnd
    | SlopeEnd,
    Field(discriminator="kind"),
]


class Limited(StrEnum):
    """What a limit of a profile or a step bounds."""

    VOLTAGE = "voltage"
    CURRENT = "current"
    """A, signed: charging is positive."""
    POWER = "power"
    """W, signed: charging is positive."""
    TEMPERATURE = "temperature"
    """Any temperature channel, degC."""
    CELL_VOLTAGE = "cell_voltage"
    """Any ``cell_voltage_…`` channel, V."""
    CHARGE = "charge"
    """Magnitude of the net charge moved, Ah: in the step, or since the start for a profile's."""
    DURATION = "duration"
    """s: of the step, or of the whole run for a profile's."""
    FLOW = "flow"
    """Any ``flow…`` channel, L/min."""


class Limit(Node):
    """A safety bound apart from the ends: beyond it the run fails and the station latches.

    ``delay_s``: how long (s) it must be beyond without a pause; 0 acts on the first reading.
    """

    quantity: Limited
    side: Side
    value: float
    delay_s: float = Field(default=0.0, ge=0, le=MAX_DELAY)

    @model_validator(mode="after")
    def _magnitudes_have_no_least(self) -> "Limit":
        if self.quantity in (Limited.CHARGE, Limited.DURATION) and (
            self.side is Side.BELOW or self.value <= 0
        ):
            raise ValueError(f"a limit of {self.quantity} is a most, above 0")
        return self


class Record(Node):
    """When to keep a sample: at any of these changes since the last (s, V, A)."""

    every: float | None = Field(default=None, gt=0)
    voltage_change: float | None = Field(default=None, gt=0)
    current_change: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _says_something(self) -> "Record":
        if self.every is None and self.voltage_change is None and self.current_change is None:
            raise ValueError("a record rule needs a time, a voltage change or a current change")
        return self


class StepNode(Node):
    """What all steps have: they last until any one of ``ends`` holds."""

    kind: str
    label: Identifier | None = None
    ends: tuple[End, ...] = ()
    record: Record | None = None
    limits: tuple[Limit, ...] = ()
    setpoint_source: Span | None = Field(default=None, exclude=True, repr=False)


class Rest(StepNode):
    """No current."""

    kind: Literal["rest"] = "rest"


class ConstantCurrent(StepNode):
    """Hold a current; positive charges."""

    kind: Literal["constant_current"] = "constant_current"
    current: Current

    @field_validator("current")
    @classmethod
    def _flows(cls, current: Amperes | CRate) -> Amperes | CRate:
        if current.value == 0:
            raise ValueError("a current of 0 is a rest")
        return current


class ConstantVoltage(StepNode):
    """Hold a voltage in V."""

    kind: Literal["constant_voltage"] = "constant_voltage"
    voltage: float


class ConstantPower(StepNode):
    """Hold a power in W; positive charges."""

    kind: Literal["constant_power"] = "constant_power"
    power: float

    @field_validator("power")
    @classmethod
    def _flows(cls, power: float) -> float:
        if power == 0:
            raise ValueError("a power of 0 is a rest")
        return power


class ConstantResistance(StepNode):
    """Discharge through a resistance in ohm: the current follows the voltage."""

    kind: Literal["constant_resistance"] = "constant_resistance"
    resistance: float = Field(gt=0)


class Driven(StrEnum):
    """What a table or a pulse drives; charging is positive."""

    CURRENT = "current"
    """A"""
    C_RATE = "c_rate"
    """Multiple of the current that moves the capacity in an hour."""
    POWER = "power"
    """W"""


class Table(StepNode):
    """Values over time, such as a drive cycle: each holds from its time until the next.

    ``points`` are (s since the start of a pass, value), times ascending from 0. The last value
    holds for as long as the one before it did; then the table has been run ``times`` times or
    begins again. The step ends with its last pass unless one of its own ends is earlier.
    """

    kind: Literal["table"] = "table"
    drives: Driven
    points: tuple[tuple[float, float], ...] = Field(min_length=2, max_length=MAX_POINTS)
    times: int = Field(default=1, ge=1, le=MAX_PASSES)

    @field_validator("points")
    @classmethod
    def _ascending(cls, points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if points[0][0] != 0:
            raise ValueError(f"the first time of a table is 0, not {points[0][0]:g}")
        for (before, _), (after, _) in pairwise(points):
            if after <= before:
                raise ValueError(f"times of a table ascend; {after:g} s follows {before:g} s")
        return points


class Pulse(Node):
    """One part of a pulse train: ``value`` for ``duration`` s; 0 is a rest."""

    value: float
    duration: float = Field(gt=0)


class PulseTrain(StepNode):
    """``pulses`` one after the other, ``times`` times; ends with its last pass, or earlier."""

    kind: Literal["pulse_train"] = "pulse_train"
    drives: Driven
    pulses: tuple[Pulse, ...] = Field(min_length=1, max_length=MAX_PULSES)
    times: int = Field(default=1, ge=1, le=MAX_PASSES)


class Pause(StepNode):
    """Output off until a person says to go on; ``message`` tells what is to be done.

    An end may be a duration: the pause is then over by itself.
    """

    kind: Literal["pause"] = "pause"
    message: str = Field(min_length=1, max_length=MAX_MESSAGE)

    @field_validator("message")
    @classmethod
    def _one_line(cls, message: str) -> str:
        if not message.isprintable() or message != message.strip() or '"' in message:
            raise ValueError("a message is one line of printable text without double quotes")
        return message


class LoopQuantity(StrEnum):
    """What ends a loop early, judged after each pass over what the pass moved."""

    CHARGE_IN = "charge_in"
    CHARGE_OUT = "charge_out"
    ENERGY_IN = "energy_in"
    ENERGY_OUT = "energy_out"


class LoopEnd(Node):
    """The loop ends after a pass that moved less (or more) than ``value``.

    ``relative``: ``value`` is a share (0.8 is 80 %) of what the loop's first pass moved, else Ah
    or Wh. "until capacity below 80 % of the first cycle" is charge_out, below, 0.8, relative.
    """

    quantity: LoopQuantity
    side: Side
    value: float = Field(gt=0)
    relative: bool = False


class Repeat(Node):
    """Run the body ``times`` times, or fewer if ``until`` holds after a pass.

    ``times`` ``None`` declares a loop without a number; without ``until`` it is endless, until a
    person or a limit stops the run.
    """

    kind: Literal["repeat"] = "repeat"
    label: Identifier | None = None
    times: int | None = Field(default=None, ge=1, le=MAX_PASSES)
    until: LoopEnd | None = None
    body: tuple["Item", ...] = Field(min_length=1)


Step = (
    Rest
    | ConstantCurrent
    | ConstantVoltage
    | ConstantPower
    | ConstantResistance
    | Table
    | PulseTrain
    | Pause
)
Item = Annotated[
    Rest
    | ConstantCurrent
    | ConstantVoltage
    | ConstantPower
    | ConstantResistance
    | Table
    | PulseTrain
    | Pause
    | Repeat,
    Field(discriminator="kind"),
]


class ParameterKind(StrEnum):
    """What a parameter stands for, and with it its unit."""

    CURRENT = "current"
    C_RATE = "c_rate"
    VOLTAGE = "voltage"
    POWER = "power"
    RESISTANCE = "resistance"
    DURATION = "duration"
    CAPACITY = "capacity"
    ENERGY = "energy"
    TEMPERATURE = "temperature"
    NUMBER = "number"
    """A number of times."""


class Parameter(Node):
    """A value that is filled in per experiment; ``default`` in the SI unit of its kind."""

    name: Identifier
    kind: ParameterKind
    default: float


class Profile(Node):
    """An ordered list of steps and loops, and maybe the name under which people know it.

    ``limits`` hold during the whole run; ``record`` holds for steps without a rule of their own.

    Raises:
        pydantic.ValidationError: the values of a part are out of range, loops nest too deep, the
            name holds control characters or surrounding spaces.
    """

    name: str | None = Field(default=None, min_length=1, max_length=MAX_NAME)
    parameters: tuple[Parameter, ...] = ()
    limits: tuple[Limit, ...] = ()
    record: Record | None = None
    body: tuple[Item, ...] = ()

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str | None) -> str | None:
        if name is not None and (not name.isprintable() or name != name.strip()):
            raise ValueError("a name is one line of printable text without surrounding spaces")
        return name

    @model_validator(mode="after")
    def _not_too_deep(self) -> "Profile":
        level: tuple[Item, ...] = self.body
        for _ in range(MAX_DEPTH + 1):
            level = tuple(
                inner for item in level if isinstance(item, Repeat) for inner in item.body
            )
            if not level:
                return self
        raise ValueError(f"loops nest at most {MAX_DEPTH} deep")
