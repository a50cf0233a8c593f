"""Experiments: queued only when all fits, cancelled and stopped only when that means something."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from bem.domain.program import Program
from bem.lab.models import Battery, Command, Experiment, Intake, Profile, Station
from bem.lab.operations.batteries import (
    BatteryInput,
    RedoxStackDetails,
    add_battery,
    retire_battery,
)
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import (
    cancel_experiment,
    queue_experiment,
    stop_experiment,
)
from bem.lab.operations.fitting import misfits
from bem.lab.operations.profiles import ProfileInput, add_profile, edit_profile, retire_profile
from bem.lab.operations.stations import acknowledge_fault

Make = Callable[..., Station]


@pytest.fixture
def queued(operator: User, battery: Battery, station: Station, profile: Profile) -> Experiment:
    return queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)


def test_a_queued_experiment_keeps_all_it_needs(
    operator: User, queued: Experiment, profile: Profile
) -> None:
    edit_profile(operator, profile, ProfileInput(name="Charge", text="Rest for 1 hour\n"))
    stored = Experiment.objects.get(pk=queued.pk)
    program = Program.model_validate(stored.program)
    assert [step.setpoint.value for step in program.steps] == [1.25, 0.0]
    assert stored.profile_text.startswith("Charge at C/2")
    assert stored.time_scale == 3.0
    assert stored.status == Experiment.Status.QUEUED
    assert Intake.objects.get().experiment == stored


def test_999_amperes_for_a_battery_of_5_are_refused(
    operator: User, battery: Battery, station: Station
) -> None:
    profile = add_profile(operator, ProfileInput(name="X", text="Charge at 999 A until 4.2 V"))
    with pytest.raises(OperationRefused) as refused:
        queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    reason = refused.value.problems["profile"][0]
    for word in ("line 1, column 11", "999 A", "5 A"):
        assert word in reason
    assert not Experiment.objects.exists()
    assert not Intake.objects.exists()


def test_a_missing_station_is_refused(
    operator: User, battery: Battery, station: Station, profile: Profile
) -> None:
    gone = Station.objects.get()
    station.delete()
    with pytest.raises(OperationRefused) as refused:
        queue_experiment(operator, name="E", battery=battery, station=gone, profile=profile)
    assert "“one” is not there any more" in refused.value.problems["station"][0]
    assert not Experiment.objects.exists()


def test_what_is_retired_or_gone_is_refused(
    operator: User, battery: Battery, station: Station, profile: Profile
) -> None:
    retire_profile(operator, profile)
    with pytest.raises(OperationRefused, match=r"profile: .* retired"):
        queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    retire_battery(operator, battery)
    with pytest.raises(OperationRefused, match=r"battery: .* retired"):
        queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    gone = Profile.objects.get()
    profile.delete()
    Battery.objects.update(retired_at=None)
    with pytest.raises(OperationRefused, match=r"profile: .* not there"):
        queue_experiment(operator, name="E", battery=battery, station=station, profile=gone)


def test_a_nameless_experiment_is_refused(
    operator: User, battery: Battery, station: Station, profile: Profile
) -> None:
    with pytest.raises(OperationRefused, match="name: "):
        queue_experiment(operator, name=" ", battery=battery, station=station, profile=profile)
    assert not Experiment.objects.exists()


def test_a_battery_waits_at_one_station_only(
    operator: User, queued: Experiment, make_station: Make, profile: Profile
) -> None:
    other = make_station("two")
    again: dict[str, Any] = {"battery": queued.battery, "profile": profile}
    queue_experiment(operator, name="next", station=queued.station, **again)
    with pytest.raises(OperationRefused) as refused:
        queue_experiment(operator, name="elsewhere", station=other, **again)
    assert "“one”" in refused.value.problems["battery"][0]
    for experiment in Experiment.objects.all():
        cancel_experiment(operator, experiment)
    queue_experiment(operator, name="moved", station=other, **again)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"present": False}, "no such station"),
        ({"voltage_max": 3.0}, "at most 3 V"),
        ({"voltage_min": 5.0}, "from 5 V"),
        ({"current_min": 0.0, "current_max": 0.0}, "neither charge nor discharge"),
        ({"power_min": 0.0, "power_max": 0.0}, "neither charge nor discharge"),
    ],
)
def test_a_station_that_does_not_fit_is_refused(
    operator: User,
    battery: Battery,
    make_station: Make,
    profile: Profile,
    changes: dict[str, object],
    words: str,
) -> None:
    station = make_station("odd", **changes)
    with pytest.raises(OperationRefused) as refused:
        queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    assert words in refused.value.problems["station"][0]


def test_a_load_fits_a_battery_and_takes_no_charge(
    operator: User, battery: Battery, make_station: Make, profile: Profile
) -> None:
    load = make_station("load", current_max=0.0, power_max=None)
    assert misfits(battery, load) == []
    with pytest.raises(OperationRefused, match="profile: "):
        queue_experiment(operator, name="E", battery=battery, station=load, profile=profile)


def test_only_the_queued_can_be_cancelled(operator: User, queued: Experiment) -> None:
    cancelled = cancel_experiment(operator, queued)
    assert cancelled.status == Experiment.Status.CANCELLED
    assert "operator" in cancelled.status_reason
    assert cancelled.ended_at is not None
    with pytest.raises(OperationRefused, match="is cancelled"):
        cancel_experiment(operator, queued)
    Experiment.objects.update(status=Experiment.Status.RUNNING)
    with pytest.raises(OperationRefused, match="stop it instead"):
        cancel_experiment(operator, queued)


def test_stopping_writes_one_command(operator: User, queued: Experiment) -> None:
    with pytest.raises(OperationRefused, match="cancel it instead"):
        stop_experiment(operator, queued)
    Experiment.objects.update(status=Experiment.Status.RUNNING)
    command = stop_experiment(operator, queued, " smells odd ")
    assert command.arguments == {
        "experiment": str(queued.uuid),
        "by": "operator",
        "note": "smells odd",
    }
    assert command.action == Command.Action.STOP
    assert timedelta(seconds=25) < command.expires_at - timezone.now() <= timedelta(seconds=30)
    with pytest.raises(OperationRefused, match="being stopped already"):
        stop_experiment(operator, queued)
    Command.objects.update(status=Command.Status.EXPIRED)
    stop_experiment(operator, queued)
    assert Command.objects.count() == 2


def test_a_command_nobody_picked_up_blocks_no_second_one(
    operator: User, queued: Experiment
) -> None:
    Experiment.objects.update(status=Experiment.Status.RUNNING)
    stop_experiment(operator, queued)
    Command.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    stop_experiment(operator, queued)


def test_a_note_too_long_is_refused(operator: User, queued: Experiment) -> None:
    Experiment.objects.update(status=Experiment.Status.RUNNING)
    with pytest.raises(OperationRefused, match=r"note: .*500"):
        stop_experiment(operator, queued, "x" * 501)
    assert not Command.objects.exists()


def test_supervisors_acknowledge_faults(supervisor: User, operator: User, station: Station) -> None:
    with pytest.raises(OperationRefused, match="no fault"):
        acknowledge_fault(supervisor, station)
    Station.objects.update(state=Station.State.FAULT)
    with pytest.raises(PermissionDenied, match="supervisor"):
        acknowledge_fault(operator, station)
    command = acknowledge_fault(supervisor, station, "cable mended")
    assert (command.action, command.note) == (Command.Action.ACKNOWLEDGE, "cable mended")
    with pytest.raises(OperationRefused, match="already"):
        acknowledge_fault(supervisor, station)


def test_viewers_only_look(viewer: User, queued: Experiment, profile: Profile) -> None:
    with pytest.raises(PermissionDenied):
        queue_experiment(
            viewer, name="E", battery=queued.battery, station=queued.station, profile=profile
        )
    with pytest.raises(PermissionDenied):
        cancel_experiment(viewer, queued)
    with pytest.raises(PermissionDenied):
        stop_experiment(viewer, queued)
    assert Experiment.objects.get().status == Experiment.Status.QUEUED


def test_a_stack_without_capacity_knows_no_c_rate(
    operator: User, cell: BatteryInput, station: Station, profile: Profile, battery: Battery
) -> None:
    stack = add_battery(
        operator,
        replace(
            cell,
            name="Stack",
            details=RedoxStackDetails(
                electrode_area=1.0,
                electrode_composition="felt",
                bipolar_type="other",
                membrane_type="other",
                electrolyte_type="other",
            ),
        ),
    )
    with pytest.raises(OperationRefused, match="capacity"):
        queue_experiment(operator, name="E", battery=stack, station=station, profile=profile)
