"""Two CAN controllers with a driver of the kernel on one cable: a bit rate, queues, an adapter."""

import time
from pathlib import Path

import can
import pytest
from tests.vm.conftest import PutUp
from tests.vm.interfaces import Controller

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    DeviceNotFound,
    Mode,
    PowerDevice,
    Protection,
    SystemClock,
)
from bem_drivers.can import CanSettings, Frame
from bem_drivers.can.link import CanLink
from bem_drivers.epc import DRIVER

Controllers = tuple[Controller, Controller]
PROTECTION = Protection(2.5, 4.25, -5.0, 5.0, silence_s=0.5)


def link(controller: Controller) -> CanLink:
    return CanLink(CanSettings.model_validate(controller.bus), [(0x130, 0x7F0)])


def test_frames_pass_over_the_cable_and_a_full_queue_is_waited_for(
    controllers: Controllers,
) -> None:
    one = link(controllers[0])
    one.open()
    with can.Bus(interface="socketcan", channel=controllers[1].name) as other:
        for number in range(200):
            one.send(Frame(0x131, number.to_bytes(8, "big")))
        for number in range(200):
            heard = other.recv(2.0)
            assert heard is not None
            assert int.from_bytes(heard.data, "big") == number
        other.send(can.Message(arbitration_id=0x13C, data=b"\x01", is_extended_id=False))
        assert one.receive(1.0) == Frame(0x13C, b"\x01")
    one.close()


def test_an_epc_at_the_other_end_of_the_cable_does_what_it_is_told(
    controllers: Controllers, put_up: PutUp
) -> None:
    bench = put_up(controllers[1], {"epc": {"driver": "epc"}})
    settings = DRIVER.settings.model_validate({"bus": controllers[0].bus})
    device = DRIVER.make(settings, SystemClock())
    assert isinstance(device, PowerDevice)
    device.open()
    device.protect(PROTECTION)
    device.keep_alive()
    device.apply(Command(Mode.CC, 1.0))
    for _ in range(20):
        device.keep_alive()
        assert device.read().active == Command(Mode.CC, 1.0)
    controllers[0].down()
    with pytest.raises(CommunicationLost, match="can0 does not work any more"):
        device.read()
    device.close()
    time.sleep(0.8)
    assert bench.battery()["current"] == 0.0, "the unit's own watchdog"
    controllers[0].up()
    device.open()
    assert device.read().active == OFF
    device.close()


def test_an_adapter_that_is_pulled_out_is_told_and_found_again(controllers: Controllers) -> None:
    near, far = controllers
    device = Path("/sys/class/net") / near.name / "device"
    slot = device.resolve().name
    driver = (device / "driver").resolve()
    one = link(near)
    one.open()
    (driver / "unbind").write_text(slot, encoding="ascii")
    try:
        with pytest.raises(CommunicationLost, match="can0"):
            one.receive(5.0)
        one.close()
        with pytest.raises(DeviceNotFound, match="ip -details link show"):
            one.open()
    finally:
        (driver / "bind").write_text(slot, encoding="ascii")
    again = Controller(near.name)
    one.open()
    with can.Bus(interface="socketcan", channel=far.name) as other:
        other.send(can.Message(arbitration_id=0x13C, data=b"\x01", is_extended_id=False))
        assert one.receive(1.0) == Frame(0x13C, b"\x01")
    one.close()
    again.down()
