"""Faults of a simulated EPC that can be switched on and off while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnitFaults:
    """What is wrong with a unit and its battery at present; by default nothing.

    ``voltage``: V at the battery's terminals, whatever the battery does. ``current``: A that flow
    while the output is on, whatever was commanded. ``supply``: V of the high side. ``body``,
    ``anode``, ``ambient``: degC. ``frozen``: measures are sent as they last were. ``silent``:
    questions for measures are not answered, all others are. ``unplug``: the unit is cut off from
    the bus. ``unpowered``: it has no power, and starts anew when it has some again.
    """

    voltage: float | None = None
    current: float | None = None
    supply: float | None = None
    body: float | None = None
    anode: float | None = None
    ambient: float | None = None
    frozen: bool = False
    silent: bool = False
    unplug: bool = False
    unpowered: bool = False


NO_FAULTS = UnitFaults()
ORDERS = {
    "voltage NUMBER|off": "V that it reads, whatever the battery has",
    "current NUMBER|off": "A that flow while its output is on, whatever it was told",
    "supply NUMBER|off": "V of its high side",
    "body NUMBER|off": "degC that its body sensor reads",
    "anode NUMBER|off": "degC that its anode sensor reads",
    "ambient NUMBER|off": "degC that its ambient sensor reads",
    "frozen on|off": "it goes on telling what it measured last",
    "silent on|off": "it does not answer questions for measures",
    "unplug on|off": "it is cut off from the bus, and its mailboxes fill",
    "unpowered on|off": "it has no power, and starts anew when it has some again",
}
