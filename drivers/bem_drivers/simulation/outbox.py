"""Answers on their way: most leave at once, late ones later."""

from collections.abc import Iterable

from bem_drivers.simulation.unit import delay_of


class Outbox:
    """Answers in the order in which they are due. Knows no clock."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, str]] = []

    def put(self, answers: Iterable[str], now_ns: int) -> None:
        """Take answers that a unit gave at ``now_ns``."""
        self._waiting += [(now_ns + delay_of(answer), answer) for answer in answers]
        self._waiting.sort(key=lambda waiting: waiting[0])

    def take(self, now_ns: int) -> list[str]:
        """Get what is due at ``now_ns``."""
        due = [answer for due_ns, answer in self._waiting if due_ns <= now_ns]
        del self._waiting[: len(due)]
        return due

    def next_due_ns(self) -> int | None:
        """Get the instant at which the next answer is due; ``None``: there is none."""
        return self._waiting[0][0] if self._waiting else None

    def clear(self) -> None:
        """Forget everything: the line was cut."""
        self._waiting.clear()
