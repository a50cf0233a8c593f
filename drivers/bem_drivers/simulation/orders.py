"""Faults that every simulated device on a line can have, whatever it is."""

from bem_drivers.simulation.faults import Counted, count, switch
from bem_drivers.simulation.unit import Answer, LineUnit, Record

GARBAGE = "\udcff\udcfe#~"
"""What noise looks like: no UTF-8."""
_NS_PER_MS = 1_000_000
LINE_ORDERS = {
    "silent on|off": "it obeys and does not answer",
    "late MS|off": "its answers leave so much later",
    "garbage N": "its next N answers are noise",
    "half N": "its next N answers end in the middle",
    "double N": "its next N answers come twice",
    "drop N": "its next N answers are lost",
    "wrong TEXT": "its next answer is TEXT",
}


class Faulty:
    """``unit`` with faults at its line, see :data:`LINE_ORDERS`; other orders go to the unit.

    ``record`` gets ``fault`` (order) of those that are obeyed here.
    """

    def __init__(self, unit: LineUnit, record: Record | None = None) -> None:
        self.unit = unit
        self._record = record or (lambda _t, _kind, _facts: None)
        self._silent = False
        self._late_ns = 0
        self._wrong: str | None = None
        self._counted = Counted()

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Have the unit answer, and spoil the answers."""
        answers = self.unit.receive(line, now_ns)
        if self._silent:
            return []
        return [spoiled for answer in answers for spoiled in self._spoil(answer)]

    def advance(self, now_ns: int) -> None:
        """Let time pass up to ``now_ns``."""
        self.unit.advance(now_ns)

    def break_down(self, order: str, now_ns: int) -> None:
        """Obey an order, or have the unit obey it.

        Raises:
            ValueError: neither knows it; the message says what there is.
        """
        name, _, value = order.strip().partition(" ")
        if name == "silent":
            self._silent = switch(name, value)
        elif name == "late":
            self._late_ns = count(name, value) * _NS_PER_MS
        elif name == "wrong":
            self._wrong = value
        elif name in Counted.NAMES:
            self._counted.order(name, value)
        else:
            try:
                self.unit.break_down(order, now_ns)
            except ValueError as error:
                raise ValueError(
                    f"{error}; for every device on a line: {', '.join(LINE_ORDERS)}"
                ) from error
            return
        self._record(now_ns, "fault", {"order": order.strip()})

    def _spoil(self, answer: str) -> list[str]:
        ended = True
        if self._counted.take("drop"):
            return []
        if self._wrong is not None:
            answer, self._wrong = self._wrong, None
        if self._counted.take("garbage"):
            answer = GARBAGE
        if self._counted.take("half"):
            answer, ended = answer[: (len(answer) + 1) // 2], False
        spoiled = answer
        if self._late_ns or not ended:
            spoiled = Answer(answer, delay_ns=self._late_ns, ended=ended)
        return [spoiled] * (2 if self._counted.take("double") else 1)
