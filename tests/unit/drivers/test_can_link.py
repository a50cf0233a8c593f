"""The CAN transport, on python-can's bus within one process and on ports that are not there."""

import errno
import logging
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import can
import pytest
from can.interfaces.socketcan import constants, socketcan
from can.interfaces.virtual import VirtualBus

from bem_drivers.base import CommunicationLost, DeviceNotFound
from bem_drivers.can import CanSettings, Frame, trouble
from bem_drivers.can.link import CanLink
from bem_drivers.simulation.slcan_port import SlcanPort


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


def test_an_interface_that_is_not_there_is_told_by_us_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    link = CanLink(CanSettings(interface="socketcan", channel="nocan7"), [(0x130, 0x7F0)])
    for _ in range(3):
        with pytest.raises(DeviceNotFound, match="no interface with this name"):
            link.open()
    assert caplog.records == []


@pytest.fixture
def port(tmp_path: Path) -> Iterator[SlcanPort]:
    """Get the far side of an SLCAN adapter at ``tmp_path / "can"``."""
    port = SlcanPort(tmp_path / "can")
    yield port
    port.close()


@pytest.fixture
def slcan(port: SlcanPort, tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[CanLink]:
    """Get a link through that adapter that hears device 0x13."""
    link = CanLink(CanSettings(interface="slcan", channel=str(tmp_path / "can")), [(0x130, 0x7F0)])
    link.open()
    # The kernel hands over what was written when it comes to it.
    wait_until(lambda: not port.read() and port._channel_open, "the adapter to have been opened")
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

    def test_a_second_owner_is_refused_and_disturbs_nobody(
        self, slcan: CanLink, port: SlcanPort, tmp_path: Path
    ) -> None:
        settings = CanSettings(interface="slcan", channel=str(tmp_path / "can"))
        second = CanLink(settings, [(0x140, 0x7F0)])
        with pytest.raises(DeviceNotFound, match="in use by another"):
            second.open()
        port.write([Frame(0x13C, b"\x01")])
        assert slcan.receive(1.0) == Frame(0x13C, b"\x01")
        slcan.close()
        second.open()
        second.close()

    def test_waiting_costs_nothing(self, slcan: CanLink) -> None:
        before = time.process_time()
        assert slcan.receive(0.5) is None
        assert time.process_time() - before < 0.05


def test_an_odd_bit_rate_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound):
        CanLink(
            CanSettings(interface="slcan", channel=str(tmp_path), bitrate=123), [(0x130, 0x7F0)]
        ).open()


class Script(VirtualBus):
    """A bus that does in turn what a test says: bring a message, raise an error, or nothing."""

    def __init__(self, *acts: can.Message | Exception | None) -> None:
        super().__init__("script")
        self.acts = list(acts)
        self.refusals: list[Exception] = []
        self.sent: list[can.Message] = []

    def recv(self, _timeout: float | None = None) -> can.Message | None:
        act = self.acts.pop(0) if self.acts else None
        if isinstance(act, Exception):
            raise act
        return act

    def send(self, msg: can.Message, _timeout: float | None = None) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(msg)


def error_frame(error_class: int, data: bytes = bytes(8)) -> can.Message:
    """Make an error frame as SocketCAN delivers it."""
    return can.Message(arbitration_id=error_class, data=data, is_error_frame=True)


DATA = can.Message(arbitration_id=0x13C, data=b"\x01", is_extended_id=False)
BUS_OFF = error_frame(0x040)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Get a bus whose acts the test writes; a trouble is over with the next frame."""
    script = Script()
    monkeypatch.setattr(can, "Bus", lambda **_: script)
    monkeypatch.setattr(trouble, "CALM_S", 0.0)
    yield script
    script.shutdown()


@pytest.fixture
def scripted(script: Script) -> CanLink:
    """Get an open link on that bus."""
    link = CanLink(CanSettings(interface="virtual", channel="script"), [(0x130, 0x7F0)])
    link.open()
    return link


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Get what the link logged for people."""
    return [record.message for record in caplog.records if record.name == "bem_drivers.can.link"]


@pytest.fixture(autouse=True)
def _logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


