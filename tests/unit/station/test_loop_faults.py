"""What the control loop takes for a fault, and what lets it go on after one."""

import math
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import Program, StepOp
from bem_drivers.base import OFF, Command, ConfigurationRefused, Mode

Bench = Any
"""The bench of conftest.py, whose name tests cannot import."""


BREAKS: dict[str, Any] = {
    "limit": lambda device: setattr(device, "voltage", 4.23),
    "not a number": lambda device: setattr(device, "voltage", math.nan),
    "infinite current": lambda device: device.values.update(current=math.inf),
    "device fault": lambda device: setattr(device, "faults", ("over_temperature",)),
    "went off": lambda device: setattr(device, "active", OFF),
    "other set point": lambda device: setattr(device, "active", Command(Mode.CC, 1.2)),
    "says nothing": lambda device: setattr(device, "active", None),
}


@pytest.mark.parametrize("name", BREAKS)
def test_trouble_ends_in_output_off_within_two_periods_and_latches(
    bench: Bench, hour_of_charging: Program, name: str
) -> None:
    bench.start(hour_of_charging)
    bench.turn(10)
    BREAKS[name](bench.device)
    bench.turn(2)
    assert bench.device.active == OFF
    assert bench.state == "fault"
    assert bench.outcome() == "failed"
    kinds = [kind for kind, _ in bench.events()]
    assert kinds[-2:] == ["fault", "run_ended"]
    assert bench.events()[-1][1]["output_off_verified"] is True
    assert bench.rows("SELECT reason FROM latch") == [(bench.loop.snapshot.reason,)]


def test_the_reading_that_broke_a_limit_is_kept(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn(3)
    bench.device.voltage = 4.3
    bench.turn()
    rows = bench.rows("SELECT elapsed_us, voltage FROM sample ORDER BY seq")
    assert rows[-1] == (400_000, 4.3)
    assert bench.loop.snapshot.reason == "voltage 4.3 is above the limit 4.221"


def test_an_old_reading_is_a_fault(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn(5)
    bench.device.measured_ns = bench.clock.now_ns
    bench.turn(5)
    assert bench.state == "running"
    bench.turn()
    assert bench.state == "fault"
    assert "voltage is 0.60 s old, at most 0.5 s are allowed" in bench.loop.snapshot.reason
    assert bench.rows("SELECT COUNT(*) FROM sample") == [(5,)]


def test_a_fault_that_clears_itself_starts_nothing(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(
        program(
            step("cc", 1.0, ("duration", ">=", 1.0), number=1),
            step("cc", 2.0, ("duration", ">=", 1.0), number=2),
        )
    )
    bench.turn(5)
    bench.device.faults = ("over_current",)
    bench.turn()
    bench.device.faults = ()
    bench.turn(50)
    assert bench.device.active == OFF
    assert bench.device.applied == [Command(Mode.CC, 1.0)]
    assert bench.state == "fault"


def test_only_an_acknowledgement_lets_anything_run_again(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn()
    bench.device.voltage = 4.5
    bench.turn()
    bench.device.voltage = 3.7
    bench.turn()
    reply = bench.start(hour_of_charging, uuid.uuid4())
    assert not reply.ok
    assert reply.retry
    assert "acknowledged" in reply.reason
    assert bench.order("acknowledge").ok
    assert bench.state == "idle"
    assert bench.rows("SELECT COUNT(*) FROM latch") == [(0,)]
    assert bench.start(hour_of_charging, uuid.uuid4()).ok


def test_a_latched_fault_survives_a_restart(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn()
    bench.device.voltage = 4.5
    bench.turn()
    bench.device.voltage = 3.7
    bench.halt()
    bench.boot()
    assert bench.state == "fault"
    assert "4.5" in bench.loop.snapshot.reason
    assert not bench.start(hour_of_charging, uuid.uuid4()).ok


def test_it_is_acknowledged_only_when_the_output_is_verified_off(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn()
    bench.device.reading_error = bench.device.safe_error = bench.lost
    bench.device.open_error = bench.lost
    bench.turn()
    assert bench.state == "fault"
    assert bench.events()[-1][1]["output_off_verified"] is False
    reply = bench.order("acknowledge")
    assert not reply.ok
    assert reply.retry
    assert bench.state == "fault"
    bench.device.reading_error = bench.device.safe_error = bench.device.open_error = None
    bench.turn(300)
    assert bench.order("acknowledge").ok
    assert bench.state == "idle"


def test_an_output_that_nobody_switched_on_is_switched_off_and_latched(bench: Bench) -> None:
    bench.turn()
    bench.device.active = Command(Mode.CC, 1.0)
    bench.turn(2)
    assert bench.device.active == OFF
    assert bench.state == "fault"
    assert "although off was commanded" in bench.loop.snapshot.reason


def test_a_device_that_does_not_obey_the_next_step_is_a_fault(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(
        program(
            step("cc", 1.0, ("duration", ">=", 1.0), number=1),
            step("cc", 2.0, ("duration", ">=", 1.0), number=2),
        )
    )
    bench.device.apply_error = ConfigurationRefused("asked for 2 A, holds 1 A")
    bench.turn(11)
    assert bench.state == "fault"
    assert bench.device.active == OFF
    assert "asked for 2 A, holds 1 A" in bench.loop.snapshot.reason


def test_a_limited_temperature_that_is_not_measured_any_more_is_a_fault(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(program(step("cc", 1.0, ("duration", ">=", 3600.0)), temperature_max=45.0))
    bench.turn(10)
    bench.device.temperature_ns = bench.clock.now_ns
    bench.turn(100)
    assert bench.state == "running"
    bench.turn(2)
    assert bench.state == "fault"
    assert "temperature_body is 10." in bench.loop.snapshot.reason


def test_an_old_temperature_is_dropped_from_the_values(bench: Bench) -> None:
    bench.device.temperature_ns = bench.clock.now_ns
    bench.turn(101)
    assert "temperature_body" not in bench.loop.snapshot.live().values


def test_an_error_of_the_program_switches_off_fails_the_run_and_latches(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(2)
    bench.loop.crash(ZeroDivisionError("oops"))
    assert bench.device.active == OFF
    assert bench.outcome() == "failed"
    assert "ZeroDivisionError: oops" in bench.rows("SELECT reason FROM latch")[0][0]
