"""Every kind of simulated device on one bench, stations running on half of them: a search finds the
others in time, and the samples of the runs show no gap. `--log-cli-level=INFO` shows the figures.
"""

import logging
import re
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.bench_process import RunningBench
from tests.support.full_bench import (
    LIMITS,
    PERIOD_MS,
    SILENCE_S,
    STRANGE,
    TCP,
    Node,
    described_bench,
    description,
    write_description,
)

from bem.node.found import FoundDevices

_LOGGER = logging.getLogger(__name__)
Wait = Callable[..., None]
SEARCH_S = 5.0
"""What the handbook promises."""
MOST_PER_SAMPLE_S = 1.2 * PERIOD_MS / 1000
"""A busy machine may let a station miss a period; who waits for a search misses many."""
STATIONS = tuple(LIMITS)
USED = {
    "can-used, EPC 0x13": ("epc", "epc", True),
    "can-bms-used, BMS 0x101": ("epc", "bms", False),
    "bk-used": ("epc", "bk2831", False),
    "psb-used": ("psb", "ea", True),
    "flow-used": ("psb", "flow", False),
    "source-used": ("pair", "source-and-load", True),
    f"tcp 127.0.0.1:{TCP['load-used']}": ("pair", "source-and-load", True),
    "meter-used": ("pair", "scpi-meter", False),
    "ea-used": ("supply", "ea", True),
    "kel-used": ("load", "kel103", True),
    "dual-used": ("dual", "ea", True),
    "dual-bk-used": ("dual", "bk2831", False),
    "dual-flow-used": ("dual", "flow", False),
}
FREE = {
    "can-free, EPC 0x13": ("epc", "1", True),
    "can-free, EPC 0x3F": ("epc", "9", True),
    "can-bms-free, BMS 0x101": ("bms", "", False),
    "bk-free": ("bk2831", "124H14118", False),
    "psb-free": ("ea", "9081", True),
    "dual-free": ("ea", "2384", True),
    "ea-free": ("ea", "2814450001", True),
    "flow-free": ("flow", "001", False),
    "kel-free": ("kel103", "00001234", True),
    "load-free": ("scpi-load", "1", True),
    "meter-free": ("scpi-meter", "1", False),
    f"tcp 127.0.0.1:{TCP['source-free']}": ("scpi-source", "1", True),
}
UNKNOWN = f"tcp 127.0.0.1:{TCP['strange']}"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RunningBench]:
    write_description(tmp_path)
    running = RunningBench(tmp_path, described_bench(tmp_path))
    yield running
    running.stop()


@pytest.fixture
def node(bench: RunningBench) -> Iterator[Node]:
    node = Node(bench.folder)
    yield node
    node.stop()


def search(node: Node, wait_until: Wait) -> float:
    """Let the watch search now; get how long (s) that took."""
    assert node.watch is not None
    before_ns = node.settings.found_devices.stat().st_mtime_ns
    began = time.monotonic()
    node.watch.send_signal(signal.SIGHUP)
    wait_until(lambda: node.settings.found_devices.stat().st_mtime_ns != before_ns, seconds=30)
    return time.monotonic() - began


def pauses(node: Node, station: str, since: int = 0) -> list[float]:
    """Get the time (s) from each sample to the next; their numbers must have no gap."""
    rows = node.rows(station, "SELECT seq, elapsed_us FROM sample ORDER BY seq")[since:]
    assert [seq for seq, _ in rows] == list(range(since, since + len(rows)))
    return [(later - earlier) / 1e6 for (_, earlier), (_, later) in pairwise(rows)]


def in_words(station: str, found: list[float]) -> str:
    late = sum(one > 1.5 * PERIOD_MS / 1000 for one in found)
    return (
        f"{station}: {len(found)} intervals, {1000 * sum(found) / len(found):.1f} ms on average, "
        f"{late} above 1.5 periods, longest {1000 * max(found):.0f} ms"
    )


