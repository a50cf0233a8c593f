"""Which programs the control loop does not start, and why."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import Program, StepOp
from bem_drivers.base import DeviceFault

Bench = Any
"""The bench of conftest.py, whose name tests cannot import."""


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"voltage_max": 7.0}, "voltage_max 7 of the program is beyond the 6"),
        ({"current_min": -20.0}, "current_min -20 of the program is beyond the -15"),
        ({"voltage_min": 3.8}, "open-circuit voltage 3.7 is below"),
        ({"voltage_max": 3.6}, "open-circuit voltage 3.7 is above"),
    ],
)
def test_a_program_that_does_not_fit_device_or_battery_is_refused(
    bench: Bench,
    program: Callable[..., Program],
    step: Callable[..., StepOp],
    limits: dict[str, float],
    reason: str,
) -> None:
    reply = bench.start(program(step("cc", 1.0, ("duration", ">=", 1.0)), **limits))
    assert not reply.ok
    assert reason in reply.reason
    assert not reply.retry
    assert bench.device.applied == []
    assert bench.outcome() is None


def test_a_set_point_beyond_the_device_is_refused_where_the_program_leaves_it_open(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    reply = bench.start(program(step("cp", 120.0, ("duration", ">=", 1.0))))
    assert "power 120 is outside of the -90 to 90" in reply.reason


def test_a_temperature_limit_without_a_thermometer_is_refused(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.device.temperature = None
    bench.turn()
    reply = bench.start(program(step("cc", 1.0, ("duration", ">=", 1.0)), temperature_max=45.0))
    assert "this station measures none" in reply.reason


def test_passing_causes_of_a_refusal_say_retry(bench: Bench, hour_of_charging: Program) -> None:
    bench.device.faults = ("under_voltage",)
    bench.turn()
    reply = bench.start(hour_of_charging)
    assert (reply.ok, reply.retry) == (False, True)
    assert "under_voltage" in reply.reason
    bench.device.faults = ()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    reply = bench.start(hour_of_charging, uuid.uuid4())
    assert (reply.ok, reply.retry) == (False, True)
    assert "is running" in reply.reason
    bench.stop()
    reply = bench.start(hour_of_charging)
    assert (reply.ok, reply.retry) == (False, False)
    assert "has been run here before" in reply.reason
    bench.device.reading_error = bench.device.open_error = bench.lost
    bench.turn()
    reply = bench.start(hour_of_charging, uuid.uuid4())
    assert (reply.ok, reply.retry) == (False, True)
    assert "lost" in reply.reason


def test_a_device_that_refuses_at_the_start_is_left_off_and_nothing_is_recorded(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.device.apply_error = DeviceFault("under voltage")
    reply = bench.start(hour_of_charging)
    assert not reply.ok
    assert "under voltage" in reply.reason
    assert bench.device.calls[-1] == "make_safe"
    assert bench.outcome() is None
    assert bench.state == "idle"
