"""A driver's share of a bus of the kernel: what passes, what does not, and a bus that goes away."""

import errno
import logging
import os
import select
import time
from collections.abc import Callable, Iterator

import can
import pytest
from tests.vm.bench import FORK
from tests.vm.interfaces import VirtualInterface

from bem_drivers.base import CommunicationLost, DeviceNotFound
from bem_drivers.can import CanSettings, Frame, trouble
from bem_drivers.can.link import CanLink

Link = Callable[..., CanLink]


@pytest.fixture
def link(vcan: VirtualInterface) -> Iterator[Link]:
    """Get a maker of open links that hear one unit, 0x13 unless another is named."""
    links: list[CanLink] = []

    def make(device_id: int = 0x13) -> CanLink:
        one = CanLink(CanSettings.model_validate(vcan.bus), [(device_id << 4, 0x7F0)])
        one.open()
        links.append(one)
        return one

    yield make
    for one in links:
        one.close()


@pytest.fixture
def other(vcan: VirtualInterface) -> Iterator[can.BusABC]:
    """Get somebody else on the bus, who hears everything."""
    with can.Bus(interface="socketcan", channel=vcan.name) as bus:
        yield bus


@pytest.fixture(autouse=True)
def _troubles_end_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trouble, "CALM_S", 0.0)
    caplog.set_level(logging.INFO)


def say(bus: can.BusABC, frame_id: int, data: bytes = b"", **flags: bool) -> None:
    bus.send(can.Message(arbitration_id=frame_id, data=data, **{"is_extended_id": False, **flags}))


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "bem_drivers.can.link"]


def waits(link: CanLink) -> bool:
    """Tell whether the kernel has something for this process."""
    assert link._bus is not None
    ready, _, _ = select.select([link._bus.fileno()], [], [], 0.05)
    return bool(ready)


def test_frames_pass_both_ways(link: Link, other: can.BusABC) -> None:
    one = link()
    one.send(Frame(0x131, b"\x03"))
    sent = other.recv(1.0)
    assert sent is not None
    assert (sent.arbitration_id, bytes(sent.data), sent.is_extended_id) == (0x131, b"\x03", False)
    say(other, 0x13C, b"\x01\x02")
    say(other, 0x13D)
    assert one.receive(1.0) == Frame(0x13C, b"\x01\x02")
    assert one.receive(1.0) == Frame(0x13D, b"")
    assert one.receive(0.0) is None


def test_the_kernel_keeps_frames_of_others_away(link: Link, other: can.BusABC) -> None:
    one = link()
    for _ in range(300):
        say(other, 0x14C, bytes(8))
        say(other, 0x12F, bytes(8))
    say(other, 0x13C, bytes(8), is_extended_id=True)
    say(other, 0x13C, is_remote_frame=True)
    while one.receive(0.0) is not None:
        pytest.fail("a frame of another unit came through")
    assert not waits(one), "this process is woken by what it does not want"
    say(other, 0x13C, b"\x01")
    assert waits(one)
    assert one.receive(0.0) == Frame(0x13C, b"\x01")


def test_a_link_hears_nothing_of_itself(link: Link) -> None:
    one = link()
    one.send(Frame(0x131, b"\x03"))
    assert not waits(one)


def test_two_links_share_a_bus_and_do_not_mix(link: Link, other: can.BusABC) -> None:
    first, second = link(0x13), link(0x14)
    for number in range(100):
        say(other, 0x13C, bytes([number]))
        say(other, 0x14C, bytes([number, 0]))
    for number in range(100):
        assert first.receive(0.5) == Frame(0x13C, bytes([number]))
    for number in range(100):
        assert second.receive(0.5) == Frame(0x14C, bytes([number, 0]))
    first.close()
    say(other, 0x14C, b"\x07")
    assert second.receive(0.5) == Frame(0x14C, b"\x07")


def test_links_of_two_processes_reach_each_other(link: Link, vcan: VirtualInterface) -> None:
    def answer() -> None:
        far = CanLink(CanSettings.model_validate(vcan.bus), [(0x131, 0x7FF)])
        far.open()
        far.send(Frame(0x13F, b""))
        while (frame := far.receive(5.0)) is not None and frame.data != b"end":
            far.send(Frame(0x13C, frame.data[::-1]))
        far.close()

    one = link()
    process = FORK.Process(target=answer)
    process.start()
    assert one.receive(5.0) == Frame(0x13F, b"")
    for number in range(50):
        one.send(Frame(0x131, bytes([number, 7])))
        assert one.receive(2.0) == Frame(0x13C, bytes([7, number]))
    one.send(Frame(0x131, b"end"))
    process.join(5.0)
    assert process.exitcode == 0


