"""What a person tells a run or a station from the live pages: a table of orders, each an address.

An order's form gives a note, and what else the order ``asks`` of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from bem.lab.models import Command, Experiment, Station
from bem.lab.operations import running, stations
from bem.lab.operations.errors import OperationRefused, refusal

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


@dataclass(frozen=True, slots=True)
class Order:
    """What ``operation`` tells the station; it takes the user, whom it is about, ``asks``, a note.

    ``done`` says to the person that it was told; ``{}`` is whom it is about.
    """

    operation: Callable[..., Command]
    done: str
    asks: tuple[Callable[[HttpRequest], object], ...] = ()

    def give(self, request: HttpRequest, about: Experiment | Station) -> None:
        """Give it, as the form says, and say how that went."""
        tell(
            request,
            lambda: self.operation(
                request.user,
                about,
                *(read(request) for read in self.asks),
                request.POST.get("note", ""),
            ),
            self.done.format(about),
        )


def _step(request: HttpRequest) -> int:
    """The step that the person saw."""
    given = request.POST.get("step", "")
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise refusal("which step is meant is not known: load the page again", field="step")
    return int(given)


def _ends(request: HttpRequest) -> str:
    return request.POST.get("ends", "")


RUN = {
    "stop": Order(running.stop_experiment, "The station was told to stop “{}”."),
    "pause": Order(running.pause_experiment, "The station was told to pause “{}”."),
    "hold": Order(running.hold_experiment, "The station was told to hold “{}” at its set point."),
    "resume": Order(running.resume_experiment, "The station was told to go on with “{}”."),
    "skip": Order(running.skip_step, "The station was told to skip the step of “{}”.", (_step,)),
    "ends": Order(
        running.change_ends,
        "The station was told the other ends of the step of “{}”.",
        (_step, _ends),
    ),
}
STATION = {
    "acknowledge": Order(stations.acknowledge_fault, "The fault of “{}” is being acknowledged."),
    "lock": Order(stations.lock_station, "“{}” is being locked."),
    "unlock": Order(stations.unlock_station, "“{}” is being unlocked."),
    "stop": Order(stations.stop_station, "“{}” was told to stop; what waits there is held."),
}


def view_of(order: Order, kind: type[Experiment | Station]) -> Callable[..., HttpResponse]:
    """Make the view that gives an order; it leads back to where the person was."""

    @require_POST
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        about: Experiment | Station = (
            get_object_or_404(Station, pk=pk)
            if kind is Station
            else get_object_or_404(Experiment, pk=pk)
        )
        order.give(request, about)
        if isinstance(about, Station):
            return redirect("watch:station", pk=about.pk)
        if request.POST.get("back") == "station":
            return redirect("watch:station", pk=about.station_id)
        return redirect("watch:experiment", pk=about.pk)

    return view
