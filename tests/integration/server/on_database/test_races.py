"""Two at the same moment: one wins, the other is told, and nothing doubles. Real row locks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from tests.support.receivers import webhook

from bem.lab import dispatch
from bem.lab.alarms import Condition, raise_alarm
from bem.lab.intake import Taken, take_events, take_samples
from bem.lab.models import (
    Alarm,
    Battery,
    Bucket,
    Command,
    Event,
    Experiment,
    Intake,
    Notifications,
    Profile,
    Sample,
    Severity,
    Station,
    StepResult,
)
from bem.lab.operations.batteries import BatteryInput, add_battery
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import cancel_experiment, queue_experiment
from bem.lab.operations.profiles import ProfileInput, add_profile, edit_profile
from bem.lab.operations.stations import confirm_battery, remove_battery, stop_all
from bem.lab.operations.waiting import move_experiment
from bem.lab.passing import is_collision
from bem.manager.courier import Courier
from bem.runtime.settings import NotifySettings

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
ROUNDS = 8
Race = Callable[..., list[Any]]


def _one_refused(outcomes: list[Any]) -> None:
    refused = [outcome for outcome in outcomes if isinstance(outcome, OperationRefused)]
    failed = [it for it in outcomes if isinstance(it, Exception) and it not in refused]
    assert failed == []
    assert len(refused) == len(outcomes) - 1


def test_the_same_battery_is_added_once(race: Race, operator: User, cell: BatteryInput) -> None:
    for number in range(ROUNDS):
        given = replace(cell, serial_number=f"s{number}")
        _one_refused(race(*[lambda given=given: add_battery(operator, given)] * 3))
    assert Battery.objects.count() == ROUNDS


def test_the_same_profile_is_added_once(race: Race, operator: User) -> None:
    for number in range(ROUNDS):
        given = ProfileInput(name=f"p{number}", text="Rest for 1 s")
        _one_refused(race(*[lambda given=given: add_profile(operator, given)] * 3))
    assert Profile.objects.count() == ROUNDS


def test_of_two_who_change_a_profile_one_is_told(
    race: Race, operator: User, profile: Profile
) -> None:
    for number in range(ROUNDS):
        profile.refresh_from_db()
        edits = [
            lambda who=who, seen=profile.updated_at: edit_profile(
                operator,
                profile,
                ProfileInput(name=profile.name, text=f"Rest for {who} s"),
                seen=seen,
            )
            for who in (2 * number + 1, 2 * number + 2)
        ]
        _one_refused(race(*edits))


def test_a_battery_is_queued_at_one_station_only(
    race: Race,
    operator: User,
    battery: Battery,
    profile: Profile,
    make_station: Callable[..., Station],
) -> None:
    stations = [make_station("a"), make_station("b")]
    for _ in range(ROUNDS):
        queue = [
            lambda station=station: queue_experiment(
                operator, name="run", battery=battery, station=station, profile=profile
            )
            for station in stations
        ]
        _one_refused(race(*queue))
        assert Experiment.objects.filter(status="queued").count() == 1
        Experiment.objects.update(status="cancelled")


def test_an_experiment_is_started_or_cancelled_but_not_both(
    race: Race, operator: User, battery: Battery, profile: Profile, station: Station
) -> None:
    life = timedelta(seconds=30)
    confirm_battery(operator, station, battery)
    for _ in range(ROUNDS):
        experiment = queue_experiment(
            operator, name="run", battery=battery, station=station, profile=profile
        )
        started, cancelled = race(
            lambda: dispatch.start_next(timezone.now(), life),
            lambda experiment=experiment: cancel_experiment(operator, experiment),
        )
        experiment.refresh_from_db()
        if isinstance(cancelled, OperationRefused):
            assert len(started) == 1
            assert experiment.status == "starting"
        else:
            assert started == []
            assert experiment.status == "cancelled"
        Command.objects.all().delete()
        Experiment.objects.update(status="cancelled")


def test_a_command_has_one_answer(
    race: Race, operator: User, battery: Battery, profile: Profile, station: Station
) -> None:
    queue_experiment(operator, name="run", battery=battery, station=station, profile=profile)
    confirm_battery(operator, station, battery)
    (command,) = dispatch.start_next(timezone.now(), timedelta(seconds=30))
    answers = [
        lambda outcome=outcome: dispatch.take_answer(
            "node-1", command.id, outcome, "why", retry=False, now=timezone.now()
        )
        for outcome in ("done", "refused", "done")
    ]
    assert sorted(race(*answers)) == [False, False, True]


def test_a_batch_that_comes_twice_at_once_is_kept_once(
    race: Race, experiment: Experiment, batch: Callable[..., Any]
) -> None:
    for number in range(ROUNDS):
        first = number * 100
        columns = batch(
            elapsed_us=[seq * 100_000 for seq in range(first, first + 100)],
            voltage=[3.0 + seq / 1000 for seq in range(first, first + 100)],
            first_seq=first,
        )
        take = [
            lambda first=first, columns=columns: take_samples(
                "node-a", experiment.uuid, first, columns
            )
        ]
        assert race(*take * 3) == [Taken(first + 100, 0)] * 3
    seqs = list(Sample.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(ROUNDS * 100))
    counted = Bucket.objects.filter(level=0).values_list("figures", flat=True)
    assert sum(figures[0][0] for figures in counted) == ROUNDS * 100
    assert Intake.objects.get().next_sample == ROUNDS * 100


def test_events_that_come_twice_at_once_act_once(
    race: Race, experiment: Experiment, happened: Callable[..., Any]
) -> None:
    moved = {"charge_in": 1.0, "charge_out": 0.0, "energy_in": 4.0, "energy_out": 0.0}
    ended = happened(
        "step_ended",
        {
            "step": 1,
            "cycle": 1,
            "title": "Charge",
            "end": "1 s",
            "value": 1.0,
            "duration_us": 5,
            "voltage": 4.0,
            "current": 1.0,
            "moved": moved,
        },
    )
    take = [lambda: take_events("node-a", experiment.uuid, 0, [ended])]
    assert race(*take * 3) == [Taken(0, 1)] * 3
    assert Event.objects.count() == 1
    assert StepResult.objects.count() == 1


def test_nothing_starts_with_a_battery_that_was_taken_away(
    race: Race, operator: User, battery: Battery, profile: Profile, station: Station
) -> None:
    queue_experiment(operator, name="run", battery=battery, station=station, profile=profile)
    for _ in range(ROUNDS):
        confirm_battery(operator, station, battery)
        started, removed = race(
            lambda: dispatch.start_next(timezone.now(), timedelta(seconds=30)),
            lambda: remove_battery(operator, station),
        )
        station.refresh_from_db()
        if isinstance(removed, OperationRefused):
            assert len(started) == 1
            assert station.battery == battery
        else:
            assert started == []
            assert station.battery is None
        Command.objects.all().delete()
        Experiment.objects.update(status="queued")


def test_nothing_starts_after_all_was_stopped(
    race: Race, operator: User, battery: Battery, profile: Profile, station: Station
) -> None:
    queue_experiment(operator, name="run", battery=battery, station=station, profile=profile)
    confirm_battery(operator, station, battery)
    for _ in range(ROUNDS):
        race(
            lambda: dispatch.start_next(timezone.now(), timedelta(seconds=30)),
            lambda: stop_all(operator, "now"),
        )
        experiment = Experiment.objects.get()
        stopped = Command.objects.filter(action="stop").exists()
        assert experiment.held or (experiment.status == "starting" and stopped)
        Command.objects.all().delete()
        Experiment.objects.update(status="queued", held=False)


def test_a_queue_that_two_reorder_has_one_order(
    race: Race, operator: User, battery: Battery, profile: Profile, station: Station
) -> None:
    waiting = [
        queue_experiment(operator, name=name, battery=battery, station=station, profile=profile)
        for name in "abcd"
    ]
    for _ in range(ROUNDS):
        moved = race(
            lambda: move_experiment(operator, waiting[3], before=waiting[0]),
            lambda: move_experiment(operator, waiting[0]),
        )
        assert not [one for one in moved if isinstance(one, Exception)]
        positions = Experiment.objects.order_by("position").values_list("position", flat=True)
        assert list(positions) == [1, 2, 3, 4]


def test_an_alarm_that_two_raise_is_one(race: Race, station: Station) -> None:
    for number in range(ROUNDS):
        condition = Condition(
            Alarm.Cause.FAULT, Severity.ERROR, "hot", station.node_id, station.pk, None
        )
        outcomes = race(*[lambda it=condition: raise_alarm(it, timezone.now())] * 2)
        failed = [it for it in outcomes if isinstance(it, Exception) and not is_collision(it)]
        assert failed == []
        assert Alarm.objects.exclude(open_key=None).count() == 1
        Alarm.objects.filter(cleared_at=None).update(
            open_key=None, cleared_at=timezone.now(), acknowledged_at=timezone.now()
        )
        assert Alarm.objects.count() == number + 1


def test_of_two_couriers_one_tells(race: Race, operator: User, station: Station) -> None:
    with webhook() as receiver:
        address = f"http://127.0.0.1:{receiver.port}/"
        Notifications.objects.create(user=operator, webhook=address, severity="info")
        for number in range(ROUNDS):
            cause = list(Alarm.Cause)[number % len(Alarm.Cause)]
            raise_alarm(
                Condition(cause, Severity.ERROR, "hot", station.node_id, station.pk, None),
                timezone.now(),
            )
            told = race(*[lambda: Courier(NotifySettings()).turn()] * 3)
            assert sorted(told) == [0, 0, 1]
            assert len(receiver.told.messages) == number + 1
