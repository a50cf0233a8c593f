"""Stop everything, from any page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from bem.lab.models import Experiment
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.stations import stop_all
from bem.web.records.access import WritePage


class StopAll(WritePage):
    """Asks once more, then tells every station to stop what it runs."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask, and say what would be stopped."""
        running = (
            Experiment.objects.filter(status__in=Experiment.ACTIVE)
            .select_related("station", "battery")
            .only("name", "station__name", "battery__name", "battery__serial_number")
            .order_by("station__name")
        )
        return render(request, "watch/stop_all.html", {"running": running})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Tell them, and say how many were told."""
        try:
            orders = stop_all(request.user, request.POST.get("note", ""))
        except OperationRefused as refused:
            messages.error(request, f"Nothing was stopped: {refused}.")
            return redirect("watch:stop-all")
        messages.success(request, _told(len(orders)))
        return redirect("watch:monitor")


def _told(count: int) -> str:
    if count == 0:
        return "No station had anything to stop. What waits in the queues is held."
    stations = "1 station was" if count == 1 else f"{count} stations were"
    return f"{stations} told to stop. What waits in the queues is held."
