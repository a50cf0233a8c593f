"""What is known of a BMS by the frames that came. Pure: no bus and no clock of its own."""

from bem_drivers.base import Measured
from bem_drivers.bms import codec
from bem_drivers.bms.assembler import Assembler, Dropped, ErrorReport, Malformed, Message

LONGEST_GAP_NS = 500_000_000
"""Fragments further apart than this are of two messages, which nothing in them tells."""


class Listener:
    """Keeps the newest message, and errors until they have been told.

    ``values``: of the newest complete message, each at the arrival of its last fragment; empty
    before the first. ``complete_ns``: when it was taken, or the beginning. ``faults``: by name,
    since the last complete message. ``frames``: how many came. ``untold_faults``: those that came
    over an earlier connection and have not been told.
    """

    def __init__(
        self, scale: codec.Scale, now_ns: int, untold_faults: frozenset[str] = frozenset()
    ) -> None:
        self.values: dict[str, Measured] = {}
        self.complete_ns = now_ns
        self.faults: frozenset[str] = frozenset()
        self.frames = 0
        self._scale = scale
        self._assembler = Assembler()
        self._frame_ns = now_ns
        self.untold_faults = untold_faults
        self._violation = ""
        self._dropped = 0
        self._last_dropped = ""

    def take(self, data: bytes, earliest_ns: int, now_ns: int) -> None:
        """Take a frame that came at an instant between ``earliest_ns`` and ``now_ns``.

        The earlier counts, so that a value is never taken for fresher than it is.
        """
        if earliest_ns - self._frame_ns > LONGEST_GAP_NS:
            self.break_off("the rest did not come")
        self._frame_ns = now_ns
        self.frames += 1
        for outcome in self._assembler.take(data):
            match outcome:
                case Message(words):
                    self.values = {
                        name: Measured(value, earliest_ns)
                        for name, value in codec.values(words, self._scale)
                    }
                    self.complete_ns = now_ns
                    self.faults = frozenset()
                case ErrorReport(code):
                    self.faults |= codec.fault_names(code)
                    self.untold_faults |= self.faults
                case Malformed(reason):
                    self._violation = reason
                case Dropped(reason):
                    self._note_dropped(reason)

    def break_off(self, reason: str) -> None:
        """Drop a message that has begun: what comes next does not belong to it."""
        if self._assembler.forget():
            self._note_dropped(reason)

    def tell_faults(self) -> tuple[str, ...]:
        """Get the errors that are there, and those that came and went since the last call."""
        told = self.faults | self.untold_faults
        self.untold_faults = frozenset()
        return tuple(sorted(told))

    def tell_violation(self) -> str:
        """Get what came since the last call that the protocol does not allow; empty if nothing."""
        told, self._violation = self._violation, ""
        return told

    def account(self) -> str:
        """Get what came in words, for a person who looks for the reason of silence."""
        if not self.frames:
            return "not a single frame of it came"
        last = f", the last because {self._last_dropped}" if self._dropped else ""
        return f"{self.frames} frames came, {self._dropped} messages were dropped{last}"

    def _note_dropped(self, reason: str) -> None:
        self._dropped += 1
        self._last_dropped = reason
