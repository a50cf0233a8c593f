"""What becomes of a run after a power cut, a crash, or an orderly stop of its station."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bem.domain.program import LoopOp, Program, RecordRule, StepOp
from bem.station.recovery import PATIENCE
from bem_drivers.base import OFF, Command, Mode

Bench = Any


@pytest.fixture
def cycles(program: Callable[..., Program], step: Callable[..., StepOp]) -> Program:
    """Three cycles of 2 s charge and 2 s discharge."""
    return program(
        step("cc", 1.0, ("duration", ">=", 2.0), number=1),
        step("cc", -1.0, ("duration", ">=", 2.0), number=2),
        LoopOp(start=0, passes=3, counts_cycles=True),
    )


def _gap(bench: Bench) -> dict[str, Any]:
    gap: dict[str, Any]
    (gap,) = (data for kind, data in bench.events() if kind == "gap")
    return gap


def test_a_run_that_resumes_goes_on_with_cycle_step_counters_and_numbers_as_they_were(
    bench: Bench, cycles: Program
) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(70)
    before = bench.loop.snapshot.live()
    assert (before.cycle, before.step) == (2, 2)
    bench.device.calls.clear()
    bench.cut_power(off_s=3600.0)
    assert bench.device.calls[0] == "open"
    after = bench.loop.snapshot.live()
    assert (after.state, after.cycle, after.step) == ("running", 2, 2)
    assert bench.device.active == Command(Mode.CC, -1.0)
    wanted = [call for call in bench.device.calls if call == "protect" or isinstance(call, Command)]
    assert wanted == ["protect", Command(Mode.CC, -1.0)]
    assert after.step_elapsed_us == pytest.approx(before.step_elapsed_us, abs=1)
    gap = _gap(bench)
    assert gap["off_us"] == pytest.approx(3_600_100_000, abs=10)
    assert (gap["voltage_before"], gap["voltage_after"]) == (3.7, 3.7)
    assert "without warning" in gap["reason"]
    bench.turn(60)
    assert bench.outcome() == "finished"
    rows = bench.rows("SELECT seq, elapsed_us, charge_in, charge_out FROM sample ORDER BY seq")
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert [row[1] for row in rows] == sorted({row[1] for row in rows})
    assert rows[-1][2] == pytest.approx(6 / 3600, rel=0.1)
    assert rows[-1][3] == pytest.approx(6 / 3600, rel=0.1)
    seqs = [row[0] for row in bench.rows("SELECT seq FROM event ORDER BY seq")]
    assert seqs == list(range(len(seqs)))
    ended = [data["cycle"] for kind, data in bench.events() if kind == "cycle_ended"]
    assert ended == [1, 2, 3]


def test_an_hour_put_back_does_not_run_time_backward(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    before = bench.loop.snapshot.live().elapsed_us
    now = bench.clock.utc_now
    bench.clock.utc_now = lambda: now() - timedelta(hours=1)
    bench.cut_power(off_s=5.0)
    assert bench.loop.snapshot.live().elapsed_us >= before
    assert 0 <= _gap(bench)["off_us"] < 200_000
    bench.turn(100)
    assert bench.outcome() == "finished"
    times = [row[0] for row in bench.rows("SELECT elapsed_us FROM sample ORDER BY seq")]
    assert times == sorted(set(times))


def test_a_run_that_waits_stays_off_until_a_person_resumes_it(
    bench: Bench, cycles: Program
) -> None:
    bench.start(cycles, on_interruption="wait")
    bench.turn(30)
    bench.cut_power(off_s=60.0)
    bench.turn(1000)
    description = bench.loop.snapshot.description()
    assert (description.state, description.activity) == ("running", "waiting")
    assert "resume or stop" in description.waits_for
    assert bench.device.active == OFF
    assert "resume or stop it first" in bench.direct("skip", step=2).reason
    assert bench.direct("resume", by="ana", note="looks good").ok
    assert bench.device.active == Command(Mode.CC, -1.0)
    assert _gap(bench)["reason"].endswith("resumed by ana: looks good")
    assert _gap(bench)["off_us"] == pytest.approx(160_200_000, abs=200_000)
    bench.turn(100)
    assert bench.outcome() == "finished"


def test_a_run_that_waits_still_waits_after_another_power_cut_and_can_be_stopped(
    bench: Bench, cycles: Program
) -> None:
    bench.start(cycles, on_interruption="wait")
    bench.turn(30)
    bench.cut_power()
    bench.turn(5)
    bench.cut_power(off_s=100.0)
    bench.turn(5)
    assert bench.activity == "waiting"
    assert bench.direct("stop", by="ana").ok
    assert (bench.state, bench.outcome()) == ("idle", "stopped")
    assert bench.rows("SELECT COUNT(*) FROM progress") == [(0,)]


def test_a_check_that_may_pass_later_is_tried_again(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.device.open_error = bench.lost
    bench.cut_power()
    bench.turn(600)
    assert bench.activity == "waiting"
    assert (
        "by itself once it can: the device is lost" in bench.loop.snapshot.description().waits_for
    )
    assert bench.outcome() is None
    bench.device.open_error = None
    bench.turn(120)
    assert bench.activity == "running"
    assert bench.device.active.mode is Mode.CC


def test_a_cause_that_does_not_pass_in_time_waits_for_a_person(
    bench: Bench, cycles: Program
) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.device.open_error = bench.lost
    bench.cut_power()
    bench.period_s = 10.0
    bench.turn(int(PATIENCE.total_seconds() / 10) + 2)
    assert "could not go on by itself" in bench.loop.snapshot.description().waits_for
    bench.device.open_error = None
    bench.period_s = 0.1
    bench.turn(200)
    assert bench.device.active == OFF
    assert bench.activity == "waiting"
    assert bench.direct("resume").ok
    assert bench.activity == "running"


def test_another_battery_than_before_waits_for_a_person(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.device.voltage = 2.0
    bench.cut_power()
    bench.turn(20)
    assert bench.device.active == OFF
    assert "open-circuit voltage 2 is below" in bench.loop.snapshot.description().waits_for
    assert "open-circuit" in bench.direct("resume").reason
    assert bench.device.active == OFF


def test_a_run_interrupted_again_at_once_waits_for_a_person(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.cut_power()
    bench.turn(5)
    assert bench.activity == "running"
    bench.cut_power()
    bench.turn(20)
    assert bench.activity == "waiting"
    assert "soon after" in bench.loop.snapshot.description().waits_for
    assert bench.device.active == OFF


def test_a_locked_station_resumes_nothing_by_itself(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.direct("pause")
    bench.turn()
    bench.order("lock", by="ana", note="hands in")
    bench.cut_power()
    bench.turn(50)
    assert bench.device.active == OFF
    assert "hands in" in bench.loop.snapshot.description().waits_for


def test_a_run_that_a_person_paused_stays_paused(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.direct("pause", by="ana")
    bench.turn(5)
    bench.cut_power(off_s=10.0)
    bench.turn(50)
    assert bench.activity == "paused"
    assert bench.device.active == OFF
    assert bench.direct("resume").ok
    assert bench.device.active == Command(Mode.CC, -1.0)


def test_a_person_can_keep_a_run_from_going_on_by_itself(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.device.open_error = bench.lost
    bench.cut_power()
    bench.turn(5)
    assert bench.direct("pause", by="ana").ok
    bench.device.open_error = None
    bench.turn(600)
    assert bench.activity == "waiting"
    assert bench.device.active == OFF


@pytest.mark.parametrize("setting", ["resume", "wait"])
def test_an_orderly_stop_leaves_the_run_open_with_its_reason(
    bench: Bench, cycles: Program, setting: str
) -> None:
    bench.start(cycles, on_interruption=setting)
    bench.turn(30)
    bench.loop.shut_down("the station was stopped")
    assert bench.device.active == OFF
    assert bench.outcome() is None
    bench.cut_power(off_s=5.0)
    bench.turn()
    if setting == "wait":
        assert bench.direct("resume").ok
    assert bench.activity == "running"
    assert _gap(bench)["reason"].startswith("the station was stopped")


def test_a_run_with_a_latched_fault_does_not_go_on(bench: Bench, cycles: Program) -> None:
    """The process may die between latching the fault and ending the run."""
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    bench.journal.set_latch("voltage 4.3 is above the limit")
    bench.cut_power()
    assert (bench.state, bench.outcome()) == ("fault", "interrupted")
    assert bench.device.active == OFF


def test_a_state_that_cannot_be_read_ends_the_run_and_latches(
    bench: Bench, cycles: Program
) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    assert bench.journal.flush(5)
    bench.journal._put("UPDATE progress SET state = '{\"nonsense\": 1}'", ())
    bench.cut_power()
    assert (bench.state, bench.outcome()) == ("fault", "interrupted")
    assert "cannot go on" in bench.loop.snapshot.reason


def test_readings_that_a_rule_left_out_are_not_lost_nor_doubled(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    rule = RecordRule(every_s=60.0)
    bench.start(
        program(step("cc", 1.0, ("duration", ">=", 600.0), record=rule)), on_interruption="wait"
    )
    bench.turn(55)
    bench.cut_power(off_s=10.0)
    bench.cut_power(off_s=10.0)
    bench.turn(5)
    bench.direct("resume")
    bench.turn(5)
    times = [row[0] for row in bench.rows("SELECT elapsed_us FROM sample ORDER BY seq")]
    assert 5_500_000 in times
    assert times == sorted(set(times))
    charge = bench.rows("SELECT MAX(charge_in) FROM sample")[0][0]
    assert 5.4 / 3600 <= charge < 5.5 / 3600, "none moves while the station is off"


@pytest.mark.parametrize("setting", ["resume", "end"])
def test_a_program_that_had_ended_when_the_power_went_is_not_run_again(
    bench: Bench, cycles: Program, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step's end is on the disk, the end of the run was not written any more."""
    bench.start(cycles, on_interruption=setting)
    bench.turn(119)
    monkeypatch.setattr(bench.journal, "end_run", lambda *_: None)
    note = bench.journal.add_event

    def but_the_last(experiment: object, seq: int, at: int, event: Any) -> None:  # noqa: ANN401 - of any kind
        if event.kind != "run_ended":
            note(experiment, seq, at, event)

    monkeypatch.setattr(bench.journal, "add_event", but_the_last)
    bench.turn(3)
    assert bench.state == "idle"
    bench.cut_power(off_s=60.0)
    bench.turn(5)
    assert (bench.state, bench.outcome()) == ("idle", "finished")
    assert bench.kinds()[-1] == "run_ended"
    assert bench.kinds().count("step_ended") == 6
    assert bench.device.active == OFF


