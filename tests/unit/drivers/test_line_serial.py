"""The serial transport on real pseudo-terminals."""

import errno
import fcntl
import logging
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from bem_drivers.base import CommunicationLost, DeviceNotFound, ProtocolViolated, SystemClock
from bem_drivers.line import Dialogue, SerialSettings, line_link, serial_line
from bem_drivers.line.holder import port_holder
from bem_drivers.line.serial_line import SerialLine
from bem_drivers.simulation import Answer
from bem_drivers.simulation.port import PtyLinePort

TIOCGEXCL = 0x80045440
HOLD = """
import sys
from bem_drivers.line import SerialSettings, line_link
link = line_link(SerialSettings(port=sys.argv[1]))
link.open()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def name(tmp_path: Path) -> Path:
    """Get the stable name of a port."""
    return tmp_path / "flow-001"


@pytest.fixture
def port(name: Path) -> Iterator[PtyLinePort]:
    """Get the device's end of that port."""
    port = PtyLinePort(name)
    yield port
    port.close()


@pytest.fixture
def line(port: PtyLinePort, name: Path) -> Iterator[SerialLine]:
    """Get the host's end, open."""
    line = SerialLine(SerialSettings(port=str(name)))
    line.open()
    yield line
    line.close()


def heard(port: PtyLinePort) -> list[str]:
    """Get the first lines that the device hears within 2 s."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        if lines := port.read():
            return lines
    return []


def test_lines_pass_both_ways(line: SerialLine, port: PtyLinePort) -> None:
    line.send("*IDN?")
    assert heard(port) == ["*IDN?"]
    port.write(["EA,1", "second\r"])
    assert line.receive(1.0) == "EA,1"
    assert line.receive(1.0) == "second"
    assert line.receive(0.0) is None


def test_nothing_is_added_to_what_is_sent(line: SerialLine, port: PtyLinePort) -> None:
    """A CR or a doubled LF is an error to the flow meter."""
    line.send(":INP 0\n:INP?")
    assert heard(port) == [":INP 0", ":INP?"]


@pytest.mark.parametrize("timeout_s", [0.0, 0.1, 0.3])
def test_receiving_ends_in_time_and_costs_nothing(line: SerialLine, timeout_s: float) -> None:
    start, before = time.monotonic(), time.process_time()
    assert line.receive(timeout_s) is None
    assert timeout_s <= time.monotonic() - start < timeout_s + 2
    assert time.process_time() - before < 0.05


def test_a_line_in_pieces_is_put_together(line: SerialLine, port: PtyLinePort) -> None:
    port.write([Answer("12.0", ended=False)])
    assert line.receive(0.05) is None
    port.write(["0 V"])
    assert line.receive(1.0) == "12.00 V"


def test_a_trickle_without_end_does_not_hold_the_receiver(
    line: SerialLine, port: PtyLinePort
) -> None:
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            port.write([Answer("x", ended=False)])

    writer = threading.Thread(target=trickle)
    writer.start()
    try:
        start = time.monotonic()
        assert line.receive(0.2) is None
        assert time.monotonic() - start < 3
    finally:
        stop.set()
        writer.join()


def test_dropping_takes_what_has_come_and_the_rest_of_its_line(
    line: SerialLine, port: PtyLinePort
) -> None:
    port.write(["old", Answer("half ", ended=False)])
    assert line.receive(1.0) == "old"
    line.drop()
    port.write(["an answer", "new"])
    assert line.receive(1.0) == "new"


def test_noise_is_told_and_the_next_line_is_heard(line: SerialLine, port: PtyLinePort) -> None:
    port.write(["\udcff\udcfe", "12"])
    with pytest.raises(ProtocolViolated, match="parity"):
        line.receive(1.0)
    assert line.receive(1.0) == "12"


def test_what_came_before_opening_is_not_heard(name: Path, port: PtyLinePort) -> None:
    port.write(["an answer to somebody who has gone"])
    line = SerialLine(SerialSettings(port=str(name)))
    line.open()
    assert line.receive(0.1) is None
    line.close()


def test_half_a_line_from_before_opening_is_forgotten(line: SerialLine, port: PtyLinePort) -> None:
    port.write([Answer("12.0", ended=False)])
    assert line.receive(0.1) is None
    line.open()
    port.write(["3 V"])
    assert line.receive(1.0) == "3 V"


def test_closing_can_be_repeated_and_is_told_to_who_goes_on(line: SerialLine) -> None:
    line.close()
    line.close()
    uses: tuple[Callable[[], object], ...] = (
        lambda: line.send("x"),
        lambda: line.receive(0.0),
        line.drop,
    )
    for use in uses:
        with pytest.raises(CommunicationLost, match="open the device again"):
            use()


def test_a_device_that_takes_nothing_is_told(line: SerialLine) -> None:
    """Nobody reads at the far end, until the kernel's buffer is full."""

    def talk() -> None:
        for _ in range(100):
            line.send("x" * 4000)

    start = time.monotonic()
    with pytest.raises(CommunicationLost, match="switched on"):
        talk()
    assert time.monotonic() - start < 5


