"""Orders to a running bench: by its socket, by standard input, from several people at once."""

import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bem_drivers.simulation.bench import BenchError, make_bench
from bem_drivers.simulation.control import Orders
from bem_drivers.simulation.process import BenchProcess
from bem_drivers.simulation.rig import Rig

BENCH = {
    "batteries": {"cell": {}},
    "buses": {"can": {"kind": "slcan", "link": "can"}},
    "devices": {"one": {"driver": "epc", "bus": "can", "battery": "cell"}},
}


def test_orders_may_come_in_pieces() -> None:
    orders = Orders(str.upper)
    assert orders.take(b"ab") == ""
    assert orders.take(b"c\nd\r\n\n  \ne") == "ABC\n\nD\n\n"
    assert orders.take(b"\n") == "E\n\n"


def test_what_is_no_text_is_an_order_like_any_other() -> None:
    assert Orders(lambda order: f"refused: {order!r}").take(b"\xff\xfe\n").startswith("refused: ")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[int | None], None]]:
    """Get what runs a bench in a thread, with a control socket and a file of orders."""
    running: list[tuple[BenchProcess, threading.Thread]] = []

    def start(orders: int | None = None) -> None:
        rig = Rig(make_bench(BENCH), tmp_path, time.monotonic_ns())
        process = BenchProcess(rig, tmp_path / "control", orders)
        thread = threading.Thread(target=process.run)
        thread.start()
        running.append((process, thread))

    yield start
    for process, thread in running:
        process.stop()
        thread.join(10)
        assert not thread.is_alive()


def say(client: socket.socket, orders: str, answers: int = 1) -> list[str]:
    """Give orders and wait for that many answers."""
    client.sendall(orders.encode())
    said = ""
    while said.count("\n\n") < answers:
        said += client.recv(65536).decode()
    return said.split("\n\n")[:-1]


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(10)
    client.connect(str(path))
    return client


def test_several_people_may_give_orders(run: Callable[..., None], tmp_path: Path) -> None:
    run()
    with connected(tmp_path / "control") as one, connected(tmp_path / "control") as other:
        assert say(one, "one voltage 4\none voltage off\n", 2) == ["ok", "ok"]
        assert say(other, "one jump\n")[0].startswith(
            "refused: no fault 'jump' of an EPC; there are: "
        )
        assert "one unplug: nobody reaches it any more" in say(other, "help\n")[0]
        one.close()
        assert say(other, "can unplug\ncan plug\ncan unplug\ncan plug\n", 4) == ["ok"] * 4
    with connected(tmp_path / "control") as third:
        assert '"voltage": 3.7' in say(third, "cell show\n")[0]


def test_only_its_user_may_connect_and_it_leaves_nothing_behind(
    run: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "control").write_text("left behind by a bench that was killed")
    run()
    mode = (tmp_path / "control").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_standard_input_takes_orders_too(
    run: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    run(read)
    os.write(write, b"one voltage 4\nnobody x\n")
    os.close(write)
    with connected(tmp_path / "control") as client:
        say(client, "cell show\n")
        said = ""
        while said.count("\n\n") < 2:
            say(client, "cell show\n")
            said += capfd.readouterr().out
    assert said.startswith("ok\n\nrefused: nothing here is called 'nobody'")
    os.close(read)


def test_a_socket_that_cannot_be_had_is_said_with_its_path(tmp_path: Path) -> None:
    rig = Rig(make_bench(BENCH), tmp_path, time.monotonic_ns())
    with pytest.raises(BenchError, match=r"control: .*no/control cannot be had: .*; choose a path"):
        BenchProcess(rig, tmp_path / "no" / "control")
    rig.close()
