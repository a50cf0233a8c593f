"""What a driver returned, looked at before anything uses it. Pure.

A driver may come from another package. What it returns that is no reading costs its device, like
an answer that the protocol does not allow, and never the control loop.
"""

import math
from collections.abc import Collection, Mapping

from bem_drivers.base import Command, Measured, ProtocolViolated, Reading

_REMEDY = "mend or replace the driver"


def reading_of(returned: object, now_ns: int) -> Reading:
    """Make sure that what a driver returned before ``now_ns`` (monotonic) is a reading.

    A value may be nan or infinite: that is judged where it is used.

    Raises:
        ProtocolViolated: it is none; names the field, what it holds, and the remedy.
    """
    if not isinstance(returned, Reading):
        raise _refused("what it read", returned, "a Reading")
    _expect("values", returned.values, Mapping, "a mapping of channels")
    for name, measured in returned.values.items():
        _expect(name, measured, Measured, "a Measured")
        if isinstance(measured.value, bool):
            raise _refused(name, measured.value, "a number")
        _expect(name, measured.value, (int, float), "a number")
        _expect(f"the instant of {name}", measured.at_ns, int, "monotonic nanoseconds")
        if measured.at_ns > now_ns:
            # It would stay fresh however long the device is silent.
            ahead_s = (measured.at_ns - now_ns) / 1e9
            raise _refused(f"the instant of {name}", f"{ahead_s:.3f} s ahead", "in the past")
    _expect("active", returned.active, (Command, type(None)), "a Command or None")
    _expect("faults", returned.faults, (tuple, list), "a tuple of names")
    for fault in returned.faults:
        _expect("one of faults", fault, str, "a name")
    return returned


def refuse_what_is_no_number(reading: Reading, names: Collection[str]) -> None:
    """Make sure that the values of channels are finite.

    Raises:
        ProtocolViolated: names the first that is not, and the remedy.
    """
    for name, measured in reading.values.items():
        if name in names and not math.isfinite(measured.value):
            raise ProtocolViolated(
                f"{name} reads {measured.value}, which is no value: look at its sensor and wiring"
            )


def _expect(
    what: str, found: object, kind: type[object] | tuple[type[object], ...], wanted: str
) -> None:
    if not isinstance(found, kind):
        raise _refused(what, found, wanted)


def _refused(what: str, found: object, wanted: str) -> ProtocolViolated:
    return ProtocolViolated(
        f"its driver gave no reading: {what} is {found!r:.60} and must be {wanted}; {_REMEDY}"
    )
