"""The pages where stations are made, changed and removed, and where one sees how that went."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from bem.lab.models import Command, Device, Experiment, Node, Station
from bem.lab.operations import definitions as operations
from bem.lab.operations.driver_settings import Drivers
from bem.lab.operations.errors import OperationRefused
from bem.web.records import meter_fields
from bem.web.records.access import RolePage, SetUpPage
from bem.web.records.forms import chosen_row, number_in
from bem.web.records.found_devices import station_with, with_meter
from bem.web.records.station_form import StationForm, shown_station, station_form

_SHOWN_CHANGES = 50
_ATTEMPT_IS_NEWS = timedelta(days=1)
_FOLLOWED = timedelta(minutes=2)
"""How long a page looks for a station that was made to report itself."""
_RESHAPE = "reshape"
"""Sent to have the form otherwise, and nothing ordered yet: ``show``, ``add``, ``remove-0``."""
_FIXED = ("node", "slug")
"""What a station has for ever."""


@dataclass(frozen=True, slots=True)
class NodeStations:
    """A node with the stations that it has and those that it had."""

    node: Node
    stations: list[Station]
    absent: list[Station]


class StationList(RolePage):
    """All stations by node, also those that were removed."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        by_node: dict[str, list[Station]] = {}
        for station in Station.objects.select_related("node"):
            by_node.setdefault(station.node_id, []).append(station)
        worth = _worth_showing()
        groups = [
            NodeStations(
                node,
                [one for one in by_node.get(node.pk, ()) if one.present],
                [one for one in by_node.get(node.pk, ()) if not one.present and one.pk in worth],
            )
            for node in Node.objects.all()
        ]
        return render(request, "records/station_list.html", {"groups": groups})


def _worth_showing() -> set[int]:
    """Stations with records of runs, or that somebody tried to set up lately."""
    used = Experiment.objects.order_by().values_list("station_id", flat=True).distinct()
    tried = Command.objects.filter(
        action__in=Command.EDITS, issued_at__gt=timezone.now() - _ATTEMPT_IS_NEWS
    ).values_list("station_id", flat=True)
    return {*used, *tried}


class StationAdd(SetUpPage):
    """Make a station. The node decides which drivers there are, the driver which settings."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form, empty or with what was refused."""
        node = _node(request)
        again = _attempt(request)
        definition: dict[str, Any] = {}
        if again is not None:
            node, definition = again.station.node, again.arguments["definition"]
        device = chosen_row(request, "device", Device.objects.select_related("node"))
        if device is not None:
            node, definition = device.node, station_with(device)
        drivers = operations.drivers_of(node) if node else {}
        shown = shown_station(drivers, definition)
        shown |= {"node": node, "slug": definition.get("id", "")}
        chosen = request.GET.get("driver") or (next(iter(drivers)) if len(drivers) == 1 else "")
        if not shown["driver"]:
            shown["driver"] = chosen
        return _show(request, station_form(drivers, initial=shown), None)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Order it, or show what is wrong; or the form as the choices made now want it."""
        node = chosen_node(request)
        drivers = operations.drivers_of(node) if node else {}
        if _RESHAPE in request.POST:
            return _show(request, _reshaped(request, drivers, {"node": node}), None)
        form = station_form(drivers, request.POST)
        if form.is_valid():
            try:
                command = operations.add_station(
                    request.user,
                    form.cleaned_data["node"],
                    form.cleaned_data["slug"],
                    form.to_input(),
                    form.cleaned_data["note"],
                )
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                return redirect("records:station-set-up", command.station_id)
        return _show(request, form, None)


class StationEdit(SetUpPage):
    """Change a station."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form with what the node says the station is."""
        station = _station(pk)
        definition = station.definition or {}
        if "again" in request.GET or station.definition is None:
            # To correct what was refused; or its file on the node can be used by nobody.
            attempt = _newest_definition(station)
            definition = attempt.arguments["definition"] if attempt is not None else definition
        meter = chosen_row(request, "meter", Device.objects.filter(node=station.node))
        if meter is not None:
            definition = with_meter(definition, meter)
        drivers = operations.drivers_of(station.node)
        initial = {
            "name": station.name,
            **shown_station(drivers, definition),
            **_fixed(station),
            "seen": operations.fingerprint(station.definition),
        }
        return _show(request, station_form(drivers, initial=initial, fixed=_FIXED), station)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Order it, or show what is wrong; or the form as the choices made now want it."""
        station = _station(pk)
        drivers = operations.drivers_of(station.node)
        if _RESHAPE in request.POST:
            return _show(request, _reshaped(request, drivers, _fixed(station), _FIXED), station)
        form = station_form(drivers, request.POST, initial=_fixed(station), fixed=_FIXED)
        if form.is_valid():
            try:
                operations.edit_station(
                    request.user,
                    station,
                    form.to_input(),
                    seen=form.cleaned_data["seen"],
                    note=form.cleaned_data["note"],
                )
            except OperationRefused as refused:
                form.take_refusal(refused)
            else:
                return redirect("records:station-set-up", pk)
        return _show(request, form, station)


class StationRemove(SetUpPage):
    """Remove a station; what was recorded there stays."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask once more."""
        station = _station(pk)
        context = {
            "station": station,
            "experiments": station.experiments.count(),
            "busy": operations.keeps_from_change(station),
        }
        return render(request, "records/station_remove.html", context)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Order it, and show how it goes."""
        station = _station(pk)
        try:
            operations.remove_station(request.user, station, request.POST.get("note", ""))
        except OperationRefused as refused:
            for reasons in refused.problems.values():
                for reason in reasons:
                    messages.error(request, f"Not removed: {reason}.")
        return redirect("records:station-set-up", pk)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a change of a definition changed; ``None`` where there was or is nothing."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """An order about a definition, and what it was to change."""

    command: Command
    differences: list[Difference]


class StationSetUp(RolePage):
    """What a station is, the way of the newest order about it, and all changes before."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the page, or to htmx only what may have changed."""
        station = _station(pk)
        commands = list(
            station.commands.filter(action__in=Command.EDITS)
            .select_related("issued_by")
            .order_by("-issued_at")[:_SHOWN_CHANGES]
        )
        newest = commands[0] if commands else None
        context = {
            "station": station,
            "state": str(station.state) if station.node.online else "offline",
            "facts": leaves(station.definition),
            "newest": newest,
            "arrived": newest is not None and _arrived(station, newest),
            "follows": newest is not None and _is_followed(station, newest),
            "changes": [Change(one, _differences(one.arguments)) for one in commands],
        }
        parts_only = "HX-Request" in request.headers
        template = "records/parts/station_set_up.html" if parts_only else "records/station.html"
        response = render(request, template, context)
        if parts_only and not context["follows"]:
            # It is over, and what can be done now, above, is something else.
            response["HX-Refresh"] = "true"
        patch_vary_headers(response, ["HX-Request"])
        return response


