"""Lines of a BK 2831E or 5491B (devices.md §4.4) and the values they carry. Pure."""

import re
from dataclasses import dataclass

from bem_drivers.base import Channel, Identity, ProtocolViolated, WrongDevice
from bem_drivers.bk2831.settings import Bk2831Settings, Quantity
from bem_drivers.scpi.numbers import number

IDENTIFY = "*IDN?"
FUNCTION = ":FUNC?"
FETCH = ":FETC?"
ERROR = ":SYST:ERR?"

_MODEL = re.compile(r"(?:BK ?)?(2831E|5491B)\b.*", re.ASCII | re.IGNORECASE)
_FIELDS = 3
_SHOWN = 60
OVER_RANGE_SHARE = 1.2
"""How far beyond its range a meter still measures, with a margin: 1.05 to 1.1 is usual."""
HIGHEST_RESISTANCE = 1e9
MAINS_PERIOD_S = 0.02
LONGEST_NPLC = 10.0


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the meter: its name on the wire, its channel, the most it can measure."""

    wire: str
    channel: Channel
    highest: float


FUNCTIONS = {
    Quantity.VOLTAGE_DC: Function("VOLT:DC", Channel("voltage", "V", "Voltage"), 1000.0),
    Quantity.CURRENT_DC: Function("CURR:DC", Channel("current", "A", "Current"), 20.0),
    Quantity.VOLTAGE_AC: Function("VOLT:AC", Channel("voltage_ac", "V", "AC voltage"), 1000.0),
    Quantity.CURRENT_AC: Function("CURR:AC", Channel("current_ac", "A", "AC current"), 20.0),
    Quantity.RESISTANCE: Function(
        "RES", Channel("resistance", "ohm", "Resistance"), HIGHEST_RESISTANCE
    ),
}


def configuration(settings: Bk2831Settings) -> list[str]:
    """Get the lines that make the meter measure what ``settings`` ask for."""
    wire = FUNCTIONS[settings.quantity].wire
    lines = [f":FUNC {wire}"]
    if settings.range is None:
        lines.append(f":{wire}:RANGE:AUTO ON")
    else:
        lines.append(f":{wire}:RANGE {settings.range:g}")
    if settings.quantity is Quantity.VOLTAGE_DC:
        lines.append(f":{wire}:NPLC {settings.nplc or 1:g}")
    return lines


def integration_s(settings: Bk2831Settings) -> float:
    """Get how long (s) the meter integrates at most, with mains of 50 Hz.

    Only that of DC voltage can be set; what somebody chose at the meter for others is not known.
    """
    if settings.quantity is Quantity.VOLTAGE_DC:
        return (settings.nplc or 1.0) * MAINS_PERIOD_S
    return LONGEST_NPLC * MAINS_PERIOD_S


def parse_identity(line: str) -> Identity:
    """Read three fields with commas between them, the model first.

    devices.md does not say what the other two are: firmware and serial number, as other makers
    order them.

    Raises:
        WrongDevice: anything else, or another model.
    """
    parts = [part.strip() for part in line.split(",")]
    match = _MODEL.fullmatch(parts[0])
    if len(parts) != _FIELDS or match is None:
        raise WrongDevice(f"{line[:_SHOWN]!r} is no identity of a BK 2831E or 5491B")
    return Identity(make="BK Precision", model=match[1].upper(), firmware=parts[1], serial=parts[2])


def parse_function(line: str) -> str:
    """Read the answer to ``:FUNC?``; get one of the names on the wire.

    Raises:
        ProtocolViolated: no function of the meter.
    """
    name = line.strip().upper()
    if name not in {function.wire for function in FUNCTIONS.values()}:
        raise ProtocolViolated(f"{line[:_SHOWN]!r} is no function of a BK 2831E")
    return name


def parse_error(line: str) -> str:
    """Read the answer to ``:SYST:ERR?``; get the error, empty if there is none.

    Raises:
        ProtocolViolated: it says nothing of an error.
    """
    text = line.strip()
    if "NO ERROR" in text.upper():
        return ""
    if "ERROR" in text.upper():
        return text
    raise ProtocolViolated(f"{line[:_SHOWN]!r} tells nothing of an error")


def parse_value(line: str, settings: Bk2831Settings) -> float | None:
    """Read the answer to ``:FETC?``: V, A or ohm; ``None`` beyond what can be measured.

    Raises:
        ProtocolViolated: it is no number.
    """
    value = number(line)
    highest = settings.range or FUNCTIONS[settings.quantity].highest
    if abs(value) > highest * OVER_RANGE_SHARE:
        return None
    return 0.0 - value if settings.reversed else value
