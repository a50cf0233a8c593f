"""Addresses of the record pages."""

from django.urls import path

from bem.web.records import batteries, experiments, nodes, profiles, stations

app_name = "records"
urlpatterns = [
    path("batteries/", batteries.BatteryList.as_view(), name="battery-list"),
    path("batteries/add/", batteries.BatteryAdd.as_view(), name="battery-add"),
    path("batteries/<int:pk>/", batteries.BatteryPage.as_view(), name="battery"),
    path("batteries/<int:pk>/edit/", batteries.BatteryEdit.as_view(), name="battery-edit"),
    path("batteries/<int:pk>/retire/", batteries.BatteryRetire.as_view(), name="battery-retire"),
    path("batteries/<int:pk>/restore/", batteries.BatteryRestore.as_view(), name="battery-restore"),
    path("profiles/", profiles.ProfileList.as_view(), name="profile-list"),
    path("profiles/add/", profiles.ProfileAdd.as_view(), name="profile-add"),
    path("profiles/check/", profiles.ProfileCheck.as_view(), name="profile-check"),
    path("profiles/complete/", profiles.ProfileComplete.as_view(), name="profile-complete"),
    path("profiles/read/", profiles.ProfileRead.as_view(), name="profile-read"),
    path("profiles/<int:pk>/profile.yaml", profiles.ProfileYaml.as_view(), name="profile-yaml"),
    path("profiles/<int:pk>/", profiles.ProfilePage.as_view(), name="profile"),
    path("profiles/<int:pk>/edit/", profiles.ProfileEdit.as_view(), name="profile-edit"),
    path("profiles/<int:pk>/retire/", profiles.ProfileRetire.as_view(), name="profile-retire"),
    path("profiles/<int:pk>/restore/", profiles.ProfileRestore.as_view(), name="profile-restore"),
    path("experiments/", experiments.ExperimentList.as_view(), name="experiment-list"),
    path("experiments/add/", experiments.ExperimentAdd.as_view(), name="experiment-add"),
    path(
        "experiments/dry-run/",
        experiments.ExperimentDryRun.as_view(),
        name="experiment-dry-run",
    ),
    path(
        "experiments/<int:pk>/edit/", experiments.ExperimentEdit.as_view(), name="experiment-edit"
    ),
    path(
        "experiments/<int:pk>/cancel/",
        experiments.ExperimentCancel.as_view(),
        name="experiment-cancel",
    ),
    path("nodes/<slug:pk>/", nodes.NodePage.as_view(), name="station-node"),
    path("devices/<int:pk>/station/", nodes.MeterPlaces.as_view(), name="station-meter-places"),
    path("stations/", stations.StationList.as_view(), name="station-list"),
    path("stations/add/", stations.StationAdd.as_view(), name="station-add"),
    path("stations/<int:pk>/edit/", stations.StationEdit.as_view(), name="station-edit"),
    path("stations/<int:pk>/remove/", stations.StationRemove.as_view(), name="station-remove"),
    path("stations/<int:pk>/set-up/", stations.StationSetUp.as_view(), name="station-set-up"),
]
