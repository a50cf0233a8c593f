"""The embedded broker does for our clients what RabbitMQ does in a laboratory."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

WaitUntil = Callable[..., None]
TOPIC = "bem/v1/nodes/a/samples"
PASSWORD = "a password of the tests"


@dataclass
class Broker:
    """The broker's process, on a port that it keeps over restarts."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is up when a connection is taken."""
        command = [sys.executable, "-m", "bem.cli", "--config", str(self.folder / "bem.yaml")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, "broker"], stderr=log)

    def is_up(self) -> bool:
        """Whether it takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def end(self, number: int) -> int:
        """Send a signal and wait; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)


@dataclass
class Client:
    """A client as our processes are: clean session, reconnecting for ever."""

    client: mqtt.Client
    received: list[tuple[str, bytes]] = field(default_factory=list)
    subscribed: int = 0
    refusals: list[str] = field(default_factory=list)


@pytest.fixture
def broker(tmp_path: Path, wait_until: WaitUntil) -> Iterator[Broker]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "bem.yaml").write_text(
        f"broker: {{hosts: [127.0.0.1], port: {port}, user: bem, "
        f"password_file: {tmp_path / 'password'}}}\n"
        "logging: {levels: {amqtt: WARNING, transitions: WARNING}}\n"
    )
    broker = Broker(tmp_path, port)
    broker.start()
    wait_until(broker.is_up, "the broker to listen")
    yield broker
    if broker.process is not None and broker.process.poll() is None:
        broker.end(signal.SIGTERM)


@pytest.fixture
def connect(broker: Broker, wait_until: WaitUntil) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(name: str, subscription: str = "", will: str = "", password: str = PASSWORD) -> Client:
        raw = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, clean_session=True, protocol=mqtt.MQTTv311
        )
        client = Client(raw)
        raw.username_pw_set("bem", password)
        raw.reconnect_delay_set(1, 2)
        if will:
            raw.will_set(will, b"gone", qos=1)

        def connected(
            _client: object, _data: object, _flags: object, reason: ReasonCode, _: object
        ) -> None:
            if reason.is_failure:
                client.refusals.append(str(reason))
            elif subscription:
                raw.subscribe(subscription, qos=1)

        def subscribed(*_: object) -> None:
            client.subscribed += 1

        def received(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
            client.received.append((message.topic, bytes(message.payload)))

        raw.on_connect, raw.on_subscribe, raw.on_message = connected, subscribed, received
        raw.connect_async("127.0.0.1", broker.port, keepalive=10)
        raw.loop_start()
        made.append(client)
        if password == PASSWORD:
            wait_until(raw.is_connected, f"{name} to connect")
            wait_until(lambda: client.subscribed or not subscription, f"{name} to subscribe")
        return client

    yield make
    for client in made:
        client.client.disconnect()
        client.client.loop_stop()


def test_messages_arrive_once_and_in_order(
    connect: Callable[..., Client], wait_until: WaitUntil
) -> None:
    manager = connect("manager", "bem/v1/nodes/+/samples")
    other = connect("other", "bem/v1/nodes/+/events")
    node = connect("node")
    payloads = [b"%d " % number + bytes(20_000) for number in range(300)]
    for payload in payloads:
        node.client.publish(TOPIC, payload, qos=1)
    wait_until(lambda: len(manager.received) >= len(payloads), "all messages", timeout_s=30)
    assert [payload for _, payload in manager.received] == payloads
    assert other.received == []


def test_a_wrong_password_is_refused_and_disturbs_nobody(
    connect: Callable[..., Client], wait_until: WaitUntil
) -> None:
    manager = connect("manager", "bem/v1/nodes/+/samples")
    stranger = connect("stranger", password="wrong")
    wait_until(lambda: stranger.refusals, "the refusal")
    assert stranger.refusals[0] == "Not authorized"
    assert not stranger.client.is_connected()
    connect("node").client.publish(TOPIC, b"still here", qos=1)
    wait_until(lambda: manager.received, "the message")


def test_nobody_comes_in_without_an_account(broker: Broker, wait_until: WaitUntil) -> None:
    reasons: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "nobody", protocol=mqtt.MQTTv311)
    client.on_connect = lambda _c, _d, _f, reason, _p: reasons.append(str(reason))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    wait_until(lambda: reasons, "the refusal")
    client.disconnect()
    client.loop_stop()
    assert set(reasons) == {"Not authorized"}


