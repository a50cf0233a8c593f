"""Lines over TCP."""

import contextlib
import socket

from bem_drivers.base import DeviceNotFound
from bem_drivers.line.settings import TcpSettings
from bem_drivers.line.stream import READ_SIZE, SEND_TIMEOUT_S, StreamLine

CONNECT_TIMEOUT_S = 3.0
_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    # ms: the same for data that nobody acknowledges.
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 11_000),
    # A question is small and waits for nothing.
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)
"""A far end that was switched off or unplugged is noticed after 11 s without its help."""


class TcpLine(StreamLine):
    """A connection to a device or to a serial device server."""

    def __init__(self, settings: TcpSettings) -> None:
        super().__init__(settings.name)
        self._settings = settings

    def _connect(self) -> "_TcpStream":
        address = self._settings.host, self._settings.port
        try:
            return _TcpStream(socket.create_connection(address, CONNECT_TIMEOUT_S))
        except (OSError, UnicodeError) as error:
            raise DeviceNotFound(
                f"{self.name} cannot be reached: {error}. {self._advice()} "
                "Many devices serve one connection only: does another program hold it?"
            ) from error

    def _advice(self) -> str:
        return "Is the device switched on and on the network, are host and port right?"


class _TcpStream:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        for level, option, value in _KEEP_ALIVE:
            connection.setsockopt(level, option, value)
        connection.settimeout(0.0)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        if not data:
            raise ConnectionResetError("the far end has closed the connection")
        return data

    def write(self, data: bytes) -> None:
        self._socket.settimeout(SEND_TIMEOUT_S)
        try:
            self._socket.sendall(data)
        finally:
            self._socket.settimeout(0.0)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