def test_two_restarts_by_a_person_are_no_crashing_station(bench: Bench, cycles: Program) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(10)
    for _ in range(3):
        bench.loop.shut_down("the station was stopped")
        bench.cut_power(off_s=1.0)
        bench.turn(3)
        assert bench.activity == "running"


def test_an_answer_of_the_device_that_did_not_come_is_asked_for_again(
    bench: Bench, cycles: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start(cycles, on_interruption="resume")
    bench.turn(30)
    protect, tries = bench.device.protect, []

    def not_at_first(protection: Any) -> Any:  # noqa: ANN401 - of the driver
        tries.append(protection)
        if len(tries) < 3:
            raise bench.lost
        return protect(protection)

    monkeypatch.setattr(bench.device, "protect", not_at_first)
    bench.cut_power()
    bench.turn(25)
    assert len(tries) == 3
    assert bench.activity == "running"


def test_a_fault_that_keeps_a_run_from_going_on_can_be_acknowledged(
    bench: Bench, cycles: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start(cycles, on_interruption="wait")
    bench.turn(30)
    bench.cut_power()

    def lost(_: object) -> None:
        raise bench.lost

    monkeypatch.setattr(bench.device, "protect", lost)
    bench.device.safe_error = bench.lost
    assert not bench.direct("resume").ok
    monkeypatch.undo()
    bench.device.safe_error = None
    bench.turn(30)
    assert "could not be verified off" in bench.loop.snapshot.description().reason
    assert "acknowledged" in bench.direct("resume").reason
    assert bench.order("acknowledge", by="ana").ok
    assert bench.direct("resume").ok
    assert bench.activity == "running"