def test_the_will_is_sent_when_a_process_dies(
    connect: Callable[..., Client], broker: Broker, wait_until: WaitUntil
) -> None:
    manager = connect("manager", "bem/v1/nodes/+/status")
    program = (
        "import paho.mqtt.client as m, sys, time\n"
        "c = m.Client(m.CallbackAPIVersion.VERSION2, 'node', protocol=m.MQTTv311)\n"
        f"c.username_pw_set('bem', {PASSWORD!r})\n"
        "c.will_set('bem/v1/nodes/a/status', b'gone', qos=1)\n"
        "c.on_connect = lambda *_: print('in', flush=True)\n"
        f"c.connect('127.0.0.1', {broker.port}); c.loop_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == b"in\n"
        node.kill()
    wait_until(lambda: manager.received, "the will")
    assert manager.received == [("bem/v1/nodes/a/status", b"gone")]


def test_leaving_in_order_sends_no_will(
    connect: Callable[..., Client], wait_until: WaitUntil
) -> None:
    manager = connect("manager", "bem/v1/nodes/+/status")
    node = connect("node", will="bem/v1/nodes/a/status")
    node.client.publish("bem/v1/nodes/a/status", b"hello", qos=1).wait_for_publish(5)
    node.client.disconnect()
    wait_until(lambda: not node.client.is_connected(), "the node to leave")
    connect("last").client.publish("bem/v1/nodes/b/status", b"end", qos=1)
    wait_until(lambda: len(manager.received) >= 2, "the last message")
    assert [payload for _, payload in manager.received] == [b"hello", b"end"]


def test_clients_come_back_after_the_broker_was_killed(
    connect: Callable[..., Client], broker: Broker, wait_until: WaitUntil
) -> None:
    manager = connect("manager", "bem/v1/nodes/+/samples")
    node = connect("node", "bem/v1/nodes/a/commands")
    for turn in range(1, 3):
        broker.end(signal.SIGKILL)
        wait_until(lambda: not node.client.is_connected(), "the node to notice")
        broker.start()
        wait_until(
            lambda turn=turn: manager.subscribed > turn and node.subscribed > turn,
            "both to subscribe anew",
            timeout_s=20,
        )
        node.client.publish(TOPIC, b"%d" % turn, qos=1)
        wait_until(lambda turn=turn: len(manager.received) >= turn, "the message")
    assert [payload for _, payload in manager.received] == [b"1", b"2"]


def test_reconnecting_often_keeps_the_subscription(
    connect: Callable[..., Client], wait_until: WaitUntil
) -> None:
    """amqtt's own clean-up of ended sessions may unsubscribe the next one of that client."""
    manager = connect("manager", "bem/v1/nodes/+/samples")
    node = connect("node")
    until = time.monotonic() + 4
    turn = 0
    while time.monotonic() < until:
        turn += 1
        before = manager.subscribed
        manager.client.reconnect()
        wait_until(lambda before=before: manager.subscribed > before, "the subscription")
        node.client.publish(TOPIC, b"%d" % turn, qos=1)
        wait_until(lambda turn=turn: (TOPIC, b"%d" % turn) in manager.received, f"message {turn}")


def test_garbage_on_the_port_disturbs_nobody(
    connect: Callable[..., Client], broker: Broker, wait_until: WaitUntil
) -> None:
    manager = connect("manager", "bem/v1/nodes/+/samples")
    for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff", os.urandom(4096)):
        with socket.create_connection(("127.0.0.1", broker.port)) as stranger:
            stranger.sendall(garbage)
    connect("node").client.publish(TOPIC, b"still here", qos=1)
    wait_until(lambda: manager.received, "the message")


def test_an_idle_broker_costs_next_to_nothing(
    connect: Callable[..., Client], broker: Broker
) -> None:
    for number in range(5):
        connect(f"client-{number}", "bem/v1/nodes/+/samples")
    assert broker.process is not None
    stat = Path(f"/proc/{broker.process.pid}/stat")

    def cpu_s() -> float:
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, began = cpu_s(), time.monotonic()
    time.sleep(3)  # The measurement itself: how much is used in a while of doing nothing.
    assert (cpu_s() - before) / (time.monotonic() - began) < 0.02


def test_it_ends_in_order(broker: Broker) -> None:
    assert broker.end(signal.SIGTERM) == 0


def test_a_taken_port_is_a_failure(broker: Broker) -> None:
    second = Broker(broker.folder, broker.port)
    second.start()
    assert second.process is not None
    assert second.process.wait(10) == 1
    assert "address already in use" in (broker.folder / "log").read_text()
