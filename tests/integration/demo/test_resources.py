"""What the processes of a node cost: it may be a very small computer."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.demo import Demo, run_experiment

pytestmark = [pytest.mark.demo, pytest.mark.timeout(180)]
MEASURED_S = 15.0


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, in s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_running_station_and_its_agent_stay_small(
    demo: Demo, wait_until: Callable[..., None], record_property: Callable[[str, object], None]
) -> None:
    visitor = demo.visitor()
    experiment = run_experiment(visitor, wait_until, "Charge at 1 A for 5 minutes")
    names = ("epc-1", "virtual-1", "node", "manager", "web", "broker", "simulator-epc-1")
    pids = {name: demo.pids()[name] for name in names}
    before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(MEASURED_S)  # The measurement itself.
    took = time.monotonic() - began
    shares = {name: (cpu_s(pid) - before[name]) / took for name, pid in pids.items()}
    memory = {name: rss_mb(pid) for name, pid in pids.items()}
    for name in names:
        record_property(name, f"{memory[name]:.0f} MB, {shares[name]:.2%}")
        print(f"{name:<16} {memory[name]:5.0f} MB {shares[name]:7.2%}")  # noqa: T201 - for -s
    assert "Running" in visitor.get(experiment).states()
    assert memory["epc-1"] < 60
    assert shares["epc-1"] < 0.03
    assert memory["node"] < 80
