"""Words and error codes of a BMS as values, channels and names. Pure. devices.md section 3."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bem_drivers.base import Channel
from bem_drivers.bms.assembler import WORDS

CELLS = 12
TEMPERATURES = 4
PRESSURES = 2

_FREE_DIGITS = 9
"""Digits to keep: a factor such as 0.1 is no binary fraction and leaves a tail."""
_SIGN_BIT = 0x8000
_FAULTS = {
    0x01: "hw",
    0x02: "comm",
    0x04: "v_stacks",
    0x08: "leakage",
    0x10: "temp",
    0x20: "pres",
}
UNSPECIFIED = "unspecified"
"""A code of zero, or a bit without a name."""

CHANNELS = (
    *(Channel(f"cell_voltage_{n}", "V", f"Cell voltage {n}") for n in range(1, CELLS + 1)),
    Channel("stack_voltage", "V", "Stack voltage"),
    *(Channel(f"temperature_{n}", "degC", f"Temperature {n}") for n in range(1, TEMPERATURES + 1)),
    *(Channel(f"pressure_{n}", "Pa", f"Pressure {n}") for n in range(1, PRESSURES + 1)),
)
"""In the order of the words on the wire."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What one count is: V, degC, Pa. The maker does not say; see the settings."""

    volt: float
    degc: float
    pascal: float

    def of(self, unit: str) -> float:
        """Get the value of a count for a channel of this unit."""
        return {"V": self.volt, "degC": self.degc, "Pa": self.pascal}[unit]


def values(words: Sequence[int], scale: Scale) -> Iterator[tuple[str, float]]:
    """Get (channel name, SI value) of the 19 words (0..65535) of a message.

    Temperatures are signed, voltages and pressures are not.
    """
    if len(words) != WORDS:
        raise ValueError(f"a message has {WORDS} words, got {len(words)}")
    for channel, word in zip(CHANNELS, words, strict=True):
        signed = channel.unit == "degC" and word >= _SIGN_BIT
        count = word - 2 * _SIGN_BIT if signed else word
        yield channel.name, round(count * scale.of(channel.unit), _FREE_DIGITS)


def fault_names(code: int) -> frozenset[str]:
    """Get the names of the errors in a code (0..255); never empty."""
    named = {name for bit, name in _FAULTS.items() if code & bit}
    if not named or code & ~sum(_FAULTS):
        named.add(UNSPECIFIED)
    return frozenset(named)
