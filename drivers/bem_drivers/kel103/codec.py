"""Lines of an RS-KEL103 (devices.md §4.3) and the values they carry. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bem_drivers.base import Command, Identity, Mode, ProtocolViolated, WrongDevice
from bem_drivers.scpi.numbers import number

IDENTIFY = "*IDN?"
LOCK, UNLOCK = ":SYST:LOCK 1", ":SYST:LOCK 0"
INPUT_ON, INPUT_OFF = ":INP 1", ":INP 0"
SWITCH_OFF = (INPUT_OFF, ":CURR 0.0000A", ":FUNC CC")
"""Off twice: should the input stay on, it regulates no current. The function tells by ``:FUNC?``
that these lines arrived, which nothing else on the wire does.
"""
FUNCTION = ":FUNC?"
UPPER = (":VOLTage:UPPer?", ":CURRent:UPPer?", ":POWer:UPPer?")
_UPPER_UNITS = dict(zip(UPPER, "VAW", strict=True))
MEASURE = (":MEASure:VOLTage?", ":MEASure:CURRent?", ":MEASure:POWer?", FUNCTION)
REST = (":MEASure:CURRent?", FUNCTION)
"""What shows that the load rests."""

_IDENTITY = re.compile(r"(RS-KEL103)\s+V(\d+(?:\.\d+)*)\s+SN:\s*(\S+)", re.ASCII)
_SHOWN = 60


class Function(StrEnum):
    """What the load regulates, in its own words; CW is constant power."""

    CC = "CC"
    CV = "CV"
    CR = "CR"
    CW = "CW"


FUNCTIONS = {Mode.CC: Function.CC, Mode.CV: Function.CV, Mode.CP: Function.CW}
_SETTERS = {
    Mode.CC: (":CURR", "A"),
    Mode.CV: (":VOLT", "V"),
    Mode.CP: (":POW", "W"),
}


@dataclass(frozen=True, slots=True)
class Measures:
    """What the load measures (V, A, W) and regulates; current and power as the product signs them:
    negative, since a load discharges.
    """

    voltage: float
    current: float
    power: float
    function: Function


@dataclass(frozen=True, slots=True)
class Upper:
    """The most that the load takes: V, A, W, all positive."""

    voltage: float
    current: float
    power: float


def parse_identity(line: str) -> Identity:
    """Read ``RS-KEL103 V3.30 SN:<sn>``.

    Raises:
        WrongDevice: anything else.
    """
    match = _IDENTITY.fullmatch(line.strip())
    if match is None:
        raise WrongDevice(f"{line[:_SHOWN]!r} is no identity of an RS-KEL103 (RS-KEL103 V.. SN:..)")
    model, firmware, serial = match.groups()
    return Identity(make="RS PRO", model=model, serial=serial, firmware=firmware)


def password(number_of_it: int) -> tuple[str, ...]:
    """Get questions whose answers together resemble no reading, and none of the 8 passwords before.

    They ask for two of the maxima, whose units tell which, and for the name.
    """
    first, second = divmod(number_of_it % len(UPPER) ** 2, len(UPPER))
    return UPPER[first], UPPER[second], IDENTIFY


def answers_password(lines: Sequence[str], asked: Sequence[str]) -> bool:
    """Tell whether these lines answer that :func:`password`."""
    if len(lines) != len(asked):
        return False
    try:
        for line, question in zip(lines[:-1], asked[:-1], strict=True):
            _amount(line, _UPPER_UNITS[question])
        parse_identity(lines[-1])
    except (ProtocolViolated, WrongDevice):
        return False
    return True


def parse_function(line: str) -> Function:
    """Read the answer to ``:FUNC?``.

    Raises:
        ProtocolViolated: it is none of CC, CV, CR, CW.
    """
    try:
        return Function(line.strip())
    except ValueError as error:
        raise ProtocolViolated(
            f"{line[:_SHOWN]!r} is no function of an RS-KEL103 ({', '.join(Function)})"
        ) from error


def parse_measures(lines: Sequence[str]) -> Measures:
    """Read the answers to :data:`MEASURE`.

    Raises:
        ProtocolViolated: one of them is not what was asked for, or in another unit.
    """
    voltage, current, power, function = lines
    return Measures(
        voltage=_amount(voltage, "V"),
        current=_sunk(_amount(current, "A")),
        power=_sunk(_amount(power, "W")),
        function=parse_function(function),
    )


def parse_function_alone(lines: Sequence[str]) -> Function:
    """Read the answer to :data:`FUNCTION` alone; see :func:`parse_function`."""
    (function,) = lines
    return parse_function(function)


def parse_rest(lines: Sequence[str]) -> tuple[float, Function]:
    """Read the answers to :data:`REST`: current (A, negative) and function.

    Raises:
        ProtocolViolated: one of them is not what was asked for.
    """
    current, function = lines
    return _sunk(_amount(current, "A")), parse_function(function)


def parse_upper(lines: Sequence[str]) -> Upper:
    """Read the answers to :data:`UPPER`.

    Raises:
        ProtocolViolated: one of them is not what was asked for, or not above zero.
    """
    voltage, current, power = lines
    upper = Upper(_amount(voltage, "V"), _amount(current, "A"), _amount(power, "W"))
    if min(upper.voltage, upper.current, upper.power) <= 0:
        raise ProtocolViolated(f"a load that takes nothing is none: {', '.join(lines)}")
    return upper


def set_function(mode: Mode) -> str:
    """Write the line that chooses what is regulated; OFF has none."""
    return f":FUNC {FUNCTIONS[mode]}"


def set_point(command: Command) -> str:
    """Write the line with the set point of ``command``, four decimals, without its sign."""
    setter, unit = _SETTERS[command.mode]
    return f"{setter} {abs(command.setpoint):.4f}{unit}"


def _amount(line: str, unit: str) -> float:
    # The unit is all that tells one answer from another, so it must be there.
    if not line.rstrip().endswith(unit):
        raise ProtocolViolated(f"{line[:_SHOWN]!r} is no number in {unit}")
    return number(line, unit)


def _sunk(magnitude: float) -> float:
    # A difference, since the negative of nothing would read as -0.
    return 0.0 - magnitude
