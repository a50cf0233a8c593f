"""Fragments of a BMS put together. Pure: bytes in, messages and errors out.

Wire facts: devices.md section 3. Byte 0 of a frame holds the index of the fragment (low nibble,
from 0) and the number of fragments (high nibble), up to seven bytes of data follow. A message is
19 little-endian 16-bit words: five frames of 8 bytes and one of 4. An error frame is one fragment
with ``ERROR`` in ASCII, an unused byte, and a code. Nothing numbers the messages themselves.
"""

import struct
from dataclasses import dataclass

WORDS = 19
MESSAGE_BYTES = 2 * WORDS
FRAGMENT_BYTES = 7
_ERROR_HEADER = b"\x10ERROR"
_FRAME_BYTES = 8
_WORDS = struct.Struct(f"<{WORDS}H")


@dataclass(frozen=True, slots=True)
class Message:
    """A complete message: 19 words (0..65535) as they were sent."""

    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error frame with its code (one bit for each error)."""

    code: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message of which a part was lost or came twice; ``reason`` in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """What the protocol does not allow, although nothing was lost; ``reason`` in words."""

    reason: str


Outcome = Message | ErrorReport | Dropped | Malformed


class Assembler:
    """Takes the frames of one BMS in the order of their arrival."""

    def __init__(self) -> None:
        self._fragments: list[bytes] = []
        self._count = 0

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._fragments)

    def forget(self) -> bool:
        """Drop the message that has begun; whether there was one."""
        had = self.is_open
        self._fragments = []
        return had

    def take(self, data: bytes) -> tuple[Outcome, ...]:
        """Get what the frame with ``data`` (0 to 8 bytes) brings about, in order.

        A fragment out of turn drops the message that had begun; one with index 0 begins the next.
        Others that belong to no message that has begun are passed over.
        """
        if not data:
            return self._drop("a frame without data")
        index, count = data[0] & 0x0F, data[0] >> 4
        if index != 0:
            return self._go_on(index, count, data[1:])
        dropped = self._drop(f"fragment 0 of {count}")
        if data.startswith(_ERROR_HEADER):
            return (*dropped, _error_report(data))
        if count == 0:
            return (*dropped, Malformed("a message of no fragments"))
        self._count = count
        self._fragments = [data[1:]]
        return (*dropped, *self._complete())

    def _go_on(self, index: int, count: int, fragment: bytes) -> tuple[Outcome, ...]:
        if not self.is_open:
            return ()
        if (index, count) != (len(self._fragments), self._count):
            return self._drop(f"fragment {index} of {count}")
        self._fragments.append(fragment)
        return self._complete()

    def _drop(self, came: str) -> tuple[Outcome, ...]:
        expected = len(self._fragments)
        if not self.forget():
            return ()
        return (Dropped(f"{came} came instead of fragment {expected} of {self._count}"),)

    def _complete(self) -> tuple[Outcome, ...]:
        if len(self._fragments) < self._count:
            return ()
        fragments, self._fragments = self._fragments, []
        return (_message(fragments),)


def _error_report(data: bytes) -> ErrorReport | Malformed:
    if len(data) != _FRAME_BYTES:
        return Malformed(f"an error frame of {len(data)} bytes instead of {_FRAME_BYTES}")
    return ErrorReport(data[-1])


def _message(fragments: list[bytes]) -> Message | Malformed:
    data = b"".join(fragments)
    if len(data) != MESSAGE_BYTES:
        return Malformed(
            f"a message of {len(data)} bytes in {len(fragments)} fragments instead of "
            f"{MESSAGE_BYTES} bytes ({WORDS} words)"
        )
    if any(len(fragment) != FRAGMENT_BYTES for fragment in fragments[:-1]):
        sizes = ", ".join(str(len(fragment)) for fragment in fragments)
        return Malformed(f"a message whose fragments have {sizes} bytes: only the last is short")
    if not any(data):
        # No temperature, no pressure and no voltage anywhere: its inputs were not read.
        return Malformed("a message of nothing but zeros, which is no measurement")
    return Message(_WORDS.unpack(data))
