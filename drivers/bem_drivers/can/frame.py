"""Frames, and what a driver needs of a bus. Imports no CAN library."""

from typing import NamedTuple, Protocol


class Frame(NamedTuple):
    """A standard data frame."""

    frame_id: int
    data: bytes


OVERHEAD_BITS = 47
"""Of a standard data frame: 44 around the data, and 3 in which the bus is free behind it."""
STUFFABLE_BITS = 34
"""Of those the ones that bit stuffing covers, together with the data."""
STUFF_EVERY = 4
"""After the first five equal bits, a stuff bit may follow each four."""


def frame_bits(length: int) -> int:
    """Get the most bits that a frame with ``length`` bytes of data (0..8) occupies."""
    bits = 8 * length
    return OVERHEAD_BITS + bits + (STUFFABLE_BITS + bits - 1) // STUFF_EVERY


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
