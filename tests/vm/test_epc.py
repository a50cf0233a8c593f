"""The driver of an EPC on simulated units over a bus of the kernel, all in real time."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from tests.vm.bench import CanBench
from tests.vm.conftest import PutUp
from tests.vm.interfaces import Interface, VirtualInterface

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    DeviceNotFound,
    Mode,
    PowerDevice,
    Protection,
    Reading,
    SystemClock,
    WrongDevice,
)
from bem_drivers.epc import DRIVER

PROTECTION = Protection(2.5, 4.25, -5.0, 5.0, silence_s=0.5)
UNIT = {"driver": "epc", "settings": {"serial_number": 7}}
CLOSE = 0.02
"""V, A: how far a reading may be from the truth."""

Make = Callable[..., PowerDevice]


@pytest.fixture
def make() -> Iterator[Make]:
    """Get a maker of drivers: interface, settings as keywords. Closed in the end."""
    devices: list[PowerDevice] = []

    def make(interface: Interface, **settings: object) -> PowerDevice:
        device = DRIVER.make(
            DRIVER.settings.model_validate({"bus": interface.bus, **settings}), SystemClock()
        )
        assert isinstance(device, PowerDevice)
        devices.append(device)
        return device

    yield make
    for device in devices:
        device.close()


@pytest.fixture
def bench(put_up: PutUp, vcan: VirtualInterface) -> CanBench:
    return put_up(vcan, {"epc": UNIT})


@pytest.fixture
def epc(bench: CanBench, make: Make, vcan: VirtualInterface) -> PowerDevice:
    """Get an opened EPC that holds ``PROTECTION``."""
    device = make(vcan)
    device.open()
    device.protect(PROTECTION)
    device.keep_alive()
    return device


def loop(device: PowerDevice, seconds: float) -> list[Reading]:
    """Do as a station does: a pass each 100 ms."""
    readings = []
    due = time.monotonic()
    until = due + seconds
    while due < until:
        readings.append(device.read())
        device.keep_alive()
        due += 0.1
        time.sleep(max(due - time.monotonic(), 0))
    return readings


def value(reading: Reading, name: str) -> float:
    return reading.values[name].value


def test_it_says_who_it_is_and_measures_what_is_there(
    bench: CanBench, make: Make, vcan: VirtualInterface
) -> None:
    device = make(vcan)
    device.open()
    reading = device.read()
    assert (device.identity.model[:3], device.identity.serial) == ("EPC", "7")
    assert set(reading.values) == {channel.name for channel in device.channels}
    assert (reading.active, reading.faults) == (OFF, ())
    assert value(reading, "voltage") == pytest.approx(bench.battery()["voltage"], abs=CLOSE)
    assert value(reading, "current") == pytest.approx(0.0, abs=CLOSE)
    now_ns = time.monotonic_ns()
    assert all(measured.age_s(now_ns) < 2.0 for measured in reading.values.values())


def test_it_reads_back_the_limits_it_was_given(epc: PowerDevice) -> None:
    held = epc.protect(PROTECTION)
    assert held.voltage_min == pytest.approx(2.5, abs=0.001)
    assert held.voltage_max == pytest.approx(4.25, abs=0.001)
    assert held.current_min == pytest.approx(-5.0, abs=0.001)
    assert held.current_max == pytest.approx(5.0, abs=0.001)
    assert held.silence_s == pytest.approx(0.5)
    with pytest.raises(ConfigurationRefused, match=r"5\.5 A"):
        epc.apply(Command(Mode.CC, 5.5))
    epc.release()
    assert epc.protect(PROTECTION) == held


@pytest.mark.parametrize(
    "command",
    [
        Command(Mode.CC, 1.0),
        Command(Mode.CC, -1.0),
        Command(Mode.CV, 3.75),
        Command(Mode.CP, 5.0),
        Command(Mode.CP, -5.0),
    ],
    ids=lambda command: f"{command.mode} {command.setpoint:g}",
)
def test_it_does_what_it_is_told_and_is_off_from_there(
    epc: PowerDevice, bench: CanBench, command: Command
) -> None:
    epc.apply(command)
    last = loop(epc, 1.0)[-1]
    battery = bench.battery()
    assert (last.active, last.faults) == (command, ())
    assert value(last, "voltage") == pytest.approx(battery["voltage"], abs=CLOSE)
    assert value(last, "current") == pytest.approx(battery["current"], abs=CLOSE)
    reached = {
        Mode.CC: battery["current"],
        Mode.CV: battery["voltage"],
        Mode.CP: battery["current"] * battery["voltage"],
    }[command.mode]
    assert reached == pytest.approx(command.setpoint, abs=0.1)
    for _ in range(2):
        epc.make_safe()
        assert epc.read().active == OFF
    assert bench.battery()["current"] == 0.0


def test_no_reading_is_older_than_two_periods(epc: PowerDevice) -> None:
    epc.apply(Command(Mode.CC, 1.0))
    readings = loop(epc, 5.0)
    instants = [reading.values["voltage"].at_ns for reading in readings]
    gaps = [(later - earlier) / 1e9 for earlier, later in pairwise(instants)]
    assert len(readings) >= 49
    assert max(gaps) < 0.2
    assert all(reading.active == Command(Mode.CC, 1.0) for reading in readings)


def test_silence_switches_the_unit_off(epc: PowerDevice, bench: CanBench) -> None:
    epc.apply(Command(Mode.CC, 1.0))
    loop(epc, 1.0)
    time.sleep(0.8)
    assert bench.battery()["current"] == 0.0
    reading = epc.read()
    assert reading.active == OFF
    assert reading.faults
    epc.make_safe()
    epc.keep_alive()
    epc.apply(Command(Mode.CC, 1.0))
    assert loop(epc, 0.5)[-1].active == Command(Mode.CC, 1.0)


class TestBusThatGoesAway:
    def test_down_in_mid_run_the_unit_switches_off_and_runs_again_when_it_is_up(
        self,
        epc: PowerDevice,
        bench: CanBench,
        vcan: VirtualInterface,
        wait_until: Callable[..., None],
    ) -> None:
        epc.apply(Command(Mode.CC, 1.0))
        loop(epc, 1.0)
        vcan.down()
        with pytest.raises(CommunicationLost, match=f"{vcan.name} does not work any more"):
            epc.read()
        wait_until(lambda: bench.battery()["current"] == 0.0, "the unit's own watchdog", 2)
        epc.close()
        with pytest.raises(DeviceError):
            epc.open()
        vcan.up()
        epc.open()
        assert epc.read().active == OFF
        epc.protect(PROTECTION)
        epc.keep_alive()
        epc.apply(Command(Mode.CC, -1.0))
        last = loop(epc, 1.0)[-1]
        assert (last.active, last.faults) == (Command(Mode.CC, -1.0), ())
        assert bench.battery()["current"] == pytest.approx(-1.0, abs=CLOSE)
        reasons = [facts["reason"] for facts in bench.recorded("output")]
        assert len(reasons) == 3, f"on, off by itself, on: {reasons}"
        assert not bench.recorded("internal")

    def test_pulled_out_and_put_back_it_is_found_again(
        self, epc: PowerDevice, bench: CanBench, vcan: VirtualInterface
    ) -> None:
        bench.order("can unplug")
        vcan.pull()
        for _ in range(2):
            with pytest.raises(CommunicationLost, match=vcan.name):
                epc.read()
        epc.close()
        with pytest.raises(DeviceNotFound, match="ip -details link show"):
            epc.open()
        vcan.plug_in()
        bench.order("can plug")
        epc.open()
        assert epc.read().active == OFF


class TestBadAnswers:
    @pytest.mark.parametrize(
        "order", ["drop 1", "double 2", "late 60", "garbage 1", "half 1", "wrong FFFFFFFFFFFFFFFF"]
    )
    def test_they_are_no_values_and_pass(
        self, epc: PowerDevice, bench: CanBench, order: str
    ) -> None:
        epc.apply(Command(Mode.CC, 1.0))
        loop(epc, 0.3)
        bench.order(f"epc {order}")
        refused = 0
        for _ in range(5):
            epc.keep_alive()
            try:
                reading = epc.read()
            except DeviceError:
                refused += 1
                continue
            assert value(reading, "voltage") == pytest.approx(bench.battery()["voltage"], abs=CLOSE)
            assert value(reading, "current") == pytest.approx(1.0, abs=CLOSE)
        assert refused < 5
        if order.startswith("late"):
            bench.order("epc late off")
        epc.keep_alive()
        assert epc.read().active == Command(Mode.CC, 1.0)
        assert not bench.recorded("internal"), "the driver has killed the unit"


class TestOneBus:
    def test_another_unit_or_none_is_told(
        self, put_up: PutUp, make: Make, vcan: VirtualInterface
    ) -> None:
        put_up(vcan, {"epc": UNIT})
        with pytest.raises(DeviceNotFound, match="0x14"):
            make(vcan, device_id=0x14).open()
        with pytest.raises(WrongDevice, match="serial number 7"):
            make(vcan, serial_number=8).open()

    def test_two_units_do_not_mix(self, put_up: PutUp, make: Make, vcan: VirtualInterface) -> None:
        bench = put_up(
            vcan,
            {
                "one": {"driver": "epc", "battery": "low", "settings": {"device_id": 0x13}},
                "two": {"driver": "epc", "battery": "high", "settings": {"device_id": 0x14}},
            },
            low={"soc": 0.3},
            high={"soc": 0.8},
        )
        both = make(vcan, units_on_bus=2), make(vcan, device_id=0x14, units_on_bus=2)
        commands = Command(Mode.CC, 1.0), Command(Mode.CC, -1.0)
        for device, command in zip(both, commands, strict=True):
            device.open()
            device.protect(PROTECTION)
            device.keep_alive()
            device.apply(command)
        for _ in range(10):
            for device, command, name in zip(both, commands, ("low", "high"), strict=True):
                reading = device.read()
                device.keep_alive()
                assert reading.active == command
                assert value(reading, "voltage") == pytest.approx(
                    bench.battery(name)["voltage"], abs=CLOSE
                )
        both[0].make_safe()
        assert both[1].read().active == commands[1]