class TestPullingOut:
    def test_who_waits_is_told_at_once(self, line: SerialLine, port: PtyLinePort) -> None:
        pulling = threading.Timer(0.1, port.close)
        pulling.start()
        start = time.monotonic()
        with pytest.raises(CommunicationLost, match=r"flow-001.*plugged in"):
            line.receive(5.0)
        assert time.monotonic() - start < 4
        # The fixture closes it as well.
        pulling.join()

    def test_who_sends_is_told(self, line: SerialLine, port: PtyLinePort) -> None:
        port.close()
        with pytest.raises(CommunicationLost, match="plugged in"):
            line.send("*IDN?")

    def test_it_is_found_again_by_its_stable_name(
        self,
        line: SerialLine,
        port: PtyLinePort,
        name: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        before = name.readlink()
        port.close()
        with pytest.raises(CommunicationLost):
            line.receive(0.1)
        # Somebody else takes the number of the old port, so that the name leads to another one.
        blocker = PtyLinePort(name.with_name("blocker"))
        for _ in range(3):
            with pytest.raises(DeviceNotFound, match="no such port"):
                line.open()
        again = PtyLinePort(name)
        assert name.readlink() != before
        line.open()
        line.send("*IDN?")
        assert heard(again) == ["*IDN?"]
        again.write(["here"])
        assert line.receive(1.0) == "here"
        again.close()
        blocker.close()
        told = [record.message for record in caplog.records]
        assert len(told) == 2, "once when it goes and once when it is back"
        assert "does not work any more" in told[0]
        assert "works again" in told[1]


class TestOneOwner:
    @pytest.mark.usefixtures("port")
    def test_the_second_is_told_who_holds_it(self, name: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, str(name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"open\n"
            line = SerialLine(SerialSettings(port=str(name)))
            with pytest.raises(DeviceNotFound) as failure:
                line.open()
            assert f"process {holder.pid} ({sys.executable}" in str(failure.value)
            assert "Stop that one" in str(failure.value)
            holder.kill()
        line.open()
        line.close()

    def test_asking_for_the_holder_needs_no_port(self, name: Path) -> None:
        assert port_holder(str(name)) is None

    def test_a_free_port_has_no_holder(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert port_holder(str(tmp_path / "file")) is None

    def test_a_program_that_locks_nothing_is_found_by_its_open_file(self) -> None:
        master, slave = os.openpty()
        with subprocess.Popen(["sleep", "60"], stdin=slave, stdout=subprocess.DEVNULL) as other:
            found = port_holder(os.ttyname(slave))
            other.kill()
        assert found is not None
        assert f"process {other.pid} (sleep 60)" in found
        os.close(master)
        os.close(slave)

    @pytest.mark.usefixtures("port")
    def test_the_kernel_lets_nobody_else_open_a_real_port(
        self, name: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(serial_line, "is_pseudo_terminal", lambda _status: False)
        line = SerialLine(SerialSettings(port=str(name)))
        line.open()
        assert exclusive(name)
        line.close()

    @pytest.mark.usefixtures("line")
    def test_a_killed_client_does_not_lock_out_the_next_from_a_simulator(self, name: Path) -> None:
        assert not exclusive(name)


def exclusive(name: Path) -> bool:
    """Ask the kernel whether a port is marked for one owner; root may open it nevertheless."""
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        return error.errno == errno.EBUSY
    try:
        answer: bytes = fcntl.ioctl(descriptor, TIOCGEXCL, b"\0" * 4)
        if struct.unpack("i", answer)[0]:
            fcntl.ioctl(descriptor, termios.TIOCNXCL)
            return True
        return False
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("port", "why"),
    [("/dev/no-such-port", "Is the device plugged in"), ("/dev/null", "Is it a serial port")],
)
def test_a_port_that_cannot_be_opened_says_what_to_do(port: str, why: str) -> None:
    with pytest.raises(DeviceNotFound, match=re.escape(why)) as failure:
        line_link(SerialSettings(port=port)).open()
    assert f"serial {port}" in str(failure.value)


def test_a_forbidden_port_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_settings: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(DeviceNotFound, match="dialout"):
        line_link(SerialSettings(port="/dev/ttyACM0")).open()


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, 0),
        ({"parity": "odd"}, termios.PARENB | termios.PARODD),
        ({"parity": "even", "stop_bits": 2}, termios.PARENB | termios.CSTOPB),
    ],
)
def test_the_port_is_set_as_the_device_needs(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], flags: int
) -> None:
    """A pseudo-terminal forgets parity, so what is asked of the kernel is looked at."""
    asked: list[list[Any]] = []
    original = termios.tcsetattr

    def spy(descriptor: int, when: int, attributes: list[Any]) -> None:
        asked.append(attributes)
        original(descriptor, when, attributes)

    monkeypatch.setattr(termios, "tcsetattr", spy)
    master, slave = os.openpty()
    line = line_link(
        SerialSettings.model_validate({"port": os.ttyname(slave), "baudrate": 115200} | settings)
    )
    line.open()
    line.close()
    os.close(master)
    os.close(slave)
    cflag, speed = asked[-1][2], asked[-1][4]
    assert cflag & (termios.PARENB | termios.PARODD | termios.CSTOPB) == flags
    assert cflag & termios.CSIZE == termios.CS8
    assert speed == termios.B115200


