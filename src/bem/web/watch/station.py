"""One station: what it does now, and what waits for it."""

from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from bem.domain.program import Program
from bem.lab.models import Command, Event, Experiment, Station
from bem.web.records.outline import Line, program_lines
from bem.web.watch.access import viewers_only
from bem.web.watch.figures import Figure, all_of
from bem.web.watch.monitor import OFFLINE
from bem.web.watch.process_hub import HUB

_RECENT_EVENTS = 12
_QUEUE = 20
_REFUSAL_IS_NEWS = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Plot:
    """What the script needs to draw; an experiment's whole run, or what comes in live."""

    experiment: int | None
    uuid: str
    time_scale: float
    channels: list[Figure]


@require_safe
@viewers_only
def station(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the page, or to htmx only what may have changed."""
    found = get_object_or_404(Station.objects.select_related("node"), pk=pk)
    running = (
        found.experiments.filter(status__in=Experiment.ACTIVE)
        .select_related("battery", "profile")
        .defer("profile_text", "profile__text")
        .order_by("pk")
        .last()
    )
    last = (
        None
        if running
        else found.experiments.exclude(status__in=Experiment.OPEN)
        .select_related("battery")
        .defer("profile_text", "program")
        .order_by("-ended_at")
        .first()
    )
    shown = running or last
    context = {
        "station": found,
        "state": str(found.state) if found.node.online else OFFLINE,
        "running": running,
        "last": last,
        "lines": lines_of(running) if running else (),
        "queue": found.experiments.filter(status=Experiment.Status.QUEUED)
        .select_related("battery", "profile", "created_by")
        .defer("profile_text", "program", "profile__text")
        .order_by("pk")[:_QUEUE],
        "events": Event.objects.filter(experiment=shown).order_by("-seq")[:_RECENT_EVENTS]
        if shown
        else (),
        "command": found.commands.filter(
            status__in=Command.OPEN, expires_at__gt=timezone.now()
        ).first(),
        "refused": _refused(found),
        "figures": all_of(found),
        "plot": Plot(
            running.pk if running else None,
            str(running.uuid) if running else "",
            found.time_scale,
            list(all_of(found)),
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


def _refused(found: Station) -> Command | None:
    """Get the newest order of a person, if the station did not take it and it is still news."""
    newest = (
        found.commands.filter(
            issued_by__isnull=False, issued_at__gt=timezone.now() - _REFUSAL_IS_NEWS
        )
        .exclude(status__in=Command.OPEN)
        .select_related("issued_by")
        .first()
    )
    failed = (Command.Status.REFUSED, Command.Status.EXPIRED)
    return newest if newest and newest.status in failed else None
