"""What the control loop does with a device that obeys, lies, trips or goes away."""

import json
import math
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import LoopOp, Program, RecordRule, StepOp
from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceFault,
    Mode,
)

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


def test_time_passes_faster_where_the_battery_is_simulated(
    make_bench: Callable[..., Bench], program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench = make_bench(time_scale=600.0)
    bench.start(program(step("cc", 1.0, ("duration", ">=", 3600.0))))
    bench.turn(60)
    assert bench.outcome() == "finished"
    assert bench.rows("SELECT MAX(elapsed_us) FROM sample") == [(3_600_000_000,)]


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


BREAKS: dict[str, Any] = {
    "limit": lambda device: setattr(device, "voltage", 4.23),
    "not a number": lambda device: setattr(device, "voltage", math.nan),
    "infinite current": lambda device: device.values.update(current=math.inf),
    "device fault": lambda device: setattr(device, "faults", ("over_temperature",)),
    "went off": lambda device: setattr(device, "active", OFF),
    "other set point": lambda device: setattr(device, "active", Command(Mode.CC, 1.2)),
    "says nothing": lambda device: setattr(device, "active", None),
}


@pytest.mark.parametrize("name", BREAKS)
def test_trouble_ends_in_output_off_within_two_periods_and_latches(
    bench: Bench, hour_of_charging: Program, name: str
) -> None:
    bench.start(hour_of_charging)
    bench.turn(10)
    BREAKS[name](bench.device)
    bench.turn(2)
    assert bench.device.active == OFF
    assert bench.state == "fault"
    assert bench.outcome() == "failed"
    kinds = [kind for kind, _ in bench.events()]
    assert kinds[-2:] == ["fault", "run_ended"]
    assert bench.events()[-1][1]["output_off_verified"] is True
    assert bench.rows("SELECT reason FROM latch") == [(bench.loop.snapshot.reason,)]


def test_the_reading_that_broke_a_limit_is_kept(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn(3)
    bench.device.voltage = 4.3
    bench.turn()
    rows = bench.rows("SELECT elapsed_us, voltage FROM sample ORDER BY seq")
    assert rows[-1] == (400_000, 4.3)
    assert bench.loop.snapshot.reason == "voltage 4.3 is above the limit 4.221"


def test_an_old_reading_is_a_fault(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn(5)
    bench.device.measured_ns = bench.clock.now_ns
    bench.turn(5)
    assert bench.state == "running"
    bench.turn()
    assert bench.state == "fault"
    assert "voltage is 0.60 s old, at most 0.5 s are allowed" in bench.loop.snapshot.reason
    assert bench.rows("SELECT COUNT(*) FROM sample") == [(5,)]


def test_a_fault_that_clears_itself_starts_nothing(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(
        program(
            step("cc", 1.0, ("duration", ">=", 1.0), number=1),
            step("cc", 2.0, ("duration", ">=", 1.0), number=2),
        )
    )
    bench.turn(5)
    bench.device.faults = ("over_current",)
    bench.turn()
    bench.device.faults = ()
    bench.turn(50)
    assert bench.device.active == OFF
    assert bench.device.applied == [Command(Mode.CC, 1.0)]
    assert bench.state == "fault"


def test_only_an_acknowledgement_lets_anything_run_again(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn()
    bench.device.voltage = 4.5
    bench.turn()
    bench.device.voltage = 3.7
    bench.turn()
    reply = bench.start(hour_of_charging, uuid.uuid4())
    assert not reply.ok
    assert reply.retry
    assert "acknowledged" in reply.reason
    assert bench.order("acknowledge").ok
    assert bench.state == "idle"
    assert bench.rows("SELECT COUNT(*) FROM latch") == [(0,)]
    assert bench.start(hour_of_charging, uuid.uuid4()).ok


def test_a_latched_fault_survives_a_restart(bench: Bench, hour_of_charging: Program) -> None:
    bench.start(hour_of_charging)
    bench.turn()
    bench.device.voltage = 4.5
    bench.turn()
    bench.device.voltage = 3.7
    bench.halt()
    bench.boot()
    assert bench.state == "fault"
    assert "4.5" in bench.loop.snapshot.reason
    assert not bench.start(hour_of_charging, uuid.uuid4()).ok


def test_it_is_acknowledged_only_when_the_output_is_verified_off(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn()
    bench.device.reading_error = bench.device.safe_error = bench.lost
    bench.device.open_error = bench.lost
    bench.turn()
    assert bench.state == "fault"
    assert bench.events()[-1][1]["output_off_verified"] is False
    reply = bench.order("acknowledge")
    assert not reply.ok
    assert reply.retry
    assert bench.state == "fault"
    bench.device.reading_error = bench.device.safe_error = bench.device.open_error = None
    bench.turn(300)
    assert bench.order("acknowledge").ok
    assert bench.state == "idle"


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


def test_an_output_that_nobody_switched_on_is_switched_off_and_latched(bench: Bench) -> None:
    bench.turn()
    bench.device.active = Command(Mode.CC, 1.0)
    bench.turn(2)
    assert bench.device.active == OFF
    assert bench.state == "fault"
    assert "although off was commanded" in bench.loop.snapshot.reason


def test_a_device_that_does_not_obey_the_next_step_is_a_fault(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(
        program(
            step("cc", 1.0, ("duration", ">=", 1.0), number=1),
            step("cc", 2.0, ("duration", ">=", 1.0), number=2),
        )
    )
    bench.device.apply_error = ConfigurationRefused("asked for 2 A, holds 1 A")
    bench.turn(11)
    assert bench.state == "fault"
    assert bench.device.active == OFF
    assert "asked for 2 A, holds 1 A" in bench.loop.snapshot.reason


def test_a_limited_temperature_that_is_not_measured_any_more_is_a_fault(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.start(program(step("cc", 1.0, ("duration", ">=", 3600.0)), temperature_max=45.0))
    bench.turn(10)
    bench.device.temperature_ns = bench.clock.now_ns
    bench.turn(100)
    assert bench.state == "running"
    bench.turn(2)
    assert bench.state == "fault"
    assert "temperature_body is 10." in bench.loop.snapshot.reason


def test_an_old_temperature_is_dropped_from_the_values(bench: Bench) -> None:
    bench.device.temperature_ns = bench.clock.now_ns
    bench.turn(101)
    assert "temperature_body" not in bench.loop.snapshot.live().values


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"voltage_max": 7.0}, "voltage_max 7 of the program is beyond the 6"),
        ({"current_min": -20.0}, "current_min -20 of the program is beyond the -15"),
        ({"voltage_min": 3.8}, "open-circuit voltage 3.7 is below"),
        ({"voltage_max": 3.6}, "open-circuit voltage 3.7 is above"),
    ],
)
def test_a_program_that_does_not_fit_device_or_battery_is_refused(
    bench: Bench,
    program: Callable[..., Program],
    step: Callable[..., StepOp],
    limits: dict[str, float],
    reason: str,
) -> None:
    reply = bench.start(program(step("cc", 1.0, ("duration", ">=", 1.0)), **limits))
    assert not reply.ok
    assert reason in reply.reason
    assert not reply.retry
    assert bench.device.applied == []
    assert bench.outcome() is None


def test_a_set_point_beyond_the_device_is_refused_where_the_program_leaves_it_open(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    reply = bench.start(program(step("cp", 120.0, ("duration", ">=", 1.0))))
    assert "power 120 is outside of the -90 to 90" in reply.reason


def test_a_temperature_limit_without_a_thermometer_is_refused(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    bench.device.temperature = None
    bench.turn()
    reply = bench.start(program(step("cc", 1.0, ("duration", ">=", 1.0)), temperature_max=45.0))
    assert "this station measures none" in reply.reason


def test_passing_causes_of_a_refusal_say_retry(bench: Bench, hour_of_charging: Program) -> None:
    bench.device.faults = ("under_voltage",)
    bench.turn()
    reply = bench.start(hour_of_charging)
    assert (reply.ok, reply.retry) == (False, True)
    assert "under_voltage" in reply.reason
    bench.device.faults = ()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    reply = bench.start(hour_of_charging, uuid.uuid4())
    assert (reply.ok, reply.retry) == (False, True)
    assert "is running" in reply.reason
    bench.stop()
    reply = bench.start(hour_of_charging)
    assert (reply.ok, reply.retry) == (False, False)
    assert "has been run here before" in reply.reason
    bench.device.reading_error = bench.device.open_error = bench.lost
    bench.turn()
    reply = bench.start(hour_of_charging, uuid.uuid4())
    assert (reply.ok, reply.retry) == (False, True)
    assert "lost" in reply.reason


def test_a_device_that_refuses_at_the_start_is_left_off_and_nothing_is_recorded(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.device.apply_error = DeviceFault("under voltage")
    reply = bench.start(hour_of_charging)
    assert not reply.ok
    assert "under voltage" in reply.reason
    assert bench.device.calls[-1] == "make_safe"
    assert bench.outcome() is None
    assert bench.state == "idle"


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


def test_an_error_of_the_program_switches_off_fails_the_run_and_latches(
    bench: Bench, hour_of_charging: Program
) -> None:
    bench.start(hour_of_charging)
    bench.turn(2)
    bench.loop.crash(ZeroDivisionError("oops"))
    assert bench.device.active == OFF
    assert bench.outcome() == "failed"
    assert "ZeroDivisionError: oops" in bench.rows("SELECT reason FROM latch")[0][0]


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


def test_reading_errors_while_idle_do_not_latch(bench: Bench) -> None:
    bench.device.reading_error = CommunicationLost("hiccup")
    bench.turn()
    assert bench.state == "lost"
    bench.device.reading_error = None
    bench.turn(30)
    assert bench.state == "idle"
