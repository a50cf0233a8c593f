"""Readings that cannot be true are faults; healthy devices never give one."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.clock import ManualClock

from bem.domain.program import Program, StepOp
from bem.station.plausible import FrozenWatch, MeterWatch, impossible
from bem_drivers.base import OFF, Channel, Command, Measured, Mode, Ratings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.virtual import VirtualDevice, VirtualSettings

Bench = Any
RATINGS = Ratings(0.0, 6.0, -15.0, 15.0, -90.0, 90.0)
CHARGING = Command(Mode.CC, 1.0)


@pytest.mark.parametrize(
    ("name", "value", "possible"),
    [
        ("voltage", 6.5, True),
        ("voltage", 7.2, False),
        ("voltage", -0.4, True),
        ("voltage", -2.0, False),
        ("current", -16.0, True),
        ("current", 857_000.0, False),
        ("temperature_body", 85.0, True),
        ("temperature_body", -273.0, False),
        ("cell_voltage_3", 3.3, True),
        ("cell_voltage_3", 65.535, False),
        ("flow", 1e6, True),
    ],
)
def test_what_cannot_be_measured_is_no_value(name: str, value: float, possible: bool) -> None:
    assert (impossible(name, value, RATINGS) == "") is possible


def test_before_the_device_is_known_anything_can_be() -> None:
    assert impossible("voltage", 1e9, None) == ""


def test_an_impossible_reading_ends_the_run(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn(5)
    bench.device.values["current"] = -857_000.0
    bench.turn()
    assert bench.device.active == OFF
    assert "cannot be" in bench.loop.snapshot.reason
    (fault,) = (data for kind, data in bench.events() if kind == "fault")
    assert fault["cause"] == ("impossible_reading")


def test_a_temperature_of_no_sensor_is_dropped(bench: Bench) -> None:
    bench.device.temperature = -273.1
    bench.turn()
    assert "temperature_body" not in bench.loop.snapshot.live().values


def test_readings_that_do_not_change_with_the_set_point_are_frozen(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(
        program(
            step("cc", 1.0, ("duration", ">=", 1.0), number=1),
            step("cc", -2.0, ("duration", ">=", 60.0), number=2),
        )
    )
    bench.turn(5)
    bench.device.values["current"] = 1.0
    bench.turn(6)
    assert bench.loop.snapshot.live().step == 2
    bench.turn(15)
    assert bench.state == "running"
    bench.turn(10)
    assert bench.state == "fault"
    assert bench.device.active == OFF
    assert "frozen: exactly 3.7 V and 1 A" in bench.loop.snapshot.reason


def test_readings_that_never_change_while_a_tenth_of_the_capacity_moves_are_frozen() -> None:
    watch = FrozenWatch(capacity=1.0)
    for second in range(359):
        assert watch.judge(3.7, 1.0, round(second * 1e9), CHARGING) == ""
    said = [watch.judge(3.7, 1.0, round(second * 1e9), CHARGING) for second in range(359, 363)]
    assert "Ah moved" in said[-1]


def test_without_a_capacity_an_hour_is_too_long() -> None:
    watch = FrozenWatch()
    assert watch.judge(3.7, 1.0, 0, CHARGING) == ""
    assert watch.judge(3.7, 1.0, round(3599e9), CHARGING) == ""
    assert "for 3600 s" in watch.judge(3.7, 1.0, round(3600e9), CHARGING)


@pytest.mark.parametrize(
    ("current", "commanded"), [(0.0, OFF), (0.008, Command(Mode.CV, 4.2)), (0.0, CHARGING)]
)
def test_a_battery_at_rest_or_held_full_reads_the_same_for_days(
    current: float, commanded: Command
) -> None:
    watch = FrozenWatch(capacity=1.0)
    for hour in range(72):
        assert watch.judge(4.2, current, round(hour * 3600e9), commanded) == ""


def test_the_same_measurement_read_again_is_not_frozen() -> None:
    watch = FrozenWatch(capacity=0.001)
    for _ in range(1000):
        assert watch.judge(3.7, 1.0, 5, CHARGING) == ""


@pytest.mark.parametrize("rate", [1.0, 0.2, 0.05])
@pytest.mark.parametrize("chemistry", ["lfp", "nmc"])
def test_a_healthy_device_of_coarse_resolution_without_noise_never_looks_frozen(
    chemistry: str, rate: float
) -> None:
    """1 mV and 8 mA, on the flattest cell there is: coarser than any device that we drive."""
    clock = ManualClock(0)
    battery = BatteryModelSettings.model_validate(
        {"chemistry": chemistry, "capacity_ah": 2.0, "soc": 0.02}
    )
    device = VirtualDevice(VirtualSettings(battery=battery), clock)
    device.open()
    watch = FrozenWatch(capacity=2.0)
    command = Command(Mode.CC, 2.0 * rate)
    step_s = 2.0 / rate
    for part in range(1700):
        if part == 5:
            device.apply(command)
        clock.sleep(step_s)
        read = device.read().values
        said = watch.judge(
            round(read["voltage"].value, 3),
            round(read["current"].value / 0.008) * 0.008,
            clock.now_ns,
            OFF if part < 5 else command,
        )
        assert said == ""


def _meter(voltage: float, meter: float, at_s: float) -> tuple[dict[str, Measured], Any]:
    at = round(at_s * 1e9)
    values = {"voltage": voltage, "meter_voltage": meter}
    return {name: Measured(value, at) for name, value in values.items()}, values


def test_a_meter_that_contradicts_three_times_in_a_row_is_believed() -> None:
    watch = MeterWatch()
    said = [watch.judge(*_meter(3.70, 3.95, second), CHARGING) for second in range(6)]
    assert said[:3] == [""] * 3
    assert "reads 3.7 V and the meter 3.95 V" in said[3]


def test_the_drop_along_a_cable_is_no_contradiction() -> None:
    watch = MeterWatch()
    assert not any(watch.judge(*_meter(3.70, 3.62, second), CHARGING) for second in range(100))


def test_a_slow_meter_is_not_compared_across_a_change_of_the_set_point() -> None:
    watch = MeterWatch()
    for second in range(50):
        command = Command(Mode.CC, 1.0 + second)
        assert watch.judge(*_meter(3.70, 4.2, second), command) == ""


def test_a_contradicting_meter_ends_the_run(bench: Bench, hour_of_charging: Program) -> None:
    bench.device.channels = (*bench.device.channels, Channel("meter_voltage", "V", "Meter"))
    bench.device.values["meter_voltage"] = 3.71
    bench.start(hour_of_charging)
    bench.turn(30)
    assert bench.state == "running"
    bench.device.values["meter_voltage"] = 4.25
    bench.turn(3)
    assert bench.device.active == OFF
    assert "the meter 4.25 V" in bench.loop.snapshot.reason


def test_a_healthy_meter_never_contradicts_a_noisy_device() -> None:
    clock = ManualClock(0)
    settings = VirtualSettings(meter=True, voltage_noise=0.005, current_noise=0.01, seed=3)
    device = VirtualDevice(settings, clock)
    device.open()
    assert [one.name for one in device.channels][-2:] == ["meter_voltage", "meter_current"]
    watch = MeterWatch()
    for part in range(2000):
        command = Command(Mode.CC, 1.0 + part // 50 % 3)
        if part % 50 == 0:
            device.apply(command)
        clock.sleep(0.1)
        readings = device.read().values
        values = {name: one.value for name, one in readings.items()}
        assert watch.judge(readings, values, command) == ""
