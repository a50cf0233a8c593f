"""An SLCAN adapter that exists only as a pseudo-terminal.

It speaks as much of the LAWICEL text protocol as clients use: bit rate, open, close, version,
serial number, status flags and standard data frames. It keeps the client's end open itself, so
that clients may come and go (or be killed) without an end-of-file for the simulator.
"""

import contextlib
import os
import pty
import tty
from collections.abc import Iterable
from pathlib import Path

from bem_drivers.can import Frame

_OK = b"\r"
_REFUSED = b"\a"
_READ_SIZE = 4096
_LONGEST_LINE = 64
_ANSWERS = {b"V": b"V1013\r", b"N": b"NBEM1\r", b"F": b"F00\r"}


class SlcanPort:
    """A pseudo-terminal reachable by the symbolic link ``link`` for as long as it is open."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._buffer = bytearray()
        self._replies = bytearray()
        self._channel_open = False
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._name = os.ttyname(self._slave)
        # Under another name first: a link is never missing while one port replaces another.
        interim = link.with_name(f".{link.name}.{os.getpid()}")
        interim.unlink(missing_ok=True)
        interim.symlink_to(self._name)
        interim.replace(link)

    def fileno(self) -> int:
        """The file descriptor to wait on."""
        return self._master

    def read(self) -> list[Frame]:
        """Take what the client has written: answer its commands, return its frames."""
        try:
            self._buffer += os.read(self._master, _READ_SIZE)
        except BlockingIOError:
            return []
        *lines, rest = bytes(self._buffer).split(b"\r")
        self._buffer[:] = rest if len(rest) <= _LONGEST_LINE else b""
        frames = [frame for line in lines if (frame := self._take(line)) is not None]
        replies, self._replies[:] = bytes(self._replies), b""
        self._write(replies)
        return frames

    def write(self, frames: Iterable[Frame]) -> None:
        """Give frames to the client; without an open channel they are lost, as on a real bus."""
        if self._channel_open:
            self._write(
                b"".join(
                    f"t{frame.frame_id:03X}{len(frame.data)}{frame.data.hex().upper()}\r".encode()
                    for frame in frames
                )
            )

    def close(self) -> None:
        """Pull the adapter out: the client's reads and writes fail from now on. Idempotent."""
        if self._master < 0:
            return
        with contextlib.suppress(FileNotFoundError):
            if str(self._link.readlink()) == self._name:
                self._link.unlink()
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def _take(self, line: bytes) -> Frame | None:
        command = line[:1]
        frame = None
        reply = _OK
        if command == b"t":
            frame = _parse(line) if self._channel_open else None
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

    def _write(self, data: bytes) -> None:
        """Write what fits: when nobody reads, the rest is lost as in a full adapter."""
        if data:
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data)


def _parse(line: bytes) -> Frame | None:
    try:
        length = int(line[4:5])
        data = bytes.fromhex(line[5:].decode("ascii"))
        frame_id = int(line[1:4], 16)
    except ValueError:
        return None
    return Frame(frame_id, data) if len(data) == length else None
