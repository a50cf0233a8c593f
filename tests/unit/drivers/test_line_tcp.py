"""The TCP transport on real sockets."""

import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bem_drivers.base import CommunicationLost, DeviceNotFound, ProtocolViolated
from bem_drivers.line import TcpSettings, line_link, tcp_line
from bem_drivers.line.tcp_line import TcpLine
from bem_drivers.simulation import Answer
from bem_drivers.simulation.port import TcpLinePort


@pytest.fixture
def port() -> Iterator[TcpLinePort]:
    """Get a device that listens."""
    port = TcpLinePort("127.0.0.1", 0)
    yield port
    port.close()


@pytest.fixture
def line(port: TcpLinePort) -> Iterator[TcpLine]:
    """Get a connection to it."""
    line = TcpLine(TcpSettings(host="127.0.0.1", port=port.port))
    line.open()
    yield line
    line.close()


def heard(port: TcpLinePort) -> list[str]:
    """Get the first lines that the device hears within 2 s."""
    end = time.monotonic() + 2
    while select.select([port], [], [], max(end - time.monotonic(), 0))[0]:
        if lines := port.read():
            return lines
    return []


def test_lines_pass_both_ways(line: TcpLine, port: TcpLinePort) -> None:
    line.send("*IDN?")
    assert heard(port) == ["*IDN?"]
    port.write(["a", "b\r", Answer("c", ended=False)])
    assert [line.receive(1.0) for _ in range(2)] == ["a", "b"]
    assert line.receive(0.05) is None
    port.write(["d"])
    assert line.receive(1.0) == "cd"


def test_receiving_ends_in_time_and_costs_nothing(line: TcpLine) -> None:
    start, before = time.monotonic(), time.process_time()
    assert line.receive(0.3) is None
    assert 0.3 <= time.monotonic() - start < 3
    assert time.process_time() - before < 0.05


def test_dropping_takes_what_has_come(line: TcpLine, port: TcpLinePort) -> None:
    line.send("?")
    heard(port)
    port.write(["old", "older"])
    assert line.receive(1.0) == "old"
    line.drop()
    port.write(["new"])
    assert line.receive(1.0) == "new"


def test_noise_is_told(line: TcpLine, port: TcpLinePort) -> None:
    line.send("?")
    heard(port)
    port.write(["\udcff", "1"])
    with pytest.raises(ProtocolViolated, match="no text"):
        line.receive(1.0)
    assert line.receive(1.0) == "1"


def test_a_device_that_hangs_up_is_told_at_once_and_found_again(
    line: TcpLine, port: TcpLinePort
) -> None:
    line.send("?")
    heard(port)
    number = port.port
    closing = threading.Timer(0.1, port.close)
    closing.start()
    start = time.monotonic()
    with pytest.raises(CommunicationLost, match=f"tcp 127.0.0.1:{number}.*closed the connection"):
        line.receive(5.0)
    assert time.monotonic() - start < 4
    closing.join()
    with pytest.raises(DeviceNotFound, match=r"refused.*switched on"):
        line.open()
    again = TcpLinePort("127.0.0.1", number)
    line.open()
    line.send("*IDN?")
    assert heard(again) == ["*IDN?"]
    again.close()


def test_a_device_that_reads_nothing_is_told(line: TcpLine) -> None:

    def talk() -> None:
        for _ in range(10_000):
            line.send("x" * 65536)

    start = time.monotonic()
    with pytest.raises(CommunicationLost, match="timed out"):
        talk()
    assert time.monotonic() - start < 10


def test_a_host_that_does_not_answer_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_line, "CONNECT_TIMEOUT_S", 0.2)
    # A full queue drops further connections, as a host that is switched off does.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        host, number = server.getsockname()
        line = TcpLine(TcpSettings(host=host, port=number))
        start = time.monotonic()
        with socket.create_connection((host, number)), pytest.raises(DeviceNotFound) as failure:
            line.open()
    assert time.monotonic() - start < 4
    assert "timed out" in str(failure.value)
    assert "one connection only" in str(failure.value)


def test_an_unknown_host_is_told() -> None:
    for host in ("no-such-host.invalid", "x" * 70):
        with pytest.raises(DeviceNotFound, match="are host and port right"):
            line_link(TcpSettings(host=host, port=5025)).open()


def test_a_far_end_without_power_is_noticed_by_the_kernel(
    monkeypatch: pytest.MonkeyPatch, port: TcpLinePort
) -> None:
    made: list[socket.socket] = []
    original = socket.create_connection

    def spy(address: tuple[str, int], timeout: float) -> socket.socket:
        made.append(original(address, timeout))
        return made[0]

    monkeypatch.setattr(socket, "create_connection", spy)
    line = TcpLine(TcpSettings(host="127.0.0.1", port=port.port))
    line.open()
    options = {
        option: made[0].getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    }
    assert made[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, interval, count = options.values()
    assert idle + interval * count == 11
    line.close()


class TestTheSimulatedEnd:
    def test_a_second_client_waits_for_its_turn(self, line: TcpLine, port: TcpLinePort) -> None:
        line.send("first")
        assert heard(port) == ["first"]
        other = TcpLine(TcpSettings(host="127.0.0.1", port=port.port))
        other.open()
        other.send("second")
        assert not select.select([port], [], [], 0.1)[0], "it would keep a simulator awake"
        line.close()
        assert heard(port) == ["second"]
        port.write(["to the second"])
        assert other.receive(1.0) == "to the second"
        other.close()

    def test_half_a_question_of_one_client_is_not_the_next_ones(self, port: TcpLinePort) -> None:
        with socket.create_connection(("127.0.0.1", port.port)) as client:
            client.sendall(b"OUTP")
            assert heard_nothing(port)
        with socket.create_connection(("127.0.0.1", port.port)) as client:
            client.sendall(b"*IDN?\n")
            assert heard(port) == ["*IDN?"]


def heard_nothing(port: TcpLinePort) -> bool:
    """Let the device take what has come; tell whether that was no line."""
    lines = []
    while select.select([port], [], [], 0.1)[0]:
        lines += port.read()
    return not lines
