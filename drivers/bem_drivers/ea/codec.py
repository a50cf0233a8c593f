"""Texts of an EA supply and the values they stand for (devices.md §4.2). Pure."""

import re
from dataclasses import dataclass

from bem_drivers.base import Identity, ProtocolViolated, Ratings, WrongDevice
from bem_drivers.scpi.numbers import number

IDENTIFY = "*IDN?"
ERROR = "SYSTem:ERRor?"
LOCK_ON = "SYSTem:LOCK ON"
LOCK_OFF = "SYSTem:LOCK OFF"
OUTPUT_ON = "OUTPut ON"
OUTPUT_OFF = "OUTPut OFF"
OUTPUT = "OUTPut?"
MEASURE = "MEASure:ARRay?"
NOMINAL_VOLTAGE = "SYSTem:NOMinal:VOLTage?"
NOMINAL_CURRENT = "SYSTem:NOMinal:CURRent?"
NOMINAL_POWER = "SYSTem:NOMinal:POWer?"

MODEL_FIELD, SERIAL_FIELD, FIRMWARE_FIELD = 1, 2, 3
DUAL_MODEL = "2384"
BIDIRECTIONAL_MODEL = "PSB"

_MAKE = re.compile(r"(EA|EPS)(?![A-Za-z0-9])")
_ERROR_CODE = re.compile(r"[+-]?[0-9]{1,9}(?=\s*,)")
_MEASURED_UNITS = ("V", "A", "W")


@dataclass(frozen=True, slots=True)
class Points:
    """Set points: V, and A that the unit may source and sink, both as magnitudes."""

    voltage: float
    source: float
    sink: float = 0.0

    def rounded(self) -> "Points":
        """Get them as they are written, in whole millivolts and milliamperes."""
        return Points(round(self.voltage, 3), round(self.source, 3), round(self.sink, 3))


@dataclass(frozen=True, slots=True)
class Measures:
    """What the unit measures: V, A (negative when it sinks), W."""

    voltage: float
    current: float
    power: float


def suffix(output: int | None) -> str:
    """Get what a dual unit wants behind each command for ``output``; empty for a single one."""
    return "" if output is None else f" (@{output})"


def set_voltage(voltage: float) -> str:
    """Get the command that sets the voltage (V) the unit regulates to or is bound by."""
    return f"VOLTage {voltage:.3f}"


def set_source(current: float) -> str:
    """Get the command that sets the most current (A, >= 0) the unit sources."""
    return f"CURRent {current:.3f}"


def set_sink(current: float) -> str:
    """Get the command that sets the most current (A, >= 0) a bidirectional unit sinks."""
    return f"SINK:CURRent {current:.3f}"


def parse_identity(text: str) -> Identity:
    """Read the answer to ``*IDN?``: maker, model, serial number, and what may follow.

    Raises:
        WrongDevice: it is not an EA or EPS supply, or does not tell model and serial number.
    """
    fields = [field.strip() for field in text.split(",")]
    if not _MAKE.match(fields[0]):
        raise WrongDevice(
            f"what answers is no EA supply: {IDENTIFY} gives {text!r}, which does not begin with "
            "EA or EPS; check the port in the settings"
        )
    if len(fields) <= SERIAL_FIELD or not fields[MODEL_FIELD] or not fields[SERIAL_FIELD]:
        raise WrongDevice(
            f"an EA supply that does not tell model and serial number: {IDENTIFY} gives {text!r}"
        )
    return Identity(
        make=fields[0],
        model=fields[MODEL_FIELD],
        serial=fields[SERIAL_FIELD],
        firmware=fields[FIRMWARE_FIELD] if len(fields) > FIRMWARE_FIELD else "",
    )


def is_dual(identity: Identity) -> bool:
    """Whether a unit has two outputs, each addressed by a suffix."""
    return DUAL_MODEL in identity.model


def is_bidirectional(identity: Identity) -> bool:
    """Whether a unit sinks current too."""
    return BIDIRECTIONAL_MODEL in identity.model.upper()


def parse_output(text: str) -> bool:
    """Read the answer to ``OUTPut?``.

    Raises:
        ProtocolViolated: neither ON nor OFF.
    """
    state = text.strip().upper()
    if state not in ("ON", "OFF"):
        raise ProtocolViolated(f"{OUTPUT} gives {text!r}, neither ON nor OFF")
    return state == "ON"


def parse_measures(text: str) -> Measures:
    """Read the answer to ``MEASure:ARRay?``, such as ``12.00 V, 0.50 A, 6.0 W``.

    Raises:
        ProtocolViolated: not three numbers with their units, or one that is not finite.
    """
    parts = text.split(",")
    if len(parts) != len(_MEASURED_UNITS):
        raise ProtocolViolated(f"{MEASURE} gives {text!r}, not voltage, current and power")
    return Measures(
        *(_value(MEASURE, part, unit) for part, unit in zip(parts, _MEASURED_UNITS, strict=True))
    )


def parse_nominal(question: str, text: str, unit: str) -> float:
    """Read a rating, such as ``42.00 V``.

    Raises:
        ProtocolViolated: not a positive number with ``unit``.
    """
    value = _value(question, text, unit)
    if value <= 0:
        raise ProtocolViolated(f"{question} gives {text!r}, which is no rating")
    return value


def ratings_of(voltage: float, current: float, power: float, *, bidirectional: bool) -> Ratings:
    """Get what a unit with these nominal values (V, A, W) can do."""
    return Ratings(
        voltage_min=0.0,
        voltage_max=voltage,
        current_min=-current if bidirectional else 0.0,
        current_max=current,
        power_min=-power if bidirectional else 0.0,
        power_max=power,
    )


def parse_error(text: str) -> str | None:
    """Read the answer to ``SYSTem:ERRor?``: the error in words, ``None`` if there is none.

    Raises:
        ProtocolViolated: neither "No error" nor a number and a text.
    """
    stripped = text.strip()
    code = _ERROR_CODE.match(stripped)
    none_said = "no error" in stripped.lower()
    if none_said and (code is None or int(code[0]) == 0):
        return None
    if none_said or code is None or int(code[0]) == 0:
        raise ProtocolViolated(f"{ERROR} gives {text!r}, neither an error nor 'No error'")
    return stripped


def _value(question: str, text: str, unit: str) -> float:
    """Get a value; a number without its unit is half an answer."""
    try:
        value = number(text, unit)
    except ProtocolViolated as error:
        raise ProtocolViolated(f"{question}: {error}") from error
    if not text.rstrip().endswith(unit):
        raise ProtocolViolated(f"{question} gives {text!r}, where a value in {unit} was expected")
    return value
