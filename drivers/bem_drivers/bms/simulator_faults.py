"""Faults of a simulated BMS that can be switched on and off while it runs. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

MOST_WORDS = 52
"""Fifteen fragments of seven bytes hold no more."""
_SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class BmsFaults:
    """What is wrong with a BMS at present; by default nothing.

    Lasting, until ``off``:

    ``error``: code (0..255) of the error frames that are sent in place of values. ``silent``:
    nothing is sent. ``frozen``: the words stay as they are now. ``voltage``: V of the whole
    battery, ``body``: degC, whatever the battery does. ``late``: ms by which the last frame of
    each message is late.

    Of the next message only:

    ``error_once``: code of an error frame that comes before the values. ``lost``, ``double``,
    ``short``, ``swap``: number (0..5) of the fragment that is lost, comes twice, has two bytes
    less, changes places with the next. ``words``: how many words (0..52) there are instead of 19.
    ``zeros``: all words are zero.
    """

    error: int | None = None
    silent: bool = False
    frozen: bool = False
    voltage: float | None = None
    body: float | None = None
    late: float | None = None
    error_once: int | None = None
    lost: int | None = None
    double: int | None = None
    short: int | None = None
    swap: int | None = None
    words: int | None = None
    zeros: bool = False

    def changed(self, order: str) -> "BmsFaults":
        """Obey ``NAME NUMBER``, ``NAME on`` or ``NAME off``.

        Raises:
            ValueError: no such fault, or it does not take that value.
        """
        name, _, value = order.strip().partition(" ")
        if name not in _ORDERS:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(_ORDERS)}")
        return replace(self, **{name: _ORDERS[name](name, value)})

    def after_message(self) -> "BmsFaults":
        """Get what is left when a message has been sent."""
        return replace(
            self,
            error_once=None,
            lost=None,
            double=None,
            short=None,
            swap=None,
            words=None,
            zeros=False,
        )

    def spoil_words(self, words: tuple[int, ...]) -> tuple[int, ...]:
        """Get the words that are sent instead of ``words``."""
        if self.zeros:
            words = (0,) * len(words)
        if self.words is not None:
            words = (words * 3)[: self.words]
        return words

    def spoil_frames(self, frames: list[bytes]) -> list[bytes]:
        """Get the frames that are sent instead of ``frames``."""
        frames = list(frames)
        if self.short is not None and self.short < len(frames):
            frames[self.short] = frames[self.short][:-2]
        if self.swap is not None and self.swap + 1 < len(frames):
            first, second = frames[self.swap : self.swap + 2]
            frames[self.swap : self.swap + 2] = [second, first]
        if self.double is not None and self.double < len(frames):
            frames.insert(self.double, frames[self.double])
        if self.lost is not None and self.lost < len(frames):
            del frames[self.lost]
        return frames


def _switch(name: str, value: str) -> bool:
    if value not in _SWITCH:
        raise ValueError(f"fault {name!r} is 'on' or 'off', not {value!r}")
    return _SWITCH[value]


def _number(name: str, value: str) -> float | None:
    if value == "off":
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"fault {name!r} takes a number or 'off', not {value!r}")
    return number


def _whole(highest: int) -> Callable[[str, str], int | None]:
    def take(name: str, value: str) -> int | None:
        if value == "off":
            return None
        number = int(value, 0)
        if not 0 <= number <= highest:
            raise ValueError(f"fault {name!r} takes 0 to {highest} or 'off', not {value!r}")
        return number

    return take


_ORDERS: dict[str, Callable[[str, str], Any]] = {
    "error": _whole(0xFF),
    "silent": _switch,
    "frozen": _switch,
    "voltage": _number,
    "body": _number,
    "late": _number,
    "error_once": _whole(0xFF),
    "lost": _whole(5),
    "double": _whole(5),
    "short": _whole(5),
    "swap": _whole(5),
    "words": _whole(MOST_WORDS),
    "zeros": _switch,
}
NO_FAULTS = BmsFaults()
