"""What people tell stations, and what they say is on them."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from bem.lab import alarms
from bem.lab.models import Alarm, Battery, Command, Experiment, Station
from bem.lab.operations import locks
from bem.lab.operations.commands import LONGEST_NOTE, is_told, order, refuse_twice
from bem.lab.operations.errors import OperationRefused, refusal
from bem.lab.operations.fitting import misfits
from bem.lab.rights import Role, User, require, role_of

_OUTPUT_IS_OFF = ("paused", "waiting")


def confirm_battery(user: User, station: Station, battery: Battery) -> Station:
    """Say that a battery is on a station: only then does anything start with it there.

    It is on no other station from then on. Said again of the same battery, the new word counts.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: the battery is retired, does not fit the station, or is under test at
            another; another battery is under test here.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        found = Battery.objects.select_for_update().filter(pk=battery.pk).first()
        if found is None or found.retired_at is not None:
            gone = "is not there any more" if found is None else "is retired"
            raise refusal(f"battery “{battery}” {gone}: choose another", field="battery")
        kept = locks.lock_station(station)
        _refuse_while_active(kept, other_than=found)
        reasons = misfits(found, kept)
        if reasons:
            raise OperationRefused(
                {
                    "battery": [
                        f"“{found}” does not fit “{kept}”: {reason}: choose another"
                        for reason in reasons
                    ]
                }
            )
        other = (
            found.experiments.filter(status__in=Experiment.ACTIVE)
            .exclude(station=kept)
            .select_related("station")
            .first()
        )
        if other is not None:
            raise refusal(
                f"“{found}” is under test at “{other.station}” (experiment “{other}”): "
                "stop it there first, or choose another battery",
                field="battery",
            )
        Station.objects.filter(battery=found).exclude(pk=kept.pk).update(
            battery=None, battery_confirmed_by=None, battery_confirmed_at=None
        )
        _set_battery(kept, found, user)
        return kept


def remove_battery(user: User, station: Station) -> Station:
    """Say that no battery is on a station any more. Idempotent.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: an experiment is under way there.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_station(station)
        _refuse_while_active(kept)
        _set_battery(kept, None, None)
        return kept


def lock_station(user: User, station: Station, note: str) -> Command:
    """Order a station to let nothing start, for as long as hands are in.

    In force once the station says so.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: no note, or too long a one; its output may be on; its node is offline; it
            is locked already, or being told.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_station(station)
        if not note.strip():
            raise refusal("say why, so that others know when it ends", field="note")
        if kept.lock_by:
            raise refusal(f"“{kept}” is locked by {kept.lock_by} already: {kept.lock_note}")
        if kept.state == Station.State.RUNNING and kept.activity not in _OUTPUT_IS_OFF:
            raise refusal(f"the output of “{kept}” may be on: pause or stop its experiment first")
        _refuse_unreachable(kept)
        refuse_twice(kept, Command.Action.LOCK)
        return order(user, kept, Command.Action.LOCK, note)


