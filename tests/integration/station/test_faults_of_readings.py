"""The table of faults, as far as the readings show them: each in a real process, one after another.

The device of ``tests.support.bench_driver`` measures wrongly while its battery is well: only the
station can switch it off. The device's own ledger tells when the fault was first read and when the
output went off. Times of docs/safety.md: ``--junit-xml`` has them as ``off_s``.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.integration.station.conftest import StationProcess
from tests.support import bench_driver

from bem.domain.limits import Compare, Limit, Limited, Limits
from bem.domain.program import Program

Wait = Callable[..., None]
Record = Callable[[str, object], None]
PERIOD_S = 0.1
STALE_S = 0.5


class Bench:
    """The station, its device that can be broken, and the device's ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {"folder": str(folder), "cells": 4, "meter": True}
        self.station = StationProcess(folder, power={"driver": "bench", "settings": settings})
        self.station.environment = bench_driver.install(folder / "packages")
        self.program: Program | None = None

    def start(self, program: Program) -> None:
        self.program = program
        self.station.experiment = uuid.uuid4()
        reply = self.station.start(program)
        assert reply.ok, reply.reason

    def refusal(self) -> str:
        """Try to start another run; why that is refused."""
        assert self.program is not None
        mine, self.station.experiment = self.station.experiment, uuid.uuid4()
        reply = self.station.start(self.program)
        self.station.experiment = mine
        assert not reply.ok
        return reply.reason

    def break_down(self, **faults: object) -> int:
        """Break the device; gets the instant (ns)."""
        interim = self.folder / "faults.interim"
        interim.write_text(json.dumps(faults))
        now_ns = time.monotonic_ns()
        interim.rename(self.folder / "faults.json")
        return now_ns

    def mend(self) -> None:
        """Mend the device; returns once the station has a good reading."""
        (self.folder / "faults.json").unlink(missing_ok=True)
        _within(10, lambda: not self.last("fault")["order"], "a good reading")
        measured_at = self.station.ask("live").body["measured_at"]
        _within(
            10, lambda: self.station.ask("live").body["measured_at"] != measured_at, "another one"
        )

    def last(self, kind: str) -> dict[str, Any]:
        lines = (self.folder / "ledger.jsonl").read_text().splitlines()
        return next(fact for fact in map(json.loads, reversed(lines)) if fact["kind"] == kind)


