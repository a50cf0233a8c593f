"""Orders to a bench by a socket of the machine: a line each, answered in full with a blank line."""

import contextlib
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

_READ_SIZE = 4096
_LONGEST_ORDER = 4096

Obey = Callable[[str], str]
"""Takes an order, gives what to say; never raises."""


class Orders:
    """Splits what comes from a file descriptor into orders."""

    def __init__(self, obey: Obey) -> None:
        self._obey = obey
        self._rest = b""

    def take(self, data: bytes) -> str:
        """Obey the orders that are complete; get all answers, each with a blank line after it."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LONGEST_ORDER]
        answers = [
            self._obey(order)
            for line in lines
            if (order := line.decode("utf-8", "replace").strip())
        ]
        return "".join(f"{answer}\n\n" for answer in answers)


class ControlSocket:
    """Listens at ``path`` for as long as it is open; only this user may connect.

    Raises:
        OSError: the socket cannot be made there.
    """

    def __init__(self, path: Path, selector: selectors.BaseSelector, obey: Obey) -> None:
        self._path = path
        self._selector = selector
        self._obey = obey
        self._clients: set[socket.socket] = set()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Left behind by a bench that was killed.
            path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                self._server.bind(str(path))
            finally:
                os.umask(before)
            self._server.listen()
        except OSError:
            self._server.close()
            raise
        self._server.setblocking(False)
        selector.register(self._server, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Hang up and remove the socket. Idempotent."""
        for client in list(self._clients):
            self._hang_up(client)
        if self._server.fileno() >= 0:
            self._selector.unregister(self._server)
            self._server.close()
            self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        client, _ = self._server.accept()
        client.setblocking(False)
        self._clients.add(client)
        orders = Orders(self._obey)
        self._selector.register(client, selectors.EVENT_READ, lambda: self._answer(client, orders))

    def _answer(self, client: socket.socket, orders: Orders) -> None:
        try:
            data = client.recv(_READ_SIZE)
        except OSError:
            data = b""
        if not data:
            self._hang_up(client)
            return
        # Who gives orders and does not read the answers loses some.
        with contextlib.suppress(OSError):
            client.sendall(orders.take(data).encode())

    def _hang_up(self, client: socket.socket) -> None:
        self._clients.discard(client)
        self._selector.unregister(client)
        client.close()
