"""Faults that every simulated device on a CAN bus can have, whatever it is."""

import random
from collections.abc import Iterable

from bem_drivers.simulation.faults import Counted, count
from bem_drivers.simulation.spec import CanUnit, Record, UnitFrame

_NS_PER_MS = 1_000_000
_MOST_BYTES = 8
FRAME_ORDERS = {
    "late MS|off": "its frames leave so much later",
    "garbage N": "its next N frames carry random bytes",
    "half N": "its next N frames lose half of their bytes",
    "double N": "its next N frames are sent twice",
    "drop N": "its next N frames are lost",
    "wrong HEX|off": "its next frame carries these bytes",
}


class FaultyFrames:
    """``unit`` with faults between it and its bus, see :data:`FRAME_ORDERS`; other orders go to
    the unit, which knows nothing of what becomes of its frames.

    ``record`` gets ``fault`` (order) of those that are obeyed here.
    """

    def __init__(self, unit: CanUnit, record: Record | None = None) -> None:
        self.unit = unit
        self._record = record or (lambda _t, _kind, _facts: None)
        # Repeatable garbage; nothing secret depends on it.
        self._random = random.Random(0)  # noqa: S311 - garbage, not a secret
        self._counted = Counted()
        self._late_ns = 0
        self._wrong: bytes | None = None
        self._waiting: list[tuple[int, UnitFrame]] = []

    def receive(self, can_id: int, data: bytes, at_ns: int) -> None:
        """Hand a frame of the bus to the unit."""
        self.unit.receive(can_id, data, at_ns)

    def confirm(self, at_ns: int) -> None:
        """Tell the unit that the bus has carried its oldest frame."""
        self.unit.confirm(at_ns)

    def advance(self, now_ns: int) -> list[UnitFrame]:
        """Have the unit live until ``now_ns``; get what reaches the bus by then."""
        for frame in self.unit.advance(now_ns):
            spoiled = self._spoil(UnitFrame(*frame))
            if not spoiled:
                self.unit.confirm(now_ns)
            self._waiting += [(now_ns + self._late_ns, one) for one in spoiled]
        if not self._waiting:
            return []
        leaving = [frame for due_ns, frame in self._waiting if due_ns <= now_ns]
        self._waiting = [one for one in self._waiting if one[0] > now_ns]
        return leaving

    def next_due_ns(self) -> int | None:
        """Get the instant at which to call :meth:`advance` again; ``None``: never by itself."""
        return _soonest((self.unit.next_due_ns(), *(due_ns for due_ns, _ in self._waiting)))

    def break_down(self, order: str, now_ns: int) -> None:
        """Obey an order, or have the unit obey it.

        Raises:
            ValueError: neither knows it; the message says what there is.
        """
        name, _, value = order.strip().partition(" ")
        if name == "late":
            self._late_ns = count(name, value) * _NS_PER_MS
        elif name == "wrong":
            self._wrong = None if value == "off" else _bytes(value)
        elif name in Counted.NAMES:
            self._counted.order(name, value)
        else:
            try:
                self.unit.break_down(order, now_ns)
            except ValueError as error:
                raise ValueError(
                    f"{error}; for every device on CAN: {', '.join(FRAME_ORDERS)}"
                ) from error
            return
        self._record(now_ns, "fault", {"order": order.strip()})

    def _spoil(self, frame: UnitFrame) -> list[UnitFrame]:
        if self._counted.take("drop"):
            return []
        if self._wrong is not None:
            frame, self._wrong = UnitFrame(frame.can_id, self._wrong), None
        if self._counted.take("garbage"):
            frame = UnitFrame(frame.can_id, self._random.randbytes(len(frame.data)))
        if self._counted.take("half"):
            frame = UnitFrame(frame.can_id, frame.data[: len(frame.data) // 2])
        return [frame, frame] if self._counted.take("double") else [frame]


def _soonest(instants: Iterable[int | None]) -> int | None:
    return min((one for one in instants if one is not None), default=None)


def _bytes(value: str) -> bytes:
    try:
        data = bytes.fromhex(value)
    except ValueError:
        data = bytes(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(
            f"fault 'wrong' takes at most {_MOST_BYTES} bytes in hex, or 'off', not {value!r}"
        )
    return data
