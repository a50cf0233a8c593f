"""One experiment: how it went, and its data to take away."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from bem.lab.models import Experiment
from bem.web.watch.access import viewers_only
from bem.web.watch.export import file_name, samples_as_csv
from bem.web.watch.figures import all_of
from bem.web.watch.station import lines_of

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
    found = get_object_or_404(
        Experiment.objects.select_related(
            "battery", "station__node", "profile", "created_by", "intake"
        ).defer("profile__text"),
        pk=pk,
    )
    context = {
        "experiment": found,
        "active": found.status in Experiment.ACTIVE,
        "queued": found.status == Experiment.Status.QUEUED,
        "lines": lines_of(found),
        "steps": _newest(found.step_results.order_by("-event_seq")[: _ROWS + 1]),
        "cycles": _newest(found.cycle_results.order_by("-cycle")[: _ROWS + 1]),
        "events": _newest(found.events.order_by("-seq")[: _ROWS + 1]),
        "most_rows": _ROWS,
        "figures": all_of(found.station),
    }
    parts_only = "HX-Request" in request.headers
    template = "watch/parts/experiment.html" if parts_only else "watch/experiment.html"
    return render(request, template, context)


@require_safe
@viewers_only
def samples(_request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send all samples as CSV, while they are being read."""
    found = get_object_or_404(Experiment.objects.defer("program", "profile_text"), pk=pk)
    return StreamingHttpResponse(
        samples_as_csv(found),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name(found)}"'},
    )


def _newest(rows: QuerySet[Any]) -> Rows:
    found = list(rows)
    return Rows(found[:_ROWS], more=len(found) > _ROWS)
