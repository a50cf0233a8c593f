"""Lock and unlock a station, stop one and stop all."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from bem.lab.models import Battery, Command, Experiment, Node, Profile, Station
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import queue_experiment
from bem.lab.operations.stations import (
    lock_station,
    may_unlock,
    stop_all,
    stop_station,
    unlock_station,
)

Make = Callable[..., Station]
RUN = "9ff6c1fe-3c0c-4b2f-9c0a-7f3b3d0f8f6b"


def test_a_lock_needs_a_reason_and_is_ordered_once(operator: User, station: Station) -> None:
    with pytest.raises(OperationRefused, match="note: say why"):
        lock_station(operator, station, " ")
    command = lock_station(operator, station, "swapping the fixture")
    assert (command.action, command.note) == ("lock", "swapping the fixture")
    with pytest.raises(OperationRefused, match="told already"):
        lock_station(operator, station, "again")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lock_by": "anna", "lock_note": "mine"}, "locked by anna already: mine"),
        ({"state": "running", "activity": "running"}, "may be on: pause or stop"),
        ({"state": "running", "activity": "held"}, "may be on: pause or stop"),
        ({"state": "down"}, "its process does not answer"),
        ({"present": False}, "not there any more"),
    ],
)
def test_a_station_that_cannot_be_locked_now(
    changes: dict[str, str], words: str, operator: User, station: Station
) -> None:
    Station.objects.update(**changes)
    with pytest.raises(OperationRefused, match=words):
        lock_station(operator, station, "hands in")
    assert not Command.objects.exists()


def test_a_paused_station_can_be_locked(operator: User, station: Station) -> None:
    Station.objects.update(state="running", activity="paused")
    assert lock_station(operator, station, "hands in").action == "lock"


def test_a_node_that_is_offline_cannot_be_told(operator: User, station: Station) -> None:
    Node.objects.update(online=False)
    with pytest.raises(OperationRefused, match="its node is offline"):
        lock_station(operator, station, "hands in")


def test_somebody_elses_lock_is_for_a_supervisor(
    operator: User, supervisor: User, station: Station
) -> None:
    with pytest.raises(OperationRefused, match="not locked"):
        unlock_station(operator, station)
    Station.objects.update(lock_by="anna")
    station.refresh_from_db()
    assert not may_unlock(operator, station)
    with pytest.raises(PermissionDenied):
        unlock_station(operator, station)
    assert may_unlock(supervisor, station)
    unlock_station(supervisor, station, "anna went home")
    Command.objects.all().delete()
    Station.objects.update(lock_by="operator")
    station.refresh_from_db()
    assert may_unlock(operator, station)
    assert unlock_station(operator, station).action == "unlock"


@pytest.fixture
def two_running(
    operator: User, battery: Battery, station: Station, make_station: Make, profile: Profile
) -> list[Experiment]:
    """One runs and one waits at the first station; the second runs what nobody knows here."""
    make_station("two", state="running", running_experiment=RUN)
    make_station("idle")
    made = [
        queue_experiment(operator, name=name, battery=battery, station=station, profile=profile)
        for name in ("runs", "waits")
    ]
    Experiment.objects.filter(name="runs").update(status="running")
    return made


def test_stopping_a_station_holds_what_would_follow(
    operator: User, two_running: list[Experiment]
) -> None:
    runs, waits = two_running
    command = stop_station(operator, runs.station, "smells")
    assert command.arguments["experiment"] == str(runs.uuid)
    waits.refresh_from_db()
    assert waits.held
    with pytest.raises(OperationRefused, match="told already"):
        stop_station(operator, runs.station)


def test_stopping_all_tells_every_station_that_runs_once(
    operator: User, two_running: list[Experiment]
) -> None:
    orders = stop_all(operator, "alarm in the house")
    assert {one.arguments["experiment"] for one in orders} == {str(two_running[0].uuid), RUN}
    assert {one.note for one in orders} == {"alarm in the house"}
    two_running[1].refresh_from_db()
    assert two_running[1].held
    assert stop_all(operator) == []


def test_nothing_runs_nothing_is_stopped(operator: User, viewer: User, station: Station) -> None:
    with pytest.raises(OperationRefused, match="nothing runs at “one”"):
        stop_station(operator, station)
    with pytest.raises(PermissionDenied):
        stop_station(viewer, station)
    with pytest.raises(PermissionDenied):
        stop_all(viewer)


def test_stopping_all_for_too_long_a_reason_changes_nothing(
    operator: User, two_running: list[Experiment]
) -> None:
    with pytest.raises(OperationRefused, match="note: 501 characters: at most 500"):
        stop_all(operator, "x" * 501)
    assert not Experiment.objects.filter(held=True).exists()
    assert not Command.objects.exists()
