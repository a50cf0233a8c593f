"""Which values of a station are shown large, and with how many digits."""

from dataclasses import dataclass

from bem.lab.models import Station

_TEMPERATURE = "degC"


@dataclass(frozen=True, slots=True)
class Figure:
    """One large value: the channel, what it is called, its unit as people write it, decimals."""

    channel: str
    title: str
    unit: str
    digits: int


_BASIC = (
    Figure("voltage", "Voltage", "V", 3),
    Figure("current", "Current", "A", 3),
    Figure("power", "Power", "W", 2),
)
_DIGITS = {_TEMPERATURE: 1, "Pa": 0, "%": 1}


def unit_symbol(unit: str) -> str:
    """Write a unit as people do: ``degC`` is °C."""
    return "°C" if unit == _TEMPERATURE else unit


def figures_of(station: Station) -> tuple[Figure, ...]:
    """Get voltage, current, power, and the first temperature if there is one."""
    temperatures = [one for one in further_of(station) if one.unit == "°C"][:1]
    return (*_BASIC, *temperatures)


def further_of(station: Station) -> tuple[Figure, ...]:
    """Get all channels beyond voltage, current and power."""
    return tuple(
        Figure(one["name"], one["title"], unit_symbol(one["unit"]), _DIGITS.get(one["unit"], 3))
        for one in station.channels
    )


def all_of(station: Station) -> tuple[Figure, ...]:
    """Get every channel of a station."""
    return (*_BASIC, *further_of(station))
