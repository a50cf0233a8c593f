"""Keep the records of nodes and stations as true as what the nodes report."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction

from bem.lab.devices import DeviceReport, take_devices
from bem.lab.models import DriverList, Node, Station


class ChannelReport(Protocol):
    """A channel besides voltage, current and power."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def title(self) -> str: ...


class LockReport(Protocol):
    """Who keeps a station from starting anything."""

    @property
    def by(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def at(self) -> datetime: ...


class StationReport(Protocol):
    """A station as its node reports it. Ratings in V, A, W."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def experiment(self) -> UUID | None: ...
    @property
    def channels(self) -> Sequence[ChannelReport]: ...
    @property
    def device(self) -> str: ...
    @property
    def voltage_min(self) -> float | None: ...
    @property
    def voltage_max(self) -> float | None: ...
    @property
    def current_min(self) -> float | None: ...
    @property
    def current_max(self) -> float | None: ...
    @property
    def power_min(self) -> float | None: ...
    @property
    def power_max(self) -> float | None: ...
    @property
    def period_ms(self) -> int: ...
    @property
    def time_scale(self) -> float: ...
    @property
    def definition(self) -> Mapping[str, object] | None: ...
    @property
    def activity(self) -> str | None: ...
    @property
    def waits_for(self) -> str: ...
    @property
    def lock(self) -> LockReport | None: ...
    @property
    def warnings(self) -> Sequence[str]: ...


class DriverReport(Protocol):
    """A driver of a node; ``settings`` is the JSON schema of those it takes.

    ``power``: whether it has a power path; ``None`` where that is not told.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, object]: ...
    @property
    def power(self) -> bool | None: ...


class NodeReport(Protocol):
    """A node as it reports itself."""

    @property
    def session(self) -> UUID: ...
    @property
    def sent_at(self) -> datetime: ...
    @property
    def version(self) -> str: ...
    @property
    def hostname(self) -> str: ...
    @property
    def stations(self) -> Sequence[StationReport]: ...
    @property
    def unsent_samples(self) -> int: ...
    @property
    def drivers(self) -> Sequence[DriverReport] | None: ...
    @property
    def devices(self) -> Sequence[DeviceReport] | None: ...


def take_status(node: str, report: NodeReport, received_at: datetime) -> bool:
    """Write down what a node reports; ``True`` if it was not online before.

    Stations that it no longer reports stay in the records, marked as not present.

    Raises:
        django.db.Error: nothing was written.
    """
    with transaction.atomic():
        before = Node.objects.select_for_update().filter(id=node).first()
        record, _ = Node.objects.update_or_create(
            id=node,
            defaults={
                "hostname": report.hostname,
                "version": report.version,
                "session": report.session,
                "online": True,
                "last_seen": received_at,
                "clock_offset_s": (report.sent_at - received_at).total_seconds(),
                "unsent_samples": report.unsent_samples,
            },
        )
        _take_stations(record, report.stations)
        if report.drivers is not None:
            _take_drivers(record, report.drivers)
        if report.devices is not None:
            take_devices(record, report.devices, received_at)
    return before is None or not before.online


def set_offline(nodes: Collection[str]) -> list[str]:
    """Note that nodes are silent; returns those that were online until now."""
    gone = list(Node.objects.filter(id__in=nodes, online=True).values_list("id", flat=True))
    if gone:
        Node.objects.filter(id__in=gone).update(online=False)
    return gone


def set_gone(node: str, session: UUID) -> bool:
    """Note that the agent of a session has ended; ``False`` if a newer one is there or it was."""
    return Node.objects.filter(id=node, session=session, online=True).update(online=False) > 0


def set_all_offline() -> None:
    """Take nothing for granted: a node is online once it has been heard."""
    Node.objects.filter(online=True).update(online=False)


def _take_stations(node: Node, reports: Sequence[StationReport]) -> None:
    known = {station.slug: station for station in Station.objects.filter(node=node)}
    # A node that names a station twice shall not be refused altogether.
    for report in {report.id: report for report in reports}.values():
        facts = _facts(report)
        station = known.pop(report.id, None)
        if station is None:
            Station.objects.create(node=node, slug=report.id, **facts)
            continue
        if _is_another(station.definition, facts["definition"]):
            # Somebody has been at its equipment: a person says again what is on it.
            facts |= {"battery_id": None, "battery_confirmed_by_id": None}
            facts["battery_confirmed_at"] = None
        changed = [field for field, value in facts.items() if getattr(station, field) != value]
        for field in changed:
            setattr(station, field, facts[field])
        if changed:
            station.save(update_fields=changed)
    gone = [station.pk for station in known.values() if station.present]
    if gone:
        Station.objects.filter(pk__in=gone).update(
            present=False, state=Station.State.DOWN, running_experiment=None
        )


def _is_another(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """Whether a station has other equipment than it had, as far as its definitions tell."""
    return before is not None and after is not None and before.get("power") != after.get("power")


def _take_drivers(node: Node, reports: Sequence[DriverReport]) -> None:
    drivers = [
        {
            "name": one.name,
            "title": one.title,
            "settings": dict(one.settings),
            "power": one.power,
        }
        for one in reports
    ]
    kept = DriverList.objects.filter(node=node).first()
    if kept is None or kept.drivers != drivers:
        DriverList.objects.update_or_create(node=node, defaults={"drivers": drivers})


def _facts(report: StationReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "state": report.state,
        "state_reason": report.reason,
        "running_experiment": report.experiment,
        # A station that is down cannot say what it has; what it last said still holds.
        **({} if report.state == Station.State.DOWN else _said_by_itself(report)),
        "period_ms": report.period_ms,
        "time_scale": report.time_scale,
        "definition": None if report.definition is None else dict(report.definition),
        "present": True,
        "activity": report.activity or "",
        "waits_for": report.waits_for,
    }


def _said_by_itself(report: StationReport) -> dict[str, Any]:
    lock = report.lock
    return {
        "lock_by": "" if lock is None else lock.by,
        "lock_note": "" if lock is None else lock.note,
        "lock_at": None if lock is None else lock.at,
        "warnings": list(report.warnings),
        "device": report.device,
        "channels": [
            {"name": channel.name, "unit": channel.unit, "title": channel.title}
            for channel in report.channels
        ],
        "voltage_min": report.voltage_min,
        "voltage_max": report.voltage_max,
        "current_min": report.current_min,
        "current_max": report.current_max,
        "power_min": report.power_min,
        "power_max": report.power_max,
    }
