"""A search of real ports, side by side and in time."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.drivers.unit_on_port import served, serving

from bem_drivers import bk2831, ea, epc, flow, kel103
from bem_drivers.base import Clock, Device
from bem_drivers.can import CanSettings
from bem_drivers.ea.settings import EaSerialSettings
from bem_drivers.finding import Found, InUse, LineProbe, Unknown, scan
from bem_drivers.finding.probe import Probe
from bem_drivers.flow.simulator import FlowUnit, FlowUnitSettings
from bem_drivers.line import SerialSettings, TcpSettings
from bem_drivers.line.serial_line import SerialLine
from bem_drivers.registry import DriverSpec
from bem_drivers.simulation.port import TcpLinePort

SPECS = (bk2831.DRIVER, ea.DRIVER, epc.DRIVER, flow.DRIVER, kel103.DRIVER)


def test_a_meter_at_a_port_is_found_and_its_port_free_again(tmp_path: Path) -> None:
    link = tmp_path / "flow"
    with served(FlowUnit(FlowUnitSettings(), time.monotonic_ns()), link):
        for _ in range(2):
            [found] = scan(SPECS, [str(link)], [])
            assert isinstance(found, Found)
            assert (found.driver, found.identity.serial) == ("flow", "001")


def test_a_port_that_somebody_has_is_not_asked(tmp_path: Path) -> None:
    link = tmp_path / "flow"
    with served(FlowUnit(FlowUnitSettings(), time.monotonic_ns()), link):
        owner = SerialLine(SerialSettings(port=str(link)))
        owner.open()
        [seen] = scan(SPECS, [str(link)], [])
        assert isinstance(seen, InUse)
        assert "process" in seen.by
        assert owner.receive(0.0) is None, "nothing was asked in its place"
        owner.close()


def test_an_adapter_that_somebody_has_is_not_asked(tmp_path: Path) -> None:
    link = tmp_path / "can"
    with served(FlowUnit(FlowUnitSettings(), time.monotonic_ns()), link):
        owner = SerialLine(SerialSettings(port=str(link)))
        owner.open()
        bus = CanSettings(interface="slcan", channel=str(link))
        [seen] = scan(SPECS, [], [bus])
        assert isinstance(seen, InUse)
        assert seen.place == f"slcan:{link}"
        owner.close()


def test_a_port_whose_user_is_known_is_not_even_opened() -> None:
    seen = scan(SPECS, ["/dev/none"], [], {"serial /dev/none": "station left"}.get)
    assert seen == [InUse("serial /dev/none", "station left")]


def test_a_port_that_is_not_there_is_told_in_words() -> None:
    [seen] = scan(SPECS, ["/dev/none"], [])
    assert isinstance(seen, Unknown)
    assert "no such port" in seen.trouble


def test_a_driver_that_hangs_or_fails_holds_up_nobody(tmp_path: Path) -> None:
    ended = threading.Event()

    def hang(_answer: str) -> None:
        ended.wait(20)
        raise RuntimeError("a driver from outside")

    def make(_settings: SerialSettings, _clock: Clock) -> Device:
        raise AssertionError("a search makes no device")

    def probe() -> Probe:
        return LineProbe(EaSerialSettings, ":IDN*?", hang)  # type: ignore[arg-type]  # it is broken

    broken = DriverSpec("broken", "Broken", SerialSettings, make, probe=probe)
    link = tmp_path / "flow"
    with served(FlowUnit(FlowUnitSettings(), time.monotonic_ns()), link):
        began = time.monotonic()
        seen = scan([broken], [str(link), "/dev/none"], [], timeout_s=1.0)
        assert time.monotonic() - began < 3.0
        ended.set()
    assert [one.place for one in seen] == ["serial /dev/none", f"serial {link}"]
    assert isinstance(seen[1], Unknown)
    assert "no end of it within 1 s" in seen[1].trouble


@pytest.fixture
def answering() -> Iterator[TcpSettings]:
    """Get the address of a flow meter on the network."""
    unit = FlowUnit(FlowUnitSettings(), time.monotonic_ns())
    port = TcpLinePort("127.0.0.1", 0)
    with serving(unit, port):
        yield TcpSettings(host="127.0.0.1", port=port.port)


def test_a_device_at_an_address_is_found_and_free_again(answering: TcpSettings) -> None:
    for _ in range(2):
        [found] = scan(SPECS, [], [], addresses=[answering])
        assert isinstance(found, Found)
        assert (found.place, found.identity.serial) == (answering.name, "001")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_device_to_which_this_machine_is_connected_is_left_alone(
    answering: TcpSettings, host: str
) -> None:
    owner = socket.create_connection((answering.host, answering.port))
    try:
        address = TcpSettings(host=host, port=answering.port)
        [seen] = scan(SPECS, [], [], addresses=[address])
        assert isinstance(seen, InUse)
        assert f"process {os.getpid()} " in seen.by
        owner.setblocking(False)
        with pytest.raises(BlockingIOError):
            owner.recv(1)
    finally:
        owner.close()


def test_an_address_whose_user_is_known_is_not_connected_to(answering: TcpSettings) -> None:
    users = {answering.name: "station left"}
    seen = scan(SPECS, [], [], users.get, addresses=[answering])
    assert seen == [InUse(answering.name, "station left")]


def test_an_address_where_nobody_is_is_told_in_words() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = TcpSettings(host="127.0.0.1", port=nobody.getsockname()[1])
        [seen] = scan(SPECS, [], [], addresses=[address])
    assert isinstance(seen, Unknown)
    assert "cannot be reached" in seen.trouble


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_driver_is_loaded_without_its_probe(spec: DriverSpec) -> None:
    assert spec.probe is not None
    assert spec.probe() is spec.probe()
