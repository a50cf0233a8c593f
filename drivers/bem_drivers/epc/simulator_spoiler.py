"""Spoiled frames of a simulated EPC: dropped, late, doubled, cut short or wrong, on demand."""

import random
from collections.abc import Iterable
from typing import ClassVar

from bem_drivers.epc.simulator_wire import UnitFrame

NS_PER_MS = 1_000_000


class Spoiler:
    """Stands between a unit and the bus. Orders, each a line:

    ``drop N``: the next N frames are lost. ``double N``: the next N frames are sent twice.
    ``garbage N``: the next N frames carry random bytes, as many as before. ``half N``: the next N
    frames lose half of their bytes. ``late MS``: frames leave so many ms later.
    ``wrong HEX``: the next frame carries these bytes (at most 8). ``off`` in place of the value
    ends what is left of one.
    """

    WORDS: ClassVar[tuple[str, ...]] = ("drop", "double", "garbage", "half", "late", "wrong")
    _COUNTED: ClassVar[tuple[str, ...]] = ("drop", "double", "garbage", "half")

    def __init__(self, seed: int) -> None:
        # Repeatable garbage; nothing secret depends on it.
        self._random = random.Random(seed)  # noqa: S311 - garbage, not a secret
        self._left = dict.fromkeys(self._COUNTED, 0)
        self._late_ns = 0
        self._wrong: bytes | None = None
        self._waiting: list[tuple[int, UnitFrame]] = []
        self.lost = 0
        """Frames that were dropped so far."""

    def obey(self, order: str) -> None:
        """Obey ``NAME VALUE`` or ``NAME off``.

        Raises:
            ValueError: the fault does not take that value.
        """
        name, _, value = order.strip().partition(" ")
        value = value.strip()
        if name == "wrong":
            self._wrong = None if value == "off" else _bytes(order, value)
        elif name == "late":
            self._late_ns = _count(order, value) * NS_PER_MS
        else:
            self._left[name] = _count(order, value)

    def pass_on(self, frames: Iterable[UnitFrame], now_ns: int) -> list[UnitFrame]:
        """Take what a unit sent at ``now_ns``; get what reaches the bus by then."""
        for frame in frames:
            spoiled = self._spoil(frame)
            self._waiting.extend((now_ns + self._late_ns, one) for one in spoiled)
        if not self._waiting:
            return []
        leaving = [frame for due_ns, frame in self._waiting if due_ns <= now_ns]
        self._waiting = [one for one in self._waiting if one[0] > now_ns]
        return leaving

    def next_due_ns(self) -> int | None:
        """Get when the next late frame leaves (ns)."""
        return min((due_ns for due_ns, _ in self._waiting), default=None)

    def _spoil(self, frame: UnitFrame) -> list[UnitFrame]:
        if self._use("drop"):
            self.lost += 1
            return []
        if self._wrong is not None:
            frame, self._wrong = UnitFrame(frame.can_id, self._wrong), None
        if self._use("garbage"):
            frame = UnitFrame(frame.can_id, self._random.randbytes(len(frame.data)))
        if self._use("half"):
            frame = UnitFrame(frame.can_id, frame.data[: len(frame.data) // 2])
        return [frame, frame] if self._use("double") else [frame]

    def _use(self, name: str) -> bool:
        if not self._left[name]:
            return False
        self._left[name] -= 1
        return True


def _count(order: str, value: str) -> int:
    if value == "off":
        return 0
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"fault {order.strip()!r} needs a whole number from 0 on, or 'off'")
    return int(value)


def _bytes(order: str, value: str) -> bytes:
    try:
        data = bytes.fromhex(value)
    except ValueError:
        data = bytes(9)
    if len(data) > 8:  # noqa: PLR2004 - the most that a CAN frame carries
        raise ValueError(f"fault {order.strip()!r} needs at most 8 bytes in hex, or 'off'")
    return data
