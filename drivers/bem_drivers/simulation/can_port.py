"""Where simulated devices meet a CAN bus that drivers can reach."""

import contextlib
from collections.abc import Iterable
from typing import Protocol

import can

from bem_drivers.can import Frame


class CanPort(Protocol):
    """Carries frames between simulated devices and a bus. Closing it cuts them off."""

    def fileno(self) -> int:
        """The file descriptor to wait on, the same as long as the port is open."""
        ...

    def read(self) -> list[Frame]:
        """Get the frames that came; never waits."""
        ...

    def write(self, frames: Iterable[Frame]) -> None:
        """Send frames; what nobody takes is lost."""
        ...

    def close(self) -> None:
        """Let go of the bus. Idempotent."""
        ...


class SocketCanPort:
    """An interface of the kernel, such as ``vcan0``, which must be up.

    Raises:
        OSError: there is no such interface, or it may not be used.
    """

    def __init__(self, channel: str) -> None:
        try:
            self._bus: can.BusABC | None = can.Bus(
                interface="socketcan", channel=channel, ignore_config=True
            )
        except can.CanError as error:
            raise OSError(str(error)) from error

    def fileno(self) -> int:
        return -1 if self._bus is None else self._bus.fileno()

    def read(self) -> list[Frame]:
        frames: list[Frame] = []
        if self._bus is None:
            return frames
        # An interface that went down says so at each use, until it is up again.
        with contextlib.suppress(can.CanError, OSError):
            while (message := self._bus.recv(0)) is not None:
                if not (
                    message.is_error_frame or message.is_remote_frame or message.is_extended_id
                ):
                    frames.append(Frame(message.arbitration_id, bytes(message.data)))
        return frames

    def write(self, frames: Iterable[Frame]) -> None:
        if self._bus is None:
            return
        for frame in frames:
            # A full queue and a bus without anybody to acknowledge lose frames, as on a real bus.
            with contextlib.suppress(can.CanError, OSError):
                self._bus.send(
                    can.Message(
                        arbitration_id=frame.frame_id, data=frame.data, is_extended_id=False
                    ),
                    timeout=0,
                )

    def close(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.shutdown()
