"""A real station that dies at any instant, and what its journal and its run are afterwards."""

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bem.domain.program import Program

if TYPE_CHECKING:
    from tests.integration.station.conftest import StationProcess

    Make = Callable[..., StationProcess]
Wait = Callable[..., None]
KILLS = 6
SPEED = 100.0
"""Time-lapse of the virtual battery, so that steps and cycles pass while the test runs."""


@pytest.fixture
def cycling(charging: Program) -> Program:
    """100 cycles of 60 s charge and 60 s discharge."""
    step = charging.operations[0].model_dump(mode="json")
    end = step["ends"][0] | {"threshold": 60.0}
    back = {"mode": "cc", "value": -1.0}
    operations = [
        step | {"ends": [end]},
        step | {"number": 2, "setpoint": back, "ends": [end]},
        {"op": "loop", "start": 0, "passes": 100, "counts_cycles": True},
    ]
    return Program.model_validate(charging.model_dump(mode="json") | {"operations": operations})


def _resumed(station: "StationProcess") -> bool:
    try:
        activity: str = station.ask("live").body["activity"]
    except Exception:  # noqa: BLE001 - its socket is not there yet
        return False
    return activity == "running"


def test_killed_at_any_instant_it_goes_on_without_a_double_or_a_gap_in_the_numbers(
    make_station: "Make", cycling: Program, wait_until: Wait
) -> None:
    station = make_station(
        power={"driver": "virtual", "settings": {"speed": SPEED}}, time_scale=SPEED
    )
    assert station.start(cycling, on_interruption="resume").ok
    instants = random.Random(4)  # noqa: S311 - instants, not secrets
    taken = 0
    for _ in range(KILLS):
        # Longer than a run must have gone on by itself for another cut to be forgiven: 60 s of the
        # clock, which the journal is made to believe.
        time.sleep(0.7 + instants.random())
        newest = station.ask("live").body["elapsed_us"]
        station.end(signal.SIGKILL)
        _forgive(station)
        rows = station.rows("SELECT seq, elapsed_us FROM sample ORDER BY seq")
        assert [row[0] for row in rows] == list(range(len(rows)))
        assert len(rows) > taken
        lost_s = (newest - rows[-1][1]) / 1e6 / SPEED
        assert lost_s < 1.3, "a second, and the period in which it was asked"
        taken = len(rows)
        station.boot()
        wait_until(lambda: _resumed(station), "the run to go on", timeout_s=30)
    assert station.command("stop", experiment=str(station.experiment)).ok
    wait_until(lambda: station.rows("SELECT outcome FROM run") == [("stopped",)], "its end")
    samples = station.rows(
        "SELECT seq, elapsed_us, cycle, charge_in, charge_out FROM sample ORDER BY seq"
    )
    assert [row[0] for row in samples] == list(range(len(samples)))
    for column in range(1, 5):
        values = [row[column] for row in samples]
        assert values == sorted(values), "nothing goes back, whatever died"
    assert len({row[1] for row in samples}) == len(samples)
    events = station.rows("SELECT seq, kind FROM event ORDER BY seq")
    assert [row[0] for row in events] == list(range(len(events)))
    assert [row[1] for row in events].count("gap") == KILLS
    cycles = station.rows("SELECT data FROM event WHERE kind = 'cycle_ended' ORDER BY seq")
    numbers = [json.loads(row[0])["cycle"] for row in cycles]
    assert numbers == list(range(1, len(numbers) + 1))


def _forgive(station: "StationProcess") -> None:
    database = sqlite3.connect(station.settings.journal_file("one"))
    database.execute("UPDATE progress SET resumed_us = NULL")
    database.commit()
    database.close()


def test_told_to_end_it_leaves_the_run_to_the_next_process(
    make_station: "Make", charging: Program, wait_until: Wait
) -> None:
    station = make_station()
    assert station.start(charging, on_interruption="wait").ok
    wait_until(lambda: len(station.rows("SELECT 1 FROM sample")) > 3, "samples")
    assert station.end(signal.SIGTERM) == 0
    assert station.rows("SELECT outcome FROM run") == [(None,)]
    station.boot()
    wait_until(station.ready, "the station", timeout_s=30)
    described = station.ask("describe").body
    assert (described["state"], described["activity"]) == ("running", "waiting")
    wait_until(lambda: station.ask("live").body["output_on"] is False, "a reading")
    assert station.command("resume", experiment=str(station.experiment), by="ana").ok
    wait_until(lambda: station.ask("live").body["output_on"] is True, "the output")
    (gap,) = station.rows("SELECT data FROM event WHERE kind = 'gap'")
    assert json.loads(gap[0])["reason"] == "the station was stopped; resumed by ana"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"this machine cannot mount: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_full_ends_the_run_safely_and_on_the_record(
    make_station: "Make", charging: Program, wait_until: Wait, small_disk: Path
) -> None:
    station = make_station()
    station.end(signal.SIGTERM)
    folder = station.settings.station_folder("one")
    kept = small_disk / "one"
    folder.rename(folder.with_name("before"))
    kept.mkdir()
    folder.symlink_to(kept)
    station.boot()
    wait_until(station.ready, "the station", timeout_s=30)
    assert station.start(charging).ok
    wait_until(lambda: len(station.rows("SELECT 1 FROM sample")) > 3, "samples")
    (small_disk / "ballast").write_bytes(bytes(2_600_000 - _used(kept)))
    wait_until(lambda: station.ask("describe").body["warnings"], "the warning", timeout_s=20)
    assert station.state() == "running"
    with (small_disk / "more").open("wb") as more:
        more.write(bytes(2 * _free(small_disk) // 3))
    more_files = 0
    while station.state() == "running" and more_files < 200:
        more_files += 1
        free = _free(small_disk)
        with (small_disk / f"more{more_files}").open("wb") as more:
            more.write(bytes(min(free // 2, 20_000)))
        time.sleep(0.2)
    assert station.state() == "fault"
    assert station.ask("live").body["output_on"] is False
    assert "cannot record" in station.ask("describe").body["reason"]
    for file in small_disk.glob("more*"):
        file.unlink()
    wait_until(
        lambda: station.rows("SELECT outcome FROM run") == [("failed",)], "the record", timeout_s=20
    )
    seqs = [row[0] for row in station.rows("SELECT seq FROM sample ORDER BY seq")]
    assert seqs == list(range(len(seqs)))


def test_a_file_that_may_not_grow_ends_the_run_safely(
    make_station: "Make", charging: Program, wait_until: Wait
) -> None:
    """A quota shows only when it is reached: the journal's error ends the run."""
    station = make_station()
    assert station.start(charging).ok
    wait_until(lambda: len(station.rows("SELECT 1 FROM sample")) > 3, "samples")
    assert station.process is not None
    wal = Path(f"{station.settings.journal_file('one')}-wal")
    size = wal.stat().st_size
    resource.prlimit(station.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    wait_until(lambda: station.state() == "fault", "the fault", timeout_s=30)
    assert station.ask("live").body["output_on"] is False
    assert "cannot record" in station.ask("describe").body["reason"]
    free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(station.process.pid, resource.RLIMIT_FSIZE, free)
    wait_until(
        lambda: station.rows("SELECT outcome FROM run") == [("failed",)], "the record", timeout_s=20
    )
    seqs = [row[0] for row in station.rows("SELECT seq FROM sample ORDER BY seq")]
    assert seqs == list(range(len(seqs)))


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _used(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
