"""One station: what it does now, what may be told it, and what waits for it."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from bem.domain.program import Program
from bem.lab.models import Alarm, Command, Event, Experiment, Station
from bem.web.records.outline import Line, program_lines
from bem.web.roles import role_on
from bem.web.watch.access import viewers_only
from bem.web.watch.controls import run_controls, station_controls
from bem.web.watch.figures import Figure, all_of
from bem.web.watch.monitor import OFFLINE
from bem.web.watch.process_hub import HUB
from bem.web.watch.queue import read_queue
from bem.web.watch.steps import Present, present_step

_RECENT_EVENTS = 12
_RECENT_ALARMS = 5
_ANSWER_IS_NEWS = timedelta(minutes=30)
_IS_FORETOLD = ExpressionWrapper(Q(expected__isnull=False), output_field=BooleanField())
"""Without reading what was foretold, which is long."""


@dataclass(frozen=True, slots=True)
class Plot:
    """What the script needs to draw; an experiment's whole run, or what comes in live."""

    experiment: int | None
    uuid: str
    time_scale: float
    channels: list[Figure]
    foretold: bool


@require_safe
@viewers_only
def station(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the page, or to htmx only what may have changed."""
    found = get_object_or_404(
        Station.objects.select_related("node", "battery", "battery_confirmed_by"), pk=pk
    )
    running = (
        found.experiments.filter(status__in=Experiment.ACTIVE)
        .select_related("battery", "profile")
        .defer("profile_text", "profile__text", "expected")
        .annotate(is_foretold=_IS_FORETOLD)
        .order_by("pk")
        .last()
    )
    last = None if running else _last(found)
    shown = running or last
    events = (
        list(Event.objects.filter(experiment=shown).order_by("-seq")[:_RECENT_EVENTS])
        if shown
        else []
    )
    queue = read_queue(found)
    role = role_on(request)
    step = present_step(running, HUB.newest((found.node_id, found.slug)), events)
    following = queue.following
    context = {
        "station": found,
        "state": str(found.state) if found.node.online else OFFLINE,
        "running": running,
        "last": last,
        "lines": lines_of(running) if running else (),
        "queue": queue,
        "step": step,
        "controls": run_controls(
            running, found, role, step=_number(step), following=queue.afterwards
        )
        if running
        else (),
        "station_controls": station_controls(found, role, request.user.get_username()),
        # Asked for anew whenever another battery's experiment is next.
        "wanted": following
        if following and not running and following.battery_id != found.battery_id
        else None,
        "alarms": Alarm.present().filter(station=found)[:_RECENT_ALARMS],
        "events": events,
        "command": found.commands.filter(
            status__in=Command.OPEN, expires_at__gt=timezone.now()
        ).first(),
        "answered": _answered(found),
        "figures": all_of(found),
        "plot": Plot(
            running.pk if running else None,
            str(running.uuid) if running else "",
            found.time_scale,
            list(all_of(found)),
            foretold=running is not None and running.is_foretold,
        ),
        "points": [
            [round(age, 1), voltage, current]
            for age, voltage, current in HUB.points((found.node_id, found.slug))
        ],
    }
    parts_only = "HX-Request" in request.headers
    template = "watch/parts/station.html" if parts_only else "watch/station.html"
    return render(request, template, context)


def lines_of(experiment: Experiment) -> tuple[Line, ...]:
    """Get the steps and loops of an experiment's program; none if it is of no known version."""
    try:
        return program_lines(Program.model_validate(experiment.program))
    except ValidationError:
        return ()


def _last(found: Station) -> Experiment | None:
    return (
        found.experiments.exclude(status__in=Experiment.OPEN)
        .select_related("battery")
        .defer("profile_text", "program", "expected")
        .order_by("-ended_at")
        .first()
    )


def _number(step: Present | None) -> int | None:
    return None if step is None else step.number


def _answered(found: Station) -> Command | None:
    """Get the newest order of a person, if the station has answered it and that is still news."""
    newest = (
        found.commands.filter(
            issued_by__isnull=False, issued_at__gt=timezone.now() - _ANSWER_IS_NEWS
        )
        .exclude(action__in=Command.EDITS)
        .select_related("issued_by")
        .first()
    )
    return newest if newest and newest.status not in Command.OPEN else None
