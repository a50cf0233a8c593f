"""Frames, and what a driver needs of a bus. Imports no CAN library."""

from typing import NamedTuple, Protocol


class Frame(NamedTuple):
    """A standard data frame."""

    frame_id: int
    data: bytes


class FrameLink(Protocol):
    """What a driver needs of a bus; tests put their own in its place."""

    def open(self) -> None:
        """Connect, forgetting everything that came before.

        Raises:
            DeviceNotFound: the bus cannot be opened.
        """
        ...

    def send(self, frame: Frame) -> None:
        """Send one frame.

        Raises:
            CommunicationLost: the bus does not take it.
        """
        ...

    def receive(self, timeout_s: float) -> Frame | None:
        """Get the next frame, waiting up to ``timeout_s`` (s); ``None`` when none came.

        Raises:
            CommunicationLost: the bus has gone.
        """
        ...

    def close(self) -> None:
        """Let go of the bus. Idempotent, never raises."""
        ...
