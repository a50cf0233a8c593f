"""How many EPCs a CAN bus can carry. A calculation; it touches no bus.

All frames are counted with the most stuff bits that their length allows, so that the load of a
real bus is lower than what is told here, never higher. Frames and their lengths are those of
devices.md §2.3, and what is asked how often is what the driver does.
"""

import math
from typing import NamedTuple

from bem_drivers.can.frame import frame_bits

USABLE_SHARE = 0.8
"""Of a bus: the rest is for commands, news of the units, repeated questions and other devices."""

_REQUEST, _MODE, _STATUS, _ELECTRIC, _TEMPERATURES = 1, 8, 4, 6, 6
_QUICK = (_REQUEST, _ELECTRIC, _REQUEST, _MODE)
"""Lengths of the frames of one reading: measures and mode, each asked for and answered."""
_SLOW = (_REQUEST, _STATUS, _REQUEST, _TEMPERATURES)
"""Lengths of the frames that go round once a second."""
HEARTBEATS_A_SECOND = 4
"""A quarter of the silence that a unit tolerates lies between two, and 1 s of silence is usual."""
_ROUND_UP_S = 0.01


READING_BITS = sum(frame_bits(length) for length in _QUICK)
BITS_A_SECOND = sum(frame_bits(length) for length in _SLOW) + HEARTBEATS_A_SECOND * frame_bits(
    _REQUEST
)


class BusLoad(NamedTuple):
    """What a number of units make of a bus: shares of 1, s."""

    units: int
    load: float
    """Share of the bus that is busy at the asked period; may be above 1."""
    least_period: float
    """The shortest period (s, whole 10 ms) at which no more than ``USABLE_SHARE`` is busy."""

    @property
    def fits(self) -> bool:
        """Whether the asked period leaves enough of the bus."""
        return self.load <= USABLE_SHARE


def bus_load(units: int, period_s: float, bitrate: int = 125_000) -> BusLoad:
    """Get the load of ``units`` EPCs that are each read every ``period_s`` (s).

    Raises:
        ValueError: no unit, no period, no bit rate; or so many units that no period fits.
    """
    if units < 1 or not period_s > 0 or bitrate < 1:
        raise ValueError(
            f"no bus load for {units} units, a period of {period_s} s and {bitrate} bit/s: "
            "all must be above 0"
        )
    load = units * (READING_BITS / period_s + BITS_A_SECOND) / bitrate
    return BusLoad(units, load, least_period_s(units, bitrate))


def least_period_s(units: int, bitrate: int = 125_000) -> float:
    """Get the shortest period (s, whole 10 ms) that leaves enough of the bus for ``units``.

    Raises:
        ValueError: so many units that no period fits.
    """
    left = bitrate * USABLE_SHARE - units * BITS_A_SECOND
    if left <= 0:
        raise ValueError(f"a bus of {bitrate} bit/s cannot carry {units} EPCs at any period")
    return math.ceil(round(units * READING_BITS / left / _ROUND_UP_S, 6)) * _ROUND_UP_S


def most_units(period_s: float, bitrate: int = 125_000) -> int:
    """Get how many units may be read every ``period_s`` (s)."""
    return math.floor(bitrate * USABLE_SHARE / (READING_BITS / period_s + BITS_A_SECOND))
