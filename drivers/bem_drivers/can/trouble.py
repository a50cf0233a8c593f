"""What ails a CAN bus, by the kernel's error frames; logged once when it begins and ends.

Layout of error frames: ``linux/can/error.h``.
"""

import logging
import time
from collections.abc import Callable

CALM_S = 1.0
"""A trouble is over so long after its last sign: a disturbed bus lets a frame through at times."""

_CONTROLLER = 0x004
_RX_OR_TX_PASSIVE = 0x30
_OVERFLOW = 0x03
_LASTING = (
    (0x040, "the controller is bus-off: a short circuit, a wrong bit rate, or no other device"),
    (0x020, "no device acknowledges: is one powered, and is the cable plugged in and terminated?"),
    (0x010, "the transceiver reports a fault of the wires"),
    (0x001, "the controller cannot send"),
)


def lasting_trouble(error_class: int, data: bytes) -> str:
    """Get what an error frame says in words, or nothing where the bus mends it by itself.

    ``error_class``: identifier of the frame without flags. Single bit errors are repeated by the
    controllers and are no trouble; neither are warnings and news of a restart.
    """
    for bit, words in _LASTING:
        if error_class & bit:
            return words
    controller = data[1] if error_class & _CONTROLLER and len(data) > 1 else 0
    if controller & _RX_OR_TX_PASSIVE:
        return "the controller is error passive: most frames are disturbed"
    if controller & _OVERFLOW:
        return "the controller lost frames, nobody took them in time"
    return ""


class BusTrouble:
    """Whether the bus ``name`` works, by what its user saw. ``now_s``: a monotonic clock (s)."""

    def __init__(
        self, logger: logging.Logger, name: str, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._name = name
        self._now_s = now_s
        self._since_s: float | None = None
        self._last_s = 0.0

    def begin(self, reason: object) -> None:
        """Note that the bus does not work; logs only the first time."""
        self._last_s = self._now_s()
        if self._since_s is None:
            self._since_s = self._last_s
            self._logger.warning("CAN bus %s does not work: %s", self._name, reason)

    def end(self) -> None:
        """Note that a frame came; logs when that ends a trouble."""
        if self._since_s is None:
            return
        now_s = self._now_s()
        if now_s - self._last_s >= CALM_S:
            self._logger.info(
                "CAN bus %s works again after %.1f s", self._name, now_s - self._since_s
            )
            self._since_s = None
