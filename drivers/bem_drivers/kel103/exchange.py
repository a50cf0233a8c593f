"""Question and answer with one RS-KEL103: several questions in one payload, a line for each."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from bem_drivers.base import (
    Clock,
    CommunicationLost,
    Identity,
    ProtocolViolated,
    WrongDevice,
)
from bem_drivers.kel103 import codec
from bem_drivers.line.link import LineLink

T = TypeVar("T")
NOISE = "noise"
ATTEMPTS = 2
"""Times a question is put: each may be repeated without effect on the load."""
MOST_STALE = 100
"""Lines taken while looking for an answer: whoever floods the line must not hold up the loop."""


class Exchange:
    """The conversation over ``link``.

    Answers carry no mark of their question. Once one was missing or made no sense, the next may be
    late; so nothing is believed until the load has answered a password (:func:`codec.password`).
    Each differs from those before it, so that a late answer to one of them is none to the next.
    """

    def __init__(self, link: LineLink, name: str, clock: Clock, reply_timeout_s: float) -> None:
        self._link = link
        self._name = name
        self._clock = clock
        self._reply_timeout_s = reply_timeout_s
        self._in_step = False
        self._passwords = 0

    def open(self) -> None:
        """Connect.

        Raises:
            DeviceNotFound: the port cannot be opened.
        """
        self._in_step = False
        self._link.open()

    def close(self) -> None:
        """Let go of the port."""
        self._in_step = False
        self._link.close()

    def tell(self, *lines: str) -> None:
        """Send lines that are not answered, in one payload.

        Raises:
            CommunicationLost: the port has gone.
        """
        self._link.send("\n".join(lines))

    def ask(
        self, questions: Sequence[str], parse: Callable[[Sequence[str]], T], *before: str
    ) -> tuple[T, int]:
        """Send questions in one payload; get what ``parse`` makes of the answers and the instant
        (ns) at which the last arrived. ``before`` are lines without an answer that go ahead.

        Raises:
            CommunicationLost: an answer is missing, twice, or the port has gone.
            ProtocolViolated: the answers are none to these questions.
        """
        missing = ""
        for _ in range(ATTEMPTS):
            if not self._in_step:
                self._find_step()
            self._in_step = False
            self._link.drop()
            self.tell(*before, *questions)
            answers, at_ns = self._await(len(questions))
            if len(answers) == len(questions):
                try:
                    parsed = parse(answers)
                except ProtocolViolated as error:
                    raise ProtocolViolated(f"{self._name}: {error}") from error
                self._in_step = True
                return parsed, at_ns
            missing = questions[len(answers)]
        raise self._lost(missing)

    def identify(self) -> Identity:
        """Ask who is there, past whatever else arrives first.

        Raises:
            CommunicationLost: nothing answers. WrongDevice: nothing that answers is a name.
        """
        self._link.drop()
        self.tell(codec.IDENTIFY)
        refusal: WrongDevice | None = None
        for line in self._hear():
            try:
                return codec.parse_identity(line)
            except WrongDevice as error:
                refusal = error
        if refusal is None:
            raise self._lost(codec.IDENTIFY)
        raise WrongDevice(f"{self._name}: {refusal}") from refusal

    def _find_step(self) -> None:
        self._passwords += 1
        password = codec.password(self._passwords)
        self._link.drop()
        self.tell(*password)
        heard: deque[str] = deque(maxlen=len(password))
        for line in self._hear():
            heard.append(line)
            if codec.answers_password(tuple(heard), password):
                self._in_step = True
                return
        if not heard:
            raise self._lost(codec.IDENTIFY)
        raise ProtocolViolated(
            f"{self._name} says {heard[-1][:80]!r}, which is no answer to {', '.join(password)}: "
            "does something else write to the line, or does the load answer too late?"
        )

    def _hear(self) -> Iterator[str]:
        """Get lines until the answer would be late; noise is one too."""
        deadline_ns = self._deadline_ns()
        for _ in range(MOST_STALE):
            try:
                line = self._link.receive(self._left_s(deadline_ns))
            except ProtocolViolated:
                line = NOISE
            if line is None:
                return
            yield line

    def _await(self, count: int) -> tuple[list[str], int]:
        deadline_ns = self._deadline_ns()
        answers: list[str] = []
        while len(answers) < count:
            line = self._link.receive(self._left_s(deadline_ns))
            if line is None:
                break
            answers.append(line)
        return answers, self._clock.monotonic_ns()

    def _deadline_ns(self) -> int:
        return self._clock.monotonic_ns() + round(self._reply_timeout_s * 1e9)

    def _left_s(self, deadline_ns: int) -> float:
        return max(deadline_ns - self._clock.monotonic_ns(), 0) / 1e9

    def _lost(self, question: str) -> CommunicationLost:
        return CommunicationLost(
            f"{self._name} does not answer {question!r} within {self._reply_timeout_s:g} s: is it "
            "switched on, is the cable plugged in, does its remote interface match the settings?"
        )
