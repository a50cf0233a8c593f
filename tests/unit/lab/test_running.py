"""What people tell a run: by right, at the right moment, once, and with who and why."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from bem.lab.models import Battery, Command, Experiment, Node, Profile, Station
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import queue_experiment
from bem.lab.operations.profiles import ProfileInput, add_profile
from bem.lab.operations.running import (
    change_ends,
    hold_experiment,
    pause_experiment,
    resume_experiment,
    skip_step,
    stop_experiment,
)

Tell = Callable[..., Command]


def _set(experiment: Experiment, status: str, activity: str = "") -> Experiment:
    Experiment.objects.filter(pk=experiment.pk).update(status=status)
    Station.objects.filter(pk=experiment.station_id).update(state="running", activity=activity)
    return Experiment.objects.get(pk=experiment.pk)


@pytest.fixture
def running(operator: User, battery: Battery, station: Station, profile: Profile) -> Experiment:
    made = queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    return _set(made, "running", "running")


@pytest.mark.parametrize(
    ("tell", "action", "status"),
    [
        (pause_experiment, "pause", "running"),
        (hold_experiment, "hold", "running"),
        (resume_experiment, "resume", "paused"),
    ],
)
def test_an_order_is_written_down_with_who_and_why_and_given_once(
    tell: Tell, action: str, status: str, operator: User, running: Experiment
) -> None:
    experiment = _set(running, status)
    command = tell(operator, experiment, " looks odd ")
    assert (command.action, command.issued_by, command.note) == (action, operator, "looks odd")
    assert command.arguments == {
        "experiment": str(experiment.uuid),
        "by": "operator",
        "note": "looks odd",
    }
    with pytest.raises(OperationRefused, match="told already"):
        tell(operator, experiment)
    Command.objects.update(status="refused")
    tell(operator, experiment)


@pytest.mark.parametrize(
    ("tell", "status", "activity", "may"),
    [
        (pause_experiment, "queued", "", False),
        (pause_experiment, "paused", "paused", False),
        (pause_experiment, "paused", "held", True),
        (hold_experiment, "paused", "paused", False),
        (resume_experiment, "running", "running", False),
        (resume_experiment, "paused", "waiting", True),
        (resume_experiment, "finished", "", False),
    ],
)
def test_only_what_means_something_now_is_ordered(
    tell: Tell, status: str, activity: str, may: bool, operator: User, running: Experiment
) -> None:
    experiment = _set(running, status, activity)
    if may:
        tell(operator, experiment)
        return
    with pytest.raises(OperationRefused, match=f"“E” is {status}, it cannot be told"):
        tell(operator, experiment)
    assert not Command.objects.exists()


def test_a_viewer_orders_nothing(viewer: User, running: Experiment) -> None:
    for tell in (pause_experiment, hold_experiment, resume_experiment, stop_experiment):
        with pytest.raises(PermissionDenied):
            tell(viewer, running)
    with pytest.raises(PermissionDenied):
        skip_step(viewer, running, 1)
    with pytest.raises(PermissionDenied):
        change_ends(viewer, running, 1, "until 4 V")


def test_a_station_that_nobody_answers_for_is_not_told(operator: User, running: Experiment) -> None:
    Node.objects.update(online=False)
    with pytest.raises(OperationRefused, match="nobody answers there"):
        pause_experiment(operator, running)
    assert stop_experiment(operator, running).action == "stop", "it may be back in time"


def test_a_locked_station_does_not_resume(operator: User, running: Experiment) -> None:
    Station.objects.update(lock_by="anna", lock_note="hands in")
    with pytest.raises(OperationRefused, match=r"locked by anna \(hands in\): unlock"):
        resume_experiment(operator, _set(running, "paused"))


def test_the_step_that_was_seen_is_skipped(operator: User, running: Experiment) -> None:
    assert skip_step(operator, running, 2, "long enough").arguments["step"] == 2
    with pytest.raises(OperationRefused, match="has no step 3"):
        skip_step(operator, running, 3)


def test_changed_ends_are_read_as_those_of_the_step(operator: User, running: Experiment) -> None:
    command = change_ends(operator, running, 1, "until  4.1 V\nor for 2 h", "hurry")
    ends = command.arguments["ends"]
    assert [(one["quantity"], one["compare"], one["threshold"]) for one in ends] == [
        ("voltage", ">=", 4.1),
        ("duration", ">=", 7200.0),
    ]
    assert command.arguments["step"] == 1


def test_the_ends_of_a_discharge_come_from_above(
    operator: User, battery: Battery, station: Station
) -> None:
    profile = add_profile(operator, ProfileInput(name="D", text="Discharge at 1C until 2.6 V"))
    made = queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    command = change_ends(operator, _set(made, "running"), 1, "until 3 V")
    assert [(one["compare"], one["threshold"]) for one in command.arguments["ends"]] == [("<=", 3)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "say when the step ends"),
        ("x" * 600, "at most 500"),
        ("until 5 V", "4.2 V"),
        ("until the cows come home", "expected"),
        ("until 4.1 V\nDischarge at 2 A", "column"),
    ],
)
def test_ends_that_cannot_be_are_refused_with_the_reason(
    text: str, words: str, operator: User, running: Experiment
) -> None:
    with pytest.raises(OperationRefused) as refused:
        change_ends(operator, running, 1, text)
    assert words in "; ".join(refused.value.problems["ends"])
    assert not Command.objects.exists()
