"""Defects of the software before this one that no other test of a station would catch.

The whole list is docs/decisions/0018-legacy-defects.md.
"""

import uuid
from typing import Any

from bem.domain.program import Program
from bem_drivers.base import OFF

Bench = Any


def test_a_battery_at_0_volts_is_refused_in_words_and_hangs_nothing(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.device.voltage = 0.0
    bench.turn(10)
    reply = bench.start(hour_of_charging)
    assert not reply.ok
    assert "open-circuit voltage 0 is below the limit" in reply.reason
    bench.device.voltage = 3.7
    bench.turn()
    assert bench.start(hour_of_charging).ok
    bench.device.voltage = 0.0
    bench.turn()
    assert bench.device.active == OFF
    assert (bench.state, bench.outcome()) == ("fault", "failed")


def test_an_experiment_is_never_run_twice_and_keeps_its_samples(
    bench: Bench, hour_of_charging: Program
) -> None:
    assert bench.start(hour_of_charging).ok
    bench.turn(5)
    assert bench.stop().ok
    kept = bench.rows("SELECT * FROM sample ORDER BY seq")
    again = bench.start(hour_of_charging)
    assert not again.ok
    assert "has been run here before" in again.reason
    assert bench.start(hour_of_charging, uuid.uuid4()).ok
    bench.turn(5)
    mine = "SELECT * FROM sample WHERE experiment = ? ORDER BY seq"
    assert bench.rows(mine, str(bench.experiment)) == kept
    assert bench.outcome() == "stopped"
