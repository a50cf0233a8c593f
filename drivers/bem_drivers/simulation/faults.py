"""The faults of one simulated instrument: a data class whose fields are switches or values."""

import math
from collections.abc import Iterable
from dataclasses import field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Faults = TypeVar("_Faults", bound="DataclassInstance")
_SWITCH = {"on": True, "off": False}


def whole(most: int) -> Any:  # noqa: ANN401 - what dataclasses.field gives
    """Get a field of faults that is a whole number from 0 to ``most``, or off (``None``)."""
    return field(default=None, metadata={"most": most})


def changed(
    faults: _Faults, name: str, value: str, instrument: str, orders: Iterable[str]
) -> _Faults:
    """Make or mend the fault ``name``: a switch is on or off, a value is a number or off.

    Raises:
        ValueError: no such fault, or no such value; the message says what there is.
    """
    known = {one.name: one for one in fields(faults)}
    if name not in known:
        raise ValueError(f"no fault {name!r} of {instrument}; there are: {', '.join(orders)}")
    wanted: Any
    if known[name].default is False:
        wanted = switch(name, value)
    elif value.strip() == "off":
        wanted = None
    elif "most" in known[name].metadata:
        wanted = count(name, value, known[name].metadata["most"])
    else:
        wanted = number(name, value)
    return replace(faults, **{name: wanted})


def switch(name: str, value: str) -> bool:
    """Read ``on`` or ``off``.

    Raises:
        ValueError: it is neither.
    """
    if value.strip() not in _SWITCH:
        raise ValueError(f"fault {name!r} is 'on' or 'off', not {value!r}")
    return _SWITCH[value.strip()]


def number(name: str, value: str) -> float:
    """Read a finite number.

    Raises:
        ValueError: it is none.
    """
    try:
        read = float(value)
    except ValueError:
        read = math.nan
    if not math.isfinite(read):
        raise ValueError(f"fault {name!r} takes a number or 'off', not {value!r}")
    return read


def count(name: str, value: str, most: int | None = None) -> int:
    """Read a whole number from 0 to ``most``, decimal or as ``0x21``; ``off`` is 0.

    Raises:
        ValueError: it is none.
    """
    try:
        read = 0 if value.strip() == "off" else int(value, 0)
    except ValueError:
        read = -1
    if read < 0 or (most is not None and read > most):
        span = "from 0 on" if most is None else f"from 0 to {most}"
        raise ValueError(f"fault {name!r} takes a whole number {span} or 'off', not {value!r}")
    return read


class Counted:
    """What befalls the next so many answers or frames, whatever carries them."""

    NAMES = ("garbage", "half", "double", "drop")

    def __init__(self) -> None:
        self._left = dict.fromkeys(self.NAMES, 0)

    def order(self, name: str, value: str) -> None:
        """Have ``name`` befall the next ``value`` of them.

        Raises:
            ValueError: no whole number, nor ``off``.
        """
        self._left[name] = count(name, value)

    def take(self, name: str) -> bool:
        """Whether ``name`` befalls this one."""
        if not self._left[name]:
            return False
        self._left[name] -= 1
        return True
