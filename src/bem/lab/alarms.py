"""Alarms: raised and cleared by what the records say, so that none hangs on a lost message.

Conditions that last are reviewed again and again by :class:`AlarmWatch`; what happens at an instant
is told to :func:`raise_alarm` by whoever learns of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from bem.lab.models import (
    Alarm,
    Delivery,
    Experiment,
    Node,
    Notifications,
    Severity,
    Station,
)
from bem.lab.rights import User

Cause = Alarm.Cause

SAME_WITHIN = timedelta(hours=1)
"""What comes back within this time, and was not acknowledged, is the same alarm again."""
CLOCK_FAR_OFF_S = 60.0
"""By how much a node's clock may differ from the server's."""
NOT_STARTED = "not started"
"""How the reason begins of an experiment that waits because a start failed."""

_DELAYS_S = {Cause.STATION_DOWN: 15.0, Cause.DEVICE_LOST: 5.0, Cause.NODE_SILENT: 30.0}
"""What may pass by itself, as when a process starts anew, is an alarm only after so long."""
_ENDS = {"failed": Cause.RUN_FAILED, "interrupted": Cause.RUN_INTERRUPTED}
_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a person must know of, and what it is about (keys of rows)."""

    cause: Alarm.Cause
    severity: Severity
    message: str
    node: str | None = None
    station: int | None = None
    experiment: int | None = None

    @property
    def source(self) -> str:
        """What it is about, the narrowest that stays the same: one alarm of each cause for it."""
        if self.cause in (Cause.NODE_SILENT, Cause.CLOCK):
            return f"node:{self.node}"
        if self.cause in (*Alarm.MOMENTARY, Cause.CANNOT_START):
            return f"experiment:{self.experiment}"
        return f"station:{self.station}"

    @property
    def key(self) -> str:
        """Name the one alarm that there can be of it."""
        return f"{self.source}/{self.cause.value}"


def raise_alarm(condition: Condition, now: datetime) -> Alarm | None:
    """Raise an alarm, or count up the one that is there; ``None`` if another process just did.

    People are told of a new one, once.
    """
    try:
        with transaction.atomic():
            return _raise(condition, now)
    except IntegrityError:
        return None


def deliveries_by(
    wish: Notifications, now: datetime, alarm: Alarm | None = None
) -> Iterator[Delivery]:
    """Make what the courier takes to one person, one by each way; without an alarm, to try it."""
    for way, address in ((Delivery.Way.EMAIL, wish.email), (Delivery.Way.WEBHOOK, wish.webhook)):
        if address:
            yield Delivery(
                alarm=alarm,
                user_id=wish.user_id,
                way=way,
                address=address,
                created_at=now,
                next_at=now,
            )


def acknowledge(alarm: Alarm, user: User, note: str, now: datetime) -> None:
    """Note who has seen an alarm; one that tells of an instant has thereby passed."""
    alarm.acknowledged_at = now
    alarm.acknowledged_by_id = user.pk
    alarm.acknowledged_note = note
    fields = ["acknowledged_at", "acknowledged_by", "acknowledged_note"]
    if alarm.cause in Alarm.MOMENTARY and alarm.cleared_at is None:
        alarm.cleared_at, alarm.open_key = now, None
        fields += ["cleared_at", "open_key"]
    alarm.save(update_fields=fields)


def run_ended(run: Experiment, outcome: str, reason: str, *, off: bool, now: datetime) -> None:
    """Raise what has to be raised about the end of a run; ``off``: its output is surely off."""

    def tell(cause: Alarm.Cause, message: str) -> None:
        node, station = run.station.node_id, run.station_id
        condition = Condition(cause, Severity.ERROR, message, node, station, run.pk)
        raise_alarm(condition, now)

    cause = _ENDS.get(outcome)
    if cause is not None:
        tell(cause, f"“{run.name}” {outcome}: {reason}")
    if not off:
        tell(
            Cause.OUTPUT,
            f"“{run.name}” has ended, and the device at “{run.station}” did not confirm that its "
            "output is off: look there",
        )


