"""Question and answer with one EPC, at a pace that does not harm it.

The unit looks for frames every 10 ms, holds three of them, and has three transmit mailboxes. An
answerable frame that finds them busy stops it until a power cycle (EPC firmware 1.0.0). So there
is never more than one question open, and never less than 10 ms from one frame to the next.
"""

from collections.abc import Callable

from bem_drivers.base import Clock, CommunicationLost
from bem_drivers.can import Frame, FrameLink
from bem_drivers.epc.frames import MessageId, Packed

SPACING_NS = 10_000_000
ATTEMPTS = 3
"""Times a question is put: each may be repeated without effect on the unit."""
SECOND_THOUGHT_S = 0.030
"""How long to look for the right answer behind a wrong one: news of the unit may come first."""
MOST_UNSOLICITED = 100
"""Frames taken at a time: whoever floods the bus must not hold up the control loop."""

Unsolicited = Callable[[int, bytes, int], None]


class Exchange:
    """The conversation with the unit ``device_id``.

    ``unsolicited`` gets (message id, data, instant) of every frame that answers no question.
    """

    def __init__(
        self,
        link: FrameLink,
        device_id: int,
        clock: Clock,
        reply_timeout_s: float,
        unsolicited: Unsolicited,
    ) -> None:
        self._link = link
        self._device_id = device_id
        self._clock = clock
        self._reply_timeout_s = reply_timeout_s
        self._unsolicited = unsolicited
        self._sent_ns: int | None = None

    def open(self) -> None:
        """Connect.

        Raises:
            DeviceNotFound: the bus cannot be opened.
        """
        self._link.open()

    def close(self) -> None:
        """Let go of the bus."""
        self._link.close()

    def tell(self, packed: Packed) -> int:
        """Send a frame that is not answered; get the instant (ns) at which it left.

        Raises:
            CommunicationLost: the bus has gone.
        """
        self._drain()
        if self._sent_ns is not None:
            early_ns = self._sent_ns + SPACING_NS - self._clock.monotonic_ns()
            if early_ns > 0:
                self._clock.sleep(early_ns / 1e9)
        self._sent_ns = self._clock.monotonic_ns()
        self._link.send(Frame(self._device_id << 4 | packed.message_id, packed.data))
        return self._sent_ns

    def ask(
        self, packed: Packed, answer: MessageId, expected: bytes | None = None
    ) -> tuple[bytes, int]:
        """Send a frame and get the data of its answer with the instant (ns) of its arrival.

        With ``expected``, other frames with the identifier of the answer are taken for it only
        when the expected one does not follow: the unit announces a change of mode by itself with
        the same identifier as its echo.

        Raises:
            CommunicationLost: no answer to any of ``ATTEMPTS`` questions, or the bus has gone.
        """
        for _ in range(ATTEMPTS):
            self.tell(packed)
            found = self._await(answer, expected)
            if found is not None:
                return found
        raise CommunicationLost(
            f"EPC 0x{self._device_id:02X} does not answer ({answer.name} missing after "
            f"{ATTEMPTS} questions of {self._reply_timeout_s * 1000:.0f} ms each): check its "
            "supply and the cable; after an internal error it is silent until a power cycle"
        )

    def _await(self, answer: MessageId, expected: bytes | None) -> tuple[bytes, int] | None:
        deadline_ns = self._clock.monotonic_ns() + round(self._reply_timeout_s * 1e9)
        other: tuple[bytes, int] | None = None
        while True:
            left_s = (deadline_ns - self._clock.monotonic_ns()) / 1e9
            frame = self._link.receive(max(left_s, 0.0))
            now_ns = self._clock.monotonic_ns()
            if frame is not None and frame.frame_id >> 4 == self._device_id:
                message_id = frame.frame_id & 0xF
                if message_id == answer and (expected is None or frame.data == expected):
                    return frame.data, now_ns
                if message_id == answer:
                    if other is None:
                        deadline_ns = min(deadline_ns, now_ns + round(SECOND_THOUGHT_S * 1e9))
                    other = frame.data, now_ns
                self._unsolicited(message_id, frame.data, now_ns)
            # After every frame, not only when there is none: a flood of others has no end.
            if now_ns >= deadline_ns:
                return other

    def _drain(self) -> None:
        for _ in range(MOST_UNSOLICITED):
            frame = self._link.receive(0.0)
            if frame is None:
                return
            if frame.frame_id >> 4 == self._device_id:
                self._unsolicited(frame.frame_id & 0xF, frame.data, self._clock.monotonic_ns())
