"""The manager decides right, whatever nodes say and whenever they say it."""

import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest

from bem.lab.models import Command, Experiment, Sample, Station
from bem.messages import (
    Acknowledgement,
    EventBatch,
    EventRow,
    NodeGone,
    Outcome,
    SampleBatch,
    SampleColumns,
    Topic,
)

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench


def status_of(experiment: Experiment) -> str:
    experiment.refresh_from_db()
    return experiment.status


def samples(experiment: Experiment, first: int, size: int) -> SampleBatch:
    ones = (1,) * size
    floats = (1.0,) * size
    return SampleBatch(
        experiment=experiment.uuid,
        first_seq=first,
        columns=SampleColumns(
            elapsed_us=tuple(range(first, first + size)),
            step=ones,
            cycle=ones,
            voltage=floats,
            current=floats,
            power=floats,
            charge_in=floats,
            charge_out=floats,
            energy_in=floats,
            energy_out=floats,
        ),
    )


def events(experiment: Experiment, bench: "Bench", first: int, *rows: EventRow) -> EventBatch:
    return EventBatch(experiment=experiment.uuid, first_seq=first, rows=rows)


def started(bench: "Bench") -> EventRow:
    return EventRow(
        elapsed_us=0,
        at=bench.now,
        kind="run_started",
        message="started",
        data={"program": "p", "steps": 1},
    )


def ended(bench: "Bench", outcome: str = "finished") -> EventRow:
    return EventRow(
        elapsed_us=9,
        at=bench.now,
        kind="run_ended",
        message="ended",
        data={"outcome": outcome, "reason": "so it is", "output_off_verified": True},
    )


# -- nodes


def test_a_node_and_its_stations_are_written_down(bench: "Bench") -> None:
    bench.report(
        bench.station(
            "one",
            voltage_max=6.0,
            channels=[{"name": "temperature_body", "unit": "degC", "title": "Body"}],
        ),
        bench.station("two", "fault", reason="too hot"),
        clock_off_s=-90.5,
    )
    node = bench.node()
    assert (node.online, node.hostname, node.last_seen) == (True, "node-a", bench.now)
    assert node.clock_offset_s == pytest.approx(-90.5)
    one, two = Station.objects.order_by("slug")
    assert (one.voltage_max, one.present) == (6.0, True)
    assert one.channels == [{"name": "temperature_body", "unit": "degC", "title": "Body"}]
    assert (two.state, two.state_reason) == ("fault", "too hot")


def test_a_station_that_is_no_longer_reported_is_not_present(bench: "Bench") -> None:
    bench.report(bench.station("one"), bench.station("two"))
    bench.report(bench.station("two"))
    assert [s.present for s in Station.objects.order_by("slug")] == [False, True]
    bench.report(bench.station("one"), bench.station("two"))
    assert [s.present for s in Station.objects.order_by("slug")] == [True, True]


def test_a_station_that_is_down_keeps_what_it_was_known_for(bench: "Bench") -> None:
    bench.report(bench.station(voltage_max=6.0, device="EPC 7"))
    bench.report(bench.station(state="down", reason="crashed"))
    station = Station.objects.get()
    assert (station.state, station.voltage_max, station.device) == ("down", 6.0, "EPC 7")