class AlarmWatch:
    """Raises and clears the alarms of conditions that last. For one thread."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def review(self, now: datetime, clock_s: float) -> None:
        """Bring the alarms in line with the records; ``clock_s`` is monotonic.

        Raises:
            django.db.Error: what was not done is done at the next review.
        """
        nodes = {node.pk: node for node in Node.objects.all()}
        stations = list(Station.objects.filter(present=True))
        active = {run.uuid: run for run in _active()}
        holding = {
            condition.key: condition
            for condition in (
                *_of_nodes(nodes.values(), {run.station.node_id for run in active.values()}),
                *_of_stations([one for one in stations if nodes[one.node_id].online], active),
                *_of_queue(),
            )
        }
        self._since = {key: self._since.get(key, clock_s) for key in holding}
        opened = {
            str(alarm.open_key): alarm
            for alarm in Alarm.objects.exclude(open_key=None).exclude(cause__in=Alarm.MOMENTARY)
        }
        for key, condition in holding.items():
            alarm = opened.pop(key, None)
            if alarm is not None:
                _say_anew(alarm, condition)
            elif clock_s - self._since[key] >= _DELAYS_S.get(condition.cause, 0.0):
                raise_alarm(condition, now)
        unsure = set(_unsure(stations, nodes))
        for key, alarm in opened.items():
            if key not in unsure:
                _clear(alarm, now)


def _raise(condition: Condition, now: datetime) -> Alarm:
    message = condition.message[:_MESSAGE]
    same = Alarm.objects.select_for_update().filter(
        source=condition.source, cause=condition.cause, acknowledged_at=None
    )
    again = (
        Alarm.objects.select_for_update().filter(open_key=condition.key).first()
        or same.filter(cleared_at__gt=now - SAME_WITHIN).order_by("-raised_at").first()
    )
    if again is not None:
        again.count += 1
        again.last_at, again.message = now, message
        again.cleared_at, again.open_key = None, condition.key
        again.save(update_fields=["count", "last_at", "message", "cleared_at", "open_key"])
        return again
    alarm = Alarm.objects.create(
        severity=condition.severity,
        cause=condition.cause,
        source=condition.source,
        open_key=condition.key,
        message=message,
        node_id=condition.node,
        station_id=condition.station,
        experiment_id=condition.experiment,
        raised_at=now,
        last_at=now,
    )
    Delivery.objects.bulk_create(_deliveries(alarm, now))
    return alarm


def _deliveries(alarm: Alarm, now: datetime) -> Iterator[Delivery]:
    severity = Severity(alarm.severity)
    reached = [one for one in Severity if one.rank <= severity.rank]
    for wish in Notifications.objects.filter(severity__in=reached, user__is_active=True):
        yield from deliveries_by(wish, now, alarm)


def _say_anew(alarm: Alarm, condition: Condition) -> None:
    message = condition.message[:_MESSAGE]
    if alarm.message != message:
        Alarm.objects.filter(pk=alarm.pk).update(message=message)


def _clear(alarm: Alarm, now: datetime) -> None:
    Alarm.objects.filter(pk=alarm.pk, cleared_at=None).update(cleared_at=now, open_key=None)


# -- conditions


def _active() -> Iterable[Experiment]:
    return (
        Experiment.objects.filter(status__in=Experiment.ACTIVE)
        .select_related("station")
        .only("uuid", "name", "station__node_id")
    )


def _of_nodes(nodes: Iterable[Node], busy: set[str]) -> Iterator[Condition]:
    for node in nodes:
        if not node.online:
            severity = Severity.ERROR if node.pk in busy else Severity.WARNING
            under_test = "; experiments go on there unseen" if node.pk in busy else ""
            message = f"node {node} is silent since {node.last_seen:%Y-%m-%d %H:%M} UTC{under_test}"
            yield Condition(Cause.NODE_SILENT, severity, message, node=node.pk)
        elif abs(node.clock_offset_s) >= CLOCK_FAR_OFF_S:
            off = timedelta(minutes=round(abs(node.clock_offset_s) / 60))
            side = "ahead of" if node.clock_offset_s > 0 else "behind"
            message = f"the clock of node {node} is {off} (h:mm:ss) {side} the server's"
            yield Condition(Cause.CLOCK, Severity.WARNING, message, node=node.pk)


def _of_stations(
    stations: Iterable[Station], active: Mapping[UUID, Experiment]
) -> Iterator[Condition]:
    for station in stations:
        running = station.running_experiment
        run = None if running is None else active.get(running)
        for cause, severity, said in _of_station(station):
            yield Condition(
                cause,
                severity,
                f"“{station}” {said}",
                node=station.node_id,
                station=station.pk,
                experiment=None if run is None else run.pk,
            )


def _of_station(station: Station) -> Iterator[tuple[Alarm.Cause, Severity, str]]:
    reason = f": {station.state_reason}" if station.state_reason else ""
    if station.state == Station.State.FAULT:
        yield Cause.FAULT, Severity.ERROR, f"has latched a fault{reason}"
    elif station.state == Station.State.LOST:
        yield Cause.DEVICE_LOST, Severity.WARNING, f"has lost its device{reason}"
    elif station.state == Station.State.DOWN:
        yield Cause.STATION_DOWN, Severity.ERROR, f"is down{reason}"
    elif station.state == Station.State.RUNNING and station.activity == "waiting":
        yield Cause.WAITS, Severity.WARNING, f"waits for a person: {station.waits_for}"
    if station.warnings and station.state != Station.State.DOWN:
        yield Cause.STATION_WARNING, Severity.WARNING, f"warns: {'; '.join(station.warnings)}"


def _of_queue() -> Iterator[Condition]:
    failed = (
        Experiment.objects.filter(
            status__in=(Experiment.Status.QUEUED, Experiment.Status.STARTING),
            held=False,
            status_reason__startswith=NOT_STARTED,
        )
        .annotate(node=F("station__node_id"))
        .only("name", "status_reason", "station_id")
    )
    for one in failed:
        yield Condition(
            Cause.CANNOT_START,
            Severity.WARNING,
            f"“{one.name}” {one.status_reason}",
            node=one.node,
            station=one.station_id,
            experiment=one.pk,
        )


def _unsure(stations: Iterable[Station], nodes: dict[str, Node]) -> Iterator[str]:
    """Name the alarms of which nobody can say now whether they have passed."""
    for station in stations:
        if not nodes[station.node_id].online:
            lasting = list(Cause)
        elif station.state == Station.State.DOWN:
            lasting = [Cause.FAULT, Cause.WAITS, Cause.STATION_WARNING, Cause.DEVICE_LOST]
        else:
            continue
        yield from (f"station:{station.pk}/{cause.value}" for cause in lasting)
    for node in nodes.values():
        if not node.online:
            yield f"node:{node.pk}/{Cause.CLOCK.value}"
