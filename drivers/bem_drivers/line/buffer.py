"""Bytes in, lines out. Pure; every link and the simulation put lines together here."""

from bem_drivers.base import ProtocolViolated

LONGEST_LINE = 4096
_SHOWN = 40


class LineBuffer:
    """What has arrived and is not read yet.

    A line is what a line feed ends; half a line never is one. After :meth:`drop` the rest of a
    half line is thrown away with it: the end of a stale answer must not look like a fresh one.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived."""
        self._pending += data

    def next_line(self, name: str) -> str | None:
        """Take the next whole line, without CR and LF; ``None``: there is none yet.

        Raises:
            ProtocolViolated: a line of the link ``name`` that is no UTF-8 or longer than
                4096 bytes. It is lost, the next one is not.
        """
        if self._skipping:
            self._skip()
        end = self._pending.find(b"\n")
        if end > LONGEST_LINE or (end < 0 and len(self._pending) > LONGEST_LINE):
            start = bytes(self._pending[:_SHOWN])
            self._skip()
            raise ProtocolViolated(
                f"{name}: a line longer than {LONGEST_LINE} bytes that starts with {start!r}; "
                "check that the port is the device's and its baud rate and parity"
            )
        if end < 0:
            return None
        line = bytes(self._pending[:end]).strip(b"\r")
        del self._pending[: end + 1]
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProtocolViolated(
                f"{name}: a line that is no text, {line[:_SHOWN]!r}; check the baud rate and "
                "parity of the port, and the cable"
            ) from error

    def drop(self) -> None:
        """Throw everything away, and what is still to come of a line that has begun."""
        if self._pending:
            self._skipping = not self._pending.endswith(b"\n")
            self._pending.clear()

    def clear(self) -> None:
        """Start anew: a connection that was just made."""
        self._pending.clear()
        self._skipping = False

    def _skip(self) -> None:
        """Throw away up to and including the next line feed, which may be still to come."""
        end = self._pending.find(b"\n")
        self._skipping = end < 0
        del self._pending[: end + 1 if end >= 0 else len(self._pending)]
