"""Constant resistance and courses: what the device is told, and how often."""

from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.limits import Limits
from bem.domain.program import Course, Mode, Program, Setpoint, StepOp
from bem.station.power import command_of
from bem_drivers.base import OFF, Command
from bem_drivers.base import Mode as DeviceMode

Bench = Any
OPEN = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5.0, current_max=5.0)


def _ohm(value: float) -> Setpoint:
    return Setpoint(mode=Mode.CR, value=value)


@pytest.mark.parametrize(
    ("ohm", "voltage", "limits", "ampere"),
    [
        (10.0, 3.7, OPEN, -0.37),
        (0.1, 3.7, OPEN, -5.0),
        (1.0, 3.7, OPEN.model_copy(update={"power_min": -3.7}), -1.0),
        (1.0, -0.2, OPEN, 0.0),
        (1.0, 4.0, OPEN.model_copy(update={"current_min": 0.0}), 0.0),
    ],
)
def test_a_resistance_discharges_by_the_voltage_and_never_beyond_the_limits(
    ohm: float, voltage: float, limits: Limits, ampere: float
) -> None:
    command = command_of(_ohm(ohm), voltage, limits)
    assert command.mode is DeviceMode.CC
    assert command.setpoint == pytest.approx(ampere)


def test_the_current_through_a_resistance_follows_the_voltage_without_pointless_commands(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(program(step("cr", 10.0, ("duration", ">=", 60.0))))
    assert bench.device.applied == [Command(DeviceMode.CC, -0.37)]
    bench.device.voltage = 3.7005
    bench.turn(5)
    assert len(bench.device.applied) == 1, "half a millivolt is noise"
    bench.device.voltage = 3.5
    bench.turn(5)
    assert bench.device.applied[1:] == [Command(DeviceMode.CC, -0.35)]
    samples = bench.rows("SELECT COUNT(*) FROM sample")
    assert samples == [(10,)], "a trifle of current is no new set point: no reading is left out"
    bench.turn(600)
    assert bench.outcome() == "finished"
    assert bench.device.active == OFF


def test_a_course_changes_the_set_point_at_its_times(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    drive = StepOp(
        number=1,
        title="Drive",
        setpoint=Setpoint(mode=Mode.CC, value=-1.0),
        course=Course(
            mode=Mode.CC,
            times_us=(0, 1_000_000, 2_000_000),
            values=(-1.0, 2.0, 0.0),
            pass_us=3_000_000,
            passes=2,
        ),
    )
    bench.start(program(drive))
    bench.turn(70)
    assert bench.outcome() == "finished"
    one_pass = [Command(DeviceMode.CC, -1.0), Command(DeviceMode.CC, 2.0), OFF]
    assert bench.device.applied == one_pass * 2


def test_a_device_that_is_a_reading_late_may_follow_a_course_that_changes_at_each(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    times = tuple(range(0, 4_000_000, 100_000))
    drive = StepOp(
        number=1,
        title="Drive",
        setpoint=Setpoint(mode=Mode.CC, value=1.0),
        course=Course(
            mode=Mode.CC,
            times_us=times,
            values=tuple(1.0 + index % 3 for index in range(len(times))),
            pass_us=4_000_000,
        ),
    )
    device = bench.device
    bench.start(program(drive))
    told: list[Command] = [OFF]
    read = device.read

    def late() -> object:
        now, device.active = device.active, told[0]
        answer = read()
        device.active = told[0] = now
        return answer

    monkeypatch.setattr(device, "read", late)
    bench.turn(100)
    assert bench.outcome() == "finished"


def test_a_resistance_beyond_the_limits_of_the_device_is_clipped_not_refused(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    assert bench.start(program(step("cr", 0.01, ("duration", ">=", 1.0)))).ok
    assert bench.device.active == Command(DeviceMode.CC, -5.0)
