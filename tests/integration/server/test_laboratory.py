"""A whole laboratory over RabbitMQ and MariaDB: exactly once, whatever dies on the way."""

import signal
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from bem.messages import NodeGone, Topic, decode, node_filter
from bem.runtime.broker import BrokerLink
from bem.web.watch.hub import LiveHub

if TYPE_CHECKING:
    from tests.integration.server.conftest import ServerLaboratory

WaitUntil = Callable[..., None]
pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]


@pytest.fixture
def running(laboratory: "ServerLaboratory", wait_until: WaitUntil) -> "ServerLaboratory":
    """Manager and agent with two idle stations."""
    laboratory.define("one")
    laboratory.define("two")
    laboratory.start("node", "manager")
    wait_until(
        lambda: laboratory.station_states() == {"one": "idle", "two": "idle"},
        "both stations to be idle",
        timeout_s=60,
    )
    return laboratory


def _await_delivery(
    laboratory: "ServerLaboratory", wait_until: WaitUntil, station: str, experiment: uuid.UUID
) -> None:
    wait_until(
        lambda: laboratory.status(experiment) == "finished", "the run to be finished", timeout_s=90
    )
    wait_until(
        lambda: laboratory.journal(
            station,
            "SELECT 1 FROM run WHERE experiment = ? AND ended_at IS NOT NULL AND acked_samples = "
            "(SELECT count(*) FROM sample WHERE sample.experiment = run.experiment)",
            str(experiment),
        ),
        "the station to know that all is delivered",
        timeout_s=30,
    )
    laboratory.assert_delivered(station, experiment)


def test_broker_and_manager_are_killed_and_every_row_arrives_once(
    running: "ServerLaboratory", wait_until: WaitUntil
) -> None:
    experiment, beside = running.queue(20, "one", "two")
    wait_until(lambda: running.kept(experiment) > 5, "the first samples", timeout_s=30)
    stations = running.station_pid("one"), running.station_pid("two")
    running.rabbitmq.kill()
    running.kill("manager")
    before = running.journal("one", "SELECT count(*) FROM sample")[0][0]
    wait_until(
        lambda: running.journal("one", "SELECT count(*) FROM sample")[0][0] > before + 20,
        "the station to go on alone",
    )
    running.start("manager")
    running.rabbitmq.start()
    kept = running.kept(experiment)
    wait_until(lambda: running.kept(experiment) > kept, "samples to come again", timeout_s=60)
    running.kill("manager")
    running.start("manager")
    for station, run in (("one", experiment), ("two", beside)):
        _await_delivery(running, wait_until, station, run)
    assert (running.station_pid("one"), running.station_pid("two")) == stations


def test_the_database_is_killed_and_every_row_arrives_once(
    running: "ServerLaboratory", wait_until: WaitUntil
) -> None:
    (experiment,) = running.queue(12, "one")
    wait_until(lambda: running.kept(experiment) > 5, "the first samples", timeout_s=30)
    running.mariadb.kill()
    before = running.journal("one", "SELECT count(*) FROM sample")[0][0]
    wait_until(
        lambda: running.journal("one", "SELECT count(*) FROM sample")[0][0] > before + 20,
        "the station to go on alone",
    )
    running.mariadb.start()
    _await_delivery(running, wait_until, "one", experiment)
    away = [line for line in running.log.read_text().splitlines() if "database is away" in line]
    assert len(away) == 2, "once when it begins and once when it ends"


def test_a_killed_node_is_told_by_its_last_will(
    running: "ServerLaboratory", wait_until: WaitUntil
) -> None:
    heard: list[bytes] = []
    link = BrokerLink(
        running.settings.broker,
        client_id="test",
        subscriptions=[node_filter(Topic.STATUS)],
        on_message=lambda _, payload: heard.append(payload),
    )

    def wills() -> list[NodeGone]:
        return [decode(payload, NodeGone) for payload in heard if b"node_gone" in payload]

    link.start()
    try:
        # Connected is not subscribed yet.
        wait_until(lambda: heard, "a status of the node")
        running.kill("node")
        # Its sockets close with the process, so the broker need not wait for silence.
        wait_until(wills, "the last will", timeout_s=5)
        wait_until(lambda: running.station_states() == {}, "the node to be offline", timeout_s=5)
    finally:
        link.stop()
    assert len(wills()) == 1


def test_an_orderly_end_of_the_node_is_told(
    running: "ServerLaboratory", wait_until: WaitUntil
) -> None:
    assert running.kill("node", signal.SIGTERM) == 0
    wait_until(lambda: running.station_states() == {}, "the node to be offline", timeout_s=5)


@pytest.fixture
def hub(running: "ServerLaboratory") -> Iterator[LiveHub]:
    hub = LiveHub()
    hub.connect(running.settings.broker, "bem-web-test")
    yield hub
    hub.close()
    hub.disconnect()


def test_the_live_view_flows_again_after_the_broker_was_killed(
    running: "ServerLaboratory", hub: LiveHub, wait_until: WaitUntil
) -> None:
    page = hub.subscribe({("node-a", "one"): 1, ("node-a", "two"): 2})

    def voltage_of(station: int) -> bool:
        news = hub.wait(page, 1)
        return (
            news is not None
            and station in news.live
            and "voltage" in news.live[station].live.values
        )

    wait_until(lambda: voltage_of(1), "live values of one")
    wait_until(lambda: voltage_of(2), "live values of two")
    running.rabbitmq.kill()
    while hub.wait(page, 2) is not None:
        pass
    running.rabbitmq.start()
    wait_until(lambda: voltage_of(1), "live values again", timeout_s=20)
    assert hub.dropped == 0


def test_a_wrong_password_is_said_and_the_right_one_works(
    running: "ServerLaboratory", wait_until: WaitUntil
) -> None:
    running.kill("node", signal.SIGTERM)
    (running.folder / "broker").write_text("wrong")
    running.start("node")
    wait_until(
        lambda: "is away: Bad user name or password" in running.log.read_text(),
        "the reason in the log",
        timeout_s=20,
    )
    running.kill("node", signal.SIGTERM)
    (running.folder / "broker").write_text(running.rabbitmq.password)
    running.start("node")
    wait_until(
        lambda: running.station_states() == {"one": "idle", "two": "idle"},
        "both stations to be idle",
        timeout_s=30,
    )


def test_a_broker_out_of_memory_delays_and_loses_nothing(
    running: "ServerLaboratory", wait_until: WaitUntil
) -> None:
    (experiment,) = running.queue(30, "one")
    wait_until(lambda: running.kept(experiment) > 5, "the first samples", timeout_s=30)
    # It takes nothing more from whoever publishes until there is room again.
    running.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1")
    before = running.journal("one", "SELECT count(*) FROM sample")[0][0]
    wait_until(
        lambda: running.journal("one", "SELECT count(*) FROM sample")[0][0] > before + 150,
        "the station to go on alone",
        timeout_s=30,
    )
    kept = running.kept(experiment)
    assert kept < before + 50
    running.rabbitmq.control("set_vm_memory_high_watermark", "0.4")
    wait_until(lambda: running.kept(experiment) > kept, "samples to come again", timeout_s=60)
    _await_delivery(running, wait_until, "one", experiment)
