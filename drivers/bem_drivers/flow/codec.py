"""The words of the flow meter (devices.md section 4.1). Pure.

Commands match exactly, in the case written here, and end with one line feed and no CR.
"""

import re
from typing import NamedTuple

from bem_drivers.base import Identity, ProtocolViolated

IDENTIFY = ":IDN*?"
MEASURE = ":MEASure:FLOW?"
REFUSED = ":SCPI:ERROR:"
"""What an answer to anything else starts with; the received text follows."""

_BLANKS = " \t\r"
_IDENTITY = re.compile(r":IDN:FLOWmeter:DEVice:([0-9]{1,9}):VERsion:([0-9]{1,9})")
# Five digits are ten times the sensor's range of 10 L/min: more is no flow.
_FLOW = re.compile(r":MEASure:FLOW:DATA:([0-9]{1,5}):([0-9]{1,5})")
_SHOWN = 80


class MeterIdentity(NamedTuple):
    """Its device number, with leading zeros, and the version of its firmware."""

    device: str
    version: str

    @property
    def identity(self) -> Identity:
        """Who it is, as of any device."""
        return Identity(make="", model="FLOWmeter", serial=self.device, firmware=self.version)


class Flows(NamedTuple):
    """Volume flow (mL/min, 0 to 99999) at the main and at the auxiliary sensor."""

    main: float
    auxiliary: float


def is_refusal(answer: str) -> bool:
    """Tell whether the meter did not know what it received."""
    return answer.strip(_BLANKS).startswith(REFUSED)


def identity(answer: str) -> MeterIdentity:
    """Read ``:IDN:FLOWmeter:DEVice:001:VERsion:2``.

    Raises:
        ProtocolViolated: it is something else.
    """
    found = _IDENTITY.fullmatch(answer.strip(_BLANKS))
    if found is None:
        raise ProtocolViolated(f"{answer[:_SHOWN]!r} is no identification of a flow meter")
    return MeterIdentity(found[1], found[2])


def flows(answer: str) -> Flows:
    """Read ``:MEASure:FLOW:DATA:<main>:<aux>``.

    Raises:
        ProtocolViolated: it is something else, or more than 99999 mL/min.
    """
    if is_refusal(answer):
        raise ProtocolViolated(
            f"it received something else than {MEASURE!r} and says {answer[:_SHOWN]!r}; check the "
            "cable, the baud rate, and that nothing else writes to the port"
        )
    found = _FLOW.fullmatch(answer.strip(_BLANKS))
    if found is None:
        raise ProtocolViolated(f"{answer[:_SHOWN]!r} is no pair of flows in mL/min")
    return Flows(float(found[1]), float(found[2]))