def test_waiting_costs_nothing(link: Link) -> None:
    one = link()
    before = time.process_time()
    assert one.receive(1.0) is None
    assert time.process_time() - before < 0.05


class TestTrouble:
    @pytest.mark.parametrize(
        ("error_class", "data", "words"),
        [
            (0x040, bytes(8), "bus-off"),
            (0x020, bytes(8), "no device acknowledges"),
            (0x004, b"\x00\x20" + bytes(6), "error passive"),
        ],
        ids=["bus-off", "no acknowledgement", "error passive"],
    )
    def test_error_frames_come_through_the_filter_and_are_told_once(
        self,
        link: Link,
        other: can.BusABC,
        caplog: pytest.LogCaptureFixture,
        error_class: int,
        data: bytes,
        words: str,
    ) -> None:
        one = link()
        for _ in range(20):
            say(other, error_class, data, is_error_frame=True)
        say(other, 0x13C, b"\x01")
        say(other, 0x13C, b"\x02")
        assert one.receive(1.0) == Frame(0x13C, b"\x01")
        assert one.receive(1.0) == Frame(0x13C, b"\x02")
        begun, ended = logged(caplog)
        assert words in begun
        assert "works again after" in ended

    def test_what_the_bus_mends_is_passed_over(
        self, link: Link, other: can.BusABC, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = link()
        say(other, 0x088, bytes(8), is_error_frame=True)
        say(other, 0x100, bytes(8), is_error_frame=True)
        say(other, 0x13C, b"\x01")
        assert one.receive(1.0) == Frame(0x13C, b"\x01")
        assert logged(caplog) == []

    def test_who_does_not_listen_loses_frames_and_nothing_else(
        self, link: Link, other: can.BusABC
    ) -> None:
        one = link()
        sent = 5000
        for number in range(sent):
            say(other, 0x13C, number.to_bytes(8, "big"))
        heard = []
        while (frame := one.receive(0.0)) is not None:
            heard.append(int.from_bytes(frame.data, "big"))
        assert heard == list(range(len(heard)))
        assert 100 < len(heard) < sent
        say(other, 0x13C, b"\x01")
        assert one.receive(1.0) == Frame(0x13C, b"\x01")


class TestBusThatGoesAway:
    def test_down_is_told_at_once_and_up_again_is_found(
        self,
        link: Link,
        other: can.BusABC,
        vcan: VirtualInterface,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        one = link()
        vcan.down()
        began = time.monotonic()
        with pytest.raises(CommunicationLost, match=f"{vcan.name} does not work any more.*down"):
            one.receive(5.0)
        assert time.monotonic() - began < 1.0
        for _ in range(3):
            with pytest.raises(CommunicationLost, match="ip -details link show"):
                one.send(Frame(0x131, b"\x03"))
            one.close()
            one.open()
        vcan.up()
        one.close()
        one.open()
        one.send(Frame(0x131, b"\x03"))
        # The other end has been told of it, too, once.
        with pytest.raises(can.CanOperationError, match=os.strerror(errno.ENETDOWN)):
            other.recv(1.0)
        sent = other.recv(1.0)
        assert sent is not None
        assert sent.arbitration_id == 0x131
        say(other, 0x13C, b"\x01")
        assert one.receive(1.0) == Frame(0x13C, b"\x01")
        begun, ended = logged(caplog)
        assert "does not work" in begun
        assert "works again after" in ended

    def test_pulled_out_it_is_told_at_once_and_found_when_it_is_back(
        self, link: Link, vcan: VirtualInterface, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = link()
        vcan.pull()
        began = time.monotonic()
        with pytest.raises(CommunicationLost, match=vcan.name):
            one.receive(5.0)
        assert time.monotonic() - began < 1.0
        for _ in range(3):
            with pytest.raises(CommunicationLost, match=vcan.name):
                one.send(Frame(0x131, b"\x03"))
            one.close()
            with pytest.raises(DeviceNotFound, match="ip -details link show"):
                one.open()
        loud = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert {record.name for record in loud} == {"bem_drivers.can.link"}
        vcan.plug_in()
        one.open()
        with can.Bus(interface="socketcan", channel=vcan.name) as other:
            say(other, 0x13C, b"\x01")
            assert one.receive(1.0) == Frame(0x13C, b"\x01")
        begun, ended = logged(caplog)
        assert "does not work" in begun
        assert "works again after" in ended
