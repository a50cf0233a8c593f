"""Roll-ups say what the samples say, however the samples were cut into batches."""

import math
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.lab.rollups import LEVELS, Stretch, joined, roll_up, width_us

READING = st.one_of(st.none(), st.floats(min_value=-1e6, max_value=1e6, allow_nan=False, width=64))


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[int], list[float | None]]:
    steps = draw(st.lists(st.integers(0, 40_000_000), min_size=1, max_size=60))
    elapsed, total = [], 0
    for step in steps:
        total += step
        elapsed.append(total)
    readings = draw(st.lists(READING, min_size=len(steps), max_size=len(steps)))
    return elapsed, readings


def kept(parts: list[list[Stretch]]) -> dict[tuple[int, int], Stretch]:
    buckets: dict[tuple[int, int], Stretch] = {}
    for part in parts:
        for stretch in part:
            key = (stretch.level, stretch.number)
            if key in buckets:
                buckets[key].absorb(stretch)
            else:
                buckets[key] = stretch
    return buckets


@given(runs(), st.integers(1, 59))
def test_equal_brute_force_in_two_batches(
    run: tuple[list[int], list[float | None]], cut: int
) -> None:
    elapsed, readings = run
    parts = [
        list(roll_up(first, elapsed[first:end], [readings[first:end]]))
        for first, end in ((0, cut), (cut, len(elapsed)))
        if elapsed[first:end]
    ]
    buckets = kept(parts)
    for level in LEVELS:
        groups = groupby(range(len(elapsed)), key=lambda seq: elapsed[seq] // width_us(level))
        for number, members in groups:
            seqs = list(members)
            bucket = buckets.pop((level, number))
            assert (bucket.first_seq, bucket.last_seq) == (seqs[0], seqs[-1])
            assert bucket.first_elapsed_us == elapsed[seqs[0]]
            assert bucket.last_elapsed_us == elapsed[seqs[-1]]
            values = [value for seq in seqs if (value := readings[seq]) is not None]
            figures = bucket.figures[0]
            if not values:
                assert figures is None
                continue
            assert figures is not None
            assert figures[0] == len(values)
            assert figures[1] == values[0]
            assert figures[2] == min(values)
            assert figures[3] == max(values)
            assert figures[4] == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-6)
            assert figures[5] == values[-1]
            assert figures[2] <= figures[4] <= figures[3]
    assert not buckets


def test_huge_readings_have_a_mean() -> None:
    bucket = next(roll_up(0, [0, 1], [[1.7e308, 1.7e308]]))
    assert bucket.figures[0] is not None
    assert bucket.figures[0][4] == pytest.approx(1.7e308)
    both = joined(bucket.figures[0], [1, -1.7e308, -1.7e308, -1.7e308, -1.7e308, -1.7e308])
    assert both is not None
    assert math.isfinite(both[4])


def test_a_channel_that_joins_later_has_figures_from_then_on() -> None:
    (first, *_), (second, *_) = (
        list(roll_up(0, [0], [[1.0]])),
        list(roll_up(1, [500_000], [[2.0], [7.0]])),
    )
    first.absorb(second)
    assert first.figures == [[2, 1.0, 1.0, 2.0, 1.5, 2.0], [1, 7.0, 7.0, 7.0, 7.0, 7.0]]
