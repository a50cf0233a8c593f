"""Queue, edit and cancel experiments."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from pydantic import TypeAdapter

from bem.domain.program import Limit, Program
from bem.lab.models import Battery, Command, Experiment, Intake, Profile, Station
from bem.lab.operations.errors import OperationRefused, Problems, check_fields, refusal
from bem.lab.operations.fitting import compile_or_refuse, misfits, unwatched
from bem.lab.operations.locks import lock_experiment, said
from bem.lab.operations.running import stop_experiment
from bem.lab.operations.waiting import last_position
from bem.lab.rights import Role, User, require

__all__ = ["cancel_experiment", "edit_experiment", "queue_experiment", "stop_experiment"]

_LIMITS: TypeAdapter[tuple[Limit, ...]] = TypeAdapter(tuple[Limit, ...])
_UNCHECKED = ("created_by", "channels", "program", "parameters", "limits", "expected")


def queue_experiment(
    user: User,
    *,
    name: str,
    battery: Battery,
    station: Station,
    profile: Profile,
    description: str = "",
    parameters: Mapping[str, str] | None = None,
    limits: Sequence[Limit] = (),
    on_interruption: str = Experiment.OnInterruption.END,
    follows: bool = True,
    capacity_source: str = Experiment.CapacitySource.NOMINAL,
    expected: Mapping[str, Any] | None = None,
) -> Experiment:
    """Queue a run of a profile on a battery at a station, behind all that wait there.

    All is looked up anew and compiled here, whatever the caller saw before. A battery may wait
    several times in the queue of one station, where it is connected, and of no second one. Nothing
    starts before somebody has said that the battery is on the station.

    Args:
        user: Who queues it.
        name: Of the experiment.
        battery: What is tested.
        station: Where.
        profile: What is done.
        description: For people.
        parameters: Values by name, as people write them (``1C``, ``30 min``); others stay as the
            profile says.
        limits: Bounds of the whole run besides those of the profile.
        on_interruption: What happens after a power cut: ``resume``, ``wait`` or ``end``.
        follows: Whether it may start by itself after another on the same battery.
        capacity_source: What C-rates mean: the ``nominal`` capacity or the last ``measured`` one.
        expected: What a dry run foretold, kept as it is.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: something of it is missing or retired, the battery is in use elsewhere or
            does not fit the station, the profile does not run there, or the station has no sensor
            for a limit.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        # The lock makes two people who queue one battery at two stations come one by one.
        locked = Battery.objects.select_for_update().filter(pk=battery.pk).first()
        kept_battery = _check_battery(locked, battery)
        kept_station = _check_station(station, kept_battery)
        kept_profile = _check_profile(profile)
        _check_elsewhere(kept_battery, kept_station)
        experiment = Experiment(
            name=name.strip(),
            description=description.strip(),
            battery=kept_battery,
            station=kept_station,
            profile=kept_profile,
            time_scale=kept_station.time_scale,
            created_by_id=user.pk,
            position=last_position(kept_station),
            parameters=dict(parameters or {}),
            limits=_as_kept(limits),
            on_interruption=on_interruption,
            follows=follows,
            capacity_source=capacity_source,
            expected=expected,
        )
        _compile(experiment)
        _check(experiment)
        experiment.save(force_insert=True)
        Intake.objects.create(experiment=experiment)
        return experiment


def edit_experiment(
    user: User,
    experiment: Experiment,
    *,
    name: str | None = None,
    description: str | None = None,
    profile: Profile | None = None,
    parameters: Mapping[str, str] | None = None,
    limits: Sequence[Limit] | None = None,
    on_interruption: str | None = None,
    follows: bool | None = None,
    capacity_source: str | None = None,
    expected: Mapping[str, Any] | None = None,
) -> Experiment:
    """Change a waiting experiment; ``None`` leaves a part as it is.

    Its profile is compiled anew, in its present words. A new ``profile`` begins with its own
    parameters. What was expected is forgotten where the program becomes another one.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it does not wait any more; otherwise as :func:`queue_experiment`.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        # As the manager does, who starts it from there: the station first.
        Station.objects.select_for_update().filter(pk=experiment.station_id).first()
        kept = lock_experiment(experiment)
        if kept.status != Experiment.Status.QUEUED:
            raise refusal(f"“{kept}” is {said(kept)}, only a queued experiment can be edited")
        before = (kept.program, kept.limits)
        if profile is not None and profile.pk != kept.profile_id:
            kept.parameters = {}
        kept.profile = _check_profile(profile or kept.profile)
        given: dict[str, object | None] = {
            "name": name if name is None else name.strip(),
            "description": description if description is None else description.strip(),
            "parameters": parameters if parameters is None else dict(parameters),
            "limits": limits if limits is None else _as_kept(limits),
            "on_interruption": on_interruption,
            "follows": follows,
            "capacity_source": capacity_source,
        }
        for field, value in given.items():
            if value is not None:
                setattr(kept, field, value)
        _compile(kept)
        _check(kept)
        if expected is not None or before != (kept.program, kept.limits):
            kept.expected = expected
        kept.save()
        return kept


def cancel_experiment(user: User, experiment: Experiment) -> Experiment:
    """Take a queued experiment out of the queue.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it is not queued any more.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = lock_experiment(experiment)
        if kept.status != Experiment.Status.QUEUED:
            remedy = ": stop it instead" if kept.status in Experiment.ACTIVE else ""
            raise refusal(
                f"“{kept}” is {said(kept)}, only a queued experiment can be cancelled{remedy}"
            )
        kept.status = Experiment.Status.CANCELLED
        kept.status_reason = f"cancelled by {user.get_username()}"
        kept.ended_at = timezone.now()
        kept.save(update_fields=["status", "status_reason", "ended_at"])
        return kept


def _as_kept(limits: Sequence[Limit]) -> list[dict[str, Any]]:
    return [
        limit.model_copy(update={"owner": "experiment"}).model_dump(mode="json") for limit in limits
    ]


def _compile(experiment: Experiment) -> None:
    """Put in what will run, under the name by which people know the profile."""
    profile = experiment.profile
    program = compile_or_refuse(
        profile,
        experiment.battery,
        experiment.station,
        parameters=experiment.parameters,
        capacity_source=experiment.capacity_source,
    )
    reasons = unwatched(_LIMITS.validate_python(experiment.limits), experiment.station)
    if reasons:
        raise OperationRefused({"limits": reasons})
    experiment.profile_text = profile.text
    experiment.program = _snapshot(program, profile)


def _check(experiment: Experiment) -> None:
    problems = Problems()
    check_fields(experiment, problems, exclude=_UNCHECKED)
    problems.refuse_if_any()


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
            f"battery “{battery}” is {said(other)} at station “{other.station}” "
            f"(experiment “{other}”): choose that station, or end that experiment first",
            field="battery",
        )


def _snapshot(program: Program, profile: Profile) -> dict[str, object]:
    """Write down what will run, under the name by which people know the profile."""
    return program.model_copy(update={"name": profile.name}).model_dump(mode="json")
