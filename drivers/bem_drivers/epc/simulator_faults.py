"""Faults of a simulated EPC that can be switched on and off while it runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

_SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class UnitFaults:
    """What is wrong with a unit and its battery at present; by default nothing.

    ``voltage``: V at the battery's terminals, whatever the battery does. ``current``: A that flow
    while the output is on, whatever was commanded. ``supply``: V of the high side. ``body``,
    ``anode``, ``ambient``: degC. ``noise``: noise of each converter in counts. ``drift``: V by
    which the reading of the voltage goes astray in each second of the battery's time. ``frozen``:
    measures are sent as they last were. ``silent``: questions for measures are not answered, all
    others are. ``unplug``: the unit is cut off from the bus. ``unpowered``: it has no power, and
    starts anew when it has some again.
    """

    voltage: float | None = None
    current: float | None = None
    supply: float | None = None
    body: float | None = None
    anode: float | None = None
    ambient: float | None = None
    noise: float | None = None
    drift: float | None = None
    frozen: bool = False
    silent: bool = False
    unplug: bool = False
    unpowered: bool = False

    def changed(self, order: str, others: Sequence[str] = ()) -> "UnitFaults":
        """Obey ``NAME NUMBER``, ``NAME on`` or ``NAME off``. ``others`` are known elsewhere.

        Raises:
            ValueError: no such fault, or it does not take that value.
        """
        name, _, value = order.strip().partition(" ")
        value = value.strip()
        known = {field.name: field.default for field in fields(self)}
        if name not in known:
            raise ValueError(f"no fault {name!r}; there are: {', '.join((*known, *others))}")
        wanted: Any
        if known[name] is False:
            if value not in _SWITCH:
                raise ValueError(f"fault {name!r} is 'on' or 'off', not {value!r}")
            wanted = _SWITCH[value]
        else:
            wanted = None if value == "off" else _number(name, value)
        return replace(self, **{name: wanted})


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"fault {name!r} takes a number or 'off', not {value!r}")
    return number


NO_FAULTS = UnitFaults()
