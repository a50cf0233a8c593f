"""The process of a station dies, hangs or is told to stop while its output is on: it goes off.

Everything is real, as in ``test_processes_die.py``. The simulated converter's own ledger is the
witness, and its times are those that docs/safety.md quotes. No sample is invented.
"""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from tests.support.demo import Demo, run_experiment

from bem.demo.ledger import compare, pair

WaitUntil = Callable[..., None]
Record = Callable[[str, object], None]
pytestmark = [pytest.mark.demo, pytest.mark.timeout(300)]

SOME_SAMPLES = 20
LONG = "Charge at 1 A for 10 minutes"
ALARMS = {
    signal.SIGKILL: {"fault", "run_interrupted"},
    signal.SIGSTOP: {"fault", "run_failed"},
    signal.SIGTERM: {"run_interrupted"},
}


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
    wait_until(lambda: len(demo.samples()) > SOME_SAMPLES, "samples to come in")
    assert demo.ledger("epc-1").output_on()
    return path


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
    last = demo.rows("SELECT data FROM lab_event ORDER BY seq DESC LIMIT 1")
    assert json.loads(last[0][0])["outcome"] == outcome.lower()
    raised = "SELECT cause FROM lab_alarm WHERE cause IN ('fault', 'run_failed', 'run_interrupted')"
    wait_until(
        lambda: {cause for (cause,) in demo.rows(raised)} == ALARMS[number],
        f"the alarms\n{demo.logs()}",
        timeout_s=15,
    )
    # A second may be lost with the process, and what was saved stands as the converter said it.
    found = compare([pair(*sample) for sample in demo.samples()], demo.ledger("epc-1").answers())
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
