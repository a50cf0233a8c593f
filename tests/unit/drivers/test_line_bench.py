"""A driver, its transport and its simulator over real wires, in real time."""

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bem_drivers.base import CommunicationLost, Device, DeviceNotFound, SystemClock
from bem_drivers.flow import DRIVER
from bem_drivers.flow.simulator import FlowUnit, FlowUnitSettings
from bem_drivers.simulation import Faulty, Outbox
from bem_drivers.simulation.port import LinePort, PtyLinePort, TcpLinePort


@contextmanager
def alive(port: LinePort, unit: Faulty) -> Iterator[None]:
    """Have the unit live at the port; pull it out in the end."""
    stop = threading.Event()

    def live() -> None:
        outbox = Outbox()
        while not stop.is_set():
            select.select([port], [], [], 0.005)
            now_ns = time.monotonic_ns()
            unit.advance(now_ns)
            for line in port.read():
                outbox.put(unit.receive(line, now_ns), now_ns)
            port.write(outbox.take(now_ns))

    life = threading.Thread(target=live)
    life.start()
    try:
        yield
    finally:
        stop.set()
        life.join()
        port.close()


# A busy machine takes its time, so that the reply timeout has some room.
def flow_meter(address: dict[str, object]) -> Device:
    settings = DRIVER.settings.model_validate({"address": address, "reply_timeout_s": 0.5})
    return DRIVER.make(settings, SystemClock())


def unit(**settings: object) -> Faulty:
    return Faulty(FlowUnit(FlowUnitSettings.model_validate(settings), time.monotonic_ns()))


def reads(device: Device, flow: float) -> bool:
    """Tell whether the meter comes to read ``flow`` (mL/min), within 5 s."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if device.read().values["flow"].value == flow / 1000:
            return True
    return False


@pytest.fixture(params=["serial", "tcp"])
def plug(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[Callable[[], LinePort], dict[str, object]]:
    """Get what puts a port in, again and again under the same name, and its address."""
    if request.param == "serial":
        link = tmp_path / "flow-001"
        return lambda: PtyLinePort(link), {"kind": "serial", "port": str(link)}
    free = TcpLinePort("127.0.0.1", 0)
    number = free.port
    free.close()
    address: dict[str, object] = {"kind": "tcp", "host": "127.0.0.1", "port": number}
    return lambda: TcpLinePort("127.0.0.1", number), address


def test_a_meter_is_pulled_out_while_it_is_read_and_found_again(
    plug: tuple[Callable[[], LinePort], dict[str, object]],
) -> None:
    put_in, address = plug
    device = flow_meter(address)
    with pytest.raises(DeviceNotFound):
        device.open()
    for flow in (4320, 870):
        with alive(put_in(), unit(flow=flow)):
            device.open()
            assert reads(device, flow)
        with pytest.raises(CommunicationLost):
            device.read()
    device.close()


def test_every_fault_of_the_line_ends_in_an_error_and_then_in_truth(
    plug: tuple[Callable[[], LinePort], dict[str, object]],
) -> None:
    put_in, address = plug
    device = flow_meter(address)
    meter = unit(flow=4320)
    with alive(put_in(), meter):
        device.open()
        assert reads(device, 4320)
        for fault in ("half 1", "drop 1", "late 700"):
            meter.break_down(fault, time.monotonic_ns())
            with pytest.raises(CommunicationLost):
                device.read()
            meter.break_down("late off", time.monotonic_ns())
            device.open()
            assert device.read().values["flow"].value == 4.32
        device.close()


def test_two_meters_at_once_do_not_mix(tmp_path: Path) -> None:
    ports = [PtyLinePort(tmp_path / name) for name in ("a", "b")]
    with (
        alive(ports[0], unit(flow=1000, device="001")),
        alive(ports[1], unit(flow=2000, device="002")),
    ):
        devices = [
            flow_meter({"kind": "serial", "port": str(tmp_path / name)}) for name in ("a", "b")
        ]
        for device in devices:
            device.open()
        assert [device.identity.serial for device in devices] == ["001", "002"]
        assert reads(devices[0], 1000)
        assert reads(devices[1], 2000)
        for _ in range(50):
            assert [device.read().values["flow"].value for device in devices] == [1.0, 2.0]
        for device in devices:
            device.close()
