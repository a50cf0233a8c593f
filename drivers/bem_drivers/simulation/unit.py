"""What a simulated device is that speaks in lines. Pure: no port and no clock."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, Self

Record = Callable[[int, str, Mapping[str, object]], None]
"""Takes (instant in ns, kind, facts) of what truly happened, for a ledger."""


class LineUnit(Protocol):
    """A device at the far end of a line."""

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Take what came up to a line feed, without it (a CR stays); get answers without LF."""
        ...

    def advance(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        ...

    def break_down(self, order: str, now_ns: int) -> None:
        """Have a fault from ``now_ns`` on, or have it no longer.

        Raises:
            ValueError: there is no such fault; the message says which there are.
        """
        ...


class Answer(str):
    """An answer with something odd about it; a plain ``str`` is an answer without.

    ``delay_ns``: how long after the question it leaves. ``ended``: whether a line feed follows.
    """

    __slots__ = ("delay_ns", "ended")

    delay_ns: int
    ended: bool

    def __new__(cls, text: str, *, delay_ns: int = 0, ended: bool = True) -> Self:
        answer = super().__new__(cls, text)
        answer.delay_ns = delay_ns
        answer.ended = ended
        return answer


def delay_of(answer: str) -> int:
    """Get how long (ns) after its question an answer leaves."""
    return answer.delay_ns if isinstance(answer, Answer) else 0


def is_ended(answer: str) -> bool:
    """Tell whether a line feed follows."""
    return not isinstance(answer, Answer) or answer.ended


def encoded(answers: Iterable[str]) -> bytes:
    """Get answers as they go over the line.

    Surrogate escapes become the bytes they stand for, so that a fault can send what is no UTF-8.
    """
    return b"".join(
        answer.encode("utf-8", "surrogateescape") + (b"\n" if is_ended(answer) else b"")
        for answer in answers
    )
