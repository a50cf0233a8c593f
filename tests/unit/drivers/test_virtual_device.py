"""What is particular to the virtual device: time-lapse, trips, repeatable noise."""

import pytest
from tests.support.clock import ManualClock

from bem_drivers.base import OFF, Command, CommunicationLost, DeviceFault, Mode, Protection
from bem_drivers.model import BatteryModelSettings
from bem_drivers.registry import make_device
from bem_drivers.virtual import VirtualDevice, VirtualSettings

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=1000.0
)


def opened(clock: ManualClock, **settings: object) -> VirtualDevice:
    device = VirtualDevice(VirtualSettings.model_validate(settings), clock)
    device.open()
    device.protect(PROTECTION)
    return device


def test_time_lapse_charges_as_much_in_less_time(clock: ManualClock) -> None:
    device = opened(clock, speed=3600)
    device.apply(Command(Mode.CC, 0.25))
    clock.sleep(1.0)
    device.read()
    assert device.battery.state_of_charge == pytest.approx(0.6)


def test_a_limit_ends_the_output_and_stays_a_fault(clock: ManualClock) -> None:
    device = opened(clock, speed=60, battery=BatteryModelSettings(soc=0.98))
    device.apply(Command(Mode.CC, 2.5))
    clock.sleep(10.0)
    reading = device.read()
    assert (reading.active, reading.faults) == (OFF, ("voltage",))
    assert device.battery.state_of_charge < 1.03
    with pytest.raises(DeviceFault, match="voltage"):
        device.apply(Command(Mode.CC, -1.0))
    device.make_safe()
    device.apply(Command(Mode.CC, -1.0))
    assert device.read().faults == ()


def test_the_watchdog_acts_in_time_however_late_one_looks(clock: ManualClock) -> None:
    device = opened(clock)
    device.make_safe()
    device.protect(Protection(2.5, 4.25, -5.0, 5.0, silence_s=1.0))
    device.apply(Command(Mode.CC, 2.5))
    clock.sleep(3600.0)
    assert device.read().faults == ("watchdog",)
    assert device.battery.state_of_charge == pytest.approx(0.5 + 1 / 3600)


def test_hours_in_one_look_hold_a_voltage(clock: ManualClock) -> None:
    device = opened(clock, battery=BatteryModelSettings(soc=0.9))
    device.protect(Protection(2.5, 4.25, -5.0, 5.0, silence_s=1e6))
    device.apply(Command(Mode.CV, 4.2))
    clock.sleep(6 * 3600.0)
    reading = device.read()
    assert reading.active == Command(Mode.CV, 4.2)
    assert reading.values["voltage"].value == pytest.approx(4.2, abs=1e-3)
    assert device.battery.state_of_charge == pytest.approx(1.0, abs=1e-3)


def test_noise_repeats_with_its_seed(clock: ManualClock) -> None:
    first, again, other = (
        opened(clock, voltage_noise=0.001, seed=seed).read().values["voltage"].value
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_closed_device_is_not_read(clock: ManualClock) -> None:
    device = opened(clock)
    device.close()
    with pytest.raises(CommunicationLost, match="open it first"):
        device.read()


def test_it_is_found_by_its_name() -> None:
    assert isinstance(make_device("virtual", {"speed": 10}), VirtualDevice)