def unlock_station(user: User, station: Station, note: str = "") -> Command:
    """Order a station to forget its lock. Somebody else's is for a supervisor to take away.

    Raises:
        PermissionDenied: the user is no operator, or no supervisor and not who locked it.
        OperationRefused: it is not locked, its node is offline, it is being told already; the note
            is too long.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_station(station)
        if not kept.lock_by:
            raise refusal(f"“{kept}” is not locked")
        if kept.lock_by != user.get_username():
            require(user, Role.SUPERVISOR)
        _refuse_unreachable(kept)
        refuse_twice(kept, Command.Action.UNLOCK)
        return order(user, kept, Command.Action.UNLOCK, note)


def may_unlock(user: User, station: Station) -> bool:
    """Whether :func:`unlock_station` is for this user to do."""
    needed = Role.OPERATOR if station.lock_by == user.get_username() else Role.SUPERVISOR
    return bool(station.lock_by) and role_of(user) >= needed


def stop_station(user: User, station: Station, note: str = "") -> Command:
    """Order a station to stop what it runs, and hold what waits there: nothing follows by itself.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: nothing runs there, or it is being stopped already; the note is too long.
    """
    require(user, Role.OPERATOR)
    with transaction.atomic():
        kept = locks.lock_station(station)
        running = _running(kept)
        if running is None:
            raise refusal(f"nothing runs at “{kept}”, there is nothing to stop")
        refuse_twice(kept, Command.Action.STOP)
        _hold_queue(kept)
        return _order_stop(user, kept, running, note)


def stop_all(user: User, note: str = "") -> list[Command]:
    """Order every station to stop what it runs, and hold all that waits; returns the orders.

    Stations that are being stopped already are not told twice.

    Raises:
        PermissionDenied: the user is no operator.
        OperationRefused: the note is too long.
    """
    require(user, Role.OPERATOR)
    if len(note.strip()) > LONGEST_NOTE:
        # Before the first: each station is told in a transaction of its own, that none waits.
        raise refusal(f"{len(note.strip())} characters: at most {LONGEST_NOTE}", field="note")
    orders: list[Command] = []
    # In the order of their keys, like everybody who locks several.
    for station in Station.objects.filter(present=True).order_by("pk"):
        with transaction.atomic():
            kept = locks.lock_station(station)
            _hold_queue(kept)
            running = _running(kept)
            if running is None or is_told(kept, Command.Action.STOP):
                continue
            orders.append(_order_stop(user, kept, running, note))
    return orders


def acknowledge_fault(user: User, station: Station, note: str = "") -> Command:
    """Say that a person knows of a station's fault and has seen to it, so that it may run again.

    Raises:
        PermissionDenied: the user is no supervisor.
        OperationRefused: the station is gone, has no fault, or is being told already; the note is
            too long.
    """
    require(user, Role.SUPERVISOR)
    with transaction.atomic():
        kept = Station.objects.select_for_update().filter(pk=station.pk).first()
        if kept is None:
            raise refusal(f"station “{station}” is not there any more")
        if kept.state != Station.State.FAULT:
            raise refusal(
                f"“{kept}” is {kept.get_state_display().lower()}: there is no fault to acknowledge"
            )
        if is_told(kept, Command.Action.ACKNOWLEDGE):
            raise refusal(
                f"the fault of “{kept}” is being acknowledged already: "
                "wait for the station's answer"
            )
        told = order(user, kept, Command.Action.ACKNOWLEDGE, note)
        for alarm in Alarm.objects.select_for_update().filter(
            station=kept, cause=Alarm.Cause.FAULT, cleared_at=None, acknowledged_at=None
        ):
            alarms.acknowledge(alarm, user, told.note, timezone.now())
        return told


def _set_battery(station: Station, battery: Battery | None, user: User | None) -> None:
    station.battery = battery
    station.battery_confirmed_by_id = None if user is None else user.pk
    station.battery_confirmed_at = None if battery is None else timezone.now()
    station.save(update_fields=["battery", "battery_confirmed_by", "battery_confirmed_at"])


def _refuse_while_active(station: Station, other_than: Battery | None = None) -> None:
    active = station.experiments.filter(status__in=Experiment.ACTIVE).first()
    if active is not None and (other_than is None or active.battery_id != other_than.pk):
        raise refusal(
            f"experiment “{active}” is {locks.said(active)} at “{station}”: "
            "its battery stays until it has ended; stop it first",
            field="battery",
        )


def _refuse_unreachable(station: Station) -> None:
    if not station.node.online or station.state == Station.State.DOWN:
        who = "its node is offline" if not station.node.online else "its process does not answer"
        raise refusal(f"“{station}” cannot be told, {who}: try again when it is back")


def _running(station: Station) -> Experiment | str | None:
    """Get what is under way at a station; the number of a run that is not in the records."""
    active = station.experiments.filter(status__in=Experiment.ACTIVE).first()
    if active is not None:
        return active
    if station.state == Station.State.RUNNING and station.running_experiment is not None:
        return str(station.running_experiment)
    return None


def _order_stop(user: User, station: Station, running: Experiment | str, note: str) -> Command:
    if isinstance(running, Experiment):
        return order(user, station, Command.Action.STOP, note, experiment=running)
    return order(user, station, Command.Action.STOP, note, arguments={"experiment": running})


def _hold_queue(station: Station) -> None:
    # The count is what a start on another member of a database cluster would collide with.
    Station.objects.filter(pk=station.pk).update(starts=F("starts") + 1)
    station.experiments.filter(status=Experiment.Status.QUEUED).update(held=True)
