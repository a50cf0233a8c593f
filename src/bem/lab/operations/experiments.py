"""Queue, cancel and stop experiments."""

from django.db import transaction
from django.utils import timezone

from bem.domain.program import Program
from bem.lab.models import Battery, Command, Experiment, Intake, Profile, Station
from bem.lab.operations.commands import order
from bem.lab.operations.errors import OperationRefused, Problems, check_fields, refusal
from bem.lab.operations.fitting import compile_or_refuse, misfits
from bem.lab.rights import Role, User, require


def queue_experiment(
    user: User,
    *,
    name: str,
    battery: Battery,
    station: Station,
    profile: Profile,
    description: str = "",
) -> Experiment:
    """Queue a run of a profile on a battery at a station.

    All is looked up anew and compiled here, whatever the caller saw before. A battery may wait
    several times in the queue of one station, where it is connected, and of no second one.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: something of it is missing or retired, the battery is in use elsewhere or
            does not fit the station, the profile does not run there.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        # The lock makes two people who queue one battery at two stations come one by one.
        locked = Battery.objects.select_for_update().filter(pk=battery.pk).first()
        kept_battery = _check_battery(locked, battery)
        kept_station = _check_station(station, kept_battery)
        kept_profile = _check_profile(profile)
        _check_elsewhere(kept_battery, kept_station)
        program = compile_or_refuse(kept_profile, kept_battery, kept_station)
        experiment = Experiment(
            name=name.strip(),
            description=description.strip(),
            battery=kept_battery,
            station=kept_station,
            profile=kept_profile,
            profile_text=kept_profile.text,
            program=_snapshot(program, kept_profile),
            time_scale=kept_station.time_scale,
            created_by_id=user.pk,
        )
        problems = Problems()
        check_fields(experiment, problems, exclude=["created_by", "channels", "program"])
        problems.refuse_if_any()
        experiment.save(force_insert=True)
        Intake.objects.create(experiment=experiment)
        return experiment


def cancel_experiment(user: User, experiment: Experiment) -> Experiment:
    """Take a queued experiment out of the queue.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it is not queued any more.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _lock(experiment)
        if kept.status != Experiment.Status.QUEUED:
            remedy = ": stop it instead" if kept.status in Experiment.ACTIVE else ""
            raise refusal(
                f"“{kept}” is {_status(kept)}, only a queued experiment can be cancelled{remedy}"
            )
        kept.status = Experiment.Status.CANCELLED
        kept.status_reason = f"cancelled by {user.get_username()}"
        kept.ended_at = timezone.now()
        kept.save(update_fields=["status", "status_reason", "ended_at"])
        return kept


def stop_experiment(user: User, experiment: Experiment, note: str = "") -> Command:
    """Order the station of an experiment to stop it. The manager delivers the command.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it does not run, or is being stopped already; the note is too long.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _lock(experiment)
        if kept.status not in Experiment.ACTIVE:
            queued = kept.status == Experiment.Status.QUEUED
            remedy = ": cancel it instead" if queued else ""
            raise refusal(f"“{kept}” is {_status(kept)}, there is nothing to stop{remedy}")
        underway = kept.commands.filter(
            action=Command.Action.STOP, status__in=Command.OPEN, expires_at__gt=timezone.now()
        ).first()
        if underway is not None:
            raise refusal(f"“{kept}” is being stopped already: wait for the station's answer")
        return order(user, kept.station, Command.Action.STOP, note, experiment=kept)


def _lock(experiment: Experiment) -> Experiment:
    try:
        return Experiment.objects.select_for_update().get(pk=experiment.pk)
    except Experiment.DoesNotExist:
        raise refusal(f"experiment “{experiment}” is not there any more") from None


def _status(experiment: Experiment) -> str:
    return experiment.get_status_display().lower()


def _check_battery(found: Battery | None, asked: Battery) -> Battery:
    if found is None:
        raise refusal(
            f"battery “{asked}” is not there any more: choose another",
            field="battery",
        )
    if found.retired_at is not None:
        raise refusal(
            f"battery “{found}” was retired on {found.retired_at:%Y-%m-%d}: "
            "choose another, or take it into use again",
            field="battery",
        )
    return found


def _check_station(asked: Station, battery: Battery) -> Station:
    # The lock keeps the station from being removed while the experiment is queued.
    station = Station.objects.select_for_update().filter(pk=asked.pk).first()
    if station is None:
        raise refusal(
            f"station “{asked}” is not there any more: choose another",
            field="station",
        )
    if station.commands.filter(
        action__in=Command.EDITS, status__in=Command.OPEN, expires_at__gt=timezone.now()
    ).exists():
        raise refusal(
            f"the definition of “{station}” is being changed: try again in a moment",
            field="station",
        )
    reasons = misfits(battery, station)
    if reasons:
        raise OperationRefused(
            {
                "station": [
                    f"“{station}” does not fit battery “{battery}”: {reason}: choose another"
                    for reason in reasons
                ]
            }
        )
    return station


def _check_profile(asked: Profile) -> Profile:
    profile = Profile.objects.filter(pk=asked.pk).first()
    if profile is None:
        raise refusal(
            f"profile “{asked}” is not there any more: choose another",
            field="profile",
        )
    if profile.retired_at is not None:
        raise refusal(
            f"profile “{profile}” was retired on {profile.retired_at:%Y-%m-%d}: "
            "choose another, or take it into use again",
            field="profile",
        )
    return profile


def _check_elsewhere(battery: Battery, station: Station) -> None:
    other = (
        battery.experiments.filter(status__in=Experiment.OPEN)
        .exclude(station=station)
        .select_related("station")
        .first()
    )
    if other is not None:
        raise refusal(
            f"battery “{battery}” is {_status(other)} at station “{other.station}” "
            f"(experiment “{other}”): choose that station, or end that experiment first",
            field="battery",
        )


def _snapshot(program: Program, profile: Profile) -> dict[str, object]:
    """Write down what will run, under the name by which people know the profile."""
    return program.model_copy(update={"name": profile.name}).model_dump(mode="json")
