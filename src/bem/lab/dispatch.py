"""The queue and the commands: what runs next, what is under way, and how it ended.

Each call looks at the records alone, so that a manager that starts anew goes on where the last
one ended. Nothing that happens to one experiment touches the others in the queue.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from bem.lab import alarms
from bem.lab.models import Command, Experiment, Intake, Station
from bem.lab.waiting import next_of, why_not_yet

EXPIRY_GRACE = timedelta(seconds=2)
"""The node's own word on a command that was sent comes first; only then it counts as lost."""
CLOCK_WENT_BACK = timedelta(minutes=1)
"""A command that lives longer than any is given, by more than this, is older than it looks."""

Outcome = Literal["done", "refused", "expired"]
_PAUSED = ("paused", "held", "waiting")
_REASON = 1000


def start_next(now: datetime, life: timedelta) -> list[Command]:
    """Begin the next experiment of every station that is free to take it.

    Free: present, its node online, idle, not locked, nothing under way there, no command open, and
    the battery of the next experiment is the one that a person said is there.

    Args:
        now: The present instant.
        life: How long the order to start may take to reach the station.
    """
    stations = _free_stations().values_list("pk", flat=True)
    started = [_start_at(station, now, life) for station in list(stations)]
    return [command for command in started if command is not None]


def due_commands(now: datetime) -> list[Command]:
    """List the open commands to nodes that are online, oldest first."""
    return list(
        Command.objects.filter(
            status__in=Command.OPEN, station__node__online=True, expires_at__gt=now
        )
        .select_related("station__node", "issued_by")
        .order_by("issued_at", "id")
    )


def arguments_of(command: Command) -> dict[str, Any]:
    """Get the arguments as the station wants them; a start carries the experiment's program."""
    if command.action != Command.Action.START or command.experiment is None:
        return dict(command.arguments)
    experiment = command.experiment
    return {
        "experiment": str(experiment.uuid),
        "name": experiment.name,
        "program": experiment.program,
        "battery": str(experiment.battery),
        "limits": experiment.limits,
        "on_interruption": experiment.on_interruption,
    }


def set_sent(command: UUID, now: datetime) -> None:
    """Note that a command has gone out."""
    Command.objects.filter(id=command, status=Command.Status.PENDING).update(
        status=Command.Status.SENT, sent_at=now
    )


def take_answer(
    node: str, command: UUID, outcome: Outcome, reason: str, *, retry: bool, now: datetime
) -> bool:
    """Take the answer of a node to a command; ``False`` if it is not its to answer, or was.

    The first final answer counts.
    """
    with transaction.atomic():
        kept = (
            Command.objects.select_for_update()
            .filter(id=command, station__node_id=node, status__in=Command.OPEN)
            .first()
        )
        if kept is None:
            return False
        _settle(kept, Command.Status(outcome), reason, retry=retry, now=now)
        return True


def expire(now: datetime, life: timedelta) -> int:
    """Close the commands whose time is over without an answer; returns how many.

    So are those whose time would be over only after ``life``, the longest that any is given: the
    clock was put back after they were issued, and their station must not wait for it to catch up.
    """
    late = Command.objects.filter(
        Q(status=Command.Status.PENDING, expires_at__lte=now)
        | Q(status=Command.Status.SENT, expires_at__lte=now - EXPIRY_GRACE)
        | Q(status__in=Command.OPEN, expires_at__gt=now + life + CLOCK_WENT_BACK)
    ).values_list("id", flat=True)
    closed = 0
    for command in list(late):
        with transaction.atomic():
            kept = (
                Command.objects.select_for_update()
                .filter(id=command, status__in=Command.OPEN)
                .first()
            )
            if kept is not None:
                reason = (
                    "the node was not there to take it"
                    if kept.status == Command.Status.PENDING
                    else "no answer came in time"
                )
                _settle(kept, Command.Status.EXPIRED, reason, retry=True, now=now)
                closed += 1
    return closed


def take_running(running: Collection[tuple[str, str, UUID, str | None]]) -> int:
    """Set to running or paused what stations say they run so, though it is not yet so here.

    Args:
        running: Node, station, experiment and activity of each report.
    """
    status = Experiment.Status
    changed = 0
    for node, station, experiment, activity in running:
        found = Experiment.objects.filter(
            uuid=experiment, station__node_id=node, station__slug=station
        )
        if activity in _PAUSED:
            changed += found.filter(
                status__in=(status.QUEUED, status.STARTING, status.RUNNING)
            ).update(status=status.PAUSED)
            continue
        before = [status.QUEUED, status.STARTING]
        if activity is not None:
            before.append(status.PAUSED)
        changed += found.filter(status__in=before).update(status=status.RUNNING, status_reason="")
    return changed


