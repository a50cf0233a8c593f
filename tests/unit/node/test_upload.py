"""Journals reach the server in full, and one bad row costs no other row anything."""

import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bem.messages import Acknowledgement, EventBatch, SampleBatch
from bem.node.upload import Uploader
from bem.runtime.settings import Settings

if TYPE_CHECKING:
    from tests.unit.node.conftest import Recorder


@dataclass
class Wire:
    """What was published and forgotten; may be down."""

    settings: Settings
    up: bool = True
    seconds: float = 100.0
    sent: list[SampleBatch | EventBatch] = field(default_factory=list)
    forgotten: list[tuple[str, uuid.UUID, int, int]] = field(default_factory=list)

    made: list[Uploader] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.uploader = self.new_uploader()

    def new_uploader(self) -> Uploader:
        self.uploader = Uploader(
            self.settings,
            publish=self.publish,
            forget=lambda *what: self.forgotten.append(what),
            clock=lambda: self.seconds,
        )
        self.made.append(self.uploader)
        return self.uploader

    def publish(self, batch: SampleBatch | EventBatch) -> bool:
        if self.up:
            self.sent.append(batch)
        return self.up

    def look(self, seconds: float = 1.0) -> list[tuple[int, int]]:
        """Look once more after a while; returns what went out as (first, size) of samples."""
        self.seconds += seconds
        before = len(self.sent)
        self.uploader.look()
        return self.samples(before)

    def samples(self, since: int = 0) -> list[tuple[int, int]]:
        return [
            (batch.first_seq, batch.size)
            for batch in self.sent[since:]
            if isinstance(batch, SampleBatch)
        ]

    def events(self) -> list[tuple[int, int]]:
        return [
            (batch.first_seq, len(batch.rows))
            for batch in self.sent
            if isinstance(batch, EventBatch)
        ]

    def acknowledge(self, experiment: uuid.UUID, samples: int, events: int = 0) -> None:
        self.uploader.acknowledged(
            Acknowledgement(experiment=experiment, next_sample=samples, next_event=events)
        )


@pytest.fixture
def wire(settings: Settings) -> Iterator[Wire]:
    wire = Wire(settings)
    yield wire
    for uploader in wire.made:
        uploader.stop()
        uploader.run()


def test_rows_go_out_in_full_batches_within_the_window(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run("temperature_body")
    recorder.samples(experiment, 0, 47, extra="[25.5]")
    recorder.event(experiment, 0, '{"cause": "x", "reason": "y"}')
    assert wire.look() == [(0, 10), (10, 10), (20, 10)]
    assert wire.events() == [(0, 1)]
    batch = next(b for b in wire.sent if isinstance(b, SampleBatch))
    assert batch.columns.extra == {"temperature_body": (25.5,) * 10}
    # An acknowledgement lets full batches follow at once, the rest waits for the next look.
    wire.acknowledge(experiment, 20, 1)
    assert wire.samples()[3:] == [(30, 10)]
    assert wire.look() == [(40, 7)]
    assert wire.uploader.backlogs["one"].samples == 27
    wire.acknowledge(experiment, 47, 1)
    wire.look()
    assert wire.uploader.backlogs["one"].samples == 0


def test_new_rows_follow(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 3)
    assert wire.look() == [(0, 3)]
    assert wire.look() == []
    recorder.samples(experiment, 3, 2)
    assert wire.look() == [(3, 2)]


def test_nothing_is_lost_while_the_wire_is_down(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 5)
    wire.up = False
    assert wire.look() == []
    wire.up = True
    assert wire.look() == [(0, 5)]


def test_what_was_on_its_way_goes_out_again_after_a_connect(
    wire: Wire, recorder: "Recorder"
) -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 5)
    wire.look()
    wire.uploader.connected()
    assert wire.look() == [(0, 5)]


def test_what_nobody_acknowledges_goes_out_again(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 5)
    assert wire.look() == [(0, 5)]
    assert wire.look(3.0) == []
    assert wire.look(3.0) == [(0, 5)]


def test_a_gap_is_filled_from_the_watermark(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 25)
    wire.look()
    wire.uploader.acknowledged(
        Acknowledgement(experiment=experiment, next_sample=10, next_event=0, rewind=True)
    )
    assert wire.samples()[3:] == [(10, 10)]
    assert wire.look() == [(20, 5)]


def test_an_unknown_experiment_rests_until_the_next_connect(
    wire: Wire, recorder: "Recorder"
) -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 5)
    wire.look()
    wire.uploader.acknowledged(
        Acknowledgement(experiment=experiment, next_sample=0, next_event=0, known=False)
    )
    assert wire.look(60.0) == []
    wire.uploader.connected()
    assert wire.look() == [(0, 5)]


