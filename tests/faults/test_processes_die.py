"""Processes die while an experiment runs: it goes on, or its output goes off; no sample is lost.

Everything is real: the processes of the embedded default, SLCAN on a pseudo-terminal, kill -9. The
simulated converter's own ledger is the witness, and its times are those that docs/safety.md quotes.
"""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from tests.support.demo import Demo, run_experiment

from bem.demo.ledger import compare, pair
from bem.demo.visitor import Refused

WaitUntil = Callable[..., None]
Record = Callable[[str, object], None]
pytestmark = [pytest.mark.demo, pytest.mark.timeout(300)]

REPEATED = """\
Rest for 2 s
Repeat 2 times:
    Charge at 1 A for 10 s
    Rest for 3 s
    Discharge at 1 A for 10 s
"""
STEPS_RUN = 7
DURATION_S = 48
SOME_SAMPLES = 20
LONG = "Charge at 1 A for 10 minutes"
SERVER = ("broker", "manager", "web")
GONE_S = int(os.environ.get("BEM_GONE_S", "20"))
"""Longer than the keep-alive of the wire. BEM_GONE_S=600 is the ten minutes of a real outage."""
ALARMS = {
    signal.SIGKILL: {"fault", "run_interrupted"},
    signal.SIGSTOP: {"fault", "run_failed"},
    signal.SIGTERM: {"run_interrupted"},
}


def rows(demo: Demo, query: str) -> list[Any]:
    """Ask the database."""
    path = demo.places.data / "bem.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def samples(demo: Demo) -> list[tuple[float, float]]:
    """Voltage and current of all samples; their numbers have no gap."""
    found = rows(demo, "SELECT seq, voltage, current FROM lab_sample ORDER BY seq")
    assert [seq for seq, _, _ in found] == list(range(len(found)))
    return [(voltage, current) for _, voltage, current in found]


def seconds_until_off(demo: Demo, since_ns: int, wait_until: WaitUntil) -> float:
    """Wait for the converter to say that its output is off, and since when."""
    wait_until(lambda: not demo.ledger("epc-1").output_on(), "the output to go off", timeout_s=10)
    off = [entry for entry in demo.ledger("epc-1").entries if entry["kind"] == "output"][-1]
    assert isinstance(off["t_ns"], int)
    return (off["t_ns"] - since_ns) / 1e9


@pytest.fixture
def running(demo: Demo, wait_until: WaitUntil) -> str:
    """An experiment that charges on EPC 1 and whose samples come in; the path of its page."""
    path = run_experiment(demo.visitor(), wait_until, LONG)
    wait_until(lambda: len(samples(demo)) > SOME_SAMPLES, "samples to come in")
    assert demo.ledger("epc-1").output_on()
    return path


def test_all_but_the_station_are_killed_in_turn(demo: Demo, wait_until: WaitUntil) -> None:
    visitor = demo.visitor()
    path = run_experiment(visitor, wait_until, REPEATED)
    station = demo.pids()["epc-1"]
    for name in ("manager", "node", "web", "broker"):
        before = demo.pids()[name]
        os.kill(before, signal.SIGKILL)
        wait_until(
            lambda name=name, before=before: demo.pids().get(name, before) != before,
            f"{name} to come back\n{demo.logs()}",
            timeout_s=20,
        )
        asked = len(demo.ledger("epc-1").answers())
        wait_until(
            lambda asked=asked: len(demo.ledger("epc-1").answers()) > asked + 20,
            "the station to go on measuring",
        )

    def finished() -> bool:
        try:
            return "Finished" in visitor.get(path).states()
        except Refused:
            return False

    wait_until(finished, f"the experiment to finish\n{demo.logs()}", timeout_s=DURATION_S + 30)
    assert demo.pids()["epc-1"] == station
    found = compare([pair(*sample) for sample in samples(demo)], demo.ledger("epc-1").answers())
    assert found.exact, found
    assert found.recorded > DURATION_S * 9
    kinds = [kind for (kind,) in rows(demo, "SELECT kind FROM lab_event ORDER BY seq")]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_ended")
    assert kinds.count("step_ended") == STEPS_RUN
    assert not demo.ledger("epc-1").output_on()


