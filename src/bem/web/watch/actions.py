"""What a person tells a run, a station, or all of them, from the live pages."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from bem.lab.models import Command, Experiment, Station
from bem.lab.operations import running, stations
from bem.lab.operations.errors import OperationRefused, refusal

_RunOrder = Callable[[HttpRequest, Experiment], Command]
_StationOrder = Callable[[HttpRequest, Station], Command]
_MOST_DIGITS = 9


def tell(request: HttpRequest, operation: Callable[[], object], done: str) -> bool:
    """Do something, say how it went at the top of the next page, and return whether it was done."""
    try:
        operation()
    except OperationRefused as refused:
        for reasons in refused.problems.values():
            for reason in reasons:
                messages.error(request, reason)
        return False
    messages.success(request, done)
    return True


def _run_view(order: _RunOrder, done: str) -> Callable[..., HttpResponse]:
    @require_POST
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        experiment = get_object_or_404(Experiment, pk=pk)
        tell(request, lambda: order(request, experiment), done.format(experiment))
        if request.POST.get("back") == "station":
            return redirect("watch:station", pk=experiment.station_id)
        return redirect("watch:experiment", pk=experiment.pk)

    return view


def _station_view(order: _StationOrder, done: str) -> Callable[..., HttpResponse]:
    @require_POST
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        station = get_object_or_404(Station, pk=pk)
        tell(request, lambda: order(request, station), done.format(station))
        return redirect("watch:station", pk=station.pk)

    return view


def _note(request: HttpRequest) -> str:
    return request.POST.get("note", "")


def _step(request: HttpRequest) -> int:
    """The step that the person saw."""
    given = request.POST.get("step", "")
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise refusal("which step is meant is not known: load the page again", field="step")
    return int(given)


stop = _run_view(
    lambda request, run: running.stop_experiment(request.user, run, _note(request)),
    "The station was told to stop “{}”.",
)
pause = _run_view(
    lambda request, run: running.pause_experiment(request.user, run, _note(request)),
    "The station was told to pause “{}”.",
)
hold = _run_view(
    lambda request, run: running.hold_experiment(request.user, run, _note(request)),
    "The station was told to hold “{}” at its set point.",
)
resume = _run_view(
    lambda request, run: running.resume_experiment(request.user, run, _note(request)),
    "The station was told to go on with “{}”.",
)
skip = _run_view(
    lambda request, run: running.skip_step(request.user, run, _step(request), _note(request)),
    "The station was told to skip the step of “{}”.",
)
change_ends = _run_view(
    lambda request, run: running.change_ends(
        request.user, run, _step(request), request.POST.get("ends", ""), _note(request)
    ),
    "The station was told the other ends of the step of “{}”.",
)

acknowledge = _station_view(
    lambda request, station: stations.acknowledge_fault(request.user, station, _note(request)),
    "The fault of “{}” is being acknowledged.",
)
lock = _station_view(
    lambda request, station: stations.lock_station(request.user, station, _note(request)),
    "“{}” is being locked.",
)
unlock = _station_view(
    lambda request, station: stations.unlock_station(request.user, station, _note(request)),
    "“{}” is being unlocked.",
)
stop_station = _station_view(
    lambda request, station: stations.stop_station(request.user, station, _note(request)),
    "“{}” was told to stop; what waits there is held.",
)
