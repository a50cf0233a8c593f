"""Processes of the server and the node die while an experiment runs: it goes on, no sample is lost.

Everything is real: the processes of the embedded default, SLCAN on a pseudo-terminal, kill -9. The
simulated converter's own ledger is the witness.
"""

import os
import signal
import time
from collections.abc import Callable

import pytest
from tests.support.demo import Demo, run_experiment

from bem.demo.ledger import compare, pair
from bem.demo.visitor import Refused

WaitUntil = Callable[..., None]
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
SERVER = ("broker", "manager", "web")
GONE_S = int(os.environ.get("BEM_GONE_S", "20"))
"""Longer than the keep-alive of the wire. BEM_GONE_S=600 is the ten minutes of a real outage."""


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
    found = compare([pair(*sample) for sample in demo.samples()], demo.ledger("epc-1").answers())
    assert found.exact, found
    assert found.recorded > DURATION_S * 9
    kinds = [kind for (kind,) in demo.rows("SELECT kind FROM lab_event ORDER BY seq")]
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
    before = len(demo.samples())
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
                [pair(*sample) for sample in demo.samples()], demo.ledger("epc-1").answers()
            ).exact
        ),
        "all samples",
        timeout_s=20,
    )
    assert len(demo.samples()) > (GONE_S + 10) * 9
