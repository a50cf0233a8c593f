"""A pseudo-terminal under a stable name, as the far end of a port that a client opens."""

import contextlib
import os
import pty
import tty
from pathlib import Path

_READ_SIZE = 4096


class LinkedTerminal:
    """A pseudo-terminal reachable by the symbolic link ``link`` for as long as it is open.

    It keeps the client's end open itself, so that clients may come and go (or be killed) without
    an end-of-file for the simulator.
    """

    def __init__(self, link: Path) -> None:
        self._link = link
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

    def read(self) -> bytes:
        """Get what the client has written; never waits."""
        try:
            return os.read(self._master, _READ_SIZE)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Write what fits: when nobody reads, the rest is lost as in a full adapter."""
        if data:
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data)

    def close(self) -> None:
        """Pull it out: the client's reads and writes fail from now on. Idempotent."""
        if self._master < 0:
            return
        with contextlib.suppress(OSError):
            if str(self._link.readlink()) == self._name:
                self._link.unlink()
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1
