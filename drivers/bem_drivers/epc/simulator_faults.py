"""Faults of a simulated EPC that can be switched on and off while it runs."""

from dataclasses import dataclass, fields, replace
from typing import Any

_SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class UnitFaults:
    """What is wrong with a unit and its battery at present; by default nothing.

    ``voltage``: V at the battery's terminals, whatever the battery does. ``current``: A that flow
    while the output is on, whatever was commanded. ``supply``: V of the high side. ``body``: degC.
    ``frozen``: measures are sent as they last were. ``silent``: questions for measures are not
    answered, all others are.
    """

    voltage: float | None = None
    current: float | None = None
    supply: float | None = None
    body: float | None = None
    frozen: bool = False
    silent: bool = False

    def changed(self, order: str) -> "UnitFaults":
        """Obey ``NAME NUMBER``, ``NAME on`` or ``NAME off``.

        Raises:
            ValueError: no such fault, or it does not take that value.
        """
        name, _, value = order.strip().partition(" ")
        known = {field.name: field.default for field in fields(self)}
        if name not in known:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(known)}")
        wanted: Any
        if known[name] is False:
            if value not in _SWITCH:
                raise ValueError(f"fault {name!r} is 'on' or 'off', not {value!r}")
            wanted = _SWITCH[value]
        else:
            wanted = None if value == "off" else float(value)
        return replace(self, **{name: wanted})


NO_FAULTS = UnitFaults()
