"""A person says which battery is on a station, and nobody says it of two."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from bem.lab.models import Battery, Experiment, Profile, Station
from bem.lab.operations.batteries import BatteryInput, add_battery, retire_battery
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import queue_experiment
from bem.lab.operations.stations import confirm_battery, remove_battery

Make = Callable[..., Station]


@pytest.fixture
def other(operator: User, cell: BatteryInput) -> Battery:
    return add_battery(operator, replace(cell, serial_number="2"))


@pytest.fixture
def active(operator: User, battery: Battery, station: Station, profile: Profile) -> Experiment:
    made = queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    Experiment.objects.update(status="paused")
    return made


def test_who_said_it_and_when_is_kept(operator: User, battery: Battery, station: Station) -> None:
    confirm_battery(operator, station, battery)
    station.refresh_from_db()
    assert station.battery == battery
    assert station.battery_confirmed_by == operator
    assert station.battery_confirmed_at is not None
    remove_battery(operator, station)
    left = Station.objects.get(pk=station.pk)
    assert (left.battery, left.battery_confirmed_by) == (None, None)
    assert left.battery_confirmed_at is None


def test_a_battery_is_on_one_station_at_a_time(
    operator: User, battery: Battery, station: Station, make_station: Make
) -> None:
    two = make_station("two")
    confirm_battery(operator, station, battery)
    confirm_battery(operator, two, battery)
    station.refresh_from_db()
    two.refresh_from_db()
    assert (station.battery, two.battery) == (None, battery)


def test_a_battery_under_test_stays_where_it_is(
    operator: User, active: Experiment, other: Battery, make_station: Make
) -> None:
    station, battery = active.station, active.battery
    with pytest.raises(OperationRefused, match=r"“E” is paused at “one”.*stop it first"):
        confirm_battery(operator, station, other)
    with pytest.raises(OperationRefused, match="stop it first"):
        remove_battery(operator, station)
    with pytest.raises(OperationRefused, match="under test at “one”"):
        confirm_battery(operator, make_station("two"), battery)
    confirm_battery(operator, station, battery)


def test_a_battery_that_does_not_fit_or_is_retired_is_refused(
    operator: User, battery: Battery, make_station: Make
) -> None:
    weak = make_station("weak", voltage_max=3.0)
    with pytest.raises(OperationRefused) as refused:
        confirm_battery(operator, weak, battery)
    assert "at most 3 V" in refused.value.problems["battery"][0]
    retire_battery(operator, battery)
    with pytest.raises(OperationRefused, match="is retired: choose another"):
        confirm_battery(operator, make_station("fits"), battery)


def test_a_viewer_cannot_say_it(viewer: User, battery: Battery, station: Station) -> None:
    with pytest.raises(PermissionDenied):
        confirm_battery(viewer, station, battery)
    with pytest.raises(PermissionDenied):
        remove_battery(viewer, station)