def test_the_station_is_told_until_its_journal_shows_it(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 5)
    wire.look()
    wire.acknowledge(experiment, 5)
    assert wire.forgotten == [("one", experiment, 5, 0)]
    wire.look()
    assert len(wire.forgotten) == 2
    recorder.forget(experiment, 5, 0)
    wire.look()
    wire.look()
    assert len(wire.forgotten) == 2


def test_a_new_agent_goes_on_from_what_the_journal_knows(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 9)
    recorder.forget(experiment, 6, 0)
    wire.new_uploader()
    assert wire.look() == [(6, 3)]


def test_an_ended_run_is_offered_once_more_then_rests(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 9)
    recorder.event(experiment, 0)
    recorder.end(experiment)
    recorder.forget(experiment, 9, 1)
    assert wire.look() == [(8, 1)]
    assert wire.events() == [(0, 1)]
    wire.acknowledge(experiment, 9, 1)
    for _ in range(5):
        assert wire.look(10.0) == []
    # A server that was restored asks for what it has lost.
    wire.uploader.connected()
    assert wire.look() == [(8, 1)]
    wire.uploader.acknowledged(
        Acknowledgement(experiment=experiment, next_sample=2, next_event=0, rewind=True)
    )
    assert wire.look() == [(2, 7)]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE sample SET extra = '{nonsense' WHERE seq = 3", "no JSON"),
        ("UPDATE sample SET extra = '[1, 2, 3]' WHERE seq = 3", "does not fit"),
        ("UPDATE sample SET extra = '[\"hot\"]' WHERE seq = 3", "extra"),
        ("UPDATE sample SET voltage = 9e999 WHERE seq = 3", "finite"),
        ("UPDATE sample SET step = -1 WHERE seq = 3", "step"),
        ("DELETE FROM sample WHERE seq = 3", "missing"),
    ],
)
def test_a_bad_row_stops_its_own_run_only_and_is_said_once(
    damage: str,
    words: str,
    wire: Wire,
    make_recorder: Callable[[str], "Recorder"],
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder, other = make_recorder("one"), make_recorder("two")
    experiment = recorder.run("temperature_body")
    recorder.samples(experiment, 0, 6, extra="[1.0]")
    recorder.event(experiment, 0)
    recorder.database.execute(damage)
    neighbour = recorder.run()
    recorder.samples(neighbour, 0, 2)
    elsewhere = other.run()
    other.samples(elsewhere, 0, 2)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            wire.look()
            wire.uploader.connected()
    delivered: dict[uuid.UUID, int] = {}
    for batch in wire.sent:
        if isinstance(batch, SampleBatch):
            end = batch.first_seq + batch.size
            delivered[batch.experiment] = max(delivered.get(batch.experiment, 0), end)
    assert delivered == {experiment: 3, neighbour: 2, elsewhere: 2}
    assert (0, 1) in wire.events()
    (record,) = caplog.records
    assert words in record.message
    assert str(experiment) in record.message
    assert words in wire.uploader.backlogs["one"].trouble
    assert wire.uploader.backlogs["two"].trouble == ""


def test_an_event_that_cannot_be_sent_leaves_the_samples_alone(
    wire: Wire, recorder: "Recorder"
) -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 2)
    recorder.event(experiment, 0, '{"value": NaN}')
    assert wire.look() == [(0, 2)]
    assert wire.events() == []
    assert "event 0" in wire.uploader.backlogs["one"].trouble


def test_a_file_that_is_no_journal_is_said_once_and_waited_for(
    wire: Wire,
    settings: Settings,
    make_recorder: Callable[[str], "Recorder"],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = settings.journal_file("bad")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database" * 1000)
    good = make_recorder("good")
    experiment = good.run()
    good.samples(experiment, 0, 2)
    with caplog.at_level(logging.INFO):
        assert wire.look() == [(0, 2)]
        wire.look()
        wire.look()
        path.unlink()
        replaced = make_recorder("bad")
        replaced.samples(replaced.run(), 0, 1)
        assert wire.look() == [(0, 1)]
    said = [r.message for r in caplog.records if "bad: its journal" in r.message]
    assert len(said) == 2


def test_a_journal_is_read_after_its_station_has_gone(wire: Wire, recorder: "Recorder") -> None:
    experiment = recorder.run()
    recorder.samples(experiment, 0, 2)
    recorder.database.close()
    assert not recorder.path.with_name("journal.sqlite3-wal").exists()
    assert wire.look() == [(0, 2)]
