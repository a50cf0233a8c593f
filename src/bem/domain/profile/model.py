"""The typed model of a profile: what text and YAML both stand for.

Values are in V, A, W, Ah and s; current and power are positive when charging. New kinds of steps
and ends join the unions by their ``kind``; existing kinds only ever gain optional fields, so that
profiles once stored stay readable.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bem.domain.profile.problems import Span

MAX_PASSES = 10_000_000
"""Most passes of one loop."""
MAX_DEPTH = 20
"""Most loops inside each other."""
MAX_NAME = 200
"""Most characters of a profile's name."""


class Node(BaseModel):
    """A part of a profile. ``source``, where it stood in the text, does not count for equality."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: Span | None = Field(default=None, exclude=True, repr=False)

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


class DurationEnd(Node):
    """The step has lasted ``value`` s."""

    kind: Literal["duration"] = "duration"
    value: float = Field(ge=0)


class VoltageEnd(Node):
    """The voltage has reached ``value`` V; without a side, from where the step comes."""

    kind: Literal["voltage"] = "voltage"
    value: float
    side: Side | None = None


class CurrentEnd(Node):
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


class CapacityEnd(Node):
    """The step has moved ``value`` Ah."""

    kind: Literal["capacity"] = "capacity"
    value: float = Field(gt=0)


End = Annotated[
    DurationEnd | VoltageEnd | CurrentEnd | CapacityEnd,
    Field(discriminator="kind"),
]


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
    ends: tuple[End, ...] = ()
    record: Record | None = None
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


class Repeat(Node):
    """Run the body ``times`` times."""

    kind: Literal["repeat"] = "repeat"
    times: int = Field(ge=1, le=MAX_PASSES)
    body: tuple["Item", ...] = Field(min_length=1)


Step = Rest | ConstantCurrent | ConstantVoltage | ConstantPower
Item = Annotated[
    Rest | ConstantCurrent | ConstantVoltage | ConstantPower | Repeat,
    Field(discriminator="kind"),
]


class Profile(Node):
    """An ordered list of steps and loops, and maybe the name under which people know it.

    Raises:
        pydantic.ValidationError: the values of a part are out of range, loops nest too deep, the
            name holds control characters or surrounding spaces.
    """

    name: str | None = Field(default=None, min_length=1, max_length=MAX_NAME)
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
