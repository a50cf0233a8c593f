"""Make, change and remove stations: ordered here, carried out by their node.

Everything is checked that can be known here, so that a person hears of it beside the field; the
node has the last word, because only it knows its devices and what it runs.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError as DefinitionError

from bem.lab.models import Command, DriverList, Experiment, Node, Station
from bem.lab.operations.commands import order
from bem.lab.operations.driver_settings import SETTINGS, device_problems, no_driver
from bem.lab.operations.errors import Problems, refusal
from bem.lab.rights import Role, User, require
from bem.runtime.settings import StationDefinition

LONGEST_DEFINITION = 16_384
"""Longest definition as JSON: what a node tells with each status (bem.messages.MAX_DEFINITION)."""
_FIELDS = {"id": "slug", "power.driver": "driver"}
"""Where the definition names a thing other than a person does."""
_METER_NAME = re.compile(r"meters\.[0-9]+\.name")
_CHANNEL_NAME = re.compile(r"meters\.[0-9]+\.channels\..+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MeterInput:
    """What a person says about an instrument that only measures.

    ``channels``: the device's name of a channel to the station's; none of them is all. After
    ``stale_s`` (s) without a value an experiment ends, if the meter is ``required``.
    """

    name: str
    driver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    required: bool = True
    stale_s: float = 10.0


@dataclass(frozen=True, slots=True)
class StationInput:
    """What a person says about a station. Period in ms, silence in s."""

    name: str
    driver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    period_ms: int = 100
    silence_s: float = 1.0
    time_scale: float = 1.0
    meters: Sequence[MeterInput] = ()


def add_station(user: User, node: Node, slug: str, given: StationInput, note: str = "") -> Command:
    """Order a node to make a station. One that was removed comes back with its records.

    Raises:
        PermissionDenied: the user is no supervisor.
        OperationRefused: the node is offline, has such a station or no such driver, the driver
            does not take the settings, or something else of it cannot be.
    """
    require(user, Role.SUPERVISOR)
    with transaction.atomic():
        definition = _checked(node, slug, given)
        station, _ = Station.objects.select_for_update().get_or_create(
            node=node,
            slug=slug,
            defaults={
                "name": definition.name,
                "state": Station.State.DOWN,
                "period_ms": definition.period_ms,
                "time_scale": definition.time_scale,
                "present": False,
            },
        )
        if station.present:
            raise refusal(f"{node} has a station {slug!r} already: choose another id", "slug")
        _check_free(station)
        return _order(user, station, Command.Action.DEFINE, None, definition, note)


def edit_station(
    user: User, station: Station, given: StationInput, *, seen: str, note: str = ""
) -> Command:
    """Order the node of a station to change its definition.

    Args:
        user: Who orders it.
        station: The station.
        given: What it shall be.
        seen: The :func:`fingerprint` of the definition that the person began from.
        note: Why.

    Raises:
        PermissionDenied: the user is no supervisor.
        OperationRefused: as :func:`add_station`; or an experiment runs or waits there, or the
            definition is another one by now.
    """
    require(user, Role.SUPERVISOR)
    with transaction.atomic():
        kept = _present(station)
        if fingerprint(kept.definition) != seen:
            raise refusal(
                f"the definition of “{kept}” was changed in the meantime: "
                "load the page again and change it as it is now"
            )
        _check_free(kept)
        definition = _checked(kept.node, kept.slug, given)
        return _order(user, kept, Command.Action.DEFINE, kept.definition, definition, note)


def remove_station(user: User, station: Station, note: str = "") -> Command:
    """Order the node of a station to have it no more. What was recorded there stays.

    Raises:
        PermissionDenied: the user is no supervisor.
        OperationRefused: it is not there, its node is offline, or an experiment runs or waits.
    """
    require(user, Role.SUPERVISOR)
    with transaction.atomic():
        kept = _present(station)
        _check_free(kept)
        problems = Problems()
        _check_online(kept.node, problems)
        problems.refuse_if_any()
        return _order(user, kept, Command.Action.REMOVE, kept.definition, None, note)


def fingerprint(definition: Mapping[str, Any] | None) -> str:
    """Get a short text that differs when the definition does."""
    said = json.dumps(definition, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def drivers_of(node: Node) -> dict[str, dict[str, Any]]:
    """Get the drivers that a node has told: name to {name, title, settings, power}."""
    told = DriverList.objects.filter(node=node).values_list("drivers", flat=True).first()
    return {str(one["name"]): one for one in told or []}


def _checked(node: Node, slug: str, given: StationInput) -> StationDefinition:
    problems = Problems()
    _check_online(node, problems)
    drivers = drivers_of(node)
    devices: list[tuple[str, StationInput | MeterInput]] = [("", given)]
    devices += [(f"meters.{place}.", one) for place, one in enumerate(given.meters)]
    for prefix, device in devices:
        if device.driver not in drivers:
            problems.add(f"{prefix}driver", no_driver(node, device.driver, drivers))
            continue
        if unfit := _unfit(drivers[device.driver], is_power=device is given):
            problems.add(f"{prefix}driver", unfit)
            continue
        for path, reason in device_problems(node, drivers, device.driver, device.settings):
            name = f"{prefix}{SETTINGS}"
            problems.add(f"{name}.{path}" if path else name, reason)
    raw = {
        "id": slug,
        "name": given.name.strip(),
        "period_ms": given.period_ms,
        "silence_s": given.silence_s,
        "time_scale": given.time_scale,
        "power": {"driver": given.driver, "settings": dict(given.settings)},
        "meters": [asdict(meter) for meter in given.meters],
    }
    definition = None
    try:
        definition = StationDefinition.model_validate(raw)
    except DefinitionError as error:
        for problem in error.errors(include_url=False, include_context=False):
            name = ".".join(str(part) for part in problem["loc"])
            problems.add(_FIELDS.get(name, name), _reason(name, problem["msg"]))
    else:
        length = len(json.dumps(definition.model_dump(mode="json")))
        if length > LONGEST_DEFINITION:
            problems.add(
                "meters",
                f"all settings together are {length} characters of JSON, at most "
                f"{LONGEST_DEFINITION} are told by a node: put long descriptions into files there",
            )
    problems.refuse_if_any()
    if definition is None:
        raise AssertionError("a definition that is refused has problems")
    return definition


def _unfit(driver: Mapping[str, Any], *, is_power: bool) -> str:
    """Say why a driver cannot be the power path, or a meter; empty if it can, or that is not told.

    A meter is opened by nobody who would switch it off.
    """
    if driver.get("power") in (None, is_power):
        return ""
    if is_power:
        return (
            f"driver {driver['name']!r} only measures: choose one that drives current, and add "
            "this one as a meter"
        )
    return (
        f"driver {driver['name']!r} drives current, which nobody would switch off at a meter: "
        "choose one that only measures, or make it the power path of a station"
    )


def _reason(name: str, said: str) -> str:
    if name == "id":
        return "use 1 to 63 lower-case letters, digits and hyphens, such as epc-3"
    if _METER_NAME.fullmatch(name):
        return "use 1 to 31 lower-case letters, digits and _, beginning with a letter: flow_1"
    if _CHANNEL_NAME.fullmatch(name):
        return "name channels by lower-case letters, digits and _, such as meter_voltage"
    return said


def _check_online(node: Node, problems: Problems) -> None:
    if not node.online:
        problems.add("node", f"{node} is offline: its stations can be changed when it is back")


def _present(station: Station) -> Station:
    # The station's row alone: a join would lock its node's too, which each status changes.
    kept = Station.objects.select_for_update().filter(pk=station.pk).first()
    if kept is None or not kept.present:
        raise refusal(f"“{station}” is not there any more: its node does not report it")
    return kept


def keeps_from_change(station: Station) -> str:
    """Say what runs, waits or is on its way at a station, and what to do; empty if it is free."""
    experiment = station.experiments.filter(status__in=Experiment.OPEN).order_by("pk").first()
    if experiment is not None:
        waits = experiment.status == Experiment.Status.QUEUED
        return (
            f"experiment “{experiment}” is {experiment.get_status_display().lower()} at "
            f"“{station}”: {'cancel it' if waits else 'wait for its end, or stop it'} first"
        )
    if station.running_experiment is not None and station.state == Station.State.RUNNING:
        return f"“{station}” says that it runs an experiment: wait for its end"
    underway = station.commands.filter(
        status__in=Command.OPEN, expires_at__gt=timezone.now()
    ).first()
    if underway is not None:
        return (
            f"“{station}” is being told already ({underway.get_action_display().lower()}): "
            "wait for the answer"
        )
    return ""


def _check_free(station: Station) -> None:
    """Make sure that nothing runs, waits or is on its way at a station.

    Raises:
        OperationRefused: names what does, and what to do.
    """
    reason = keeps_from_change(station)
    if reason:
        raise refusal(reason)


def _order(
    user: User,
    station: Station,
    action: Command.Action,
    before: dict[str, Any] | None,
    after: StationDefinition | None,
    note: str,
) -> Command:
    arguments: dict[str, Any] = {"before": before}
    if after is not None:
        arguments["definition"] = after.model_dump(mode="json")
    return order(user, station, action, note, arguments=arguments)
