"""Numbers in the answers of devices."""

import math
import re
from collections.abc import Sequence

from bem_drivers.base import ProtocolViolated

_NUMBER = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t]*(.*)", re.DOTALL
)
_BLANKS = " \t\r\n"
_SHOWN = 80


def number(text: str, unit: str | None = None) -> float:
    """Get the number of an answer such as ``12.00 V``, ``30.000A`` or ``-1.5e-01``.

    A sign, an exponent and blanks around it may be there or not, and so may ``unit``, with or
    without a blank before it. Without ``unit`` only the number may stand there.

    Raises:
        ProtocolViolated: anything else: no number, not a finite one, another unit, more text.
    """
    found = _NUMBER.fullmatch(text.strip(_BLANKS))
    if found is None:
        raise ProtocolViolated(f"{text[:_SHOWN]!r} is no number")
    value = float(found[1])
    if not math.isfinite(value):
        raise ProtocolViolated(f"{text[:_SHOWN]!r} is no finite number")
    if found[2] not in ("", unit):
        wanted = "a number alone" if unit is None else f"a number in {unit}"
        raise ProtocolViolated(f"{text[:_SHOWN]!r} is not {wanted}")
    return value


def numbers(text: str, units: Sequence[str]) -> tuple[float, ...]:
    """Get the numbers of an answer such as ``12.00 V, 0.50 A, 6.0 W``, one for each unit.

    Raises:
        ProtocolViolated: more or fewer of them, or one that :func:`number` refuses.
    """
    parts = text.split(",")
    if len(parts) != len(units):
        raise ProtocolViolated(
            f"{text[:_SHOWN]!r} has {len(parts)} values where {len(units)} belong "
            f"({', '.join(units)})"
        )
    return tuple(number(part, unit) for part, unit in zip(parts, units, strict=True))
