"""Why an experiment waits, in words; the same rules by which the manager starts it."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from bem.lab.models import Command, Experiment, Station

AGAIN_AFTER = timedelta(seconds=10)
AGAIN_AT_MOST = timedelta(seconds=60)
"""A start that was refused for a passing cause is tried again after 10, 20, 40, 60, 60 … s."""
_FAILED = (Command.Status.REFUSED, Command.Status.EXPIRED)


def queue_of(station: int) -> QuerySet[Experiment]:
    """The waiting experiments of a station (its key) in their order, those held included."""
    return Experiment.objects.filter(station_id=station, status=Experiment.Status.QUEUED).order_by(
        *Experiment.QUEUE_ORDER
    )


def next_of(station: int) -> QuerySet[Experiment]:
    """Those of :func:`queue_of` that have their turn, the next one first."""
    return queue_of(station).filter(held=False)


def why_waiting(experiment: Experiment, now: datetime | None = None) -> str:
    """Say what has to happen before a waiting experiment starts; empty if it is about to, or began.

    One thing at a time: what a person would see to first.
    """
    if experiment.status != Experiment.Status.QUEUED:
        return ""
    station = experiment.station
    return (
        _own_turn(experiment)
        or station_bars(station)
        or why_not_yet(experiment, station, now or timezone.now())
    )


def station_bars(station: Station) -> str:
    """Say why nothing can start at a station now; empty if something can."""
    if not station.present:
        return f"node {station.node_id} has no station “{station}” any more"
    if not station.node.online:
        return f"node {station.node_id} is offline"
    if station.lock_by:
        note = f": {station.lock_note}" if station.lock_note else ""
        return f"the station is locked by {station.lock_by}{note}"
    active = station.experiments.filter(status__in=Experiment.ACTIVE).first()
    if active is not None:
        return f"experiment “{active}” is {active.get_status_display().lower()} at the station"
    return _state_bars(station)


def _state_bars(station: Station) -> str:
    if station.state == Station.State.FAULT:
        return f"a fault is latched, a supervisor acknowledges it: {station.state_reason}"
    if station.state != Station.State.IDLE:
        reason = f": {station.state_reason}" if station.state_reason else ""
        return f"the station is {station.get_state_display().lower()}{reason}"
    return ""


def why_not_yet(experiment: Experiment, station: Station, now: datetime) -> str:
    """Say why this one does not start at a station where something could; empty if it does."""
    if station.battery_id != experiment.battery_id:
        return f"nobody has said that battery “{experiment.battery}” is on the station"
    if not experiment.follows and experiment.released_at is None and _followed(station):
        return "it does not follow by itself: say that it may start"
    again_at = _again_at(experiment, now)
    if again_at is not None:
        return f"{experiment.status_reason}; tried again at {again_at:%H:%M:%S} UTC"
    return ""


def what_follows(experiment: Experiment, station: Station, now: datetime) -> str:
    """Say of the one that has its turn at a busy station whether it starts once that is free."""
    locked = f"the station is locked by {station.lock_by}" if station.lock_by else ""
    why = locked or why_not_yet(experiment, station, now)
    if not why:
        return f"“{experiment}” is next in the queue and then starts by itself."
    return f"“{experiment}” is next in the queue and does not start by itself then: {why}."


def _own_turn(experiment: Experiment) -> str:
    if experiment.held:
        return "held in the queue by a person"
    earlier = (
        next_of(experiment.station_id)
        .filter(
            Q(position__lt=experiment.position)
            | Q(position=experiment.position, pk__lt=experiment.pk)
        )
        .only("name")
        .first()
    )
    return "" if earlier is None else f"experiment “{earlier}” is before it"


def _followed(station: Station) -> bool:
    """Whether something has run on the battery since a person said that it is on the station."""
    runs = station.experiments.filter(battery=station.battery_id)
    if station.battery_confirmed_at is None:
        return runs.filter(started_at__isnull=False).exists()
    return runs.filter(started_at__gte=station.battery_confirmed_at).exists()


def _again_at(experiment: Experiment, now: datetime) -> datetime | None:
    """Get when a start is tried again after one that failed; ``None`` if that is now."""
    failed = list(
        Command.objects.filter(
            experiment=experiment, action=Command.Action.START, status__in=_FAILED
        )
        .order_by("-answered_at")
        .values_list("answered_at", flat=True)[:4]
    )
    if not failed or failed[0] is None:
        return None
    pause = min(AGAIN_AFTER * 2 ** (len(failed) - 1), AGAIN_AT_MOST)
    # An attempt in the future was before the clock was put back, nobody knows how long ago.
    return failed[0] + pause if failed[0] <= now < failed[0] + pause else None
