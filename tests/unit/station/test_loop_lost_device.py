"""What the control loop does without its device, and when the device is back."""

from typing import Any

import pytest

from bem.domain.program import Program
from bem_drivers.base import OFF, CommunicationLost

Bench = Any
"""The bench of conftest.py, whose name tests cannot import."""


def test_a_device_lost_in_a_run_is_switched_off_and_the_run_fails(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(3)
    bench.device.reading_error = bench.lost
    bench.device.calls.clear()
    bench.turn()
    assert bench.device.calls[0] == "make_safe"
    assert bench.outcome() == "failed"
    assert bench.events()[-2][1]["cause"] == "device_lost"
    assert bench.loop.snapshot.live().values == {}
    bench.device.reading_error = None
    bench.turn(300)
    assert bench.state == "fault"
    assert bench.device.active == OFF


def test_a_lost_device_shows_no_values_and_is_looked_for_with_growing_pauses(bench: Bench) -> None:
    bench.turn(200)
    bench.device.reading_error = bench.device.open_error = bench.lost
    bench.device.calls.clear()
    bench.turn(600)
    live = bench.loop.snapshot.live()
    assert (live.state, live.values, live.measured_at, live.output_on) == ("lost", {}, None, None)
    assert "check the cable" in bench.loop.snapshot.reason
    # At once, then after 1, 2, 4, 8, 10, 10, ... s.
    assert 8 <= bench.device.calls.count("open") <= 10
    bench.device.reading_error = bench.device.open_error = None
    bench.turn(110)
    assert bench.state == "idle"
    assert bench.loop.snapshot.live().values["voltage"] == 3.7


def test_loss_and_return_are_logged_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.turn(200)
    bench.device.reading_error = bench.device.open_error = bench.lost
    with caplog.at_level("INFO", logger="bem.station"):
        bench.turn(600)
        bench.device.reading_error = bench.device.open_error = None
        bench.turn(200)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_reading_errors_while_idle_do_not_latch(bench: Bench) -> None:
    bench.device.reading_error = CommunicationLost("hiccup")
    bench.turn()
    assert bench.state == "lost"
    bench.device.reading_error = None
    bench.turn(30)
    assert bench.state == "idle"
