"""Samples and events are kept exactly once, whatever the wire does to their batches."""

import random
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from django.db import IntegrityError

from bem.lab import intake
from bem.lab.models import Bucket, CycleResult, Event, Experiment, Intake, Sample, StepResult

Make = Callable[..., Any]
MOVED = {"charge_in": 1.0, "charge_out": 0.0, "energy_in": 3.7, "energy_out": 0.0}


def step_ended(**changes: object) -> dict[str, object]:
    data: dict[str, object] = {
        "step": 1,
        "cycle": 1,
        "title": "Charge",
        "end": "voltage",
        "value": 4.2,
        "duration_us": 1_000_000,
        "voltage": 4.2,
        "current": 1.0,
        "moved": MOVED,
    }
    return data | changes


class Piece(intake.Columns, Protocol):
    first_seq: int


def take(experiment: Experiment, batch: Piece) -> intake.Taken | None:
    return intake.take_samples("node-a", experiment.uuid, batch.first_seq, batch)


def voltages(experiment: Experiment) -> list[float]:
    rows = Sample.objects.filter(experiment=experiment).order_by("seq")
    assert [row.seq for row in rows] == list(range(len(rows)))
    return [row.voltage for row in rows]


def test_a_batch_is_kept_with_its_watermark(experiment: Experiment, batch: Make) -> None:
    first = batch([0, 100_000], [3.7, 3.8], {"temperature_body": [25.0, None]})
    assert take(experiment, first) == intake.Taken(2, 0)
    sample = Sample.objects.get(experiment=experiment, seq=1)
    assert (sample.voltage, sample.current, sample.extra) == (3.8, -2.0, [None])
    experiment.refresh_from_db()
    assert experiment.channels == [{"name": "temperature_body", "unit": "degC", "title": "Body"}]
    assert Intake.objects.get(experiment=experiment).elapsed_us == 100_000


@pytest.mark.parametrize("seed", range(8))
def test_exactly_once_over_a_wire_that_loses_repeats_and_reorders(
    seed: int,
    experiment: Experiment,
    batch: Make,
) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    count = 400
    elapsed = [index * 130_000 for index in range(count)]
    truth = [3.0 + rng.random() for _ in range(count)]
    mark = 0
    while mark < count:
        first = max(0, min(count - 1, mark + rng.randint(-60, 40)))
        size = min(rng.randint(1, 70), count - first)
        piece = batch(elapsed[first : first + size], truth[first : first + size], first_seq=first)
        taken = take(experiment, piece)
        assert taken is not None
        assert taken.gap == (first > mark)
        mark = mark if taken.gap else max(mark, first + size)
        assert taken.next_sample == mark
    assert voltages(experiment) == truth
    buckets = Bucket.objects.filter(experiment=experiment, level=0)
    assert sum(bucket.figures[0][0] for bucket in buckets) == count
    for bucket in Bucket.objects.filter(experiment=experiment):
        within = truth[bucket.first_seq : bucket.last_seq + 1]
        assert bucket.figures[0][:4] == [len(within), within[0], min(within), max(within)]
        assert bucket.figures[0][4] == pytest.approx(sum(within) / len(within))


def test_unknown_experiments_and_those_of_other_nodes_are_not_taken(
    experiment: Experiment,
    batch: Make,
) -> None:
    piece = batch([0], [3.7])
    assert intake.take_samples("node-a", uuid.uuid4(), 0, piece) is None
    assert intake.take_samples("node-b", experiment.uuid, 0, piece) is None
    assert intake.take_events("node-b", experiment.uuid, 0, []) is None
    assert not Sample.objects.exists()


def test_a_new_channel_joins_at_the_end(experiment: Experiment, batch: Make) -> None:
    take(experiment, batch([0], [3.7], {"temperature_body": [25.0]}))
    more = {"pressure": [2.0], "temperature_body": [26.0]}
    take(experiment, batch([1_000_000], [3.7], more, first_seq=1))
    take(experiment, batch([2_000_000], [3.7], {"pressure": [3.0]}, first_seq=2))
    experiment.refresh_from_db()
    assert [channel["name"] for channel in experiment.channels] == ["temperature_body", "pressure"]
    extras = Sample.objects.filter(experiment=experiment).order_by("seq")
    assert [sample.extra for sample in extras] == [[25.0], [26.0, 2.0], [None, 3.0]]


