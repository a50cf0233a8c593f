"""The lines of a TH2, and what they mean. Pure."""

from bem_drivers.base import Identity, ProtocolViolated, WrongDevice
from bem_drivers.scpi.numbers import number

IDENTIFY = "ID?"
MEASURE = "TEMP?"
PROBES = 2
OPEN = "OPEN"
"""What it tells of a probe that is not connected."""
COLDEST, HOTTEST = -200.0, 850.0
"""What its probes can measure (degC)."""


def parse_identity(answer: str) -> Identity:
    """Read ``TH2,0042,1.3``: model, serial number, firmware.

    Raises:
        WrongDevice: it is something else.
    """
    parts = [part.strip() for part in answer.split(",")]
    if len(parts) != 3 or parts[0] != "TH2" or not all(parts):
        raise WrongDevice(f"{answer!r} is no identity of a TH2; give the port of the thermometer")
    return Identity(make="Thermo", model=parts[0], serial=parts[1], firmware=parts[2])


def parse_temperatures(answer: str) -> list[float | None]:
    """Read ``23.41,-1.5e+01`` (degC), a number for each probe; ``None``: not connected.

    Raises:
        ProtocolViolated: it is something else, or no temperature that a probe can measure.
    """
    parts = [part.strip() for part in answer.split(",")]
    if len(parts) != PROBES:
        raise ProtocolViolated(f"{answer!r} is no pair of temperatures")
    return [None if part == OPEN else _temperature(part) for part in parts]


def _temperature(text: str) -> float:
    degc = number(text)
    if not COLDEST <= degc <= HOTTEST:
        raise ProtocolViolated(f"{text!r} is outside of {COLDEST:g} to {HOTTEST:g} degC")
    return degc
