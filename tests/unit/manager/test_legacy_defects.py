"""A defect of the software before this one: a crash set the whole queue of a station to ERROR."""

from typing import TYPE_CHECKING

from bem.lab.models import Experiment
from bem.messages import EventBatch, EventRow, Outcome, Topic

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench


def _status(experiment: Experiment) -> str:
    experiment.refresh_from_db()
    return experiment.status


def test_a_crash_interrupts_what_ran_and_leaves_the_queue_waiting(bench: "Bench") -> None:
    bench.report()
    ran, second, third = (bench.experiment(name) for name in ("ran", "second", "third"))
    bench.pass_time(1)
    bench.answer(bench.orders()[0], Outcome.DONE)
    crashed = bench.station(state="fault", reason="its process ended")
    bench.pass_time(8, [crashed])
    ended = EventRow(
        elapsed_us=9,
        at=bench.now,
        kind="run_ended",
        message="ended",
        data={"outcome": "interrupted", "reason": "crash", "output_off_verified": True},
    )
    bench.arrive(Topic.EVENTS, EventBatch(experiment=ran.uuid, first_seq=0, rows=(ended,)))
    bench.pass_time(60, [crashed])
    assert [_status(one) for one in (ran, second, third)] == ["interrupted", "queued", "queued"]
    bench.pass_time(8, [bench.station()])
    assert [_status(one) for one in (second, third)] == ["starting", "queued"]
