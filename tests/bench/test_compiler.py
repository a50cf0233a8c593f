"""How the cost of reading and compiling a profile grows with its length."""

import time
from collections.abc import Callable

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import compile_profile
from bem.domain.limits import Limits
from bem.domain.profile.text import parse_profile

LIMITS = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=5)
CELL = BatterySpec(name="cell", technology=Technology.LITHIUM, capacity=2.5, limits=LIMITS)
STATION = StationSpec(name="station", limits=LIMITS)


def best_of(times: int, work: Callable[[], object]) -> float:
    """The shortest of several runs: what the work costs when nothing else disturbs it."""
    durations = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        durations.append(time.perf_counter() - began)
    return min(durations)


def profile(steps: int) -> str:
    """A text whose lines all differ."""
    return "".join(f"Charge at {index + 1} mA until 4.1 V\n" for index in range(steps))


def test_ten_times_the_steps_cost_about_ten_times_the_time() -> None:
    parse_profile(profile(1))

    def ratio(work: Callable[[str], object]) -> float:
        short, long = profile(200), profile(2000)
        return best_of(3, lambda: work(long)) / best_of(3, lambda: work(short))

    assert ratio(parse_profile) < 20
    assert ratio(lambda text: compile_profile(parse_profile(text), CELL, STATION)) < 20


def test_a_loop_costs_the_same_however_often_it_repeats() -> None:
    def compiled(times: int) -> Callable[[], object]:
        text = f"Repeat {times} times:\n    Charge at 1 A until 4.1 V\n    Rest for 1 s\n"
        return lambda: compile_profile(parse_profile(text), CELL, STATION)

    assert best_of(5, compiled(65_535)) < 3 * best_of(5, compiled(2))


def test_labels_ends_and_limits_cost_no_more_than_their_number() -> None:
    """Where a program can get is found in one walk, however many jumps there are."""

    def compiled(steps: int) -> Callable[[], object]:
        line = "Charge at {} mA until 4.1 V or for 1 h then go to last    limit charge 3 Ah\n"
        text = "".join(line.format(index + 1) for index in range(steps)) + "last: Rest for 1 s\n"
        profile = parse_profile(text)
        return lambda: compile_profile(profile, CELL, STATION)

    assert best_of(3, compiled(2000)) < 20 * best_of(3, compiled(200))


def test_a_pulse_train_costs_the_same_however_often_it_repeats() -> None:
    def compiled(times: int) -> Callable[[], object]:
        text = f"Pulse {times} times:\n    Charge at 1 A for 1 s\n    Rest for 1 s\n"
        return lambda: compile_profile(parse_profile(text), CELL, STATION)

    assert best_of(5, compiled(65_535)) < 3 * best_of(5, compiled(2))