def _arrived(station: Station, command: Command) -> bool:
    """Whether the node reports what was ordered, and the station's process answers."""
    if command.status != Command.Status.DONE:
        return False
    if command.action == Command.Action.REMOVE:
        return not station.present
    told = station.definition == command.arguments.get("definition")
    return station.present and told and station.state != Station.State.DOWN


def _is_followed(station: Station, command: Command) -> bool:
    if command.status in Command.OPEN:
        return True
    recent = command.issued_at > timezone.now() - _FOLLOWED
    return recent and command.status == Command.Status.DONE and not _arrived(station, command)


def leaves(definition: Mapping[str, Any] | None) -> dict[str, str]:
    """Take a definition apart: path of each value, as people read it, and the value."""
    found: dict[str, str] = {}

    def walk(value: object, path: tuple[str, ...]) -> None:
        if isinstance(value, Mapping) and value:
            for name, inner in value.items():
                walk(inner, (*path, str(name)))
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            for place, inner in enumerate(value):
                walk(inner, (*path, str(place)))
        elif path:
            found[".".join(path)] = f"{value:g}" if isinstance(value, float) else str(value)

    walk(definition or {}, ())
    return found


def _differences(arguments: Mapping[str, Any]) -> list[Difference]:
    before, after = leaves(arguments.get("before")), leaves(arguments.get("definition"))
    return [
        Difference(path, before.get(path), after.get(path))
        for path in _in_order(before, after)
        if before.get(path) != after.get(path)
    ]


def _in_order(*several: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(path for one in several for path in one))


def _station(pk: int) -> Station:
    return get_object_or_404(Station.objects.select_related("node"), pk=pk)


def chosen_node(request: HttpRequest) -> Node | None:
    """The node that was chosen, if there is one of that name."""
    wanted = request.POST.get("node") or request.GET.get("node", "")
    return Node.objects.filter(pk=wanted).first() if wanted else None


def _node(request: HttpRequest) -> Node | None:
    """The node that was chosen, or the only one."""
    found = chosen_node(request)
    if found is not None or "node" in request.GET:
        return found
    nodes = list(Node.objects.all()[:2])
    return nodes[0] if len(nodes) == 1 else None


def _attempt(request: HttpRequest) -> Command | None:
    """The newest order to define the station named in the address, to correct and try again."""
    found = chosen_row(request, "station", Station.objects.all())
    return None if found is None else _newest_definition(found)


def _newest_definition(station: Station) -> Command | None:
    return (
        station.commands.filter(action=Command.Action.DEFINE)
        .select_related("station__node")
        .order_by("-issued_at")
        .first()
    )


def _fixed(station: Station) -> dict[str, Any]:
    return {"node": station.node, "slug": station.slug}


def _reshaped(
    request: HttpRequest,
    drivers: Drivers,
    given: Mapping[str, Any],
    fixed: Sequence[str] = (),
) -> StationForm:
    """Make the form as it is wanted now, with all that was typed; nothing is judged yet."""
    wanted = request.POST[_RESHAPE]
    typed = meter_fields.typed_in(request.POST)
    if wanted == "add":
        typed = meter_fields.with_one_more(typed)
    elif wanted.startswith("remove-"):
        place = number_in(wanted.removeprefix("remove-"))
        typed = typed if place is None else meter_fields.without(typed, place)
    form = station_form(drivers, initial={**typed, **given}, fixed=fixed)
    if wanted == "add" and form.meters:
        form.fields[f"{meter_fields.prefix_of(len(form.meters) - 1)}name"].widget.attrs[
            "autofocus"
        ] = True
    return form


def _show(request: HttpRequest, form: StationForm, station: Station | None) -> HttpResponse:
    is_part = request.headers.get("HX-Target") == "station-form"
    template = "records/parts/station_form.html" if is_part else "records/station_form.html"
    context = {
        "form": form,
        "station": station,
        "has_nodes": Node.objects.exists(),
        "busy": "" if station is None else operations.keeps_from_change(station),
    }
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response