def test_a_dialogue_over_a_port(line: SerialLine, port: PtyLinePort) -> None:
    def answer() -> None:
        assert heard(port) == ["OUTPut?"]
        port.write(["OFF"])

    device = threading.Thread(target=answer)
    device.start()
    dialogue = Dialogue(line, "EA", SystemClock(), 2.0)
    before_ns = time.monotonic_ns()
    said, at_ns = dialogue.ask("OUTPut?")
    device.join()
    assert said == "OFF"
    assert before_ns < at_ns <= time.monotonic_ns()


def test_a_simulated_port_is_opened_again_by_the_same_settings(name: Path) -> None:
    """It has no parity, and refuses one that is all that is new to it."""
    port = PtyLinePort(name)
    for _ in range(3):
        line = SerialLine(SerialSettings(port=str(name), parity="odd"))
        line.open()
        line.change(SerialSettings(port=str(name), baudrate=19200))
        line.change(SerialSettings(port=str(name), baudrate=19200, parity="odd"))
        line.change(SerialSettings(port=str(name), parity="odd"))
        line.send("*IDN?")
        assert heard(port) == ["*IDN?"]
        line.close()
    port.close()


def test_the_speed_is_changed_without_closing_the_port(line: SerialLine, name: Path) -> None:
    with name.open("rb", buffering=0) as other:
        line.change(SerialSettings(port=str(name), baudrate=38400, stop_bits=2))
        attributes = termios.tcgetattr(other)
    assert attributes[4:6] == [termios.B38400, termios.B38400]
    assert attributes[2] & termios.CSTOPB


def test_a_closed_line_takes_no_other_settings(line: SerialLine, name: Path) -> None:
    line.close()
    with pytest.raises(CommunicationLost):
        line.change(SerialSettings(port=str(name)))
