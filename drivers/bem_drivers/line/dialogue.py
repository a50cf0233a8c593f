"""Question and answer with one device."""

from bem_drivers.base import Clock, CommunicationLost, ProtocolViolated
from bem_drivers.line.link import LineLink

LONGEST_CHATTER = 3
"""Reply timeouts to wait for silence: whoever floods the line must not hold up the control loop."""


class Dialogue:
    """Asks the device ``name`` at ``link``.

    Answers carry no number, so that a late one could pass for the answer to the next question.
    After a question without a good answer the next :meth:`ask` therefore waits until the line has
    been silent for ``reply_timeout_s``. :meth:`tell` never waits for that: an order to switch off
    leaves at once. An answer later than twice the timeout still goes wrong; choose the timeout
    well above the slowest answer of the device.
    """

    def __init__(
        self,
        link: LineLink,
        name: str,
        clock: Clock,
        reply_timeout_s: float,
        spacing_s: float = 0.0,
    ) -> None:
        """``spacing_s``: least time (s) from one line, sent or received, to the next one sent."""
        self._link = link
        self._name = name
        self._clock = clock
        self._reply_timeout_s = reply_timeout_s
        self._spacing_ns = round(spacing_s * 1e9)
        self._busy_ns: int | None = None
        self._out_of_step = False

    @property
    def name(self) -> str:
        """The device and its line, for messages."""
        return f"{self._name} at {self._link.name}"

    def open(self) -> None:
        """Connect. A question that was open stays so: its answer may come to the new connection.

        Raises:
            DeviceNotFound: the port is missing, taken or forbidden, or the host does not answer.
        """
        self._link.open()
        self._busy_ns = None

    def close(self) -> None:
        """Let go of the line. Idempotent, never raises."""
        self._link.close()

    def tell(self, line: str, *, echo: bool = False) -> None:
        """Send a line that is not answered.

        With ``echo`` the device repeats it, which is waited for: it would otherwise turn up where
        the echo of the next question belongs.

        Raises:
            CommunicationLost: the line has gone, or the echo is missing.
            ProtocolViolated: something else where the echo belongs.
        """
        if not echo:
            self._send(line)
            return
        self._link.drop()
        self._out_of_step = True
        self._send(line)
        self._await_echo(line, self._deadline_ns())
        self._out_of_step = False

    def ask(self, line: str, *, echo: bool = False) -> tuple[str, int]:
        """Send a line and get its answer with the instant (monotonic ns) of its arrival.

        With ``echo`` the device repeats the question before it answers.

        Raises:
            CommunicationLost: no answer in time, or the line has gone.
            ProtocolViolated: no text, or something else where the echo belongs.
        """
        if self._out_of_step:
            self._await_silence()
        self._link.drop()
        # Until an answer is there: whatever leaves this method early leaves one outstanding.
        self._out_of_step = True
        self._send(line)
        deadline_ns = self._deadline_ns()
        if echo:
            self._await_echo(line, deadline_ns)
        answer, at_ns = self._await_line(line, deadline_ns)
        self._out_of_step = False
        return answer, at_ns

    def _send(self, line: str) -> None:
        if self._busy_ns is not None:
            early_ns = self._busy_ns + self._spacing_ns - self._clock.monotonic_ns()
            if early_ns > 0:
                self._clock.sleep(early_ns / 1e9)
        self._link.send(line)
        self._busy_ns = self._clock.monotonic_ns()

    def _deadline_ns(self) -> int:
        return self._clock.monotonic_ns() + round(self._reply_timeout_s * 1e9)

    def _await_echo(self, line: str, deadline_ns: int) -> None:
        repeated, _ = self._await_line(line, deadline_ns)
        if repeated.strip() != line.strip():
            raise ProtocolViolated(
                f"{self.name}: {repeated[:80]!r} came where the echo of {line!r} belongs; "
                "check that the device echoes and that nothing else writes to the line"
            )

    def _await_line(self, question: str, deadline_ns: int) -> tuple[str, int]:
        left_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
        answer = self._link.receive(max(left_s, 0.0))
        if answer is None:
            raise CommunicationLost(
                f"{self.name} does not answer {question!r} within {self._reply_timeout_s:g} s: "
                "check its supply, the cable, and the settings of the port"
            )
        self._busy_ns = self._clock.monotonic_ns()
        return answer, self._busy_ns

    def _await_silence(self) -> None:
        """Let a late answer come and go."""
        end_ns = self._clock.monotonic_ns() + round(self._reply_timeout_s * LONGEST_CHATTER * 1e9)
        while self._clock.monotonic_ns() < end_ns:
            try:
                if self._link.receive(self._reply_timeout_s) is None:
                    return
            except ProtocolViolated:
                continue
        raise ProtocolViolated(
            f"{self.name} keeps sending without being asked, for "
            f"{self._reply_timeout_s * LONGEST_CHATTER:g} s; check that it is the device that the "
            "settings name"
        )
