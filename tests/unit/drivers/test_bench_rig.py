"""A bench that is put up: devices at one battery, orders by name, ports that come and go."""

import json
import os
import select
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bem_drivers.simulation.bench import BenchError, make_bench
from bem_drivers.simulation.rig import Rig
from bem_drivers.simulation.slots import LineSlot

from .bench_outside import install

SECOND = 1_000_000_000
MS = 1_000_000
CC_1_A = "0500E803FFFFFF7F"

Put = Callable[..., Rig]


@pytest.fixture
def put_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Get a maker of rigs that exist from instant 0 on; keywords are parts of the bench."""
    install(tmp_path, monkeypatch)
    rigs: list[Rig] = []

    def make(**parts: object) -> Rig:
        described = {
            "batteries": {"cell": {"capacity_ah": 2.0}},
            "buses": {"can": {"kind": "slcan", "link": "can"}},
            "devices": {
                "one": {"driver": "epc", "bus": "can", "battery": "cell"},
                "meter": {
                    "driver": "outside",
                    "port": {"kind": "pty", "link": "meter"},
                    "battery": "cell",
                },
            },
            "ledger": "ledger.jsonl",
        }
        rig = Rig(make_bench(described | parts), tmp_path, 0)
        rigs.append(rig)
        return rig

    yield make
    for rig in rigs:
        rig.close()


class Client:
    """Whoever is at the other end of a port of a rig."""

    def __init__(self, rig: Rig, link: Path) -> None:
        self._rig = rig
        self._file = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._file)

    def ask(self, text: str, now_ns: int) -> str:
        """Send at an instant; get what comes at once."""
        os.write(self._file, text.encode())
        ports = self._rig.ports()
        # The kernel hands over what was written when it comes to it, in both directions.
        select.select(list(ports), [], [], 1.0)
        for place in ports.values():
            place.take(now_ns)
        self._rig.live(now_ns)
        return self.hear()

    def ask_bus(self, text: str, now_ns: int) -> str:
        """Send at an instant; get what comes within two slots of a unit."""
        said = self.ask(text, now_ns)
        self._rig.live(now_ns + 20 * MS)
        return said + self.hear()

    def hear(self) -> str:
        """Get what came; nothing is an empty string."""
        select.select([self._file], [], [], 0.05)
        try:
            return os.read(self._file, 4096).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[Rig, str], Client]]:
    clients: list[Client] = []

    def make(rig: Rig, link: str) -> Client:
        clients.append(Client(rig, tmp_path / link))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


Connect = Callable[[Rig, str], Client]


def shown(rig: Rig, now_ns: int) -> dict[str, float]:
    """Get how the battery truly is."""
    truth: dict[str, float] = json.loads(rig.obey("cell show", now_ns))
    return truth


def charge(client: Client, now_ns: int) -> None:
    """Have the EPC 0x13 charge with 1 A."""
    client.ask_bus("S4\rO\r", now_ns)
    client.ask_bus(f"t1308{CC_1_A}\r", now_ns)


def test_a_bus_carries_one_frame_after_the_other(put_up: Put, connect: Connect) -> None:
    units = {
        f"epc-{device_id:x}": {
            "driver": "epc",
            "bus": "can",
            "battery": "cell",
            "settings": {"device_id": device_id},
        }
        for device_id in (0x13, 0x14)
    }
    rig = put_up(devices=units)
    client = connect(rig, "can")
    client.ask_bus("S4\rO\r", SECOND // 2)
    assert client.ask("t141103\rt131103\r", SECOND).count("\r") == 2
    # Both have their answer ready 10.4 ms later; it takes 0.92 ms, the lower identifier first.
    due_ns = SECOND + 10 * MS + 400_000
    rig.live(due_ns + 910_000)
    assert client.hear() == ""
    rig.live(due_ns + 930_000)
    assert client.hear().startswith("t13C6")
    rig.live(due_ns + 1_830_000)
    assert client.hear() == ""
    rig.live(due_ns + 1_850_000)
    assert client.hear().startswith("t14C6")


def test_a_meter_sees_what_a_converter_does_to_the_battery(put_up: Put, connect: Connect) -> None:
    rig = put_up()
    can, meter = connect(rig, "can"), connect(rig, "meter")
    assert meter.ask("volts?\n", SECOND) == "3.7000\n"
    charge(can, 2 * SECOND)
    rig.live(12 * SECOND)
    battery = shown(rig, 12 * SECOND)
    assert battery["current"] == pytest.approx(1.0)
    assert battery["charge_in"] == pytest.approx(10 / 3600, rel=0.01)
    assert meter.ask("volts?\n", 12 * SECOND) == f"{battery['voltage']:.4f}\n"
    assert battery["voltage"] > 3.7


def test_every_device_at_a_battery_drives_its_own_current(put_up: Put, connect: Connect) -> None:
    load = {
        "driver": "outside",
        "port": {"kind": "pty", "link": "load"},
        "battery": "cell",
        "settings": {"current": -0.4},
    }
    rig = put_up(devices={"one": {"driver": "epc", "bus": "can", "battery": "cell"}, "load": load})
    charge(connect(rig, "can"), 2 * SECOND)
    rig.live(12 * SECOND)
    battery = shown(rig, 12 * SECOND)
    assert battery["current"] == pytest.approx(0.6)
    assert battery["state_of_charge"] - 0.5 == pytest.approx((0.6 * 10 - 0.4 * 2) / 7200, rel=0.01)


def test_units_on_one_bus_answer_for_themselves(put_up: Put, connect: Connect) -> None:
    epc = {"driver": "epc", "bus": "can", "battery": "cell"}
    rig = put_up(devices={"one": epc, "two": epc | {"settings": {"device_id": 0x14}}})
    can = connect(rig, "can")
    can.ask_bus("O\r", SECOND)
    assert "t13A453001001" in can.ask_bus("t131100\r", SECOND + 20 * MS)
    assert "t14A454001001" in can.ask_bus("t141100\r", SECOND + 40 * MS)


def test_a_device_that_is_taken_off_the_bus_lives_on(put_up: Put, connect: Connect) -> None:
    rig = put_up()
    can = connect(rig, "can")
    charge(can, 2 * SECOND)
    can.hear()
    assert rig.obey("one unplug", 2 * SECOND) == "ok"
    assert can.ask_bus("t131100\r", 3 * SECOND) == "\r"
    assert shown(rig, 3 * SECOND)["current"] == pytest.approx(1.0)
    rig.obey("one plug", 3 * SECOND)
    assert "t13A4" in can.ask_bus("t131100\r", 3 * SECOND + 20 * MS)


def test_an_adapter_that_is_pulled_out_comes_back_under_its_name(
    put_up: Put, connect: Connect, tmp_path: Path
) -> None:
    rig = put_up()
    connect(rig, "can")
    rig.obey("can unplug", SECOND)
    assert not (tmp_path / "can").is_symlink()
    rig.obey("can plug", SECOND)
    rig.obey("can plug", SECOND)
    assert "t13A4" in connect(rig, "can").ask_bus("O\rt131100\r", SECOND + 20 * MS)


def test_a_device_with_a_port_is_unplugged_with_it(
    put_up: Put, connect: Connect, tmp_path: Path
) -> None:
    rig = put_up()
    rig.obey("meter unplug", SECOND)
    assert not (tmp_path / "meter").is_symlink()
    assert len(rig.ports()) == 1
    rig.obey("meter plug", SECOND)
    assert connect(rig, "meter").ask("?\n", SECOND) == "hello\n"


def test_without_power_nothing_flows_and_nobody_answers(put_up: Put, connect: Connect) -> None:
    rig = put_up()
    can, meter = connect(rig, "can"), connect(rig, "meter")
    charge(can, 2 * SECOND)
    can.hear()
    rig.obey("one power off", 3 * SECOND)
    rig.obey("meter power off", 3 * SECOND)
    assert shown(rig, 4 * SECOND)["current"] == 0.0
    assert can.ask_bus("t131100\r", 4 * SECOND) == "\r"
    assert meter.ask("?\n", 4 * SECOND) == ""
    with pytest.raises(ValueError, match="one has no power; order: one power on"):
        rig.obey("one voltage 3", 4 * SECOND)
    rig.obey("one power on", 5 * SECOND)
    rig.obey("meter power on", 5 * SECOND)
    rig.obey("meter power on", 5 * SECOND)
    assert "t13A4" in can.ask_bus("t131100\r", 6 * SECOND)
    assert meter.ask("?\n", 6 * SECOND) == "hello\n"
    assert shown(rig, 6 * SECOND)["current"] == 0.0


def test_faults_reach_the_device_they_name(put_up: Put, connect: Connect) -> None:
    rig = put_up()
    can, meter = connect(rig, "can"), connect(rig, "meter")
    rig.obey("one voltage 3.0", SECOND)
    can.ask_bus("O\r", SECOND)
    answer = can.ask_bus("t131103\r", SECOND + 20 * MS)
    assert int.from_bytes(bytes.fromhex(answer.partition("t13C6")[2][:4]), "little") == 2999
    rig.obey("meter say good bye", SECOND)
    assert meter.ask("?\n", SECOND) == "good bye\n"
    rig.obey("meter half 1", SECOND)
    assert meter.ask("?\n", SECOND) == "good"


def test_a_late_answer_leaves_when_it_is_due(put_up: Put, connect: Connect) -> None:
    rig = put_up()
    meter = connect(rig, "meter")
    rig.obey("meter late 50", SECOND)
    assert meter.ask("?\n", SECOND) == ""
    assert rig.live(SECOND) <= SECOND + 50 * MS
    rig.live(SECOND + 50 * MS)
    assert meter.hear() == "hello\n"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("nobody x", "nothing here is called 'nobody'; there are: one, meter, can, cell, and help"),
        ("", "nothing here is called ''"),
        ("can jump", "no order 'jump' for can; there are: unplug, plug"),
        ("cell jump", "no order 'jump' for cell; there is: show"),
        ("meter jump", "no fault 'jump'; there are: say; for every device on a line: silent"),
        ("one jump", "no fault 'jump'"),
        ("one power", "no fault 'power'"),
    ],
)
def test_an_order_that_nobody_takes_is_refused_with_what_there_is(
    put_up: Put, order: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        put_up().obey(order, SECOND)


def test_help_lists_what_each_can_be_told(put_up: Put) -> None:
    said = put_up().obey("help", SECOND).splitlines()
    assert "one voltage NUMBER|off: V that it reads, whatever the battery has" in said
    assert "meter say WORD: its word from now on" in said
    assert "meter drop N: its next N answers are lost" in said
    assert "can unplug: the adapter is pulled out" in said
    assert "cell show: tells how it truly is" in said


def test_the_ledger_knows_devices_by_their_names(
    put_up: Put, connect: Connect, tmp_path: Path
) -> None:
    rig = put_up()
    charge(connect(rig, "can"), 2 * SECOND)
    connect(rig, "meter").ask("?\n", 3 * SECOND)
    rig.close()
    written = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert {"t_ns": 0, "device": "meter", "kind": "on", "word": "hello"} in written
    assert {"t_ns": 3 * SECOND, "device": "meter", "kind": "asked", "line": "?"} in written
    outputs = [one for one in written if one["device"] == "one" and one["kind"] == "output"]
    assert [one["on"] for one in outputs] == [True]


def test_a_port_that_cannot_be_had_is_named(put_up: Put) -> None:
    meter = {"driver": "outside", "port": {"kind": "pty", "link": "no/such/folder"}}
    with pytest.raises(BenchError, match=r"meter: serial .*no/such/folder cannot be had: .*folder"):
        put_up(devices={"meter": meter})
    with pytest.raises(BenchError, match=r"can: socketcan nocan9 cannot be had: .*interface"):
        put_up(
            buses={"can": {"kind": "socketcan", "channel": "nocan9"}},
            devices={"one": {"driver": "epc", "bus": "can", "battery": "cell"}},
        )


def test_it_says_where_drivers_find_its_devices(put_up: Put, tmp_path: Path) -> None:
    assert put_up().describe() == [
        f"one: epc at slcan {tmp_path / 'can'}",
        f"meter: outside at serial {tmp_path / 'meter'}",
    ]
    server = {"driver": "outside", "port": {"kind": "tcp", "port": 58123}}
    rig = put_up(devices={"server": server}, buses={})
    assert rig.describe() == ["server: outside at tcp 127.0.0.1:58123"]
    assert isinstance(rig.devices["server"], LineSlot)
