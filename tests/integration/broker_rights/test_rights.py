"""An account of the broker can touch what is its own and nothing else."""

import queue
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from tests.integration.broker_rights.conftest import Accounts

pytestmark = pytest.mark.server
PREFIX = "bem/v1/nodes"
_ANSWER_S = 10.0
UPWARD = ["status", "live", "samples", "events", "answers"]
DOWNWARD = ["commands", "acknowledgements"]


class Client:
    """A connection that writes down what comes."""

    def __init__(
        self, accounts: "Accounts", account: str, client_id: str, password: str = ""
    ) -> None:
        self.answers: queue.Queue[tuple[str, object]] = queue.Queue()
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            reconnect_on_failure=False,
        )
        self.mqtt.username_pw_set(account, password or accounts.passwords.get(account, "guest"))
        self.mqtt.on_connect = lambda _c, _u, _f, reason, _p: self.answers.put(
            ("refused" if reason.is_failure else "connected", reason)
        )
        self.mqtt.on_disconnect = lambda *_: self.answers.put(("gone", None))
        self.mqtt.on_subscribe = lambda _c, _u, _m, codes, _p: self.answers.put(
            ("refused" if codes[0].is_failure else "subscribed", codes)
        )
        self.mqtt.on_publish = lambda *_: self.answers.put(("published", None))
        self.mqtt.on_message = lambda _c, _u, message: self.received.put(
            (message.topic, bytes(message.payload))
        )
        self.mqtt.connect("127.0.0.1", accounts.port, keepalive=30)
        self.mqtt.loop_start()
        self.connected = self.answer() == "connected"

    def answer(self) -> str:
        return self.answers.get(timeout=_ANSWER_S)[0]

    def may_subscribe(self, topic: str) -> bool:
        """The broker refuses by a code or by hanging up, depending on its version."""
        self.mqtt.subscribe(topic, qos=1)
        return self.answer() == "subscribed"

    def may_publish(self, topic: str) -> bool:
        self.mqtt.publish(topic, b"x", qos=1)
        return self.answer() == "published"

    def close(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


Open = Callable[..., Client]


@pytest.fixture
def connect(accounts: "Accounts") -> Iterator[Open]:
    """Connect as an account; each is closed afterwards."""
    clients: list[Client] = []

    def open_one(account: str, client_id: str, password: str = "") -> Client:
        clients.append(Client(accounts, account, client_id, password))
        return clients[-1]

    yield open_one
    for client in clients:
        client.close()


def node(connect: Open, name: str = "cycler-1") -> Client:
    return connect(f"node-{name}", f"bem-node-{name}")


@pytest.mark.parametrize("last", UPWARD)
def test_a_node_writes_its_own_upward_topics(connect: Open, last: str) -> None:
    assert node(connect).may_publish(f"{PREFIX}/cycler-1/{last}")


@pytest.mark.parametrize("last", DOWNWARD)
def test_a_node_reads_its_own_downward_topics(connect: Open, last: str) -> None:
    assert node(connect).may_subscribe(f"{PREFIX}/cycler-1/{last}")


@pytest.mark.parametrize(
    "topic",
    [
        *(f"{PREFIX}/cycler-2/{last}" for last in UPWARD + DOWNWARD),
        *(f"{PREFIX}/cycler-1-b/{last}" for last in UPWARD),
        *(f"{PREFIX}/cycler-1/{last}" for last in DOWNWARD),
        f"{PREFIX}/cycler-1/other",
        f"{PREFIX}/cycler-1/status/more",
        f"x/{PREFIX}/cycler-1/status",
        "anything",
    ],
)
def test_a_node_writes_nothing_else(connect: Open, topic: str) -> None:
    assert not node(connect).may_publish(topic)


@pytest.mark.parametrize(
    "topic",
    [
        *(f"{PREFIX}/cycler-2/{last}" for last in UPWARD + DOWNWARD),
        *(f"{PREFIX}/cycler-1-b/{last}" for last in DOWNWARD),
        *(f"{PREFIX}/+/{last}" for last in UPWARD + DOWNWARD),
        *(f"{PREFIX}/*/{last}" for last in DOWNWARD),
        f"{PREFIX}/cycler-1/+",
        f"{PREFIX}/cycler-1/#",
        f"{PREFIX}/#",
        "+/+/+/cycler-2/commands",
        "#",
        "$SYS/#",
    ],
)
def test_a_node_reads_nothing_else(connect: Open, topic: str) -> None:
    assert not node(connect).may_subscribe(topic)


@pytest.mark.parametrize("other", ["bem-node-cycler-2", "bem-node-cycler-1-b", "bem-manager", "x"])
def test_a_node_gets_no_queue_under_the_client_id_of_another(connect: Open, other: str) -> None:
    client = connect("node-cycler-1", other)
    assert not client.connected or not client.may_subscribe(f"{PREFIX}/cycler-1/commands")


def test_a_client_id_may_end_in_something_that_no_other_can_guess(connect: Open) -> None:
    client = connect("node-cycler-1", "bem-node-cycler-1_5f3a9c")
    assert client.may_subscribe(f"{PREFIX}/cycler-1/commands")


def test_messages_pass_between_node_manager_and_web(connect: Open) -> None:
    manager = connect("manager", "bem-manager")
    web = connect("web", "bem-web-server-12-ab34ef")
    for last in ["status", "samples", "events", "answers"]:
        assert manager.may_subscribe(f"{PREFIX}/+/{last}")
    for last in ["live", "status"]:
        assert web.may_subscribe(f"{PREFIX}/+/{last}")
    there = node(connect)
    for last in DOWNWARD:
        assert there.may_subscribe(f"{PREFIX}/cycler-1/{last}")

    assert there.may_publish(f"{PREFIX}/cycler-1/samples")
    assert there.may_publish(f"{PREFIX}/cycler-1/live")
    assert manager.may_publish(f"{PREFIX}/cycler-1/commands")

    assert manager.received.get(timeout=_ANSWER_S) == (f"{PREFIX}/cycler-1/samples", b"x")
    assert web.received.get(timeout=_ANSWER_S) == (f"{PREFIX}/cycler-1/live", b"x")
    assert there.received.get(timeout=_ANSWER_S) == (f"{PREFIX}/cycler-1/commands", b"x")


@pytest.mark.parametrize("last", UPWARD)
def test_the_manager_does_not_speak_for_a_node(connect: Open, last: str) -> None:
    assert not connect("manager", "bem-manager").may_publish(f"{PREFIX}/cycler-1/{last}")


@pytest.mark.parametrize("last", UPWARD + DOWNWARD)
def test_the_web_writes_nothing(connect: Open, last: str) -> None:
    assert not connect("web", "bem-web-a").may_publish(f"{PREFIX}/cycler-1/{last}")


@pytest.mark.parametrize("last", [*DOWNWARD, "samples", "events", "answers"])
def test_the_web_reads_no_commands(connect: Open, last: str) -> None:
    assert not connect("web", "bem-web-a").may_subscribe(f"{PREFIX}/+/{last}")


@pytest.mark.parametrize(
    ("account", "password"),
    [("guest", "guest"), ("bem", "bem"), ("node-cycler-1", "wrong"), ("node-cycler-9", "x")],
)
def test_nobody_else_gets_in(connect: Open, account: str, password: str) -> None:
    assert not connect(account, "bem-node-cycler-1", password).connected
