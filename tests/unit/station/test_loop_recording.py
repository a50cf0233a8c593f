"""What the control loop records of a run, and that nothing runs unrecorded."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import Program, RecordRule, StepOp
from bem_drivers.base import OFF

Bench = Any
"""The bench of conftest.py, whose name tests cannot import."""


def test_samples_hold_counters_and_further_channels(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(2)
    bench.device.temperature = None
    bench.turn()
    voltage, power, charge, extra = zip(
        *bench.rows("SELECT voltage, power, charge_in, extra FROM sample ORDER BY seq"),
        strict=True,
    )
    assert voltage == (3.7, 3.7, 3.7)
    assert power == (3.7, 3.7, 3.7)
    assert charge == pytest.approx((0.0, 0.1 / 3600, 0.2 / 3600))
    assert [json.loads(one) for one in extra] == [[25.0], [25.0], [None]]
    channels = json.loads(bench.rows("SELECT channels FROM run")[0][0])
    assert channels == [{"name": "temperature_body", "unit": "degC", "title": "Body"}]


def test_a_record_rule_thins_but_keeps_the_first_and_the_last_of_each_step(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    rule = RecordRule(every_s=1.0)
    bench.start(
        program(
            step("cc", 1.0, ("duration", ">=", 2.5), number=1, record=rule),
            step("rest", 0.0, ("duration", ">=", 10.0), number=2, record=rule),
        )
    )
    bench.turn(30)
    bench.stop()
    rows = bench.rows("SELECT elapsed_us, step FROM sample ORDER BY seq")
    assert rows == [
        (100_000, 1), (1_100_000, 1), (2_100_000, 1), (2_500_000, 1),
        (2_600_000, 2), (3_000_000, 2),
    ]  # fmt: skip


def test_jitter_does_not_thin_what_a_rule_asks_for(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    rule = RecordRule(every_s=0.2)
    bench.start(program(step("cc", 1.0, ("duration", ">=", 60.0), record=rule)))
    for n in range(100):
        early_ns = (n % 3) * 7_000_000
        bench.clock.now_ns -= early_ns
        bench.turn()
        bench.clock.now_ns += early_ns
    assert bench.rows("SELECT COUNT(*) FROM sample") == [(50,)]


def test_the_same_measurement_is_not_recorded_twice(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn()
    bench.device.measured_ns = bench.clock.now_ns
    bench.turn(3)
    bench.device.measured_ns = None
    bench.turn()
    assert bench.rows("SELECT elapsed_us FROM sample ORDER BY seq") == [(100_000,), (500_000,)]


def test_nothing_runs_unrecorded(
    bench: Bench, hour_of_charging: Program, wait_until: Callable[..., None]
) -> None:
    bench.start(hour_of_charging)
    bench.turn(5)
    assert bench.journal.flush(5)
    database = bench.journal._database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")

    def faulted() -> bool:
        bench.turn(200)
        return bool(bench.state == "fault")

    wait_until(faulted, "the station to fault on a full disk")
    assert bench.device.active == OFF
    assert "cannot record" in bench.loop.snapshot.reason
    assert "full" in bench.loop.snapshot.reason
    database.execute("PRAGMA max_page_count = 1073741823")
    wait_until(lambda: bench.journal.trouble() is None, "the journal to recover")
    # What the disk had no room for was kept in memory, and is there now without a gap.
    assert bench.outcome() == "failed"
    seqs = [row[0] for row in bench.rows("SELECT seq FROM sample ORDER BY seq")]
    assert seqs == list(range(len(seqs)))
    assert bench.rows("SELECT COUNT(*) FROM latch") == [(1,)]


def test_a_station_that_cannot_record_starts_nothing(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.journal._failure = "disk I/O error"
    reply = bench.start(hour_of_charging)
    assert (reply.ok, reply.retry) == (False, True)
    assert "disk I/O error" in reply.reason
    assert bench.device.applied == []
