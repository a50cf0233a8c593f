"""Faults of a simulated BMS that can be switched on and off while it runs. Pure."""

from dataclasses import dataclass, replace

from bem_drivers.simulation.faults import whole

MOST_WORDS = 52
"""Fifteen fragments of seven bytes hold no more."""
_LAST_FRAGMENT = 5
ORDERS = {
    "error CODE|off": "it sends error frames with this code in place of values",
    "silent on|off": "it sends nothing",
    "frozen on|off": "its values stay as they are",
    "voltage V|off": "it measures this voltage of the whole battery, whatever there is",
    "body DEGC|off": "it measures this temperature, whatever there is",
    "straggle MS|off": "the last frame of each message is so much late",
    "error_once CODE": "an error frame comes before the next values",
    "lost N": "fragment N (0 to 5) of the next message is lost",
    "repeat N": "fragment N of the next message comes twice",
    "short N": "fragment N of the next message has two bytes less",
    "swap N": "fragment N of the next message changes places with the one after it",
    "words N": "the next message has N words (0 to 52) instead of 19",
    "zeros on": "all words of the next message are zero",
}


@dataclass(frozen=True, slots=True)
class BmsFaults:
    """What is wrong with a BMS at present; by default nothing. See :data:`ORDERS`.

    The first six last until ``off``, the others are of the next message only.
    """

    error: int | None = whole(0xFF)
    silent: bool = False
    frozen: bool = False
    voltage: float | None = None
    body: float | None = None
    straggle: float | None = None
    error_once: int | None = whole(0xFF)
    lost: int | None = whole(_LAST_FRAGMENT)
    repeat: int | None = whole(_LAST_FRAGMENT)
    short: int | None = whole(_LAST_FRAGMENT)
    swap: int | None = whole(_LAST_FRAGMENT)
    words: int | None = whole(MOST_WORDS)
    zeros: bool = False

    def after_message(self) -> "BmsFaults":
        """Get what is left when a message has been sent."""
        return replace(
            self,
            error_once=None,
            lost=None,
            repeat=None,
            short=None,
            swap=None,
            words=None,
            zeros=False,
        )

    def spoil_words(self, words: tuple[int, ...]) -> tuple[int, ...]:
        """Get the words that are sent instead of ``words``."""
        if self.zeros:
            words = (0,) * len(words)
        if self.words is not None:
            words = (words * 3)[: self.words]
        return words

    def spoil_frames(self, frames: list[bytes]) -> list[bytes]:
        """Get the frames that are sent instead of ``frames``."""
        frames = list(frames)
        if self.short is not None and self.short < len(frames):
            frames[self.short] = frames[self.short][:-2]
        if self.swap is not None and self.swap + 1 < len(frames):
            first, second = frames[self.swap : self.swap + 2]
            frames[self.swap : self.swap + 2] = [second, first]
        if self.repeat is not None and self.repeat < len(frames):
            frames.insert(self.repeat, frames[self.repeat])
        if self.lost is not None and self.lost < len(frames):
            del frames[self.lost]
        return frames


NO_FAULTS = BmsFaults()