def test_all_are_listed_in_time_and_no_run_shows_a_gap(
    bench: RunningBench, node: Node, wait_until: Wait
) -> None:
    node.define()
    node.start_stations()
    node.start_watch()
    for station in STATIONS:
        wait_until(lambda one=station: node.state(one) == "idle", 60)
    for station in STATIONS:
        wait_until(lambda one=station: node.start(one).ok, 60)
    wait_until(node.settings.found_devices.exists, 60)
    counted = "SELECT COUNT(*) FROM sample"
    for station in STATIONS:
        wait_until(lambda one=station: node.rows(one, counted)[0][0] > 80, 60)
    undisturbed = {one: node.rows(one, counted)[0][0] for one in STATIONS}
    for station in STATIONS:
        _LOGGER.info("before: %s", in_words(station, pauses(node, station)))

    for _ in range(3):
        took = search(node, wait_until)
        found = node.found()
        _LOGGER.info("%d devices in %.2f s", len(found), took)
        assert took < SEARCH_S
        used = {
            place: (one["station"], one["driver"], one["power"])
            for place, one in found.items()
            if one["state"] == "used"
        }
        assert used == USED
        assert len(used) == len(found) / 2
        free = {
            place: (one["driver"], one["serial"], one["power"])
            for place, one in found.items()
            if one["state"] == "free"
        }
        assert free == FREE
        assert found.keys() == {*USED, *FREE, UNKNOWN}
        assert (found[UNKNOWN]["state"], found[UNKNOWN]["answered"]) == ("unknown", STRANGE)

    for station in STATIONS:
        assert node.state(station) == "running"
        during = pauses(node, station, undisturbed[station])
        _LOGGER.info("during: %s", in_words(station, during))
        assert max(during) < SILENCE_S, "its device would have switched off by itself"
        assert sum(during) / len(during) < MOST_PER_SAMPLE_S, "samples are missing"
        alarms = node.rows(station, "SELECT kind, data FROM event WHERE severity != 'info'")
        assert alarms == []
        values = node.rows(station, "SELECT extra FROM sample")
        assert not any("null" in row for (row,) in values), "a meter was disturbed"
    assert '"trap"' not in (bench.folder / "ledger.jsonl").read_text()


def test_what_goes_and_comes_is_told_once_each(
    bench: RunningBench, node: Node, wait_until: Wait
) -> None:
    node.start_watch()
    wait_until(node.settings.found_devices.exists, 60)
    told = FoundDevices(node.settings.found_devices, 1.0)
    assert told.look()
    for gone, place in (
        ("flow-free", "flow-free"),
        ("epc-last", "can-free, EPC 0x3F"),
        ("source-free", f"tcp 127.0.0.1:{TCP['source-free']}"),
    ):
        for order in ("unplug", "plug"):
            assert bench.order(f"{gone} {order}") == "ok"
            news = []
            for _ in range(2):
                search(node, wait_until)
                news.append(told.look())
            assert news == [True, False], (gone, order)
            there = node.found().get(place, {"state": "unknown"})["state"] != "unknown"
            assert there == (order == "plug")
        said = (bench.folder / "devices.log").read_text()
        assert len(re.findall(rf"gone: .*{re.escape(place)}\n", said)) == 1
        assert len(re.findall(rf"found: .*{re.escape(place)}\n", said)) == 2, "at first and again"


def test_devices_of_stations_that_do_not_run_are_named_as_theirs(
    bench: RunningBench, node: Node, wait_until: Wait
) -> None:
    node.define()
    node.start_watch()
    wait_until(node.settings.found_devices.exists, 60)
    found = node.found()
    reserved = {place for place, one in found.items() if one["state"] == "reserved"}
    assert reserved == USED.keys()
    for place in reserved:
        assert found[place]["station"] == USED[place][0]
    supply = found["source-used"]
    assert (supply["driver"], supply["serial"]) == ("scpi-source", "DP8D1234")
    assert supply["settings"]["instrument"] == str(description(bench.folder))
    load = found[f"tcp 127.0.0.1:{TCP['load-used']}"]
    assert (load["driver"], load["settings"]["address"]["kind"]) == ("scpi-load", "tcp")
    assert found["flow-used"]["serial"] == "001"
