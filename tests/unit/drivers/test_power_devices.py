"""What a station relies on, of every power device alike."""

import math
from collections.abc import Callable

import pytest
from tests.unit.drivers.conftest import ManualClock

from bem_drivers.base import (
    OFF,
    Command,
    ConfigurationRefused,
    Mode,
    PowerDevice,
    Protection,
    Reading,
)

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=0.5
)
MS = 1_000_000


class TestPowerDevice:
    """Both drivers keep the contract in bem_drivers.base."""

    def test_every_channel_is_measured_and_dated(
        self, power_device: PowerDevice, clock: ManualClock
    ) -> None:
        reading = power_device.read()
        assert {channel.name for channel in power_device.channels} == set(reading.values)
        assert {"voltage", "current"} <= set(reading.values)
        for measured in reading.values.values():
            assert math.isfinite(measured.value)
            assert measured.age_s(clock.now_ns) < 2.0

    def test_it_opens_with_its_output_off(self, power_device: PowerDevice) -> None:
        reading = power_device.read()
        assert reading.active == OFF
        assert reading.faults == ()
        assert reading.values["current"].value == pytest.approx(0.0, abs=0.01)

    def test_it_tells_the_limits_it_holds(self, power_device: PowerDevice) -> None:
        held = power_device.protect(PROTECTION)
        assert held.voltage_min == pytest.approx(2.5, abs=0.001)
        assert held.voltage_max == pytest.approx(4.25, abs=0.001)
        assert held.current_min == pytest.approx(-5.0, abs=0.001)
        assert held.current_max == pytest.approx(5.0, abs=0.001)
        assert held.silence_s == pytest.approx(0.5)
        assert held.power_max == pytest.approx(power_device.ratings.power_max)

    def test_it_gives_up_its_limits_and_takes_others(self, power_device: PowerDevice) -> None:
        power_device.protect(PROTECTION)
        power_device.release()
        power_device.release()
        assert power_device.read().faults == ()
        assert power_device.protect(PROTECTION).voltage_max == pytest.approx(4.25, abs=0.001)

    def test_limits_beyond_its_ratings_are_clipped(self, power_device: PowerDevice) -> None:
        held = power_device.protect(Protection(-10.0, 100.0, -1000.0, 1000.0))
        ratings = power_device.ratings
        assert (held.voltage_min, held.voltage_max) == (ratings.voltage_min, ratings.voltage_max)
        assert (held.current_min, held.current_max) == (ratings.current_min, ratings.current_max)

    @pytest.mark.parametrize(
        ("command", "quantity", "tolerance"),
        [
            (Command(Mode.CC, 1.0), "current", 0.01),
            (Command(Mode.CC, -1.0), "current", 0.01),
            (Command(Mode.CV, 3.75), "voltage", 0.003),
            (Command(Mode.CP, -5.0), "power", 0.1),
        ],
    )
    def test_it_does_what_it_is_told(
        self, power_device: PowerDevice, command: Command, quantity: str, tolerance: float
    ) -> None:
        power_device.protect(PROTECTION)
        power_device.keep_alive()
        power_device.apply(command)
        reading = power_device.read()
        assert reading.active == command
        assert quantity_of(reading, quantity) == pytest.approx(command.setpoint, abs=tolerance)

    @pytest.mark.parametrize(
        "command", [Command(Mode.CC, 5.5), Command(Mode.CV, 4.4), Command(Mode.CP, -500.0)]
    )
    def test_a_set_point_beyond_its_limits_is_refused(
        self, power_device: PowerDevice, command: Command
    ) -> None:
        power_device.protect(PROTECTION)
        with pytest.raises(ConfigurationRefused, match=f"{command.setpoint:g}"):
            power_device.apply(command)
        assert power_device.read().active == OFF

    def test_constant_voltage_stays_within_the_current_limits(
        self, power_device: PowerDevice
    ) -> None:
        power_device.protect(PROTECTION)
        power_device.keep_alive()
        power_device.apply(Command(Mode.CV, 4.2))
        reading = power_device.read()
        assert reading.values["current"].value == pytest.approx(5.0, abs=0.02)
        assert reading.active == Command(Mode.CV, 4.2)

    def test_limits_do_not_change_under_power(self, power_device: PowerDevice) -> None:
        power_device.protect(PROTECTION)
        power_device.keep_alive()
        power_device.apply(Command(Mode.CC, 1.0))
        with pytest.raises(ConfigurationRefused, match="output"):
            power_device.protect(PROTECTION)

    @pytest.mark.parametrize(
        "switch_off", [lambda d: d.make_safe(), lambda d: d.apply(OFF)], ids=["make_safe", "apply"]
    )
    def test_it_switches_off_any_number_of_times(
        self, power_device: PowerDevice, switch_off: Callable[[PowerDevice], None]
    ) -> None:
        power_device.protect(PROTECTION)
        power_device.keep_alive()
        for _ in range(3):
            power_device.apply(Command(Mode.CC, 1.0))
            assert power_device.read().active == Command(Mode.CC, 1.0)
            switch_off(power_device)
            switch_off(power_device)
            assert power_device.read().active == OFF

    def test_silence_switches_it_off(self, power_device: PowerDevice, clock: ManualClock) -> None:
        power_device.protect(PROTECTION)
        power_device.keep_alive()
        power_device.apply(Command(Mode.CC, 1.0))
        for _ in range(20):
            power_device.keep_alive()
            clock.now_ns += 100 * MS
            assert power_device.read().active == Command(Mode.CC, 1.0)
        clock.now_ns += 700 * MS
        reading = power_device.read()
        assert reading.active == OFF
        assert reading.faults

    def test_it_runs_again_after_silence(
        self, power_device: PowerDevice, clock: ManualClock
    ) -> None:
        power_device.protect(PROTECTION)
        power_device.keep_alive()
        power_device.apply(Command(Mode.CC, 1.0))
        clock.now_ns += 2000 * MS
        power_device.read()
        power_device.make_safe()
        power_device.keep_alive()
        power_device.apply(Command(Mode.CC, 1.0))
        assert power_device.read().active == Command(Mode.CC, 1.0)

    def test_it_opens_and_closes_again_and_again(self, power_device: PowerDevice) -> None:
        power_device.close()
        power_device.close()
        power_device.open()
        assert power_device.read().active == OFF


def quantity_of(reading: Reading, quantity: str) -> float:
    if quantity == "power":
        return reading.values["voltage"].value * reading.values["current"].value
    return reading.values[quantity].value
