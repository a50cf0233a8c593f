"""All kinds of devices on one bench, half of them in use: the others are found, these unharmed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from bem.domain.program import Program

Station = Any
"""The process of conftest.py, whose name tests cannot import."""
Wait = Callable[..., None]

PERIOD_MS = 500
LONGEST_PAUSE_S = 2.5
"""Five periods: a busy machine makes a loop late, a disturbed device would end the run."""


def at(link: str) -> dict[str, Any]:
    return {"kind": "pty", "link": link}


BENCH: dict[str, Any] = {
    "batteries": {
        "used": {"chemistry": "nmc", "capacity_ah": 2.5},
        "free": {"chemistry": "nmc", "capacity_ah": 2.5},
        "stack": {"chemistry": "vanadium", "cells": 12, "capacity_ah": 100.0},
    },
    "buses": {
        name: {"kind": "slcan", "link": name} for name in ("can-used", "can-free", "can-bms")
    },
    "devices": {
        "epc-used": {"driver": "epc", "bus": "can-used", "battery": "used"},
        "bk-used": {"driver": "bk2831", "port": at("bk-used"), "battery": "used"},
        "flow-used": {"driver": "flow", "port": at("flow-used"), "settings": {"flow": 1500}},
        "epc-free": {"driver": "epc", "bus": "can-free", "battery": "free"},
        "epc-last": {
            "driver": "epc",
            "bus": "can-free",
            "battery": "free",
            "settings": {"device_id": 0x3F, "serial_number": 9},
        },
        "bms-free": {"driver": "bms", "bus": "can-bms", "battery": "stack"},
        "flow-free": {"driver": "flow", "port": at("flow-free")},
        "ea-free": {"driver": "ea", "port": at("ea-free"), "battery": "free"},
        "kel-free": {"driver": "kel103", "port": at("kel-free"), "battery": "free"},
    },
}
FREE = {
    ("can-free, EPC 0x13", "epc", "1"),
    ("can-free, EPC 0x3F", "epc", "9"),
    ("can-bms, BMS 0x101", "bms", ""),
    ("flow-free", "flow", "001"),
    ("ea-free", "ea", "2814450001"),
    ("kel-free", "kel103", "00001234"),
}
USED = {"can-used, EPC 0x13", "bk-used", "flow-used"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Path]:
    """Get the folder of a running bench."""
    file = tmp_path / "bench.yaml"
    file.write_text(yaml.safe_dump(BENCH))
    process = subprocess.Popen(
        [sys.executable, "-m", "bem.cli", "simulate", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready"):
            break
    yield tmp_path
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    process.stdin.close()
    process.stdout.close()


@pytest.fixture
def station(bench: Path, make_station: Callable[..., Station]) -> Station:
    """Get a station with a converter and two meters of the bench."""

    def serial(name: str) -> dict[str, Any]:
        address = {"kind": "serial", "port": str(bench / name)}
        return {"address": address, "reply_timeout_s": 2.0}

    bus = {"interface": "slcan", "channel": str(bench / "can-used")}
    return make_station(
        period_ms=PERIOD_MS,
        silence_s=10.0,
        power={"driver": "epc", "settings": {"bus": bus, "reply_timeout_s": 2.0}},
        meters=[
            {"name": "bk", "driver": "bk2831", "settings": serial("bk-used")},
            {"name": "flow", "driver": "flow", "settings": serial("flow-used")},
        ],
    )


def search(bench: Path, station: Station) -> list[dict[str, Any]]:
    """Let the node look for devices as it does in the field."""
    config = bench / "node.yaml"
    node = {
        "extra_ports": [str(bench / one) for one in BENCH["devices"] if "can" not in one],
        "slcan_ports": [str(bench / one) for one in BENCH["buses"]],
    }
    folders = {
        "data_dir": str(station.settings.data_dir),
        "runtime_dir": str(station.settings.runtime_dir),
    }
    config.write_text(yaml.safe_dump({**folders, "node": node}))
    done = subprocess.run(
        [sys.executable, "-m", "bem.cli", "--config", str(config), "devices", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    # The machine may have ports of its own.
    return [one for one in found if str(bench) in one["place"]]


def test_free_devices_are_found_and_those_in_use_show_no_gap(
    bench: Path, station: Station, charging: Program, wait_until: Wait
) -> None:
    # Its meters may still be on their way.
    wait_until(lambda: station.start(charging).ok, "the start", timeout_s=60)
    wait_until(lambda: len(station.samples()) >= 4, "samples", timeout_s=60)
    for _ in range(2):
        found = search(bench, station)
        free = {
            (one["place"].rpartition("/")[2], one["driver"], one["serial"])
            for one in found
            if one["state"] == "free"
        }
        assert free == FREE
        used = {one["place"].rpartition("/")[2]: one for one in found if one["state"] == "used"}
        assert used.keys() == USED
        assert {one["station"] for one in used.values()} == {"one"}
        assert used["can-used, EPC 0x13"]["title"].startswith("Wattrex EPC")
        assert len(found) == len(FREE) + len(USED), found
    time.sleep(1.0)
    assert station.state() == "running"
    samples = station.samples()
    assert [seq for seq, _ in samples] == list(range(len(samples)))
    pauses = [later - earlier for (_, earlier), (_, later) in pairwise(samples)]
    assert max(pauses) / 1e6 < LONGEST_PAUSE_S
    assert station.rows("SELECT COUNT(*) FROM event WHERE severity != 'info'") == [(0,)]
    values = station.rows("SELECT extra FROM sample")
    assert not any("null" in row for (row,) in values), "a meter was disturbed"


def test_a_device_that_goes_and_comes_is_noticed(bench: Path, station: Station) -> None:
    link = bench / "flow-free"
    target = link.readlink()
    link.unlink()
    assert "flow-free" not in {one["place"].rpartition("/")[2] for one in search(bench, station)}
    link.symlink_to(target)
    assert "flow-free" in {one["place"].rpartition("/")[2] for one in search(bench, station)}


def test_devices_of_a_station_that_was_stopped_are_named_as_its_own(
    bench: Path, station: Station
) -> None:
    assert station.end(signal.SIGTERM) == 0
    found = {one["place"].rpartition("/")[2]: one for one in search(bench, station)}
    for place in USED:
        assert (found[place]["state"], found[place]["station"]) == ("reserved", "one")
    assert found["flow-used"]["serial"] == "001"
