"""What a person tells a station from the live pages."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from bem.lab.models import Command, Experiment, Station
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import stop_experiment
from bem.lab.operations.stations import acknowledge_fault


@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Order the station of an experiment to stop it, and go back to where the button was."""
    experiment = get_object_or_404(Experiment, pk=pk)
    note = request.POST.get("note", "")
    _tell(
        request,
        lambda: stop_experiment(request.user, experiment, note),
        f"The station was told to stop “{experiment}”.",
    )
    if request.POST.get("back") == "station":
        return redirect("watch:station", pk=experiment.station_id)
    return redirect("watch:experiment", pk=experiment.pk)


@require_POST
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    """Acknowledge the fault of a station."""
    station = get_object_or_404(Station, pk=pk)
    note = request.POST.get("note", "")
    _tell(
        request,
        lambda: acknowledge_fault(request.user, station, note),
        f"The fault of “{station}” is being acknowledged.",
    )
    return redirect("watch:station", pk=station.pk)


def _tell(request: HttpRequest, operation: Callable[[], Command], done: str) -> None:
    try:
        operation()
    except OperationRefused as refusal:
        for reasons in refusal.problems.values():
            for reason in reasons:
                messages.error(request, reason)
    else:
        messages.success(request, done)
