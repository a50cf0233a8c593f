"""How the control loop carries out a program, from its start to whatever ends it."""

from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import LoopOp, Program, RecordRule, StepOp
from bem_drivers.base import OFF, Command, Mode

Bench = Any
"""The bench of conftest.py, whose name tests cannot import."""


def test_an_idle_station_shows_what_it_measures(bench: Bench) -> None:
    bench.turn()
    live = bench.loop.snapshot.live()
    assert live.state == "idle"
    assert live.values == {
        "voltage": 3.7, "current": 0.0, "power": 0.0, "temperature_body": 25.0,
    }  # fmt: skip
    assert live.output_on is False
    assert live.measured_at == bench.clock.utc_now().isoformat(timespec="microseconds")
    description = bench.loop.snapshot.description()
    assert description.device == "Test Bench, serial number 7, firmware 1.0"
    assert [channel.name for channel in description.channels] == ["temperature_body"]
    assert description.current_min == -15.0


def test_a_program_runs_step_by_step_to_its_end(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    steps = (
        step("cc", 1.0, ("duration", ">=", 1.0), number=1),
        step("rest", 0.0, ("duration", ">=", 0.5), number=2),
        step("cc", -2.0, ("voltage", "<=", 3.0), number=3),
    )
    assert bench.start(program(*steps)).ok
    assert bench.state == "running"
    bench.turn(20)
    assert bench.loop.snapshot.live().step == 3
    assert bench.loop.snapshot.live().output_on is True
    bench.device.voltage = 2.9
    bench.turn()
    assert bench.state == "idle"
    assert bench.device.active == OFF
    assert bench.device.applied == [Command(Mode.CC, 1.0), OFF, Command(Mode.CC, -2.0)]
    assert [kind for kind, _ in bench.events()] == [
        "run_started", "step_started", "step_ended", "step_started", "step_ended",
        "step_started", "step_ended", "run_ended",
    ]  # fmt: skip
    assert bench.events()[-1][1] == {
        "outcome": "finished", "reason": "the program ended", "output_off_verified": True,
    }  # fmt: skip
    samples = bench.rows("SELECT seq, elapsed_us, step FROM sample ORDER BY seq")
    assert [row[0] for row in samples] == list(range(len(samples)))
    assert [row[1] for row in samples] == [100_000 * n for n in range(1, len(samples) + 1)]
    assert [row[2] for row in samples] == [1] * 10 + [2] * 5 + [3] * (len(samples) - 15)
    assert bench.outcome() == "finished"


def test_time_passes_faster_where_the_battery_is_simulated(
    make_bench: Callable[..., Bench], program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench = make_bench(time_scale=600.0)
    bench.start(program(step("cc", 1.0, ("duration", ">=", 3600.0))))
    bench.turn(60)
    assert bench.outcome() == "finished"
    assert bench.rows("SELECT MAX(elapsed_us) FROM sample") == [(3_600_000_000,)]


def test_the_device_is_fed_at_every_pass(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.device.calls.clear()
    bench.turn(25)
    assert bench.device.calls.count("keep_alive") == 25
    assert bench.device.applied == []


def test_the_device_gets_limits_of_its_own_before_the_output_goes_on(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    calls = [call for call in bench.device.calls if call == "protect" or isinstance(call, Command)]
    assert calls == ["protect", Command(Mode.CC, 1.0)]
    held = bench.device.protection
    assert held.voltage_max == pytest.approx(4.221)
    assert held.voltage_min == pytest.approx(2.479)
    assert held.current_max == pytest.approx(5.1)
    assert (held.power_min, held.power_max, held.silence_s) == (None, None, 1.0)


def test_stop_says_who_and_why(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn(2)
    assert bench.stop(by="ana", note="smells").ok
    assert bench.device.active == OFF
    assert bench.state == "idle"
    assert bench.events()[-1][1] == {
        "outcome": "stopped", "reason": "stopped by ana: smells", "output_off_verified": True,
    }  # fmt: skip
    reply = bench.stop()
    assert not reply.ok
    assert "not running" in reply.reason


def test_a_stop_whose_output_cannot_be_verified_latches(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(2)
    bench.device.safe_error = bench.lost
    bench.stop()
    assert bench.events()[-1][1]["output_off_verified"] is False
    assert bench.state == "fault"


def test_shutting_down_interrupts_the_run_and_switches_off(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(2)
    bench.loop.shut_down("the station was stopped")
    assert bench.device.active == OFF
    assert bench.outcome() == "interrupted"
    assert bench.events()[-1][1]["reason"] == "the station was stopped"


def test_the_device_gives_up_the_limits_of_a_run_that_ended(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(2)
    assert bench.device.protection is not None
    bench.device.voltage = 9.9
    bench.turn()
    assert bench.outcome() == "failed"
    assert bench.device.protection is None


def test_a_run_cut_off_by_a_crash_becomes_interrupted(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(12)
    bench.halt()
    bench.device.calls.clear()
    bench.boot()
    assert bench.device.calls[0] == "open"
    assert bench.device.active == OFF
    assert bench.state == "fault", "nobody has seen the battery since: a person looks first"
    assert bench.outcome() == "interrupted"
    rows = bench.rows("SELECT seq, kind, elapsed_us FROM event ORDER BY seq")
    assert rows[-1] == (len(rows) - 1, "run_ended", 1_200_000)
    assert [row[0] for row in rows] == list(range(len(rows)))


@pytest.mark.timeout(400)
def test_65535_cycles_run_to_their_end(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    rule = RecordRule(every_s=3600.0)
    bench.period_s = 1.0
    bench.start(
        program(
            step("rest", 0.0, ("duration", ">=", 1.0), number=1, record=rule),
            LoopOp(start=0, passes=65_535, counts_cycles=True),
        )
    )
    for passes in [1000] * 65 + [534]:
        bench.turn(passes)
        # Hours pass in seconds here, and the disk needs its share of them.
        assert bench.journal.flush(10)
    assert bench.state == "running"
    assert bench.loop.snapshot.live().cycle == 65_535
    bench.turn()
    assert bench.outcome() == "finished"
    assert bench.rows("SELECT COUNT(*), MAX(seq) FROM sample") == [(65_535, 65_534)]
    assert bench.rows("SELECT COUNT(*) FROM event WHERE kind = 'cycle_ended'") == [(65_535,)]
