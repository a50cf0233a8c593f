"""An SLCAN adapter that exists only as a pseudo-terminal.

It speaks as much of the LAWICEL text protocol as clients use: bit rate, open, close, version,
serial number, status flags and standard data frames. It keeps the client's end open itself, so
that clients may come and go (or be killed) without an end-of-file for the simulator.
"""

from collections.abc import Iterable
from pathlib import Path

from bem_drivers.can import Frame
from bem_drivers.can.lawicel import parse, text
from bem_drivers.simulation.terminal import LinkedTerminal

_OK = b"\r"
_REFUSED = b"\a"
_LONGEST_LINE = 64
_ANSWERS = {b"V": b"V1013\r", b"N": b"NBEM1\r", b"F": b"F00\r"}


class SlcanPort:
    """A pseudo-terminal reachable by the symbolic link ``link`` for as long as it is open."""

    def __init__(self, link: Path) -> None:
        self._buffer = bytearray()
        self._replies = bytearray()
        self._channel_open = False
        self._terminal = LinkedTerminal(link)

    def fileno(self) -> int:
        """The file descriptor to wait on."""
        return self._terminal.fileno()

    def read(self) -> list[Frame]:
        """Take what the client has written: answer its commands, return its frames."""
        self._buffer += self._terminal.read()
        *lines, rest = bytes(self._buffer).split(b"\r")
        self._buffer[:] = rest if len(rest) <= _LONGEST_LINE else b""
        frames = [frame for line in lines if (frame := self._take(line)) is not None]
        replies, self._replies[:] = bytes(self._replies), b""
        self._terminal.write(replies)
        return frames

    def write(self, frames: Iterable[Frame]) -> None:
        """Give frames to the client; without an open channel they are lost, as on a real bus."""
        if self._channel_open:
            self._terminal.write(b"".join(map(text, frames)))

    def close(self) -> None:
        """Pull the adapter out: the client's reads and writes fail from now on. Idempotent."""
        self._terminal.close()

    def _take(self, line: bytes) -> Frame | None:
        command = line[:1]
        frame = None
        reply = _OK
        if command == b"t":
            frame = parse(line) if self._channel_open else None
            reply = _OK if frame is not None else _REFUSED
        elif command in (b"O", b"L"):
            reply = _REFUSED if self._channel_open else _OK
            self._channel_open = True
        elif command == b"C":
            reply = _OK if self._channel_open else _REFUSED
            self._channel_open = False
        elif command in (b"S", b"s"):
            reply = _REFUSED if self._channel_open else _OK
        else:
            reply = _ANSWERS.get(command, _REFUSED if command else _OK)
        self._replies += reply
        return frame
