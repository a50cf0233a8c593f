"""Units of the laboratory: numbers with units to SI values and back, without loss.

Nothing here rounds: a printed value reads as the same number again for every finite double.
"""

import difflib
import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Dimension(StrEnum):
    """What a number with a unit measures."""

    DURATION = "duration"
    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER = "power"
    CAPACITY = "capacity"
    ENERGY = "energy"
    RESISTANCE = "resistance"
    TEMPERATURE = "temperature"
    SLOPE = "slope of the voltage"
    FLOW = "flow"

    @property
    def example(self) -> str:
        """How a person writes one, for messages: ``a voltage such as 4.2 V``."""
        return _EXAMPLES[self]


_EXAMPLES = {
    Dimension.DURATION: "a duration such as 10 minutes",
    Dimension.VOLTAGE: "a voltage such as 4.2 V",
    Dimension.CURRENT: "a current such as 1.5 A or C/2",
    Dimension.POWER: "a power such as 5 W",
    Dimension.CAPACITY: "a capacity such as 1.2 Ah",
    Dimension.ENERGY: "an energy such as 4 Wh",
    Dimension.RESISTANCE: "a resistance such as 10 ohm",
    Dimension.TEMPERATURE: "a temperature such as 45 degC",
    Dimension.SLOPE: "a slope such as 2 mV/min",
    Dimension.FLOW: "a flow such as 0.5 L/min",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """``symbol`` as printed; a number times ``factor`` is the value in the SI unit.

    These are V, A, W, Ah, Wh, s, ohm, degC, V/s and L/min.
    """

    symbol: str
    dimension: Dimension
    factor: Decimal


_ONE = Decimal(1)
_MILLI = Decimal("0.001")
_KILO = Decimal(1000)
_MINUTE = Decimal(60)
_HOUR = Decimal(3600)
_DAY = Decimal(86400)

# Symbols of a dimension, each with the other spellings that mean the same.
_SPELLINGS: tuple[tuple[Unit, tuple[str, ...]], ...] = (
    (Unit("V", Dimension.VOLTAGE, _ONE), ("volt", "volts")),
    (Unit("mV", Dimension.VOLTAGE, _MILLI), ()),
    (Unit("A", Dimension.CURRENT, _ONE), ("amp", "amps", "ampere", "amperes")),
    (Unit("mA", Dimension.CURRENT, _MILLI), ()),
    (Unit("W", Dimension.POWER, _ONE), ("watt", "watts")),
    (Unit("mW", Dimension.POWER, _MILLI), ()),
    (Unit("kW", Dimension.POWER, _KILO), ()),
    (Unit("Ah", Dimension.CAPACITY, _ONE), ("A.h",)),
    (Unit("mAh", Dimension.CAPACITY, _MILLI), ("mA.h",)),
    (Unit("Wh", Dimension.ENERGY, _ONE), ("W.h",)),
    (Unit("mWh", Dimension.ENERGY, _MILLI), ("mW.h",)),
    (Unit("kWh", Dimension.ENERGY, _KILO), ("kW.h",)),
    (Unit("ms", Dimension.DURATION, _MILLI), ("millisecond", "milliseconds")),
    (Unit("s", Dimension.DURATION, _ONE), ("sec", "secs", "second", "seconds")),
    (Unit("min", Dimension.DURATION, _MINUTE), ("mins", "minute", "minutes")),
    (Unit("h", Dimension.DURATION, _HOUR), ("hr", "hrs", "hour", "hours")),
    (Unit("day", Dimension.DURATION, _DAY), ("d", "days")),
    (Unit("ohm", Dimension.RESISTANCE, _ONE), ("ohms", "\N{GREEK CAPITAL LETTER OMEGA}")),
    (Unit("mohm", Dimension.RESISTANCE, _MILLI), ("m\N{GREEK CAPITAL LETTER OMEGA}",)),
    (Unit("kohm", Dimension.RESISTANCE, _KILO), ("k\N{GREEK CAPITAL LETTER OMEGA}",)),
    (
        Unit("degC", Dimension.TEMPERATURE, _ONE),
        ("\N{DEGREE SIGN}C", "\N{DEGREE CELSIUS}", "oC", "celsius"),
    ),
    (Unit("V/s", Dimension.SLOPE, _ONE), ()),
    (Unit("mV/s", Dimension.SLOPE, _MILLI), ()),
    (Unit("V/min", Dimension.SLOPE, _ONE / _MINUTE), ()),
    (Unit("mV/min", Dimension.SLOPE, _MILLI / _MINUTE), ()),
    (Unit("V/h", Dimension.SLOPE, _ONE / _HOUR), ()),
    (Unit("mV/h", Dimension.SLOPE, _MILLI / _HOUR), ()),
    (Unit("L/min", Dimension.FLOW, _ONE), ("lpm",)),
    (Unit("mL/min", Dimension.FLOW, _MILLI), ()),
)
_EXACT = {name: unit for unit, others in _SPELLINGS for name in (unit.symbol, *others)}
_FOLDED = {name.lower(): unit for name, unit in _EXACT.items()}
_SI = {unit.dimension: unit for unit, _ in _SPELLINGS if unit.factor == _ONE}
_MILLI_FROM, _MILLI_BELOW = 1e-6, 0.1
"""Values that read best in milli-units: 50 mV rather than 0.05 V."""
_MILLI_SYMBOLS = {
    unit.dimension: unit.symbol
    for unit, _ in _SPELLINGS
    if unit.factor == _MILLI and unit.dimension not in (Dimension.DURATION, Dimension.SLOPE)
}
# Symbols that a leading m divides by a thousand: "mV", unlike "min".
_MILLIS = {
    name for name in map(str.lower, _EXACT) if name[0] == "m" and name.removeprefix("m") in _FOLDED
}
_ZERO_CELSIUS = Decimal("273.15")


def _is_mega(word: str) -> bool:
    """Whether a capital M would turn milli into mega: the one case that changes the meaning."""
    return word.startswith("M") and word.lower() in _MILLIS


def find_unit(word: str) -> Unit | None:
    """Look a unit up. Case does not matter, save for ``M``: MV is no millivolt."""
    word = word.replace("\N{OHM SIGN}", "\N{GREEK CAPITAL LETTER OMEGA}")
    exact = _EXACT.get(word)
    if exact is not None:
        return exact
    return None if _is_mega(word) else _FOLDED.get(word.lower())


def suggest_unit(word: str) -> str | None:
    """The unit somebody probably meant by a word that is none, or ``None``."""
    if _is_mega(word):
        return _FOLDED[word.lower()].symbol
    if word == "m":
        return "min"
    close = difflib.get_close_matches(word.lower(), _FOLDED, n=1, cutoff=0.7)
    return close[0] if close and len(word) > 1 else None


def symbols(dimension: Dimension) -> tuple[str, ...]:
    """The symbols with which values of a dimension are written, the usual one first."""
    found = [unit for unit, _ in _SPELLINGS if unit.dimension is dimension]
    return tuple(unit.symbol for unit in sorted(found, key=lambda one: one.factor != _ONE))


def in_celsius(number: str, word: str) -> str | None:
    """A temperature of another scale as the language has it: ``318.15``, ``K`` is ``45 degC``.

    ``None`` if the word is no scale of temperature.
    """
    value = Decimal(number)
    match word.lower():
        case "k" | "kelvin":
            celsius = value - _ZERO_CELSIUS
        case "f" | "degf" | "fahrenheit" | "\N{DEGREE SIGN}f":
            celsius = (value - 32) * 5 / 9
        case _:
            return None
    return f"{float(celsius):.6g} degC"


def si_unit(dimension: Dimension) -> Unit:
    """The unit in which values of a dimension are kept."""
    return _SI[dimension]


def to_si(number: str, unit: Unit) -> float:
    """Convert the digits of a number, correctly rounded: ``5 mV`` is the double 0.005.

    Raises:
        ValueError: not a number, or beyond the range of a double.
    """
    value = float(number)
    if value != 0 and math.isfinite(value) and unit.factor != _ONE:
        value = float(Decimal(number) * unit.factor)
    if not math.isfinite(value):
        raise ValueError(f"{number} {unit.symbol} is too large")
    return value


def format_number(value: float) -> str:
    """The shortest digits that mean exactly this double, without a needless ``.0``."""
    return repr(float(value) + 0.0).removesuffix(".0")  # -0.0 + 0.0 is 0.0


def format_value(value: float, dimension: Dimension) -> str:
    """Print an SI value with the unit that reads best; parses back to the same double."""
    if dimension is Dimension.DURATION:
        return _format_duration(value)
    if dimension is Dimension.SLOPE:
        return _format_slope(value)
    milli = _MILLI_SYMBOLS.get(dimension)
    if milli is not None and _MILLI_FROM <= abs(value) < _MILLI_BELOW:
        return f"{(Decimal(repr(value)) * _KILO).normalize():f} {milli}"
    return f"{format_number(value)} {_SI[dimension].symbol}"


def _format_duration(seconds: float) -> str:
    longest = 1e12  # beyond it an integer of seconds has more digits than the double
    if seconds.is_integer() and 0 < seconds < longest:
        for name, factor in (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE)):
            count, rest = divmod(int(seconds), int(factor))
            if rest == 0:
                return f"{count} {name}" + ("s" if count > 1 else "")
    return f"{format_number(seconds)} s"


