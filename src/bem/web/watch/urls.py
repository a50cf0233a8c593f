"""Addresses of the live pages."""

from django.urls import path

from bem.web.watch import actions, experiment, monitor, station, stream

app_name = "watch"
urlpatterns = [
    path("", monitor.monitor, name="monitor"),
    path("live/stream", stream.stream, name="stream"),
    path("stations/<int:pk>/", station.station, name="station"),
    path("stations/<int:pk>/acknowledge/", actions.acknowledge, name="station-acknowledge"),
    path("experiments/<int:pk>/", experiment.experiment, name="experiment"),
    path("experiments/<int:pk>/samples.csv", experiment.samples, name="experiment-csv"),
    path("experiments/<int:pk>/stop/", actions.stop, name="experiment-stop"),
]
