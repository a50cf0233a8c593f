"""Keep the records of found devices as true as what the nodes report."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from bem.lab.models import Device, Node

KEPT = timedelta(days=30)
"""How long a device that has gone is remembered."""
_IDENTITY = ("make", "model", "serial", "firmware")


class DeviceReport(Protocol):
    """A device as its node reports it."""

    @property
    def place(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, object]: ...
    @property
    def power(self) -> bool | None: ...
    @property
    def make(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def serial(self) -> str: ...
    @property
    def firmware(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def station(self) -> str | None: ...
    @property
    def by(self) -> str: ...
    @property
    def answered(self) -> str: ...
    @property
    def trouble(self) -> str: ...


def take_devices(node: Node, reports: Sequence[DeviceReport], at: datetime) -> None:
    """Write down which devices a node has now; those that it has no more are kept as gone.

    Only inside of a transaction that locks the node.

    Raises:
        django.db.Error: nothing was written.
    """
    known = {device.key: device for device in Device.objects.filter(node=node)}
    unchanged: list[int] = []
    # A node that names a place twice shall not be refused altogether.
    for key, report in {_key(report.place): report for report in reports}.items():
        facts = _facts(report)
        device = known.pop(key, None)
        if device is None:
            Device.objects.create(
                node=node, key=key, since=at, first_seen=at, last_seen=at, **facts
            )
            continue
        facts = _as_it_was(device, facts)
        if any(getattr(device, name) != value for name, value in facts.items()):
            _change(device, facts, at)
        else:
            unchanged.append(device.pk)
    Device.objects.filter(pk__in=unchanged).update(last_seen=at)
    gone = [device.pk for device in known.values() if device.present]
    Device.objects.filter(pk__in=gone).update(present=False, since=at)
    old = [device.pk for device in known.values() if device.last_seen < at - KEPT]
    Device.objects.filter(pk__in=old).delete()


def _as_it_was(device: Device, facts: dict[str, Any]) -> dict[str, Any]:
    """Keep who a device is where its station, which has it now, does not tell."""
    if facts["driver"] != device.driver or any(facts[name] for name in _IDENTITY):
        return facts
    return facts | {name: getattr(device, name) for name in _IDENTITY}


def _change(device: Device, facts: Mapping[str, Any], at: datetime) -> None:
    standing = ("state", "station_slug", "present")
    if any(getattr(device, name) != facts[name] for name in standing):
        device.since = at
    for name, value in facts.items():
        setattr(device, name, value)
    device.last_seen = at
    device.save()


def _facts(report: DeviceReport) -> dict[str, Any]:
    return {
        "place": report.place,
        "state": report.state,
        "driver": report.driver,
        "settings": dict(report.settings),
        "power": report.power,
        "make": report.make,
        "model": report.model,
        "serial": report.serial,
        "firmware": report.firmware,
        "title": report.title,
        "station_slug": report.station or "",
        "used_by": report.by,
        "answered": report.answered,
        "trouble": report.trouble,
        "present": True,
    }


def _key(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()