def test_a_silent_node_is_offline_within_15_s_and_said_once(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    bench.report()
    with caplog.at_level(logging.WARNING):
        bench.pass_time(11)
        assert bench.node().online
        bench.pass_time(4)
        assert not bench.node().online
        bench.pass_time(60)
    assert len([r for r in caplog.records if "offline" in r.message]) == 1
    bench.report()
    assert bench.node().online


def test_any_sign_of_life_keeps_a_node_online(bench: "Bench") -> None:
    bench.report()
    for _ in range(10):
        bench.pass_time(8)
        bench.manager.heard("bem/v1/nodes/node-a/samples")
    assert bench.node().online


def test_the_last_will_of_the_present_session_alone_counts(bench: "Bench") -> None:
    bench.report()
    bench.arrive(Topic.STATUS, NodeGone(session=uuid.uuid4()))
    assert bench.node().online
    bench.arrive(Topic.STATUS, NodeGone(session=bench.session))
    assert not bench.node().online


def test_a_new_manager_believes_nothing(bench: "Bench") -> None:
    bench.report()
    bench.new_manager().tick()
    assert not bench.node().online


def test_a_new_manager_does_not_forget_whom_it_heard_first(bench: "Bench") -> None:
    bench.new_manager()
    bench.report()
    bench.manager.tick()
    assert bench.node().online


# -- queue


def test_the_oldest_experiment_is_started_with_its_program(bench: "Bench") -> None:
    bench.report()
    first, second = bench.experiment("first"), bench.experiment("second")
    bench.pass_time(1)
    (order,) = bench.orders()
    assert (order.action, order.station, order.issued_by) == ("start", "one", "manager")
    assert order.arguments == {
        "experiment": str(first.uuid),
        "name": "first",
        "program": {"name": "program of first"},
        "battery": "cell",
        "limits": [],
        "on_interruption": "end",
    }
    assert (status_of(first), status_of(second)) == ("starting", "queued")
    bench.answer(order, Outcome.DONE)
    assert status_of(first) == "starting"
    bench.arrive(Topic.EVENTS, events(first, bench, 0, started(bench)))
    assert status_of(first) == "running"
    bench.report(bench.station(state="running", experiment=first.uuid))
    bench.pass_time(2)
    assert len(bench.orders()) == 1
    bench.arrive(Topic.EVENTS, events(first, bench, 1, ended(bench)))
    bench.report()
    bench.pass_time(1)
    assert (status_of(first), status_of(second)) == ("finished", "starting")


@pytest.mark.parametrize("state", ["down", "lost", "running", "fault"])
def test_nothing_is_started_where_it_cannot_run(state: str, bench: "Bench") -> None:
    bench.report(bench.station(state=state))
    experiment = bench.experiment()
    bench.pass_time(2)
    assert status_of(experiment) == "queued"
    assert bench.orders() == []


def test_stations_do_not_wait_for_each_other(bench: "Bench") -> None:
    bench.report(bench.station("one"), bench.station("two"))
    bench.experiment("a", "one")
    bench.experiment("b", "two")
    bench.pass_time(1)
    assert {order.station for order in bench.orders()} == {"one", "two"}


def test_a_start_refused_for_a_passing_cause_is_tried_again_later(bench: "Bench") -> None:
    bench.report()
    first, second = bench.experiment("first"), bench.experiment("second")
    bench.pass_time(1)
    bench.answer(bench.orders()[0], Outcome.REFUSED, "busy", retry=True)
    assert status_of(first) == "queued"
    assert "busy" in first.status_reason
    bench.pass_time(8, [bench.station()])
    assert len(bench.orders()) == 1
    bench.pass_time(4, [bench.station()])
    assert len(bench.orders()) == 2
    assert bench.orders()[1].id != bench.orders()[0].id
    assert (status_of(first), status_of(second)) == ("starting", "queued")


def test_a_start_refused_for_good_fails_it_alone(bench: "Bench") -> None:
    bench.report()
    first, second = bench.experiment("first"), bench.experiment("second")
    bench.pass_time(1)
    bench.answer(bench.orders()[0], Outcome.REFUSED, "the program is wrong")
    assert status_of(first) == "failed"
    assert first.status_reason == "not started: the program is wrong"
    assert first.ended_at == bench.now
    bench.pass_time(1)
    assert status_of(second) == "starting"


def test_a_start_that_nobody_answers_goes_back_to_the_queue(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    bench.pass_time(36, [bench.station()])
    assert status_of(experiment) == "queued"
    command = Command.objects.get()
    assert (command.status, command.answered_at) == ("expired", ANY)
    first_round = len(bench.orders())
    assert 6 <= first_round <= 8
    bench.pass_time(10, [bench.station()])
    assert status_of(experiment) == "starting"


def test_a_run_that_began_unheard_is_taken_for_running(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    bench.pass_time(1)
    running = bench.station(state="running", experiment=experiment.uuid)
    bench.answer(bench.orders()[0], Outcome.REFUSED, "timed out", retry=True)
    assert status_of(experiment) == "queued"
    bench.report(running)
    assert status_of(experiment) == "running"
    bench.pass_time(90, [running])
    assert status_of(experiment) == "running"
    assert len(bench.orders()) == 1


def test_a_run_whose_record_is_lost_is_interrupted_after_a_minute(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    bench.pass_time(1)
    bench.answer(bench.orders()[0], Outcome.DONE)
    bench.arrive(Topic.EVENTS, events(experiment, bench, 0, started(bench)))
    bench.pass_time(120, [bench.station(unsent=3)])
    assert status_of(experiment) == "running"
    bench.pass_time(58, [bench.station()])
    assert status_of(experiment) == "running"
    bench.pass_time(8, [bench.station()])
    assert status_of(experiment) == "interrupted"
    assert "no record" in experiment.status_reason


def test_a_run_is_not_lost_while_its_node_is_away(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    bench.pass_time(1)
    bench.answer(bench.orders()[0], Outcome.DONE)
    bench.arrive(Topic.EVENTS, events(experiment, bench, 0, started(bench)))
    bench.pass_time(3600, step_s=60)
    assert status_of(experiment) == "running"
    # A new manager knows nothing of unsent data until the station is heard again.
    bench.new_manager()
    bench.pass_time(3600, step_s=60)
    assert status_of(experiment) == "running"


def test_what_the_run_says_counts_more_than_a_refused_second_start(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    bench.pass_time(1)
    rows = events(experiment, bench, 0, started(bench), ended(bench))
    bench.answer(bench.orders()[0], Outcome.REFUSED, "this experiment has run here before")
    assert status_of(experiment) == "failed"
    bench.arrive(Topic.EVENTS, rows)
    assert status_of(experiment) == "finished"


# -- commands


def test_a_command_by_a_person_is_repeated_until_answered_once(bench: "Bench") -> None:
    bench.report()
    command = bench.stop(bench.experiment())
    bench.pass_time(0.5)
    assert [order.id for order in bench.orders()] == [command.id]
    bench.pass_time(11, [bench.station()])
    assert [order.id for order in bench.orders()] == [command.id] * 3
    bench.answer(bench.orders()[0], Outcome.DONE)
    bench.answer(bench.orders()[0], Outcome.REFUSED, "too late")
    command.refresh_from_db()
    assert (command.status, command.reason) == ("done", "")
    bench.pass_time(11, [bench.station()])
    assert len([order for order in bench.orders() if order.id == command.id]) == 3


def test_a_command_waits_for_its_node_and_expires(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    bench.pass_time(20)
    bench.sent.clear()
    command = bench.stop(experiment)
    bench.pass_time(29)
    assert bench.orders() == []
    bench.pass_time(2)
    command.refresh_from_db()
    assert (command.status, command.reason) == ("expired", "the node was not there to take it")


def test_a_command_is_not_sent_while_the_wire_is_down(bench: "Bench") -> None:
    bench.report()
    command = bench.stop(bench.experiment())
    bench.wire_up = False
    bench.pass_time(2)
    command.refresh_from_db()
    assert command.status == "pending"
    bench.wire_up = True
    bench.pass_time(0.5)
    command.refresh_from_db()
    assert command.status == "sent"


def test_another_node_cannot_answer(bench: "Bench") -> None:
    bench.report()
    bench.report(bench.station("x"), node="node-b")
    command = bench.stop(bench.experiment())
    bench.pass_time(0.5)
    payload = (
        f'{{"v":1,"type":"answer","command":"{command.id}","outcome":"done",'
        f'"answered_at":"{bench.now.isoformat()}"}}'
    ).encode()
    bench.arrive(Topic.ANSWERS, payload, node="node-b")
    command.refresh_from_db()
    assert command.status == "sent"


def test_a_node_with_a_wrong_clock_gets_times_by_its_own(bench: "Bench") -> None:
    bench.report(clock_off_s=-86_400.0)
    command = bench.stop(bench.experiment())
    bench.pass_time(0.5)
    (order,) = bench.orders()
    assert order.expires_at == command.expires_at - timedelta(days=1)


# -- data


def test_samples_are_acknowledged_and_a_gap_is_asked_for(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    for first, size in ((0, 5), (0, 5), (9, 2), (3, 4)):
        bench.arrive(Topic.SAMPLES, samples(experiment, first, size))
    marks = [(a.next_sample, a.rewind) for a in bench.letters(Acknowledgement)]
    assert marks == [(5, False), (5, False), (5, True), (7, False)]
    assert Sample.objects.count() == 7


def test_an_unknown_experiment_is_called_unknown(bench: "Bench") -> None:
    bench.report()
    experiment = bench.experiment()
    bench.arrive(Topic.SAMPLES, samples(experiment, 0, 1), node="node-b")
    (answer,) = bench.letters(Acknowledgement)
    assert not answer.known


GARBAGE = [
    b"",
    b"{}",
    b"\x80\x04\x95",
    b"[" * 100_000,
    b'{"type":"samples"}',
    b'{"v":2,"type":"node_gone","session":"00000000-0000-0000-0000-000000000000"}',
    b'{"v":1,"type":"command"}',
    b'{"v":1,"type":"node_gone","session":"x","more":1}',
    b"null",
    b"\xff" * 1000,
]


def test_garbage_is_dropped_and_said_once(bench: "Bench", caplog: pytest.LogCaptureFixture) -> None:
    bench.report()
    with caplog.at_level(logging.WARNING):
        for payload in GARBAGE * 3:
            for last in (Topic.STATUS, Topic.SAMPLES, Topic.EVENTS, Topic.ANSWERS):
                bench.arrive(last, payload)
    assert len(caplog.records) == 1
    bench.pass_time(1)
    assert bench.node().online
