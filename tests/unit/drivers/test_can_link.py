"""The CAN transport, on python-can's bus within one process and on ports that are not there."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import can
import pytest

from bem_drivers.base import CommunicationLost, DeviceNotFound
from bem_drivers.can import CanSettings, Frame
from bem_drivers.can.link import CanLink
from bem_drivers.epc.simulator_port import SlcanPort


@pytest.fixture
def other() -> Iterator[can.BusABC]:
    """Get the other end of the bus ``test-link``."""
    with can.Bus(interface="virtual", channel="test-link") as bus:
        yield bus


@pytest.fixture
def link() -> Iterator[CanLink]:
    """Get a link that hears device 0x13."""
    link = CanLink(CanSettings(interface="virtual", channel="test-link"), [(0x130, 0x7F0)])
    link.open()
    yield link
    link.close()


def test_frames_pass_both_ways(link: CanLink, other: can.BusABC) -> None:
    link.send(Frame(0x131, b"\x03"))
    sent = other.recv(1.0)
    assert sent is not None
    assert (sent.arbitration_id, bytes(sent.data), sent.is_extended_id) == (0x131, b"\x03", False)
    other.send(can.Message(arbitration_id=0x13C, data=b"\x01\x02", is_extended_id=False))
    assert link.receive(1.0) == Frame(0x13C, b"\x01\x02")


def test_frames_of_others_pass_by(link: CanLink, other: can.BusABC) -> None:
    for frame_id, extended in ((0x14C, False), (0x120, False), (0x13C, True)):
        other.send(can.Message(arbitration_id=frame_id, data=b"", is_extended_id=extended))
    assert link.receive(0.05) is None


def test_a_closed_link_says_so(link: CanLink) -> None:
    link.close()
    link.close()
    with pytest.raises(CommunicationLost, match="open the device again"):
        link.send(Frame(0x131, b"\x00"))
    with pytest.raises(CommunicationLost, match="open the device again"):
        link.receive(0.0)
    link.open()
    assert link.receive(0.0) is None


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (CanSettings(interface="slcan", channel="/dev/no-such-port"), "adapter plugged in"),
        (CanSettings(interface="socketcan", channel="nocan7"), "ip -details link show"),
        (CanSettings(interface="slcan", channel="/dev/null"), "adapter plugged in"),
    ],
)
def test_a_bus_that_is_not_there_says_what_to_do(settings: CanSettings, remedy: str) -> None:
    with pytest.raises(DeviceNotFound, match=remedy) as failure:
        CanLink(settings, [(0x130, 0x7F0)]).open()
    assert settings.channel in str(failure.value)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[SlcanPort]:
    """Get the far side of an SLCAN adapter at ``tmp_path / "can"``."""
    port = SlcanPort(tmp_path / "can")
    yield port
    port.close()


@pytest.fixture
def slcan(port: SlcanPort, tmp_path: Path) -> Iterator[CanLink]:
    """Get a link through that adapter that hears device 0x13."""
    link = CanLink(CanSettings(interface="slcan", channel=str(tmp_path / "can")), [(0x130, 0x7F0)])
    link.open()
    port.read()
    yield link
    link.close()


class TestSlcan:
    def test_frames_pass_both_ways(self, slcan: CanLink, port: SlcanPort) -> None:
        slcan.send(Frame(0x131, b"\x03"))
        assert port.read() == [Frame(0x131, b"\x03")]
        port.write([Frame(0x13C, b"\x01\x02"), Frame(0x13D, b"")])
        assert slcan.receive(1.0) == Frame(0x13C, b"\x01\x02")
        assert slcan.receive(1.0) == Frame(0x13D, b"")
        assert slcan.receive(0.0) is None

    def test_a_frame_behind_foreign_ones_does_not_wait(
        self, slcan: CanLink, port: SlcanPort
    ) -> None:
        port.write([Frame(0x140, b"\x01")] * 20 + [Frame(0x13C, b"\x01")])
        start = time.monotonic()
        assert slcan.receive(2.0) == Frame(0x13C, b"\x01")
        assert time.monotonic() - start < 1.0

    def test_a_frame_in_pieces_is_put_together(self, slcan: CanLink, port: SlcanPort) -> None:
        os.write(port.fileno(), b"t13C2")
        assert slcan.receive(0.02) is None
        os.write(port.fileno(), b"0A0B\r")
        assert slcan.receive(1.0) == Frame(0x13C, b"\x0a\x0b")

    @pytest.mark.parametrize("line", [b"t13C2zz00\r", b"tXYZ0\r", b"t13C80102\r"])
    def test_a_mutilated_frame_is_lost_alone(
        self, slcan: CanLink, port: SlcanPort, line: bytes
    ) -> None:
        os.write(port.fileno(), line)
        port.write([Frame(0x13C, b"\x01")])
        assert slcan.receive(1.0) == Frame(0x13C, b"\x01")

    def test_a_pulled_adapter_is_told_at_once(self, slcan: CanLink, port: SlcanPort) -> None:
        port.close()
        start = time.monotonic()
        with pytest.raises(CommunicationLost, match="adapter plugged in"):
            slcan.receive(5.0)
        assert time.monotonic() - start < 1.0

    def test_waiting_costs_nothing(self, slcan: CanLink) -> None:
        before = time.process_time()
        assert slcan.receive(0.5) is None
        assert time.process_time() - before < 0.05


def test_an_odd_bit_rate_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound):
        CanLink(
            CanSettings(interface="slcan", channel=str(tmp_path), bitrate=123), [(0x130, 0x7F0)]
        ).open()
