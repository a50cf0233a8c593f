"""The window delivers every row in order over any wire."""

import random
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.node.window import REWIND_PAUSE_S, Window

ROWS = 60


def test_a_window_closes_when_full_and_opens_with_the_watermark() -> None:
    window = Window(acknowledged=0, batches_in_flight=2)
    window.sent(10, 0.0)
    window.sent(10, 0.0)
    while_full = window.is_open
    assert not while_full
    assert window.take(10, 1.0, rewind=False)
    assert window.is_open
    assert not window.take(5, 1.0, rewind=False)
    assert (window.acknowledged, window.cursor) == (10, 20)


def test_it_starts_again_when_nothing_moves() -> None:
    window = Window(acknowledged=0, batches_in_flight=2)
    window.sent(10, 100.0)
    assert not window.check_overdue(104.9, 5.0)
    assert window.check_overdue(105.0, 5.0)
    assert (window.cursor, window.in_flight) == (0, 0)
    assert not window.check_overdue(999.0, 5.0)


def test_one_gap_rewinds_once_however_often_it_is_told() -> None:
    window = Window(acknowledged=0, batches_in_flight=8)
    for _ in range(4):
        window.sent(10, 0.0)
    assert window.take(10, 1.0, rewind=True)
    window.sent(10, 1.0)
    assert not window.take(10, 1.1, rewind=True)
    assert window.cursor == 20
    window.take(10, 1.1 + REWIND_PAUSE_S, rewind=True)
    assert window.cursor == 10


def test_a_server_restored_from_a_backup_gets_the_rows_again() -> None:
    window = Window(acknowledged=1000, batches_in_flight=8)
    assert window.take(400, 0.0, rewind=True)
    assert (window.acknowledged, window.cursor) == (400, 400)


@pytest.mark.parametrize("acknowledged", [0, 1, 7])
def test_the_last_row_is_offered_again(acknowledged: int) -> None:
    window = Window(acknowledged=acknowledged, batches_in_flight=8)
    window.step_back()
    assert window.cursor == max(acknowledged - 1, 0)


@given(seed=st.integers(0, 10_000), in_flight=st.integers(1, 6), loss=st.floats(0, 0.7))
def test_all_rows_arrive_once_and_in_order(seed: int, in_flight: int, loss: float) -> None:
    """The server's rule is the manager's: ignore what is known, ask again at a gap."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    window = Window(acknowledged=0, batches_in_flight=in_flight)
    wire: list[tuple[int, int]] = []
    answers: deque[tuple[int, bool]] = deque()
    kept: list[int] = []
    now = 0.0
    for _ in range(20_000):
        now += 0.1
        window.check_overdue(now, 5.0)
        fill(wire, window, rng, loss, now)
        for first, size in drawn(wire, rng):
            gap = first > len(kept)
            if not gap:
                kept.extend(range(len(kept), first + size))
            if rng.random() >= loss:
                answers.append((len(kept), gap))
        while answers and rng.random() < 0.8:
            mark, gap = answers.popleft()
            window.take(mark, now, rewind=gap)
        if window.acknowledged == ROWS:
            break
    assert kept == list(range(ROWS))
    assert window.acknowledged == ROWS


def fill(
    wire: list[tuple[int, int]], window: Window, rng: random.Random, loss: float, now: float
) -> None:
    """Send what the window lets out; some of it never gets onto the wire."""
    while window.is_open and window.cursor < ROWS:
        size = min(rng.randint(1, 9), ROWS - window.cursor)
        if rng.random() >= loss:
            wire.append((window.cursor, size))
        window.sent(size, now)


def drawn(wire: list[tuple[int, int]], rng: random.Random) -> Iterator[tuple[int, int]]:
    """Take some batches off the wire, not always the oldest first, and some of them twice."""
    for _ in range(rng.randint(0, 3)):
        if not wire:
            return
        position = rng.randrange(len(wire)) if rng.random() < 0.3 else 0
        yield wire[position]
        if rng.random() >= 0.2:
            del wire[position]
