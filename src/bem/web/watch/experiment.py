"""One experiment: how it went, and its data to take away."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from bem.lab.models import Experiment
from bem.lab.rights import Role
from bem.lab.waiting import why_waiting
from bem.web.foretold import read_dry_run
from bem.web.roles import role_on
from bem.web.watch.access import viewers_only
from bem.web.watch.controls import run_controls
from bem.web.watch.export import file_name, samples_as_csv
from bem.web.watch.figures import all_of
from bem.web.watch.process_hub import HUB
from bem.web.watch.queue import read_afterwards
from bem.web.watch.station import lines_of
from bem.web.watch.steps import present_step

_ROWS = 200
"""Rows of a table on the page."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The newest rows of a table; ``more``: there are older ones."""

    newest: list[Any]
    more: bool


@require_safe
@viewers_only
def experiment(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the page, or to htmx only what may have changed."""
    # What was foretold is long and does not change.
    parts_only = "HX-Request" in request.headers
    found = get_object_or_404(
        Experiment.objects.select_related(
            "battery", "station__node", "profile", "created_by", "intake"
        ).defer("profile__text", "channels", *(("expected",) if parts_only else ())),
        pk=pk,
    )
    events = _newest(found.events.order_by("-seq")[: _ROWS + 1])
    active = found.status in Experiment.ACTIVE
    station = found.station
    heard = HUB.newest((station.node_id, station.slug)) if active else None
    step = present_step(found if active else None, heard, events.newest)
    role = role_on(request)
    context = {
        "experiment": found,
        "controls": run_controls(
            found,
            station,
            role,
            step=None if step is None else step.number,
            following=read_afterwards(station) if active and role >= Role.OPERATOR else "",
        ),
        "step": step,
        "foretold": None if parts_only else read_dry_run(found.expected),
        "why": why_waiting(found),
        "active": active,
        "queued": found.status == Experiment.Status.QUEUED,
        "lines": lines_of(found),
        "steps": _newest(found.step_results.order_by("-event_seq")[: _ROWS + 1]),
        "cycles": _newest(found.cycle_results.order_by("-cycle")[: _ROWS + 1]),
        "events": events,
        "most_rows": _ROWS,
        "figures": all_of(found.station),
    }
    template = "watch/parts/experiment.html" if parts_only else "watch/experiment.html"
    return render(request, template, context)


@require_safe
@viewers_only
def expected(_request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send the curve that was foretold when the experiment was queued."""
    found = get_object_or_404(Experiment.objects.only("expected"), pk=pk)
    foretold = read_dry_run(found.expected)
    if foretold is None:
        raise Http404
    return JsonResponse(foretold.curve.model_dump())


@require_safe
@viewers_only
def samples(_request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send all samples as CSV, while they are being read."""
    found = get_object_or_404(
        Experiment.objects.defer("program", "profile_text", "expected"), pk=pk
    )
    return StreamingHttpResponse(
        samples_as_csv(found),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name(found)}"'},
    )


def _newest(rows: QuerySet[Any]) -> Rows:
    found = list(rows)
    return Rows(found[:_ROWS], more=len(found) > _ROWS)
