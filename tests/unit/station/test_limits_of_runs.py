"""Limits of profile, experiment and step: hard and delayed, of all that they may bound."""

from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import Compare, Limit, Limited, Program, StepOp, Then
from bem_drivers.base import OFF

Bench = Any


def _limit(quantity: str, threshold: float, side: str = ">=", delay_s: float = 0.0) -> Limit:
    return Limit(
        quantity=Limited(quantity), compare=Compare(side), threshold=threshold, delay_s=delay_s
    )


@pytest.mark.parametrize("place", ["profile", "step", "experiment"])
def test_a_hard_limit_acts_on_the_first_reading_wherever_it_is_said(
    bench: Bench, hour_of_charging: Program, place: str
) -> None:
    limit, program, more = _limit("voltage", 3.9), hour_of_charging, {}
    if place == "profile":
        program = program.model_copy(update={"limits": (limit,)})
    elif place == "step":
        step = program.steps[0].model_copy(update={"limits": (limit,)})
        program = program.model_copy(update={"operations": (step,)})
    else:
        more = {"limits": [limit.model_dump(mode="json")]}
    assert bench.start(program, **more).ok
    bench.turn(10)
    assert bench.state == "running"
    bench.device.voltage = 3.91
    bench.turn()
    assert bench.device.active == OFF
    assert (bench.state, bench.outcome()) == ("fault", "failed")
    assert "voltage 3.91 V is above the limit 3.9 V" in bench.loop.snapshot.reason


def test_a_delayed_limit_waits_for_its_time_without_pause(
    bench: Bench, hour_of_charging: Program
) -> None:
    limit = _limit("voltage", 3.9, delay_s=2.0)
    bench.start(hour_of_charging.model_copy(update={"limits": (limit,)}))
    bench.device.voltage = 3.95
    bench.turn(15)
    bench.device.voltage = 3.85
    bench.turn()
    bench.device.voltage = 3.95
    bench.turn(20)
    assert bench.state == "running"
    bench.turn(2)
    assert bench.state == "fault"


@pytest.mark.parametrize(
    ("quantity", "threshold", "within_s"), [("duration", 5.0, 5.2), ("charge", 1 / 720, 5.3)]
)
def test_charge_and_duration_are_bounded(
    bench: Bench, hour_of_charging: Program, quantity: str, threshold: float, within_s: float
) -> None:
    limit = _limit(quantity, threshold)
    bench.start(hour_of_charging.model_copy(update={"limits": (limit,)}))
    bench.turn(45)
    assert bench.state == "running"
    bench.turn(round((within_s - 4.5) * 10))
    assert bench.state == "fault"
    assert quantity in bench.loop.snapshot.reason


def test_a_cell_out_of_range_ends_the_run_and_one_not_measured_keeps_it_from_starting(
    bench: Bench, hour_of_charging: Program
) -> None:
    limit = _limit("cell_voltage", 3.0, "<=")
    program = hour_of_charging.model_copy(update={"limits": (limit,)})
    assert "limits cell voltage, but this station measures none" in bench.start(program).reason
    bench.device.values |= {"cell_voltage_1": 3.6, "cell_voltage_2": 3.6}
    bench.turn()
    assert bench.start(program).ok
    bench.turn(5)
    bench.device.values["cell_voltage_2"] = 2.95
    bench.turn()
    assert bench.device.active == OFF
    assert "cell_voltage_2 2.95 V" in bench.loop.snapshot.reason


def test_a_program_that_says_fail_ends_like_a_fault(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    charge = step("cc", 1.0, ("duration", ">=", 1.0))
    end = charge.ends[0].model_copy(update={"then": Then.FAIL})
    bench.start(program(charge.model_copy(update={"ends": (end,)})))
    bench.turn(12)
    assert bench.device.active == OFF
    assert (bench.state, bench.outcome()) == ("fault", "failed")
    assert [data["cause"] for kind, data in bench.events() if kind == "fault"] == ["program"]


def test_a_hard_limit_switches_off_within_two_control_periods_at_every_phase(
    make_bench: Callable[..., Bench], hour_of_charging: Program
) -> None:
    """The acceptance figure, with a turned clock: however the cause falls between two passes."""
    for phase_ms in range(0, 100, 10):
        bench = make_bench()
        bench.start(hour_of_charging)
        bench.turn(7)
        bench.clock.sleep(phase_ms / 1000)
        bench.device.voltage, cause_ns = 4.3, bench.clock.now_ns
        bench.clock.sleep((100 - phase_ms) / 1000)
        bench.loop.turn()
        assert bench.device.active == OFF
        assert (bench.clock.now_ns - cause_ns) / 1e6 <= 200
