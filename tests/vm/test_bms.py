"""The driver of a BMS on a simulated one over a bus of the kernel, in real time."""

import time
from collections.abc import Callable, Iterator

import pytest
from tests.vm.bench import CanBench
from tests.vm.conftest import PutUp
from tests.vm.interfaces import VirtualInterface

from bem_drivers.base import (
    CommunicationLost,
    Device,
    DeviceNotFound,
    ProtocolViolated,
    SystemClock,
)
from bem_drivers.bms import DRIVER
from bem_drivers.epc import DRIVER as EPC

STACK = {"chemistry": "vanadium", "cells": 12, "capacity_ah": 100.0, "soc": 0.5}
BMS = {"driver": "bms", "battery": "stack", "settings": {"period_s": 0.1}}
EPC_UNIT = {"driver": "epc", "settings": {"device_id": 0x13}}


@pytest.fixture
def bench(put_up: PutUp, vcan: VirtualInterface) -> CanBench:
    """Put up a BMS, and an EPC on the same bus."""
    return put_up(vcan, {"bms": BMS, "epc": EPC_UNIT}, stack=STACK, cell={"soc": 0.5})


@pytest.fixture
def driver(bench: CanBench, vcan: VirtualInterface) -> Iterator[Device]:
    """Get a driver that is not open yet."""
    settings = DRIVER.settings.model_validate(
        {"bus": vcan.bus, "silence_s": 1.0, "open_timeout_s": 2.0}
    )
    device = DRIVER.make(settings, SystemClock())
    yield device
    device.close()


def stack_voltage(device: Device) -> float:
    return device.read().values["stack_voltage"].value


def await_message(device: Device, after_ns: int, wait_until: Callable[..., None]) -> None:
    """Wait for a message that came after an instant."""

    def came() -> bool:
        try:
            return device.read().values["stack_voltage"].at_ns > after_ns
        except ProtocolViolated:
            # Told once of a message that was spoilt.
            return False

    wait_until(came, "the next message")


def test_every_channel_is_fresh_and_true(
    driver: Device, bench: CanBench, wait_until: Callable[..., None]
) -> None:
    driver.open()
    for _ in range(10):
        await_message(driver, time.monotonic_ns(), wait_until)
        reading = driver.read()
        assert set(reading.values) == {channel.name for channel in driver.channels}
        assert reading.faults == ()
        told = reading.values["stack_voltage"].value
        assert told == pytest.approx(bench.battery("stack")["voltage"], abs=0.05)


def test_an_epc_on_the_same_bus_disturbs_it_not(
    driver: Device, bench: CanBench, vcan: VirtualInterface
) -> None:
    settings = EPC.settings.model_validate({"bus": vcan.bus})
    epc = EPC.make(settings, SystemClock())
    driver.open()
    epc.open()
    try:
        for _ in range(20):
            assert epc.read().values["voltage"].value < 5.0
            assert stack_voltage(driver) > 10.0
    finally:
        epc.close()


def test_an_error_reaches_the_reading_and_ends(
    driver: Device, bench: CanBench, wait_until: Callable[..., None]
) -> None:
    driver.open()
    bench.order("bms error 0x08")
    wait_until(lambda: driver.read().faults == ("leakage",), "the error", 2)
    bench.order("bms error off")
    wait_until(lambda: driver.read().faults == (), "its end", 2)


@pytest.mark.parametrize("order", ["lost 2", "double 2", "short 2", "swap 1"])
def test_a_spoilt_message_is_no_value(
    driver: Device, bench: CanBench, wait_until: Callable[..., None], order: str
) -> None:
    driver.open()
    bench.order(f"bms {order}")
    await_message(driver, time.monotonic_ns() + 300_000_000, wait_until)
    told = driver.read().values
    cells = [told[f"cell_voltage_{number}"].value for number in range(1, 13)]
    assert all(1.0 < cell < 1.8 for cell in cells)


def test_silence_is_told_and_ends(
    driver: Device, bench: CanBench, wait_until: Callable[..., None]
) -> None:
    driver.open()
    bench.order("bms silent on")
    time.sleep(1.3)
    with pytest.raises(CommunicationLost, match="no complete message"):
        driver.read()
    driver.close()
    with pytest.raises(DeviceNotFound, match="not a single frame of it came"):
        driver.open()
    bench.order("bms silent off")
    driver.open()
    assert stack_voltage(driver) > 10.0


def test_down_is_told_at_once_and_up_again_is_found(
    driver: Device, bench: CanBench, vcan: VirtualInterface
) -> None:
    driver.open()
    vcan.down()
    with pytest.raises(CommunicationLost, match=vcan.name):
        driver.read()
    driver.close()
    with pytest.raises((CommunicationLost, DeviceNotFound)):
        driver.open()
    driver.close()
    vcan.up()
    bench.order("bms voltage 15")
    driver.open()
    assert stack_voltage(driver) == pytest.approx(15.0, abs=0.05)