class TestTrouble:
    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            (BUS_OFF, "bus-off"),
            (error_frame(0x020), "no device acknowledges"),
            (error_frame(0x010), "transceiver"),
            (error_frame(0x001), "cannot send"),
            (error_frame(0x004, b"\x00\x20" + bytes(6)), "error passive"),
            (error_frame(0x004, b"\x00\x01" + bytes(6)), "lost frames"),
        ],
    )
    def test_it_is_survived_and_told_once_at_each_end(
        self,
        scripted: CanLink,
        script: Script,
        caplog: pytest.LogCaptureFixture,
        frame: can.Message,
        words: str,
    ) -> None:
        script.acts = [*([frame] * 20), DATA, DATA]
        assert scripted.receive(1.0) == Frame(0x13C, b"\x01")
        assert scripted.receive(1.0) == Frame(0x13C, b"\x01")
        begun, ended = logged(caplog)
        assert words in begun
        assert "virtual:script works again after" in ended

    @pytest.mark.parametrize(
        "frame",
        [
            error_frame(0x088),
            error_frame(0x100),
            error_frame(0x004, b"\x00\x40" + bytes(6)),
            error_frame(0x004, b"\x00\x0c" + bytes(6)),
            error_frame(0x004, b""),
        ],
        ids=["bit error", "restarted", "active again", "warning", "empty"],
    )
    def test_what_the_bus_mends_is_passed_over(
        self,
        scripted: CanLink,
        script: Script,
        caplog: pytest.LogCaptureFixture,
        frame: can.Message,
    ) -> None:
        script.acts = [frame, DATA]
        assert scripted.receive(1.0) == Frame(0x13C, b"\x01")
        assert logged(caplog) == []

    def test_a_flood_of_errors_holds_nobody_up(self, scripted: CanLink, script: Script) -> None:
        script.acts = [error_frame(0x088)] * 100_000
        start = time.monotonic()
        assert scripted.receive(0.0) is None
        assert scripted.receive(0.05) is None
        assert time.monotonic() - start < 1.0
        assert script.acts

    def test_a_disturbed_bus_is_one_trouble(self, caplog: pytest.LogCaptureFixture) -> None:
        now_s = 0.0
        one = trouble.BusTrouble(logging.getLogger("bem_drivers.can.link"), "can0", lambda: now_s)
        for _ in range(10):
            one.begin("bus-off")
            now_s += 0.9
            one.end()
        now_s += 0.2
        one.end()
        one.end()
        assert logged(caplog) == [
            "CAN bus can0 does not work: bus-off",
            "CAN bus can0 works again after 9.2 s",
        ]

    def test_an_error_of_the_bus_ends_one_use_only(
        self, scripted: CanLink, script: Script, caplog: pytest.LogCaptureFixture
    ) -> None:
        down = can.CanOperationError("Error receiving: Network is down", errno.ENETDOWN)
        script.acts = [down, down, DATA]
        for _ in range(2):
            with pytest.raises(CommunicationLost, match="Network is down"):
                scripted.receive(1.0)
        assert scripted.receive(1.0) == Frame(0x13C, b"\x01")
        assert len(logged(caplog)) == 2

    def test_an_interface_that_is_no_more_is_no_silence(
        self, scripted: CanLink, script: Script
    ) -> None:
        script.acts = [can.CanOperationError("Error receiving: No such device", errno.ENODEV)]
        with pytest.raises(CommunicationLost, match="No such device"):
            scripted.receive(0.0)
        for _ in range(2):
            with pytest.raises(CommunicationLost, match="open the device again"):
                scripted.receive(0.0)

    def test_a_full_queue_is_waited_for(
        self, scripted: CanLink, script: Script, caplog: pytest.LogCaptureFixture
    ) -> None:
        full = can.CanOperationError("Failed to transmit", errno.ENOBUFS)
        script.refusals = [full] * 5
        scripted.send(Frame(0x131, b"\x03"))
        assert len(script.sent) == 1
        assert logged(caplog) == []

    def test_a_queue_that_stays_full_is_told_in_time(
        self, scripted: CanLink, script: Script
    ) -> None:
        full = can.CanOperationError("No buffer space available", errno.ENOBUFS)
        script.refusals = [full] * 10_000
        start = time.monotonic()
        with pytest.raises(CommunicationLost, match="No buffer space"):
            scripted.send(Frame(0x131, b"\x03"))
        assert time.monotonic() - start < 1.0
        assert script.sent == []


class KernelSocket:
    """Stands for a CAN socket of the kernel, which this machine may not have."""

    def __init__(self) -> None:
        self.options: dict[tuple[int, int], object] = {}
        self._ends = os.pipe()

    def setsockopt(self, level: int, name: int, value: object) -> None:
        self.options[level, name] = value

    def bind(self, address: tuple[str]) -> None:
        assert address == ("lo",)

    def fileno(self) -> int:
        return self._ends[0]

    def close(self) -> None:
        for end in self._ends:
            os.close(end)


def test_the_kernel_filters_for_socketcan(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = KernelSocket()
    monkeypatch.setattr(socketcan, "create_socket", lambda: kernel)
    # An interface that every machine has; what is sent to it stays in this process.
    link = CanLink(CanSettings(interface="socketcan", channel="lo"), [(0x101, 0x7FF)])
    link.open()
    raw = constants.SOL_CAN_RAW
    # The mask includes the flag of extended frames, so that 0x101 of 29 bits does not pass.
    wanted = struct.pack("=II", 0x101, 0x7FF | 0x80000000)
    assert kernel.options[raw, constants.CAN_RAW_FILTER] == wanted
    assert kernel.options[raw, constants.CAN_RAW_ERR_FILTER] == 0x1FFFFFFF
    assert link.receive(0.0) is None
    link.close()


class TestReplugging:
    def test_a_link_comes_back_with_its_adapter(
        self,
        slcan: CanLink,
        port: SlcanPort,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(trouble, "CALM_S", 0.0)
        port.close()
        for _ in range(3):
            with pytest.raises(CommunicationLost):
                slcan.receive(0.1)
            with pytest.raises(CommunicationLost):
                slcan.send(Frame(0x131, b"\x03"))
            slcan.close()
            with pytest.raises(DeviceNotFound, match="adapter plugged in"):
                slcan.open()
        again = SlcanPort(tmp_path / "can")
        try:
            slcan.open()
            again.read()
            slcan.send(Frame(0x131, b"\x03"))
            assert again.read() == [Frame(0x131, b"\x03")]
            again.write([Frame(0x13C, b"\x02")])
            assert slcan.receive(1.0) == Frame(0x13C, b"\x02")
        finally:
            again.close()
        begun, ended = logged(caplog)
        assert "does not work" in begun
        assert "works again after" in ended

    def test_pulled_in_mid_frame_nothing_is_put_together(
        self, slcan: CanLink, port: SlcanPort, tmp_path: Path
    ) -> None:
        os.write(port.fileno(), b"t13C2AA")
        assert slcan.receive(0.05) is None
        port.close()
        with pytest.raises(CommunicationLost):
            slcan.receive(0.1)
        again = SlcanPort(tmp_path / "can")
        try:
            slcan.open()
            again.read()
            os.write(again.fileno(), b"BB\r")
            assert slcan.receive(0.1) is None
        finally:
            again.close()
