"""Alarms come with what a person must know of, go when it has passed, and do not flood."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group, User
from pytest_django import DjangoAssertNumQueries

from bem.lab.models import Alarm, Command, Delivery, Experiment, Notifications
from bem.lab.operations.alarms import acknowledge_alarm
from bem.lab.operations.stations import acknowledge_fault
from bem.messages import EventBatch, EventRow, Outcome, StationReport, Topic

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench

Cause = Alarm.Cause


@pytest.fixture
def supervisor(db: None) -> User:
    user = User.objects.create_user("sue")
    user.groups.add(Group.objects.get(name="supervisor"))
    return user


def present() -> list[str]:
    return [alarm.cause for alarm in Alarm.objects.filter(cleared_at=None).order_by("cause")]


def ended(bench: "Bench", run: Experiment, outcome: str, *, off: bool = True) -> None:
    row = EventRow(
        elapsed_us=9,
        at=bench.now,
        kind="run_ended",
        message="ended",
        data={"outcome": outcome, "reason": "too hot", "output_off_verified": off},
    )
    bench.arrive(Topic.EVENTS, EventBatch(experiment=run.uuid, first_seq=0, rows=(row,)))


def test_a_latched_fault_is_an_alarm_until_it_is_latched_no_more(bench: "Bench") -> None:
    bench.pass_time(2, [bench.station(state="fault", reason="51 degC is above 45 degC")])
    bench.report(bench.station(state="fault", reason="51 degC is above 45 degC"))
    bench.pass_time(20, [bench.station(state="fault", reason="51 degC is above 45 degC")])
    alarm = Alarm.objects.get()
    assert (alarm.cause, alarm.severity, alarm.count) == ("fault", "error", 1)
    assert alarm.message == "“one” has latched a fault: 51 degC is above 45 degC"
    assert alarm.station is not None
    assert (alarm.station.slug, alarm.node_id) == ("one", "node-a")
    bench.report()
    bench.pass_time(1)
    alarm.refresh_from_db()
    assert alarm.cleared_at == bench.now
    assert alarm.acknowledged_at is None
    assert list(Alarm.present()) == [alarm], "nobody has seen it yet"


@pytest.mark.parametrize(
    ("report", "cause", "words"),
    [
        ({"state": "lost", "reason": "no answer"}, Cause.DEVICE_LOST, "lost its device: no answer"),
        ({"state": "down", "reason": "killed"}, Cause.STATION_DOWN, "is down: killed"),
        ({"warnings": ["3 % left", "late"]}, Cause.STATION_WARNING, "warns: 3 % left; late"),
        (
            {"state": "running", "activity": "waiting", "waits_for": "swap the fixture"},
            Cause.WAITS,
            "waits for a person: swap the fixture",
        ),
    ],
)
def test_what_a_station_reports_is_an_alarm_while_it_lasts(
    report: dict[str, object], cause: Alarm.Cause, words: str, bench: "Bench"
) -> None:
    bench.pass_time(32, [StationReport.model_validate(bench.station().model_dump() | report)])
    alarm = Alarm.objects.get()
    assert (alarm.cause, alarm.count) == (cause, 1)
    assert words in alarm.message
    bench.pass_time(4, [bench.station()])
    assert present() == []


def test_a_station_that_starts_anew_is_no_alarm(bench: "Bench") -> None:
    bench.pass_time(8, [bench.station(state="down")])
    bench.pass_time(8, [bench.station()])
    assert not Alarm.objects.exists()


def test_a_silent_node_is_one_alarm_and_keeps_those_of_its_stations(bench: "Bench") -> None:
    bench.pass_time(2, [bench.station(state="fault", reason="hot")])
    bench.report(bench.station(state="fault", reason="hot"))
    run = bench.experiment()
    Experiment.objects.filter(pk=run.pk).update(status="running")
    bench.pass_time(30)
    assert present() == ["fault"]
    bench.pass_time(20)
    assert present() == ["fault", "node_silent"]
    silent = Alarm.objects.get(cause="node_silent")
    assert (silent.severity, silent.node_id, silent.station) == ("error", "node-a", None)
    assert "experiments go on there unseen" in silent.message
    bench.new_manager()
    bench.pass_time(60)
    assert Alarm.objects.get(cause="node_silent").count == 1
    bench.report(bench.station(state="fault", reason="hot"))
    bench.pass_time(1)
    assert present() == ["fault"]


def test_a_manager_that_starts_does_not_call_all_nodes_silent(bench: "Bench") -> None:
    bench.report()
    bench.new_manager()
    bench.pass_time(20)
    bench.pass_time(40, [bench.station()])
    assert not Alarm.objects.exists()


def test_a_clock_far_off_is_an_alarm(bench: "Bench") -> None:
    bench.report(clock_off_s=-3600)
    bench.pass_time(1)
    alarm = Alarm.objects.get()
    assert alarm.message == "the clock of node node-a is 1:00:00 (h:mm:ss) behind the server's"
    bench.report(clock_off_s=1)
    bench.pass_time(1)
    assert present() == []


@pytest.mark.parametrize(
    ("outcome", "causes"),
    [
        ("failed", ["run_failed"]),
        ("interrupted", ["run_interrupted"]),
        ("finished", []),
        ("stopped", []),
    ],
)
def test_the_end_of_a_run_is_an_alarm_if_it_was_none_to_wish_for(
    outcome: str, causes: list[str], bench: "Bench", supervisor: User
) -> None:
    bench.report()
    ended(bench, bench.experiment(), outcome)
    assert present() == causes
    for alarm in Alarm.objects.all():
        assert alarm.message == f"“run” {outcome}: too hot"
        bench.pass_time(4, [bench.station()])
        assert present() == causes, "it does not pass by itself"
        acknowledge_alarm(supervisor, alarm, "seen")
    assert not Alarm.present().exists()


def test_an_output_that_is_not_surely_off_is_an_alarm(bench: "Bench") -> None:
    bench.report()
    ended(bench, bench.experiment(), "stopped", off=False)
    assert "did not confirm that its output is off" in Alarm.objects.get(cause="output").message


def test_a_run_whose_record_is_lost_is_an_alarm(bench: "Bench") -> None:
    bench.report()
    run = bench.experiment()
    Experiment.objects.filter(pk=run.pk).update(status="running")
    bench.pass_time(70, [bench.station()])
    assert "run_interrupted" in present()


def test_an_experiment_that_cannot_start_is_one_alarm_however_often_it_is_tried(
    bench: "Bench",
) -> None:
    bench.report()
    run = bench.experiment()
    for pause_s in (1, 11, 21):
        bench.pass_time(pause_s, [bench.station()])
        bench.answer(bench.orders()[-1], Outcome.REFUSED, "door open", retry=True)
        bench.pass_time(1, [bench.station()])
    alarm = Alarm.objects.get()
    assert (alarm.cause, alarm.count, alarm.experiment) == ("cannot_start", 1, run)
    assert alarm.message == "“run” not started: door open"
    Experiment.objects.update(status="running", status_reason="")
    bench.pass_time(1)
    assert present() == []


def test_a_start_that_can_never_be_is_a_failed_run(bench: "Bench") -> None:
    bench.report()
    bench.experiment()
    bench.pass_time(1)
    bench.answer(bench.orders()[-1], Outcome.REFUSED, "asks for 900 A")
    assert Alarm.objects.get().message == "“run” failed: not started: asks for 900 A"


def test_what_comes_and_goes_counts_up_until_somebody_has_seen_it(
    bench: "Bench", supervisor: User
) -> None:
    Notifications.objects.create(user=supervisor, email="sue@example.org", severity="info")

    def flap() -> None:
        bench.report(bench.station(warnings=["disk"]))
        bench.pass_time(1)
        bench.report()
        bench.pass_time(1)

    for _ in range(3):
        flap()
    first = Alarm.objects.get()
    assert (first.count, Delivery.objects.count()) == (3, 1)
    assert first.last_at > first.raised_at
    acknowledge_alarm(supervisor, first)
    flap()
    assert Alarm.objects.count() == 2
    assert Delivery.objects.count() == 2
    bench.seconds += 4000
    flap()
    assert Alarm.objects.count() == 3, "so much later it is another one"


def test_acknowledging_a_latched_fault_tells_the_station(bench: "Bench", supervisor: User) -> None:
    bench.report(bench.station(state="fault", reason="hot"))
    bench.pass_time(1)
    alarm = acknowledge_alarm(supervisor, Alarm.objects.get(), "fan replaced")
    assert (alarm.acknowledged_by, alarm.acknowledged_note) == (supervisor, "fan replaced")
    assert alarm.acknowledged_at is not None
    command = Command.objects.get()
    assert (command.action, command.note) == ("acknowledge", "fan replaced")


def test_acknowledging_a_station_acknowledges_its_alarm(bench: "Bench", supervisor: User) -> None:
    bench.report(bench.station(state="fault", reason="hot"))
    bench.pass_time(1)
    station = Alarm.objects.get().station
    assert station is not None
    acknowledge_fault(supervisor, station, "fan replaced")
    assert Alarm.objects.get().acknowledged_by == supervisor
    assert Command.objects.count() == 1


@pytest.mark.parametrize(("wanted", "told"), [("info", True), ("warning", True), ("error", False)])
def test_people_are_told_from_the_severity_they_chose(
    wanted: str, told: bool, bench: "Bench", supervisor: User
) -> None:
    Notifications.objects.create(
        user=supervisor,
        email="sue@example.org",
        webhook="https://example.org/x",
        severity=wanted,
    )
    bench.report(clock_off_s=600)
    bench.pass_time(3)
    ways = {one.way: one.address for one in Delivery.objects.all()}
    everything = {"email": "sue@example.org", "webhook": "https://example.org/x"}
    assert ways == (everything if told else {})


def test_who_left_is_told_nothing(bench: "Bench", supervisor: User) -> None:
    Notifications.objects.create(user=supervisor, email="sue@example.org")
    User.objects.update(is_active=False)
    bench.report(clock_off_s=600)
    bench.pass_time(1)
    assert Alarm.objects.exists()
    assert not Delivery.objects.exists()


def test_a_review_asks_the_database_little_however_much_there_is(
    bench: "Bench", django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    stations = [bench.station(f"s{n}", state="fault") for n in range(20)]
    bench.report(*stations)
    bench.pass_time(1)
    assert Alarm.objects.count() == 20
    bench.seconds += 2
    bench.manager._alarms.review(bench.now, bench.seconds)
    with django_assert_max_num_queries(5):
        bench.manager._alarms.review(bench.now + timedelta(seconds=1), bench.seconds + 1)
