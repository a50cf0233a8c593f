"""Addresses of the live pages."""

from django.urls import path

from bem.lab.models import Experiment, Station
from bem.web.watch import actions, battery, experiment, monitor, queue, station, stop_all, stream

app_name = "watch"
urlpatterns = [
    path("", monitor.monitor, name="monitor"),
    path("live/stream", stream.stream, name="stream"),
    path("stop-all/", stop_all.StopAll.as_view(), name="stop-all"),
    path("stations/<int:pk>/", station.station, name="station"),
    path("stations/<int:pk>/battery/", battery.StationBattery.as_view(), name="station-battery"),
    path(
        "stations/<int:pk>/battery/remove/",
        battery.StationBatteryRemove.as_view(),
        name="station-battery-remove",
    ),
    path("experiments/<int:pk>/", experiment.experiment, name="experiment"),
    path("experiments/<int:pk>/expected.json", experiment.expected, name="experiment-expected"),
    path("experiments/<int:pk>/samples.csv", experiment.samples, name="experiment-csv"),
    path("experiments/<int:pk>/move/", queue.QueueMove.as_view(), name="queue-move"),
    path("experiments/<int:pk>/queue-hold/", queue.QueueHold.as_view(), name="queue-hold"),
    path("experiments/<int:pk>/release/", queue.QueueRelease.as_view(), name="queue-release"),
    *(
        path(f"{kind}s/<int:pk>/{name}/", actions.view_of(order, model), name=f"{kind}-{name}")
        for kind, model, orders in (
            ("experiment", Experiment, actions.RUN),
            ("station", Station, actions.STATION),
        )
        for name, order in orders.items()
    ),
]
