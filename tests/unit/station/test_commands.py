"""What a person orders while an experiment runs: done, checked, and written down."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from bem.domain.program import Compare, End, Program, Quantity, StepOp
from bem_drivers.base import OFF, Command, ConfigurationRefused, Mode

Bench = Any


@pytest.fixture
def two_steps(program: Callable[..., Program], step: Callable[..., StepOp]) -> Program:
    return program(
        step("cc", 1.0, ("duration", ">=", 10.0), number=1),
        step("cc", -2.0, ("duration", ">=", 10.0), number=2),
    )


def _end(quantity: Quantity, threshold: float, compare: Compare = Compare.AT_LEAST) -> object:
    return End(quantity=quantity, compare=compare, threshold=threshold).model_dump(mode="json")


def test_a_pause_switches_off_and_a_resume_goes_on_at_the_same_point_of_the_step(
    bench: Bench, two_steps: Program
) -> None:
    bench.start(two_steps)
    bench.turn(40)
    assert bench.direct("pause", by="ana", note="look at it").ok
    assert bench.device.active == OFF
    assert (bench.state, bench.activity) == ("running", "paused")
    bench.turn(300)
    assert bench.loop.snapshot.live().step_elapsed_us == 4_000_000
    assert bench.direct("resume", by="bob", note="fine").ok
    assert bench.device.active == Command(Mode.CC, 1.0)
    assert bench.activity == "running"
    bench.turn(59)
    assert bench.loop.snapshot.live().step == 1
    bench.turn(2)
    assert bench.loop.snapshot.live().step == 2
    paused, resumed = (
        data for kind, data in bench.events() if kind in ("paused", "resumed")
    )  # fmt: skip
    assert (paused["by"], paused["note"]) == ("ana", "look at it")
    assert (resumed["by"], resumed["note"], resumed["paused_us"]) == ("bob", "fine", 30_000_000)
    rows = bench.rows("SELECT seq, elapsed_us FROM sample ORDER BY seq")
    assert [row[0] for row in rows] == list(range(len(rows)))
    assert len({row[1] for row in rows}) == len(rows) > 350, "readings go on while it is paused"
    charge = bench.rows("SELECT MAX(charge_in) FROM sample WHERE step = 1")[0][0]
    assert charge == pytest.approx(10 / 3600, rel=0.02)


def test_a_resume_makes_the_checks_of_a_start_again(bench: Bench, two_steps: Program) -> None:
    bench.start(two_steps)
    bench.turn(5)
    bench.direct("pause")
    bench.turn(5)
    bench.device.calls.clear()
    assert bench.direct("resume").ok
    wanted = [call for call in bench.device.calls if call == "protect" or isinstance(call, Command)]
    assert wanted == ["protect", Command(Mode.CC, 1.0)]


def test_a_device_that_does_not_take_its_limits_again_stays_off(
    bench: Bench, two_steps: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start(two_steps)
    bench.turn(5)
    bench.direct("pause")

    def refuse(_: object) -> None:
        raise ConfigurationRefused("asked for 4.2 V, holds 5 V")

    monkeypatch.setattr(bench.device, "protect", refuse)
    bench.turn()
    reply = bench.direct("resume")
    assert "holds 5 V" in reply.reason
    assert bench.device.active == OFF
    assert bench.activity == "paused"


def test_limits_hold_while_paused(bench: Bench, two_steps: Program) -> None:
    bench.start(two_steps)
    bench.turn(5)
    bench.direct("pause")
    bench.turn(5)
    bench.device.voltage = 4.3
    bench.turn()
    assert (bench.state, bench.outcome()) == ("fault", "failed")


def test_an_output_that_comes_on_while_paused_is_a_fault(bench: Bench, two_steps: Program) -> None:
    bench.start(two_steps)
    bench.turn(5)
    bench.direct("pause")
    bench.turn(5)
    bench.device.active = Command(Mode.CC, 1.0)
    bench.turn(2)
    assert bench.device.active == OFF
    assert bench.state == "fault"


def test_a_hold_keeps_the_set_point_beyond_the_end_of_the_step(
    bench: Bench, two_steps: Program
) -> None:
    bench.start(two_steps)
    bench.turn(5)
    assert bench.direct("hold", by="ana").ok
    assert bench.activity == "held"
    bench.turn(200)
    assert bench.loop.snapshot.live().step == 1
    assert bench.device.active == Command(Mode.CC, 1.0)
    assert bench.direct("resume").ok
    bench.turn(2)
    assert bench.loop.snapshot.live().step == 2


def test_a_skip_is_of_the_step_that_the_person_saw(bench: Bench, two_steps: Program) -> None:
    bench.start(two_steps)
    bench.turn(5)
    assert "step 1 runs by now, not step 2" in bench.direct("skip", step=2).reason
    assert bench.direct("skip", step=1, by="ana", note="enough").ok
    assert bench.device.active == Command(Mode.CC, -2.0)
    assert "not step 1" in bench.direct("skip", step=1).reason
    ended = [data for kind, data in bench.events() if kind == "step_ended"]
    assert ended[0]["end"] == "skipped by ana: enough"
    assert bench.direct("skip", step=2).ok
    assert (bench.state, bench.outcome()) == ("idle", "finished")
    assert bench.device.active == OFF


def test_ends_are_changed_within_the_limits_of_the_run(bench: Bench, two_steps: Program) -> None:
    bench.start(two_steps)
    bench.turn(5)
    too_high = _end(Quantity.VOLTAGE, 4.3)
    assert (
        "outside of the 2.5 to 4.2" in bench.direct("change_ends", step=1, ends=[too_high]).reason
    )
    never = _end(Quantity.CAPACITY, -1.0)
    assert "must be above 0" in bench.direct("change_ends", step=1, ends=[never]).reason
    assert "no end" in bench.direct("change_ends", step=1, ends=[]).reason
    good = [_end(Quantity.DURATION, 2.0), _end(Quantity.VOLTAGE, 4.1)]
    assert "not step 2" in bench.direct("change_ends", step=2, ends=good).reason
    assert bench.direct("change_ends", step=1, ends=good, by="ana", note="shorter").ok
    bench.turn(16)
    assert bench.loop.snapshot.live().step == 2
    changed = [data for kind, data in bench.events() if kind == "ends_changed"]
    assert [(one["by"], one["note"]) for one in changed] == [("ana", "shorter")]


def test_what_the_state_does_not_allow_is_refused_in_words(
    bench: Bench, two_steps: Program
) -> None:
    for action in ("pause", "hold", "resume"):
        reply = bench.direct(action)
        assert (reply.ok, reply.retry) == (False, False)
        assert "is not running here" in reply.reason
    bench.start(two_steps)
    bench.turn()
    assert "nothing to resume" in bench.direct("resume").reason
    assert bench.direct("pause").ok
    assert "paused already" in bench.direct("pause").reason
    assert bench.direct("hold").ok is False
    reply = bench.order("pause", experiment=str(uuid.uuid4()))
    assert "is not running here" in reply.reason


def test_a_pause_whose_output_cannot_be_verified_off_fails_the_run(
    bench: Bench, two_steps: Program
) -> None:
    bench.start(two_steps)
    bench.turn(3)
    bench.device.safe_error = bench.lost
    reply = bench.direct("pause")
    assert "could not be verified off" in reply.reason
    assert (bench.state, bench.outcome()) == ("fault", "failed")


def test_a_step_that_waits_for_a_person_says_what_for_and_goes_on_after_the_checks(
    bench: Bench, program: Callable[..., Program], step: Callable[..., StepOp]
) -> None:
    waits = StepOp(
        number=2,
        title="Pause",
        setpoint=step("rest", 0.0, ("duration", ">=", 1.0)).setpoint,
        message="swap the fixture",
    )
    bench.start(
        program(
            step("cc", 1.0, ("duration", ">=", 1.0), number=1),
            waits,
            step("cc", 2.0, ("duration", ">=", 1.0), number=3),
        )
    )
    bench.turn(100)
    description = bench.loop.snapshot.description()
    assert (description.activity, description.waits_for) == ("waiting", "swap the fixture")
    assert bench.device.active == OFF
    bench.device.voltage = 2.0
    bench.device.voltage = 3.7
    bench.turn()
    bench.device.calls.clear()
    assert bench.direct("resume", by="ana").ok
    assert bench.device.calls[0] == "protect"
    assert bench.device.active == Command(Mode.CC, 2.0)
    bench.turn(11)
    assert bench.outcome() == "finished"


def test_a_lock_is_refused_while_the_output_may_be_on_and_forbids_start_and_resume(
    bench: Bench, two_steps: Program
) -> None:
    bench.start(two_steps)
    bench.turn(3)
    assert "pause or stop" in bench.order("lock", by="ana", note="hands in").reason
    bench.direct("pause")
    bench.turn()
    assert bench.order("lock", by="ana", note="hands in").ok
    lock = bench.loop.snapshot.description().lock
    assert (lock.by, lock.note) == ("ana", "hands in")
    reply = bench.direct("resume")
    assert (reply.ok, reply.retry) == (False, True)
    assert "locked by ana" in reply.reason
    assert "hands in" in reply.reason
    assert "already, by ana" in bench.order("lock", by="bob").reason
    assert bench.order("unlock", by="ana").ok
    assert bench.direct("resume").ok
    warned = [data for kind, data in bench.events() if kind == "warned"]
    assert [(one["cause"], one["cleared"]) for one in warned] == [("lock", False), ("lock", True)]
    assert "not locked" in bench.order("unlock").reason


def test_a_lock_outlives_the_process(bench: Bench, two_steps: Program) -> None:
    assert bench.order("lock", by="ana", note="cabling").ok
    bench.cut_power()
    assert bench.loop.snapshot.description().lock.note == "cabling"
    assert "cabling" in bench.start(two_steps).reason
    bench.order("unlock")
    bench.cut_power()
    assert bench.loop.snapshot.description().lock is None
    assert bench.start(two_steps).ok


def test_what_describe_tells_changes_the_revision(bench: Bench, two_steps: Program) -> None:
    before = bench.loop.snapshot.live().revision
    bench.turn(3)
    assert bench.loop.snapshot.live().revision == before
    bench.order("lock", note="hands in")
    assert bench.loop.snapshot.live().revision > before
    bench.order("unlock")
    bench.start(two_steps)
    running = bench.loop.snapshot.live().revision
    bench.turn(3)
    assert bench.loop.snapshot.live().revision == running
    bench.direct("pause")
    assert bench.loop.snapshot.live().revision > running


def test_who_resumes_is_told_when_the_device_does_not_obey(
    bench: Bench, two_steps: Program
) -> None:
    bench.start(two_steps)
    bench.turn(5)
    bench.direct("pause")
    bench.turn()
    bench.device.apply_error = ConfigurationRefused("asked for 1 A, holds 0 A")
    reply = bench.direct("resume")
    assert "the run has failed" in reply.reason
    assert "holds 0 A" in reply.reason
    assert (bench.device.active, bench.state) == (OFF, "fault")


def test_a_device_that_takes_long_to_hold_its_limits_may_resume_all_the_same(
    bench: Bench, two_steps: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    protect = bench.device.protect

    def slowly(protection: Any) -> Any:  # noqa: ANN401 - of the driver
        bench.clock.sleep(2.0)
        return protect(protection)

    monkeypatch.setattr(bench.device, "protect", slowly)
    assert bench.start(two_steps, on_interruption="wait").ok
    bench.turn(5)
    bench.direct("pause")
    bench.turn()
    assert bench.direct("resume").ok
    bench.turn(5)
    bench.cut_power()
    assert bench.direct("resume").ok
    assert bench.activity == "running"
