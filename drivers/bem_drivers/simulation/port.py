"""The far ends of real lines, for simulated devices: a pseudo-terminal and a TCP server."""

import select
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from bem_drivers.simulation.terminal import LinkedTerminal
from bem_drivers.simulation.unit import encoded

_READ_SIZE = 4096
_LONGEST_LINE = 4096


class LinePort(Protocol):
    """Carries the lines of one simulated device. Closing it pulls it out."""

    def fileno(self) -> int:
        """The file descriptor to wait on, the same as long as the port is open."""
        ...

    def read(self) -> list[str]:
        """Get the lines that came, each without its LF; never waits."""
        ...

    def write(self, lines: Iterable[str]) -> None:
        """Send lines, LF added; what nobody takes is lost."""
        ...

    def close(self) -> None:
        """Pull the port out: the client's reads and writes fail from now on. Idempotent."""
        ...


class _Inbox:
    """Splits what came at line feeds only: a CR is a character like any other to a device."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, data: bytes) -> list[str]:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_LONGEST_LINE:]
        return [line.decode("utf-8", "surrogateescape") for line in lines]

    def clear(self) -> None:
        self._rest = b""


class PtyLinePort:
    """A serial port at ``link``: a :class:`LinkedTerminal` that carries lines."""

    def __init__(self, link: Path) -> None:
        self._inbox = _Inbox()
        self._terminal = LinkedTerminal(link)

    def fileno(self) -> int:
        return self._terminal.fileno()

    def read(self) -> list[str]:
        return self._inbox.lines(self._terminal.read())

    def write(self, lines: Iterable[str]) -> None:
        self._terminal.write(encoded(lines))

    def close(self) -> None:
        self._terminal.close()


class TcpLinePort:
    """A TCP server for one client at a time; a second one has to wait, as at most devices.

    ``port`` 0 takes a free one, which :attr:`port` then tells.
    """

    def __init__(self, host: str, port: int) -> None:
        self._inbox = _Inbox()
        self._server = socket.create_server((host, port), backlog=1)
        self._server.setblocking(False)
        self.port: int = self._server.getsockname()[1]
        self._client: socket.socket | None = None
        # One descriptor to wait on for a new client and for what the present one sends.
        self._epoll = select.epoll()
        self._epoll.register(self._server.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def read(self) -> list[str]:
        if self._client is None:
            self._accept()
        if self._client is None:
            return []
        try:
            data = self._client.recv(_READ_SIZE)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return self._inbox.lines(data)

    def write(self, lines: Iterable[str]) -> None:
        data = encoded(lines)
        if self._client is None or not data:
            return
        try:
            self._client.send(data)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()

    def close(self) -> None:
        if self._server.fileno() < 0:
            return
        self._hang_up()
        self._epoll.close()
        self._server.close()

    def _accept(self) -> None:
        try:
            client, _ = self._server.accept()
        except OSError:
            # None is waiting, or it has gone again.
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._inbox.clear()
        # The next one waits in the queue and must not keep the simulator awake.
        self._epoll.unregister(self._server.fileno())
        self._epoll.register(client.fileno(), select.EPOLLIN)

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._epoll.unregister(client.fileno())
            client.close()
            self._epoll.register(self._server.fileno(), select.EPOLLIN)
        self._inbox.clear()
