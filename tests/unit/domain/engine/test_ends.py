"""What ends a step: each quantity at the reading that fires, and not before it can be judged."""

import pytest
from tests.unit.domain.engine.conftest import S, feed, program_of, steady, step

from bem.domain.engine import SLOPE_WINDOW_US, Reading
from bem.domain.happenings import StepEnded


def fired(end: tuple[str, str, float], readings: list[Reading]) -> tuple[float, float] | None:
    """The seconds after which a step with this end is over, and the value that fired."""
    _, events = feed(program_of(step(1, end)), readings)
    last = events[-1]
    if not isinstance(last, StepEnded) or last.value is None:
        return None
    return last.duration_us / S, last.value


def volts(*values: float) -> list[Reading]:
    return [Reading(n * S, value, 1.0) for n, value in enumerate(values, start=1)]


def warm(*values: dict[str, float]) -> list[Reading]:
    return [Reading(n * S, 3.7, 1.0, further) for n, further in enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("end", "readings", "wanted"),
    [
        (("power", "<=", 1.0), [*steady(5), Reading(6 * S, 4.0, 0.2)], (6, 0.8)),
        (("power", "<=", 1.0), [*steady(5), Reading(6 * S, 4.0, -0.2)], (6, 0.8)),
        (("power", ">=", 8.0), [*steady(5), Reading(6 * S, 4.0, -2.0)], (6, 8.0)),
        (("energy", ">=", 3 * 3.7 / 3600), steady(9), (4, 3 * 3.7 / 3600)),
        (("energy", ">=", 3 * 3.7 / 3600), steady(9, current=-1.0), (4, 3 * 3.7 / 3600)),
        (
            ("temperature", ">=", 45),
            warm({"temperature_1": 40, "temperature_2": 44}, {"temperature_2": 46, "flow": 50}),
            (2, 46),
        ),
        (
            ("temperature", "<=", 5),
            warm({"temperature_1": 40}, {"temperature_1": 40, "temperature_2": 4}),
            (2, 4),
        ),
        (("temperature", ">=", 45), warm({"flow": 50}, {"temperature_1": float("nan")}), None),
        (("voltage_drop", ">=", 0.125), volts(1, 1.25, 1.5, 1.5, 1.4375, 1.375), (6, 0.125)),
        (("voltage_drop", ">=", 0.125), volts(1, 1.25, 1.5, 1.5, 1.4375, 1.5), None),
    ],
)
def test_a_step_ends_at_the_reading_that_reaches_it(
    end: tuple[str, str, float], readings: list[Reading], wanted: tuple[float, float] | None
) -> None:
    assert fired(end, readings) == (None if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize("end", [("power", "<=", 1.0), ("voltage_drop", ">=", 0.1)])
def test_a_converter_that_just_switched_on_ends_nothing(end: tuple[str, str, float]) -> None:
    """No power flows yet, or the voltage is still that of the step before."""
    starting = [Reading(S // 10 * n, 4.2 if n < 5 else 3.7, 0.0) for n in range(10)]
    assert fired(end, starting) is None


def ramp(slope: float, seconds: int, noise: float = 0.0, every: int = 1) -> list[Reading]:
    return [
        Reading(n * S, 3.0 + slope * n + (noise if n % 2 else -noise), 1.0)
        for n in range(every, seconds, every)
    ]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("every", [1, 10, 45, 90])
def test_the_slope_is_the_change_of_voltage_whichever_way_and_however_often_read(
    sign: int, every: int
) -> None:
    below = ("slope", "<=", 1e-4)
    assert fired(below, ramp(sign * 1.1e-4, 900, every=every)) is None
    found = fired(below, ramp(sign * 0.9e-4, 900, every=every))
    assert found is not None
    assert found[1] == pytest.approx(0.9e-4)
    found = fired(("slope", ">=", 1e-4), ramp(sign * 1.1e-4, 900, every=every))
    assert found is not None


def test_a_slope_is_judged_once_its_window_is_full_and_by_level() -> None:
    flat = ramp(0.0, 300)
    found = fired(("slope", "<=", 1e-4), flat)
    assert found is not None
    assert SLOPE_WINDOW_US / S <= found[0] <= SLOPE_WINDOW_US / S + 5
    relaxing = [Reading(n * S, 3.0 + 0.1 * 0.98**n, 0.0) for n in range(1, 600)]
    found = fired(("slope", "<=", 2e-3 / 60), relaxing)
    assert found is not None
    # V' is -0.00202 * 0.98^n: 33 uV/s at n = 203; the window lags by about half of its length
    assert 203 <= found[0] <= 203 + 40


def test_noise_of_single_readings_does_not_make_a_slope() -> None:
    assert fired(("slope", ">=", 2e-4), ramp(1e-4, 900, noise=2e-3)) is None
