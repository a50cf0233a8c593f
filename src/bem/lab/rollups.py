"""Roll-ups: what a stretch of samples comes to. Pure arithmetic, no database.

A channel's figures are [count, first, min, max, mean, last] in the order of the samples, or
``None`` without a reading.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LEVELS = range(6)
"""Level L covers 10**L seconds: 1 s to a little over a day."""
_US = 1_000_000

Figures = list[float]
Readings = Sequence[float | None]


@dataclass(slots=True)
class Stretch:
    """The roll-up of one bucket. ``figures`` by channel in order; elapsed times in µs."""

    level: int
    number: int
    first_seq: int
    last_seq: int
    first_elapsed_us: int
    last_elapsed_us: int
    figures: list[Figures | None]

    def absorb(self, later: "Stretch") -> None:
        """Add a stretch whose samples all come after those of this one."""
        self.last_seq = later.last_seq
        self.last_elapsed_us = later.last_elapsed_us
        missing = len(later.figures) - len(self.figures)
        self.figures.extend(None for _ in range(missing))
        for index, figures in enumerate(later.figures):
            self.figures[index] = joined(self.figures[index], figures)


def width_us(level: int) -> int:
    """Get how much time a bucket of a level covers, in µs."""
    return int(10**level) * _US


def joined(earlier: Figures | None, later: Figures | None) -> Figures | None:
    """Join the figures of one channel over two stretches."""
    if earlier is None or later is None:
        return later if earlier is None else earlier
    count = earlier[0] + later[0]
    # The mean moves by a share of the difference: no sum that grows without bound is kept.
    mean = earlier[4] + (later[4] - earlier[4]) * (later[0] / count)
    return [
        count,
        earlier[1],
        min(earlier[2], later[2]),
        max(earlier[3], later[3]),
        min(max(mean, min(earlier[2], later[2])), max(earlier[3], later[3])),
        later[5],
    ]


def figures_of(readings: Readings) -> Figures | None:
    """Roll up readings of one channel."""
    known = [value for value in readings if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    # Halves first: the sum of two large readings may not be a number any more.
    mean = sum(value / len(known) for value in known)
    return [len(known), known[0], low, high, min(max(mean, low), high), known[-1]]


def roll_up(
    first_seq: int, elapsed_us: Sequence[int], channels: Sequence[Readings]
) -> Iterator[Stretch]:
    """Roll up consecutive samples on all levels, coarser ones from the next finer one."""
    finer = list(_finest(first_seq, elapsed_us, channels))
    yield from finer
    for level in LEVELS[1:]:
        coarser: list[Stretch] = []
        for stretch in finer:
            number = stretch.first_elapsed_us // width_us(level)
            if coarser and coarser[-1].number == number:
                coarser[-1].absorb(stretch)
            else:
                coarser.append(
                    Stretch(
                        level,
                        number,
                        stretch.first_seq,
                        stretch.last_seq,
                        stretch.first_elapsed_us,
                        stretch.last_elapsed_us,
                        list(stretch.figures),
                    )
                )
        yield from coarser
        finer = coarser


def _finest(
    first_seq: int, elapsed_us: Sequence[int], channels: Sequence[Readings]
) -> Iterator[Stretch]:
    begin = 0
    while begin < len(elapsed_us):
        number = elapsed_us[begin] // _US
        end = begin + 1
        while end < len(elapsed_us) and elapsed_us[end] // _US == number:
            end += 1
        yield Stretch(
            level=LEVELS[0],
            number=number,
            first_seq=first_seq + begin,
            last_seq=first_seq + end - 1,
            first_elapsed_us=elapsed_us[begin],
            last_elapsed_us=elapsed_us[end - 1],
            figures=[figures_of(readings[begin:end]) for readings in channels],
        )
        begin = end
