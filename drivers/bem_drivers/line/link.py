"""What a driver needs of a line, and how to get one. Imports no port library by itself."""

from typing import Protocol

from bem_drivers.line.settings import SerialSettings, TcpSettings


class LineLink(Protocol):
    """A line to one device; tests put their own in its place."""

    @property
    def name(self) -> str:
        """The line as a person knows it, such as ``serial /dev/bem/ea-123``."""
        ...

    def open(self) -> None:
        """Connect, forgetting everything that came before.

        Raises:
            DeviceNotFound: the port is missing, taken or forbidden, or the host does not answer.
        """
        ...

    def send(self, line: str) -> None:
        """Send ``line`` and a line feed.

        Raises:
            CommunicationLost: the port or connection has gone, or takes nothing.
        """
        ...

    def receive(self, timeout_s: float) -> str | None:
        """Get one line without CR and LF, waiting up to ``timeout_s`` (s); ``None``: none came.

        What has come of a line is kept for the next call.

        Raises:
            CommunicationLost: the port or connection has gone.
            ProtocolViolated: a line that is no UTF-8 or longer than 4096 bytes; it is lost.
        """
        ...

    def drop(self) -> None:
        """Throw away what has arrived and is unread, and the rest of a line that has begun.

        Raises:
            CommunicationLost: the port or connection has gone.
        """
        ...

    def close(self) -> None:
        """Let go of the port or connection. Idempotent, never raises."""
        ...


def line_link(settings: SerialSettings | TcpSettings) -> LineLink:
    """Make an unopened link; it touches no hardware."""
    if isinstance(settings, SerialSettings):
        from bem_drivers.line.serial_line import SerialLine

        return SerialLine(settings)
    from bem_drivers.line.tcp_line import TcpLine

    return TcpLine(settings)
