"""Samples reach the records exactly once, whatever dies and comes back on their way."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from bem.messages import BadMessage, LiveMessage, Topic, decode, node_filter, topic
from bem.runtime.broker import BrokerLink

if TYPE_CHECKING:
    from tests.integration.manager.conftest import Laboratory

WaitUntil = Callable[..., None]
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def running(laboratory: "Laboratory", wait_until: WaitUntil) -> "Laboratory":
    """Broker, manager and agent with two idle stations; started in the least likely order."""
    laboratory.define("one")
    laboratory.define("two")
    laboratory.start("node", "manager", "broker")
    wait_until(
        lambda: laboratory.station_states() == {"one": "idle", "two": "idle"},
        "both stations to be idle",
        timeout_s=60,
    )
    return laboratory


def test_queued_experiments_run_one_after_the_other(
    running: "Laboratory", wait_until: WaitUntil
) -> None:
    first, second, beside = running.queue(2, "one", "one", "two")
    wait_until(lambda: running.status(second) == "finished", "the queue to be done", timeout_s=60)
    wait_until(lambda: running.status(beside) == "finished", "the other station", timeout_s=60)
    assert running.status(first) == "finished"
    for station, experiment in (("one", first), ("one", second), ("two", beside)):
        wait_until(
            lambda station=station, experiment=experiment: running.journal(
                station,
                "SELECT 1 FROM run WHERE experiment = ? AND ended_at IS NOT NULL AND "
                "acked_samples = (SELECT count(*) FROM sample WHERE sample.experiment = "
                "run.experiment)",
                str(experiment),
            ),
            "the station to know that all is delivered",
        )
        running.assert_delivered(station, experiment)
    steps = running.rows("SELECT count(*) FROM lab_stepresult")
    assert steps == [(3,)]


@pytest.mark.parametrize("victim", ["manager", "broker", "node"])
def test_a_process_that_is_killed_and_comes_back_costs_no_sample(
    victim: str, running: "Laboratory", wait_until: WaitUntil
) -> None:
    (experiment,) = running.queue(12, "one")
    wait_until(lambda: running.kept(experiment) > 5, "the first samples", timeout_s=30)
    station = running.station_pid("one")
    assert station is not None
    running.kill(victim)
    before = running.journal("one", "SELECT count(*) FROM sample")[0][0]
    wait_until(
        lambda: running.journal("one", "SELECT count(*) FROM sample")[0][0] > before + 20,
        "the station to go on alone",
    )
    running.start(victim)
    wait_until(
        lambda: running.status(experiment) == "finished", "the run to be finished", timeout_s=60
    )
    wait_until(
        lambda: (
            running.kept(experiment) == running.journal("one", "SELECT count(*) FROM sample")[0][0]
        ),
        "all samples",
    )
    running.assert_delivered("one", experiment)
    assert running.station_pid("one") == station


def test_a_killed_node_is_offline_soon(running: "Laboratory", wait_until: WaitUntil) -> None:
    running.kill("node")
    wait_until(lambda: running.station_states() == {}, "the node to be offline", timeout_s=15)


def test_a_crashed_station_comes_back_and_its_run_is_interrupted(
    running: "Laboratory", wait_until: WaitUntil
) -> None:
    (experiment,) = running.queue(60, "one")
    wait_until(lambda: running.kept(experiment) > 5, "the first samples", timeout_s=30)
    pid = running.station_pid("one")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running.status(experiment) == "interrupted", "the run to end", timeout_s=30)
    assert running.station_pid("one") not in (None, pid)


def test_an_orderly_end_of_the_agent_ends_its_stations_and_tells(
    running: "Laboratory", wait_until: WaitUntil
) -> None:
    (experiment,) = running.queue(60, "one")
    wait_until(lambda: running.kept(experiment) > 5, "the first samples", timeout_s=30)
    assert running.kill("node", signal.SIGTERM) == 0
    assert running.station_pid("one") is None
    assert running.station_pid("two") is None
    wait_until(lambda: running.station_states() == {}, "the node to be offline", timeout_s=5)
    assert running.status(experiment) in ("stopped", "interrupted", "failed")
    running.assert_delivered("one", experiment)


@pytest.mark.parametrize("name", ["node", "manager"])
def test_a_second_one_is_refused(name: str, running: "Laboratory") -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bem.cli", name],
        env=running.environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "another" in done.stderr


def test_live_values_flow_and_garbage_from_the_wire_hurts_nobody(
    running: "Laboratory", wait_until: WaitUntil
) -> None:
    received: list[LiveMessage] = []

    def take(_: str, payload: bytes) -> None:
        with contextlib.suppress(BadMessage):
            received.append(decode(payload, LiveMessage))

    link = BrokerLink(
        running.settings.broker,
        client_id="test",
        subscriptions=[node_filter(Topic.LIVE)],
        on_message=take,
    )
    link.start()
    try:
        wait_until(lambda: link.connected, "the test's own link")
        for last in Topic:
            for garbage in (b"", b"\x80\x04N.", b"[" * 10_000, b'{"v":1,"type":"command"}'):
                # Below the link's own publish, which takes nothing but messages.
                link._client.publish(topic("node-a", last), garbage, qos=1)
        wait_until(
            lambda: received and all(it.values.get("voltage") for it in received[-1].stations),
            "live values",
        )
        assert [it.id for it in received[-1].stations] == ["one", "two"]
        seen = len(received)
        wait_until(lambda: len(received) >= seen + 4, "two seconds of live values", timeout_s=4)
        (experiment,) = running.queue(1, "one")
        wait_until(lambda: running.status(experiment) == "finished", "a run", timeout_s=30)
    finally:
        link.stop()
    dropped = [line for line in running.log.read_text().splitlines() if "dropped a message" in line]
    assert len(dropped) == 2, "once by the manager and once by the agent"


def test_stations_come_and_go_with_their_files(
    running: "Laboratory", wait_until: WaitUntil
) -> None:
    running.define("three")
    running.settings.station_file("two").unlink()
    (running.settings.station_files / "bad.yaml").write_text("id: bad\nvolts: 3\n")
    wait_until(
        lambda: running.station_states() == {"one": "idle", "three": "idle", "bad": "down"},
        "the stations to change",
        timeout_s=20,
    )
    assert running.station_pid("two") is None
    ((reason,),) = running.rows("SELECT state_reason FROM lab_station WHERE slug = 'bad'")
    assert "volts: unknown key" in reason
