"""Lines over anything that has a file descriptor: what serial ports and TCP have in common."""

import contextlib
import logging
import select
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

from bem_drivers.base import CommunicationLost
from bem_drivers.line.buffer import LineBuffer

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 0.5
READ_SIZE = 4096
MOST_DROPPED_READS = 64


class Stream(Protocol):
    """An open port or connection. Every method may raise ``OSError`` once it has gone."""

    def fileno(self) -> int:
        """The file descriptor to wait on."""
        ...

    def read(self) -> bytes:
        """Get what is there, which may be nothing; never waits."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of ``data`` within ``SEND_TIMEOUT_S``."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class StreamLine(ABC):
    """A :class:`~bem_drivers.line.LineLink` over a :class:`Stream`.

    A link whose stream died is of no use until :meth:`open` is called again. That looks up the
    name anew, so that a port which was pulled out and put back in is found again.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._buffer = LineBuffer()
        self._stream: Stream | None = None
        self._poll = select.poll()
        self._lost = False

    @abstractmethod
    def _connect(self) -> Stream:
        """Open the stream; raises ``DeviceNotFound``."""

    @abstractmethod
    def _advice(self) -> str:
        """What a person can do when the stream has gone."""

    def open(self) -> None:
        self.close()
        stream = self._connect()
        self._stream = stream
        self._buffer.clear()
        self._poll = select.poll()
        self._poll.register(stream.fileno(), select.POLLIN)
        if self._lost:
            self._lost = False
            logger.info("%s works again", self.name)

    def send(self, line: str) -> None:
        with self._talking() as stream:
            stream.write(line.encode() + b"\n")

    def receive(self, timeout_s: float) -> str | None:
        deadline = time.monotonic() + timeout_s
        with self._talking() as stream:
            while True:
                line = self._buffer.next_line(self.name)
                if line is not None:
                    return line
                left = deadline - time.monotonic()
                ready = self._poll.poll(max(left, 0.0) * 1000)
                if ready:
                    self._buffer.feed(stream.read())
                # Also when something came: bytes without a line feed have no end.
                if left <= 0:
                    return self._buffer.next_line(self.name)

    def drop(self) -> None:
        with self._talking() as stream:
            for _ in range(MOST_DROPPED_READS):
                if not self._poll.poll(0):
                    break
                self._buffer.feed(stream.read())
                self._buffer.drop()
            self._buffer.drop()

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()

    @contextlib.contextmanager
    def _talking(self) -> Iterator[Stream]:
        if self._stream is None:
            raise CommunicationLost(f"{self.name} is closed; open the device again")
        try:
            yield self._stream
        except OSError as error:
            # At once, so that the port's name is free for the device that comes back.
            self.close()
            self._lost = True
            logger.warning("%s does not work any more: %s", self.name, error)
            raise CommunicationLost(
                f"{self.name} does not work any more: {error}. {self._advice()}"
            ) from error