@pytest.mark.timeout(GONE_S + 300)
def test_the_server_is_gone_and_comes_back(demo: Demo, wait_until: WaitUntil) -> None:
    """Nothing answers and nothing is closed, as when a cable is cut."""
    visitor = demo.visitor()
    path = run_experiment(visitor, wait_until, f"Charge at 1 A for {GONE_S + 10} s")
    pids = demo.pids()
    gone = [pids[name] for name in SERVER]
    before = len(samples(demo))
    for pid in gone:
        os.kill(pid, signal.SIGSTOP)
    try:
        until = time.monotonic() + GONE_S
        while time.monotonic() < until:
            assert demo.ledger("epc-1").output_on()
            time.sleep(0.5)
        asked = len(demo.ledger("epc-1").answers())
    finally:
        for pid in gone:
            os.kill(pid, signal.SIGCONT)
    assert asked - before > GONE_S * 9, "it went on measuring"
    wait_until(
        lambda: "Finished" in visitor.get(path).states(),
        f"the experiment to finish\n{demo.logs()}",
        timeout_s=60,
    )
    wait_until(
        lambda: (
            compare(
                [pair(*sample) for sample in samples(demo)], demo.ledger("epc-1").answers()
            ).exact
        ),
        "all samples",
        timeout_s=20,
    )
    assert len(samples(demo)) > (GONE_S + 10) * 9


@pytest.mark.parametrize(
    ("number", "limit_s"), [(signal.SIGKILL, 2.0), (signal.SIGSTOP, 2.0), (signal.SIGTERM, 0.5)]
)
def test_the_station_dies(
    demo: Demo,
    running: str,
    wait_until: WaitUntil,
    record_property: Record,
    number: signal.Signals,
    limit_s: float,
) -> None:
    visitor = demo.visitor()
    pid = demo.pids()["epc-1"]
    since_ns = time.monotonic_ns()
    os.kill(pid, number)
    off_s = seconds_until_off(demo, since_ns, wait_until)
    record_property("output_off_s", off_s)
    assert off_s < limit_s
    if number is signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
    outcome = "Failed" if number is signal.SIGSTOP else "Interrupted"
    wait_until(
        lambda: outcome in visitor.get(running).states(),
        f"the run to be {outcome}\n{demo.logs()}",
        timeout_s=30,
    )
    last = rows(demo, "SELECT data FROM lab_event ORDER BY seq DESC LIMIT 1")
    assert json.loads(last[0][0])["outcome"] == outcome.lower()
    raised = "SELECT cause FROM lab_alarm WHERE cause IN ('fault', 'run_failed', 'run_interrupted')"
    wait_until(
        lambda: {cause for (cause,) in rows(demo, raised)} == ALARMS[number],
        f"the alarms\n{demo.logs()}",
        timeout_s=15,
    )
    # A second may be lost with the process, and what was saved stands as the converter said it.
    found = compare([pair(*sample) for sample in samples(demo)], demo.ledger("epc-1").answers())
    assert found.exact, found
    assert not demo.ledger("epc-1").output_on()


def test_somebody_stops_it_in_the_browser(
    demo: Demo, running: str, wait_until: WaitUntil, record_property: Record
) -> None:
    visitor = demo.visitor()
    since_ns = time.monotonic_ns()
    visitor.submit(running, {"note": "the cell smells", "back": running}, f"{running}stop/")
    off_s = seconds_until_off(demo, since_ns, wait_until)
    record_property("output_off_s", off_s)
    assert off_s < 2.0
    wait_until(lambda: "Stopped" in visitor.get(running).states(), "the run to end", timeout_s=15)
    assert "the cell smells" in visitor.get(running).text
