"""The faults of one simulated instrument: a data class whose fields are switches or values."""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Faults = TypeVar("_Faults", bound="DataclassInstance")
_SWITCH = {"on": True, "off": False}


def changed(
    faults: _Faults, name: str, value: str, instrument: str, orders: Iterable[str]
) -> _Faults:
    """Make or mend the fault ``name``: a switch is on or off, a value is a number or off.

    Raises:
        ValueError: no such fault, or no such value; the message says what there is.
    """
    defaults = {one.name: one.default for one in fields(faults)}
    if name not in defaults:
        raise ValueError(f"no fault {name!r} of {instrument}; there are: {', '.join(orders)}")
    wanted: Any
    if defaults[name] is False:
        if value not in _SWITCH:
            raise ValueError(f"fault {name!r} is 'on' or 'off', not {value!r}")
        wanted = _SWITCH[value]
    else:
        wanted = None if value == "off" else float(value)
    return replace(faults, **{name: wanted})