def _format_slope(value: float) -> str:
    """In mV/min where that has few digits and means exactly this double."""
    unit = _EXACT["mV/min"]
    digits = format_number(float(f"{value / float(unit.factor):.12g}"))
    if math.isfinite(float(digits)) and to_si(digits, unit) == value:
        return f"{digits} {unit.symbol}"
    return f"{format_number(value)} {_SI[Dimension.SLOPE].symbol}"


def format_percent(share: float) -> str:
    """Print a share as a percentage, without its sign: 0.8 is ``80``; nothing is rounded."""
    percent = (Decimal(repr(float(share))) * 100).normalize()
    plain = -6 <= percent.adjusted() <= 15  # noqa: PLR2004 - beyond it zeros only fill the line
    return f"{percent:f}" if plain else str(percent)


def to_share(percent: str) -> float:
    """The share that the digits of a percentage stand for, correctly rounded."""
    return float(Decimal(percent).scaleb(-2))


def format_rate(rate: float) -> str:
    """Print a C-rate: ``C/20``, ``1C``, ``0.7C``; parses back to the same double."""
    slowest = 1000
    if rate > 0:
        parts = round(1 / rate) if 1 / rate <= slowest else 0
        if parts > 1 and 1 / parts == rate:
            return f"C/{parts}"
    return f"{format_number(rate)}C"