@pytest.mark.django_db(transaction=True)
def test_what_fails_half_way_leaves_nothing(
    make_experiment: Callable[..., Experiment],
    batch: Make,
) -> None:
    experiment = make_experiment()
    take(experiment, batch([0], [3.7]))
    Intake.objects.filter(experiment=experiment).update(next_sample=0)
    with pytest.raises(IntegrityError):
        take(experiment, batch([0, 1], [3.7, 3.8]))
    assert voltages(experiment) == [3.7]
    assert Intake.objects.get(experiment=experiment).next_sample == 0


def test_a_run_from_start_to_end(
    make_experiment: Callable[..., Experiment],
    happened: Make,
) -> None:
    experiment = make_experiment("starting")
    events = [
        happened("run_started", {"program": "p", "steps": 1}),
        happened("step_started", {"step": 1, "cycle": 1, "title": "Charge"}),
        happened("step_ended", step_ended(), elapsed_us=1_000_000),
        happened("cycle_ended", {"cycle": 1, "duration_us": 1_000_000, "moved": MOVED}),
        happened(
            "run_ended", {"outcome": "finished", "reason": "done", "output_off_verified": True}
        ),
    ]
    assert intake.take_events("node-a", experiment.uuid, 0, events[:2]) == intake.Taken(0, 2)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.started_at) == ("running", events[0].at)
    assert intake.take_events("node-a", experiment.uuid, 4, events[4:]) == intake.Taken(
        0, 2, gap=True
    )
    assert intake.take_events("node-a", experiment.uuid, 0, events) == intake.Taken(0, 5)
    assert intake.take_events("node-a", experiment.uuid, 0, events) == intake.Taken(0, 5)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.status_reason) == ("finished", "done")
    assert experiment.ended_at == events[-1].at
    step = StepResult.objects.get(experiment=experiment)
    assert (step.event_seq, step.charge_in, step.ended_elapsed_us) == (2, 1.0, 1_000_000)
    assert CycleResult.objects.get(experiment=experiment).energy_in == 3.7
    assert Event.objects.filter(experiment=experiment).count() == 5


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("unheard_of", {"anything": [1, 2]}),
        ("step_ended", {"step": "one"}),
        ("step_ended", step_ended(step=-1)),
        ("step_ended", step_ended(cycle=2**40)),
        ("step_ended", step_ended(duration_us=-(2**63))),
        ("step_ended", {"kind": "run_ended"}),
        ("run_ended", {"outcome": "exploded", "reason": "", "output_off_verified": True}),
    ],
)
def test_an_event_that_is_not_understood_is_kept_and_holds_nothing_up(
    kind: str,
    data: dict[str, object],
    experiment: Experiment,
    happened: Make,
) -> None:
    rows = [happened(kind, data), happened("step_ended", step_ended())]
    assert intake.take_events("node-a", experiment.uuid, 0, rows) == intake.Taken(0, 2)
    assert Event.objects.get(experiment=experiment, seq=0).kind == kind
    assert [step.event_seq for step in StepResult.objects.all()] == [1]


def test_long_words_are_cut_not_refused(experiment: Experiment, happened: Make) -> None:
    row = happened("step_ended", step_ended(title="x" * 5000, end="y" * 5000))
    intake.take_events("node-a", experiment.uuid, 0, [row])
    step = StepResult.objects.get()
    assert (len(step.title), len(step.end)) == (200, 200)


def test_a_run_is_paused_held_and_goes_on_as_its_events_say(
    experiment: Experiment, happened: Make
) -> None:
    def after(seq: int, kind: str, **data: object) -> tuple[str, str]:
        intake.take_events("node-a", experiment.uuid, seq, [happened(kind, data)])
        experiment.refresh_from_db()
        return experiment.status, experiment.status_reason

    assert after(0, "paused", by="anna", note="odd") == ("paused", "Paused by anna: odd")
    assert after(1, "resumed", by="anna", paused_us=5) == ("running", "")
    assert after(2, "held", by="ben") == ("paused", "Held at its set point by ben")
    assert after(3, "resumed", by="ben") == ("running", "")
    assert after(4, "paused", note="swap the fixture")[0] == "paused"
    assert after(5, "gap", reason="power cut", off_us=7) == ("running", "")
