"""The queue of a station: order it, hold in it, and let go on what waits for a person."""

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from bem.lab.models import Experiment, Station
from bem.lab.operations import locks
from bem.lab.operations.errors import refusal
from bem.lab.rights import Role, User, require


def move_experiment(
    user: User, experiment: Experiment, before: Experiment | None = None
) -> Experiment:
    """Put a waiting experiment in front of another of its station, or at the end of the queue.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: one of them does not wait any more, or ``before`` waits elsewhere.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _waiting(experiment)
        queue = [one for one in _queue(kept.station_id) if one.pk != kept.pk]
        place = len(queue)
        if before is not None and before.pk != kept.pk:
            keys = [one.pk for one in queue]
            if before.pk not in keys:
                raise refusal(
                    f"“{before}” does not wait at “{kept.station}” any more: load the page again",
                    field="before",
                )
            place = keys.index(before.pk)
        elif before is not None:
            return kept
        queue.insert(place, kept)
        for position, one in enumerate(queue, 1):
            one.position = position
        Experiment.objects.bulk_update(queue, ["position"])
        return kept


def hold_in_queue(user: User, experiment: Experiment, held: bool) -> Experiment:
    """Pass a waiting experiment over until told otherwise (``held``), or let it have its turn.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it does not wait any more.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _waiting(experiment)
        kept.held = held
        kept.save(update_fields=["held"])
        return kept


def release_experiment(user: User, experiment: Experiment) -> Experiment:
    """Let a waiting experiment start that may not follow another by itself. Idempotent.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: it does not wait any more.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = _waiting(experiment)
        kept.released_at = timezone.now()
        kept.save(update_fields=["released_at"])
        return kept


def last_position(station: Station) -> int:
    """Get the position behind all that wait at a station, which is locked."""
    last = station.experiments.filter(status=Experiment.Status.QUEUED).aggregate(
        last=Max("position")
    )["last"]
    return int(last or 0) + 1


def _waiting(experiment: Experiment) -> Experiment:
    """Lock the station, then the experiment: as the manager does, who starts it from there."""
    Station.objects.select_for_update().filter(pk=experiment.station_id).first()
    # The count is what a start on another member of a database cluster would collide with.
    Station.objects.filter(pk=experiment.station_id).update(starts=F("starts") + 1)
    kept = locks.lock_experiment(experiment)
    if kept.status != Experiment.Status.QUEUED:
        raise refusal(f"“{kept}” is {locks.said(kept)}, it does not wait any more")
    return kept


def _queue(station: int) -> list[Experiment]:
    return list(
        Experiment.objects.select_for_update()
        .only("pk", "position", "name", "status", "station_id")
        .filter(station_id=station, status=Experiment.Status.QUEUED)
        .order_by(*Experiment.QUEUE_ORDER)
    )
