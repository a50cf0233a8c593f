"""An SLCAN bus that takes what the port has in one read.

python-can's own ``slcan`` reads byte by byte, with a system call or two for each, and gives up
every millisecond to look at the clock. With some 40 frames a second that is a measurable share of
a small computer. This subclass keeps its set-up of the adapter and replaces the two ways of frames.
"""

import fcntl
import os
import time

from can import CanInitializationError, Message
from can.exceptions import error_check
from can.interfaces.slcan import slcanBus
from can.typechecking import CanFilters

from bem_drivers.can.frame import Frame
from bem_drivers.can.lawicel import parse, text

_CARRIAGE_RETURN = 0x0D
_BELL = 0x07
_LONGEST_LINE = 64


def lock_port(channel: str) -> int:
    """Take a port for this opener alone; get the file descriptor that holds the lock.

    Each byte of a port reaches only one of its readers, and whoever opens an adapter resets it. So
    a second opener is refused before it has said anything.

    Raises:
        OSError: there is no such port.
        can.CanInitializationError: somebody has it.
    """
    port, _, _baudrate = channel.partition("@")
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise CanInitializationError(
            "it is in use by another device or process, and an SLCAN port has one owner"
        ) from None
    return descriptor


class BufferedSlcanBus(slcanBus):
    """Standard data frames over the LAWICEL text protocol.

    ``lock`` is what :func:`lock_port` gave for this port; it is let go of with the bus.
    """

    def __init__(
        self, lock: int, channel: str, bitrate: int, settle_s: float, can_filters: CanFilters
    ) -> None:
        self._pending = bytearray()
        self._lock = lock
        try:
            super().__init__(
                channel,
                bitrate=bitrate,
                sleep_after_open=settle_s,
                timeout=0.0,
                can_filters=can_filters,
            )
        except BaseException:
            self.release_lock()
            raise

    def shutdown(self) -> None:
        """Close the adapter and the port, also when the adapter has gone meanwhile."""
        try:
            super().shutdown()
        finally:
            self.release_lock()

    def release_lock(self) -> None:
        """Let others have the port. Idempotent."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def _recv_internal(
        self,
        timeout: float | None,  # noqa: ARG002 - always 0: the link waits on the file descriptor
    ) -> tuple[Message | None, bool]:
        """Get the next frame that is here already."""
        frame = self._next_frame()
        if frame is None:
            with error_check("Could not read from serial device"):
                # Without a timeout pyserial returns what is there, which may be nothing.
                self._pending += self.serialPortOrig.read(4096)
            frame = self._next_frame()
        return frame, True

    def send(self, msg: Message, timeout: float | None = None) -> None:
        """Send a standard data frame; does not wait until the adapter has put it on the bus."""
        line = text(Frame(msg.arbitration_id, bytes(msg.data)))
        port = self.serialPortOrig
        if port.write_timeout != timeout:
            port.write_timeout = timeout
        with error_check("Could not write to serial device"):
            port.write(line)

    def _next_frame(self) -> Message | None:
        """Take lines from the buffer up to and including the next frame that passes the filters.

        Filtering happens here, so that a frame never waits in the buffer behind one for somebody
        else while the link waits for the port.
        """
        pending = self._pending
        while (end := _line_end(pending)) >= 0:
            line = bytes(pending[:end])
            del pending[: end + 1]
            # What is no frame acknowledges a command, or was mutilated on its way.
            frame = parse(line)
            if frame is not None:
                message = _message(frame)
                if self._matches_filters(message):
                    return message
        if len(pending) > _LONGEST_LINE:
            # Noise of a wrong port or baud rate; no line of the protocol is that long.
            pending.clear()
        return None


def _line_end(buffer: bytearray) -> int:
    for position, byte in enumerate(buffer):
        if byte in (_CARRIAGE_RETURN, _BELL):
            return position
    return -1


def _message(frame: Frame) -> Message:
    return Message(
        arbitration_id=frame.frame_id,
        is_extended_id=False,
        dlc=len(frame.data),
        data=frame.data,
        timestamp=time.time(),
    )
