"""Say which battery is on a station: nothing starts there with another one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from bem.lab.models import Battery, Station
from bem.lab.operations import stations
from bem.lab.operations.errors import refusal
from bem.lab.operations.fitting import misfits
from bem.lab.waiting import next_of
from bem.web.records.access import WritePage
from bem.web.records.forms import chosen_row
from bem.web.watch.actions import tell


class StationBattery(WritePage):
    """The form, for any battery that fits; the station's page offers the next one by a button."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what fits, the battery of the next experiment chosen."""
        station = _station(pk)
        following = next_of(station.pk).select_related("battery").only("battery").first()
        wanted = chosen_row(request, "battery", Battery.objects.all())
        if wanted is None:
            wanted = following.battery if following else station.battery
        batteries = Battery.objects.filter(retired_at__isnull=True).order_by("name", "pk")
        context = {
            "station": station,
            "batteries": [one for one in batteries if not misfits(one, station)],
            "wanted": wanted,
        }
        return render(request, "watch/station_battery.html", context)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write it down."""
        station = _station(pk)
        battery = chosen_row(request, "battery", Battery.objects.all())

        def confirm() -> None:
            if battery is None:
                raise refusal("there is no such battery: choose one of the list", field="battery")
            stations.confirm_battery(request.user, station, battery)

        if tell(request, confirm, f"“{battery}” is on “{station}”."):
            return redirect("watch:station", pk=station.pk)
        return redirect("watch:station-battery", pk=station.pk)


class StationBatteryRemove(WritePage):
    """Say that the battery was taken off."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write it down."""
        station = _station(pk)
        tell(
            request,
            lambda: stations.remove_battery(request.user, station),
            f"No battery is on “{station}” any more.",
        )
        return redirect("watch:station", pk=station.pk)


def _station(pk: int) -> Station:
    return get_object_or_404(Station.objects.select_related("node", "battery"), pk=pk)
