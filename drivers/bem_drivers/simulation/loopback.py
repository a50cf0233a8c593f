"""A line in memory to a simulated device, for tests with a clock of their own."""

from bem_drivers.base import Clock, CommunicationLost, DeviceNotFound
from bem_drivers.line.buffer import LineBuffer
from bem_drivers.simulation.outbox import Outbox
from bem_drivers.simulation.unit import Answer, LineUnit, encoded, is_ended


class LoopbackLine:
    """A :class:`~bem_drivers.line.LineLink` on ``unit``. Waiting turns ``clock``.

    While ``unplugged`` nothing can be opened, and every use fails. ``sent`` keeps (instant, line)
    of everything from the host. The ``..._next`` methods spoil the answers that follow.
    """

    def __init__(self, unit: LineUnit, clock: Clock, name: str = "loopback") -> None:
        self.name = name
        self.unit = unit
        self.unplugged = False
        self.sent: list[tuple[int, str]] = []
        self._clock = clock
        self._open = False
        self._buffer = LineBuffer()
        self._outbox = Outbox()
        self._to_drop = 0
        self._to_delay_ns = 0
        self._to_replace: list[str] = []

    def drop_next(self, count: int = 1) -> None:
        """Lose the next ``count`` answers."""
        self._to_drop = count

    def delay_next(self, seconds: float) -> None:
        """Have the next answer leave ``seconds`` later."""
        self._to_delay_ns = round(seconds * 1e9)

    def replace_next(self, *texts: str) -> None:
        """Give ``texts`` in place of the next answers, one for one."""
        self._to_replace = list(texts)

    def open(self) -> None:
        if self.unplugged:
            raise DeviceNotFound(f"{self.name} is unplugged: plug it in")
        self._open = True
        # What is still under way comes to whoever has the line then.
        self._take(self._clock.monotonic_ns())
        self._buffer.clear()

    def send(self, line: str) -> None:
        self._check()
        now_ns = self._clock.monotonic_ns()
        self.sent.append((now_ns, line))
        self.unit.advance(now_ns)
        for part in line.split("\n"):
            answers = self.unit.receive(part, now_ns)
            self._outbox.put(
                [spoiled for answer in answers for spoiled in self._spoil(answer)], now_ns
            )

    def receive(self, timeout_s: float) -> str | None:
        self._check()
        end_ns = self._clock.monotonic_ns() + max(round(timeout_s * 1e9), 0)
        while True:
            now_ns = self._clock.monotonic_ns()
            self._take(now_ns)
            line = self._buffer.next_line(self.name)
            if line is not None or now_ns >= end_ns:
                return line
            due_ns = self._outbox.next_due_ns()
            self._clock.sleep((min(due_ns or end_ns, end_ns) - now_ns) / 1e9)

    def drop(self) -> None:
        self._check()
        self._take(self._clock.monotonic_ns())
        self._buffer.drop()

    def close(self) -> None:
        self._open = False

    def _take(self, now_ns: int) -> None:
        self.unit.advance(now_ns)
        self._buffer.feed(encoded(self._outbox.take(now_ns)))

    def _check(self) -> None:
        if self.unplugged:
            self._open = False
            self._outbox.clear()
            raise CommunicationLost(f"{self.name} is unplugged: plug it in and open it again")
        if not self._open:
            raise CommunicationLost(f"{self.name} is closed; open the device again")

    def _spoil(self, answer: str) -> list[str]:
        if self._to_drop:
            self._to_drop -= 1
            return []
        if self._to_replace:
            answer = self._to_replace.pop(0)
        if self._to_delay_ns:
            delay_ns, self._to_delay_ns = self._to_delay_ns, 0
            answer = Answer(answer, delay_ns=delay_ns, ended=is_ended(answer))
        return [answer]
