"""The page of a node: its devices, as the newest search found them, and what to make of them."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_vary_headers

from bem.lab.models import Device, Node, Station
from bem.lab.operations.definitions import drivers_of, keeps_from_change
from bem.web.records.access import RolePage, SetUpPage


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A device with what people call its driver, and the station that has it."""

    device: Device
    driver_title: str
    station: Station | None

    @property
    def makes_station(self) -> bool:
        """Whether it can be the power path of a new station."""
        return self._is_free and self.device.power is not False

    @property
    def measures(self) -> bool:
        """Whether it can be a meter of a station, and no more."""
        return self._is_free and self.device.power is False

    @property
    def _is_free(self) -> bool:
        return self.device.present and self.device.state == Device.State.FREE


class NodePage(RolePage):
    """The devices of a node, those that have gone last."""

    def get(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Show the page, or to htmx only what may have changed."""
        node = get_object_or_404(Node, pk=pk)
        stations = {station.slug: station for station in node.stations.filter(present=True)}
        titles = {name: str(one["title"]) for name, one in drivers_of(node).items()}
        lines = [
            DeviceLine(one, titles.get(one.driver, one.driver), stations.get(one.station_slug))
            for one in node.devices.order_by("-present", "place")
        ]
        parts_only = "HX-Request" in request.headers
        template = "records/parts/node_devices.html" if parts_only else "records/node.html"
        response = render(request, template, {"node": node, "lines": lines})
        patch_vary_headers(response, ["HX-Request"])
        return response


class MeterPlaces(SetUpPage):
    """Choose the station that a found meter shall measure at."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the stations of its node, and what keeps one from being changed now."""
        device = get_object_or_404(Device.objects.select_related("node"), pk=pk)
        stations = device.node.stations.filter(present=True).select_related("node")
        context = {
            "device": device,
            "places": [(one, keeps_from_change(one)) for one in stations],
        }
        return render(request, "records/meter_places.html", context)