def _within(seconds: float, condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def module_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    bench.station.boot("set back")
    try:
        _within(60, bench.station.ready, "the station")
        yield bench
    finally:
        bench.station.kill()


@pytest.fixture
def bench(module_bench: Bench, charging: Program, wait_until: Wait) -> Iterator[Bench]:
    """A station that charges."""
    narrow = {"temperature_max": 45.0, "power_max": 6.0}
    cells = [
        Limit(quantity=Limited.CELL_VOLTAGE, compare=compare, threshold=bound)
        for compare, bound in ((Compare.AT_LEAST, 4.25), (Compare.AT_MOST, 2.5))
    ]
    program = charging.model_copy(
        update={
            "operating": Limits(**(charging.operating.model_dump(exclude_none=True) | narrow)),
            "limits": tuple(cells),
        }
    )
    module_bench.start(program)
    wait_until(lambda: module_bench.station.ask("live").body["elapsed_us"] > 400_000, "samples")
    yield module_bench
    if (module_bench.folder / "faults.json").exists():
        module_bench.mend()
    if module_bench.station.state() == "running":
        module_bench.station.command("stop", experiment=str(module_bench.station.experiment))
    else:
        wait_until(lambda: module_bench.station.command("acknowledge").ok, "an acknowledgement")


READINGS = {
    "over voltage": ({"voltage": 4.3}, "limit", "voltage 4.3 is above"),
    "under voltage": ({"voltage": 2.4}, "limit", "voltage 2.4 is below"),
    "over current, charging": ({"current": 3.2}, "limit", "current 3.2 is above"),
    "over current, discharging": ({"current": -3.2}, "limit", "current -3.2 is below"),
    "power": ({"voltage": 4.1, "current": 1.8}, "limit", "power 7.38 is above"),
    "over temperature": ({"temperature_body": 45.1}, "limit", "45.1 is above"),
    "a cell too high": ({"cell_voltage_3": 4.3}, "limit", "cell_voltage_3"),
    "a cell too low": ({"cell_voltage_2": 2.3}, "limit", "cell_voltage_2"),
    "no number": ({"voltage": "nan"}, "invalid_reading", "which is no value"),
    "a temperature that is no number": (
        {"temperature_body": "nan"},
        "invalid_reading",
        "which is no value",
    ),
    "absent": ({"current": None}, "missing_reading", "the device gives no current"),
    "an absent cell": ({"cell_voltage_1": None}, "missing_reading", "gives no cell_voltage_1"),
    "impossible": ({"voltage": 500.0}, "impossible_reading", "which cannot be"),
}


@pytest.mark.parametrize("fault", READINGS)
def test_a_reading_that_must_not_be_ends_the_run_within_two_periods(
    bench: Bench, wait_until: Wait, record_property: Record, fault: str
) -> None:
    values, cause, words = READINGS[fault]
    since_ns = bench.break_down(values=values)
    _is_safe(bench, wait_until, cause, words)
    off_s = (bench.last("output")["t_ns"] - since_ns) / 1e9
    record_property("off_s", off_s)
    assert off_s <= 2 * PERIOD_S


def test_an_error_that_the_device_reports(
    bench: Bench, wait_until: Wait, record_property: Record
) -> None:
    since_ns = bench.break_down(report="fan")
    _is_safe(bench, wait_until, "device_fault", "the device reports: fan")
    off_s = (bench.last("output")["t_ns"] - since_ns) / 1e9
    record_property("off_s", off_s)
    assert off_s <= 2 * PERIOD_S
    bench.mend()
    time.sleep(3 * PERIOD_S)
    assert bench.station.state() == "fault", "it has gone by itself, and nothing starts"
    assert bench.last("output")["on"] is False


def test_a_reading_that_is_old_and_one_that_a_meter_contradicts(
    bench: Bench, charging: Program, wait_until: Wait, record_property: Record
) -> None:
    since_ns = bench.break_down(stuck=True)
    _is_safe(bench, wait_until, "stale_reading", "s old, at most 0.5 s are allowed")
    off_s = (bench.last("output")["t_ns"] - since_ns) / 1e9
    record_property("stale_off_s", off_s)
    assert off_s <= STALE_S + 2 * PERIOD_S
    bench.mend()
    wait_until(lambda: bench.station.command("acknowledge").ok, "an acknowledgement")
    bench.start(charging)
    time.sleep(1.5)
    since_ns = bench.break_down(values={"meter_current": 0.5})
    _is_safe(bench, wait_until, "contradicted_reading", "and the meter 0.5 A")
    off_s = (bench.last("output")["t_ns"] - since_ns) / 1e9
    record_property("contradicted_off_s", off_s)
    assert off_s <= 5 * PERIOD_S


def test_a_clock_that_is_set_back_an_hour_changes_nothing(bench: Bench, wait_until: Wait) -> None:
    """The wall clock of the process: nothing but instants for people comes from it."""
    back = bench.folder / "hour-back"
    before = bench.station.ask("live").body["elapsed_us"]
    back.touch()
    try:
        wait_until(
            lambda: bench.station.ask("live").body["elapsed_us"] > before + 1_500_000, "time"
        )
        live = bench.station.ask("live").body
    finally:
        back.unlink()
    said = datetime.now(UTC) - datetime.fromisoformat(live["measured_at"])
    assert said > timedelta(minutes=59)
    assert (live["state"], live["output_on"]) == ("running", True)
    assert bench.last("output")["on"] is True
    wait_until(lambda: bench.station.samples()[-1][1] > before + 1_000_000, "samples")
    elapsed = [one[1] for one in bench.station.samples()]
    assert all(0 < two - one < 500_000 for one, two in pairwise(elapsed))


def _is_safe(bench: Bench, wait_until: Wait, cause: str, words: str) -> None:
    """Output off, said why, latched, and all on the record."""
    station = bench.station
    wait_until(lambda: station.state() == "fault", "the fault")
    assert bench.last("output")["on"] is False
    assert station.ask("live").body["output_on"] is False
    assert words in station.ask("describe").body["reason"]
    assert "acknowledge" in bench.refusal()
    wait_until(lambda: station.events("run_ended"), "the end of the run on the disk")
    ((elapsed_us, _, ended),) = station.events("run_ended")
    assert (ended["outcome"], ended["output_off_verified"]) == ("failed", True)
    assert [(severity, data["cause"]) for _, severity, data in station.events("fault")] == [
        ("error", cause)
    ]
    samples = station.samples()
    assert [seq for seq, _ in samples] == list(range(len(samples)))
    assert elapsed_us - samples[-1][1] < 1_000_000