def without_station() -> Sequence[tuple[int, str, str]]:
    """List the experiments under way that their stations do not run, with node and station.

    Only stations count that can say so: node online, process up, no command open. Whether their
    data is merely late is the caller's to know.
    """
    underway = Command.objects.filter(station=OuterRef("station"), status__in=Command.OPEN)
    return list(
        Experiment.objects.filter(
            ~Exists(underway),
            status__in=Experiment.ACTIVE,
            station__node__online=True,
            station__present=True,
            station__running_experiment=None,
            station__state__in=(Station.State.IDLE, Station.State.LOST, Station.State.FAULT),
        ).values_list("pk", "station__node_id", "station__slug")
    )


def interrupt(experiment: int, reason: str, now: datetime) -> bool:
    """End an experiment whose own record of its end is lost."""
    with transaction.atomic():
        ended = Experiment.objects.filter(pk=experiment, status__in=Experiment.ACTIVE).update(
            status=Experiment.Status.INTERRUPTED, status_reason=reason[:_REASON], ended_at=now
        )
        if ended:
            # A station that says so is not running anything: its output is off.
            alarms.run_ended(_run(experiment), "interrupted", reason, off=True, now=now)
    return ended > 0


def _free_stations() -> QuerySet[Station]:
    queued = Experiment.objects.filter(
        station=OuterRef("pk"),
        status=Experiment.Status.QUEUED,
        held=False,
        battery=OuterRef("battery"),
    )
    active = Experiment.objects.filter(station=OuterRef("pk"), status__in=Experiment.ACTIVE)
    underway = Command.objects.filter(station=OuterRef("pk"), status__in=Command.OPEN)
    return Station.objects.filter(
        Exists(queued),
        ~Exists(active),
        ~Exists(underway),
        present=True,
        node__online=True,
        state=Station.State.IDLE,
        lock_by="",
    )


def _start_at(station_key: int, now: datetime, life: timedelta) -> Command | None:
    """Order a start, if the station is still free once nobody else can decide about it."""
    with transaction.atomic():
        locked = Station.objects.select_for_update().values_list("pk", flat=True)
        if locked.filter(pk=station_key).first() is None:
            return None
        station = _free_stations().filter(pk=station_key).first()
        if station is None:
            return None
        experiment = (
            next_of(station.pk).select_for_update().defer("program", "profile_text").first()
        )
        if experiment is None or why_not_yet(experiment, station, now):
            return None
        experiment.status = Experiment.Status.STARTING
        experiment.save(update_fields=["status"])
        # Locks end at the borders of one server; in a cluster this row lets only one commit.
        Station.objects.filter(pk=station.pk).update(starts=F("starts") + 1)
        return Command.objects.create(
            station=station,
            experiment=experiment,
            action=Command.Action.START,
            arguments={"experiment": str(experiment.uuid), "name": experiment.name},
            expires_at=now + life,
        )


def _settle(
    command: Command, status: Command.Status, reason: str, *, retry: bool, now: datetime
) -> None:
    command.status = status
    command.reason = reason[:_REASON]
    command.answered_at = now
    command.save(update_fields=["status", "reason", "answered_at"])
    if status == Command.Status.DONE:
        _take_lock(command, now)
    if command.action != Command.Action.START or command.experiment_id is None:
        return
    if status == Command.Status.DONE:
        # The run's own first event makes it running, with the instant of its start.
        return
    passing = retry or status == Command.Status.EXPIRED or _has_run(command.experiment_id)
    starting = Experiment.objects.filter(
        pk=command.experiment_id, status=Experiment.Status.STARTING
    )
    said = f"{alarms.NOT_STARTED}: {reason}"
    if passing:
        starting.update(status=Experiment.Status.QUEUED, status_reason=said[:_REASON])
    elif starting.update(
        status=Experiment.Status.FAILED, status_reason=said[:_REASON], ended_at=now
    ):
        alarms.run_ended(_run(command.experiment_id), "failed", said, off=True, now=now)


def _run(experiment: int) -> Experiment:
    return Experiment.objects.select_related("station").defer("program").get(pk=experiment)


def _take_lock(command: Command, now: datetime) -> None:
    """Note a lock as soon as it is in force, before the node's next status tells it, too."""
    here = Station.objects.filter(pk=command.station_id)
    if command.action == Command.Action.LOCK:
        here.filter(lock_by="").update(
            lock_by=command.arguments.get("by", ""), lock_note=command.note, lock_at=now
        )
    elif command.action == Command.Action.UNLOCK:
        here.update(lock_by="", lock_note="", lock_at=None)


def _has_run(experiment: int) -> bool:
    """Whether events of the run are here: then they say how it ended, not a refused command."""
    return Intake.objects.filter(experiment_id=experiment, next_event__gt=0).exists()
