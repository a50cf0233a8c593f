"""The schedule of the loop, and waking it."""

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from bem.station.pace import Lateness, Pacer, Waker

PERIOD = 100_000_000


@given(st.lists(st.integers(0, 5 * PERIOD), min_size=1, max_size=200))
def test_passes_stay_on_whole_periods_whatever_they_take(durations: list[int]) -> None:
    start = 123
    now = start
    pacer = Pacer(PERIOD, now)
    for duration in durations:
        now += round(pacer.wait_s(now) * 1e9)
        late = (now - start) % PERIOD
        pacer.begin(now)
        now += duration
        # The next pass is due at a whole period, the first that lies after this pass began.
        assert round(pacer.wait_s(now - duration) * 1e9) == PERIOD - late
    turned = pacer.lateness.passes + pacer.lateness.skipped
    assert (now - start) // PERIOD + 1 >= turned >= pacer.lateness.passes


def test_whole_periods_are_skipped_not_hurried_after() -> None:
    pacer = Pacer(PERIOD, 0)
    pacer.begin(0)
    pacer.begin(350_000_000)
    assert pacer.lateness.skipped == 2
    assert pacer.lateness.worst_us == 250_000
    assert pacer.wait_s(350_000_000) == 0.05


def test_quantiles_of_lateness() -> None:
    late = Lateness()
    for _ in range(999):
        late.note(40_000)
    late.note(7_000_000)
    assert late.quantile_us(0.5) == 100
    assert late.quantile_us(0.999) == 100
    assert late.quantile_us(1.0) == 7000


def test_a_wait_ends_early_when_woken() -> None:
    waker = Waker()
    assert waker.wait(0.0) is False
    waker.wake()
    waker.wake()
    assert waker.wait(10.0) is True
    assert waker.wait(0.0) is False
    threading.Timer(0.05, waker.wake).start()
    begun = time.monotonic()
    assert waker.wait(10.0) is True
    assert time.monotonic() - begun < 5.0


def test_any_number_of_wakes_is_taken() -> None:
    waker = Waker()
    for _ in range(100_000):
        waker.wake()
    assert waker.wait(0.0) is True
