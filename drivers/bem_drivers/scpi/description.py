"""What a person says about an SCPI instrument: its lines, and what its answers mean.

Everything is checked when it is read. Keys are never ``on`` or ``off``, which YAML takes for
booleans; words to expect, such as "ON", are quoted for the same reason.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from bem_drivers.base import Mode
from bem_drivers.scpi.codec import Template, check_line

Quantity = Literal["voltage", "current", "power", "resistance", "temperature", "other"]
Regulated = Literal["voltage", "current", "power"]

UNITS: dict[str, str] = {
    "voltage": "V",
    "current": "A",
    "power": "W",
    "resistance": "Ohm",
    "temperature": "degC",
}
CONTROLLED: dict[Mode, str] = {Mode.CC: "current", Mode.CV: "voltage", Mode.CP: "power"}
_IDENTIFICATION = "make", "model", "serial", "firmware"


def _question(line: str) -> str:
    if "?" not in line:
        raise ValueError(f"{line!r} asks nothing; a query has a '?', such as 'OUTP?'")
    return line


def _order(line: str) -> str:
    if "?" in line:
        raise ValueError(f"{line!r} is a query, whose answer nobody would read; give it as 'ask'")
    return line


def _template(line: str) -> str:
    return Template(line).text


def _plain_order(line: str) -> str:
    if "{" in line or "}" in line:
        raise ValueError(f"{line!r} has a place holder; only 'set' lines take a {{value}}")
    return _order(line)


def _listed(given: object) -> object:
    return (given,) if isinstance(given, str) else given


def _word(given: object) -> object:
    if isinstance(given, bool):
        raise ValueError("YAML takes ON, OFF, yes and no for booleans; put the word in quotes")
    return str(given) if isinstance(given, int) else given


def _words(given: object) -> object:
    return given if isinstance(given, (list, tuple)) else (given,)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


def _identification(text: str) -> str:
    names = set(re.compile(text).groupindex)
    unknown = names.difference(_IDENTIFICATION)
    if unknown or "model" not in names:
        raise ValueError(
            f"{text!r} names the groups {', '.join(sorted(names)) or 'none'}; it must have "
            f"(?P<model>...) and may have others of {', '.join(_IDENTIFICATION)}"
        )
    return text


Line = Annotated[str, AfterValidator(check_line)]
Ask = Annotated[Line, AfterValidator(_question)]
Order = Annotated[Line, AfterValidator(_plain_order)]
Orders = Annotated[tuple[Order, ...], BeforeValidator(_listed)]
SetLine = Annotated[Line, AfterValidator(_order), AfterValidator(_template)]
Word = Annotated[str, BeforeValidator(_word), StringConstraints(strip_whitespace=True)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_words), Field(min_length=1)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Identification(_Part):
    """How the instrument says who it is. ``pattern`` must be found in the answer."""

    ask: Ask = "*IDN?"
    pattern: Annotated[Pattern, AfterValidator(_identification)] = (
        r"^(?P<make>[^,]+),(?P<model>[^,]+)(?:,(?P<serial>[^,]*))?(?:,(?P<firmware>.*))?$"
    )


class PowerRatings(_Part):
    """What the instrument can do, as positive numbers whichever way its current flows."""

    voltage_min: float = Field(default=0.0, ge=0, description="lowest voltage (V)")
    voltage_max: float = Field(gt=0, description="highest voltage (V)")
    current_max: float = Field(gt=0, description="most current (A)")
    power_max: float = Field(gt=0, description="most power (W)")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.voltage_min >= self.voltage_max:
            raise ValueError(
                f"voltage_min {self.voltage_min:g} must be below voltage_max {self.voltage_max:g}"
            )
        return self


class Remote(_Part):
    """Lines that take control from the front panel after identification, and give it back."""

    take: Orders = ()
    give_back: Orders = ()


class Output(_Part):
    """How the output (of a load: the input) is switched, and what the instrument says of it."""

    switch_on: Annotated[Orders, Field(min_length=1)]
    switch_off: Annotated[Orders, Field(min_length=1)]
    ask: Ask
    answers_on: Words = ("1", "ON")
    answers_off: Words = ("0", "OFF")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        both = {word.casefold() for word in self.answers_on}.intersection(
            word.casefold() for word in self.answers_off
        )
        if both:
            raise ValueError(f"{sorted(both)} cannot mean both on and off; keep it in one list")
        return self


class Settable(_Part):
    """A number that the instrument keeps: how it is set, and how it is asked for.

    ``scale`` is the size of the instrument's unit in SI (0.001 for mA). ``tolerance`` (in SI) is
    how far what is read back may be from what was set: the instrument's resolution.
    """

    set: SetLine
    ask: Ask | None = None
    scale: float = Field(default=1.0, gt=0)
    tolerance: float = Field(default=0.001, ge=0)
    suffix: str | None = Field(default=None, max_length=8, description="unit in the answer")


class Register(Settable):
    """A set point or a limit of the regulation, always a positive number."""

    quantity: Regulated


class ModeDescription(_Part):
    """How a mode is entered.

    ``select``: lines that choose it, for instruments that must be told; ``ask`` and ``answers``
    check it. ``sets``: the register of the set point. ``bounds``: registers that are put to the
    bound of their quantity, such as the voltage of a supply that regulates current.
    """

    sets: Name
    bounds: tuple[Name, ...] = ()
    select: Orders = ()
    ask: Ask | None = None
    answers: tuple[Word, ...] = ()

    @model_validator(mode="after")
    def _checked_by_words(self) -> Self:
        if (self.ask is None) != (not self.answers):
            raise ValueError(
                "'ask' and 'answers' go together: the query, and the words that mean this mode"
            )
        return self


class Guard(Settable):
    """A protection that switches the output off by itself.

    ``headroom`` (SI) keeps registers of that quantity that far inside of it, for instruments that
    refuse a set point too near to a protection.
    """

    headroom: float = Field(default=0.0, ge=0)


class Guards(_Part):
    """Protections of the instrument; current and power as positive numbers."""

    voltage_min: Guard | None = None
    voltage_max: Guard | None = None
    current: Guard | None = None
    power: Guard | None = None


class Value(_Part):
    """One number of an answer and the channel it goes to.

    ``sign``: +1 or -1, by which what the instrument says becomes positive when charging; left
    out, -1 for current and power of a load and +1 otherwise. ``scale``: size of the instrument's
    unit in SI. ``suffix``: the unit as the instrument writes it; left out, the channel's own.
    ``at``: which value of the answer, from 0.
    """

    channel: Name
    unit: str = Field(default="", max_length=12)
    title: str = Field(default="", max_length=60)
    quantity: Quantity = "other"
    sign: Literal[1, -1] | None = None
    scale: float = Field(default=1.0, gt=0)
    suffix: str | None = Field(default=None, max_length=8)
    at: int = Field(default=0, ge=0, le=99)

    @model_validator(mode="after")
    def _fitting_unit(self) -> Self:
        unit = UNITS.get(self.quantity)
        if unit is not None and self.unit not in ("", unit):
            raise ValueError(
                f"a {self.quantity} is in {unit}, not {self.unit!r}; state the instrument's own "
                "unit by 'scale' and 'suffix'"
            )
        if unit is None and not self.unit:
            raise ValueError("the unit of the channel is missing; add 'unit' or 'quantity'")
        return self

    @property
    def si_unit(self) -> str:
        """The unit of the channel."""
        return self.unit or UNITS[self.quantity]


class Measure(_Part):
    """A query and the values in its answer.

    ``count``: how many values the answer has, where not all of them are described. An answer with
    another count is refused, so that a decimal comma never passes for two values.
    """

    ask: Ask
    values: Annotated[tuple[Value, ...], Field(min_length=1)]
    separator: str = Field(default=",", min_length=1, max_length=3)
    count: int | None = Field(default=None, ge=1, le=100)

    @model_validator(mode="after")
    def _places(self) -> Self:
        places = [value.at for value in self.values]
        if len(set(places)) < len(places):
            raise ValueError("two values have the same 'at'; number them from 0")
        if self.count is not None and max(places) >= self.count:
            raise ValueError(
                f"count {self.count} is too small for the value at {max(places)}; counted from 0"
            )
        return self

    @property
    def size(self) -> int:
        """How many values an answer has."""
        return self.count or 1 + max(value.at for value in self.values)


class ErrorQuery(_Part):
    """The error queue: it is emptied after commands; ``none`` is found in the answer "no error"."""

    ask: Ask = "SYST:ERR?"
    none: Pattern = r"^[+-]?0+\b|(?i:no error)"
    most: int = Field(default=20, ge=1, le=100, description="entries that the queue can hold")


class FaultQuery(_Part):
    """A state of error, asked for with every reading.

    Either ``bits``, names of the bits of a status register, or ``answers``, words and the fault
    they mean. ``clear``: lines that end it, sent once the output is off.
    """

    ask: Ask
    bits: dict[Annotated[int, Field(ge=0, le=31)], Name] = Field(default_factory=dict)
    answers: dict[Word, Name] = Field(default_factory=dict)
    clear: Orders = ()

    @model_validator(mode="after")
    def _either(self) -> Self:
        if bool(self.bits) == bool(self.answers):
            raise ValueError("give either 'bits' (of a status register) or 'answers' (words)")
        return self


class Timing(_Part):
    """``reply_timeout_s``: of one answer. ``spacing_s``: between two lines. ``settle_s``: how long
    the instrument may take to show what it was told.
    """

    reply_timeout_s: float = Field(default=1.0, ge=0.02, le=10)
    spacing_s: float = Field(default=0.0, ge=0, le=1)
    settle_s: float = Field(default=0.5, ge=0, le=10)


class _Description(_Part):
    title: str = Field(min_length=1, max_length=60)
    identification: Identification = Identification()
    remote: Remote = Remote()
    prepare: Orders = ()
    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]
    errors: ErrorQuery | None = None
    faults: tuple[FaultQuery, ...] = ()
    timing: Timing = Timing()
    echo: bool = False

    @model_validator(mode="after")
    def _one_channel_each(self) -> Self:
        names = [value.channel for value in self.values]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"measures: the channel {', '.join(twice)} is measured twice; rename one"
            )
        return self

    @property
    def values(self) -> tuple[Value, ...]:
        """All values that are measured."""
        return tuple(value for measure in self.measures for value in measure.values)


class MeterDescription(_Description):
    """An instrument that only measures."""

    kind: Literal["meter"]


class PowerDescription(_Description):
    """A source or a load."""

    kind: Literal["source", "load"]
    ratings: PowerRatings
    output: Output
    registers: dict[Name, Register]
    modes: Annotated[dict[Literal["cc", "cv", "cp"], ModeDescription], Field(min_length=1)]
    guards: Guards = Guards()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for needed in ("voltage", "current"):
            if not any(one.channel == needed and one.quantity == needed for one in self.values):
                raise ValueError(
                    f"measures: no value has channel {needed} and quantity {needed}; a station "
                    "cannot watch over a battery without it"
                )
        for name, mode in self.modes.items():
            self._check_mode(name, mode)
        used = {one for mode in self.modes.values() for one in (mode.sets, *mode.bounds)}
        idle = sorted(set(self.registers).difference(used))
        if idle:
            raise ValueError(f"registers: no mode uses {', '.join(idle)}; use or remove it")
        return self

    def _check_mode(self, name: str, mode: ModeDescription) -> None:
        for one in (mode.sets, *mode.bounds):
            if one not in self.registers:
                raise ValueError(
                    f"modes.{name}: there is no register {one!r}; "
                    f"there are: {', '.join(sorted(self.registers)) or 'none'}"
                )
        wanted = CONTROLLED[Mode(name)]
        if self.registers[mode.sets].quantity != wanted:
            raise ValueError(
                f"modes.{name}.sets: {mode.sets!r} is a {self.registers[mode.sets].quantity}, "
                f"but {name} regulates {wanted}; name another register"
            )
        if mode.sets in mode.bounds:
            raise ValueError(f"modes.{name}.bounds: {mode.sets!r} is its set point; remove it")
        if len(self.modes) > 1 and bool(mode.select) != any(
            other.select for other in self.modes.values()
        ):
            raise ValueError(f"modes.{name}.select: other modes have one; add the lines")


class SourceDescription(PowerDescription):
    """An instrument that only gives current: it charges."""

    kind: Literal["source"]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        """A supply without a bound of its voltage would drive a battery up to what it can."""
        for name, mode in self.modes.items():
            quantities = {self.registers[one].quantity for one in (mode.sets, *mode.bounds)}
            for needed in ("voltage", "current"):
                if needed not in quantities:
                    raise ValueError(
                        f"modes.{name}.bounds: a source needs its {needed} bounded in every mode; "
                        f"add the register of its {needed}"
                    )
        return self


class LoadDescription(PowerDescription):
    """An instrument that only takes current: it discharges."""

    kind: Literal["load"]


AnyDescription = SourceDescription | LoadDescription | MeterDescription
