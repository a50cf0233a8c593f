"""Batteries: what is stored, what is refused, and that a refusal stores nothing."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models.signals import pre_save

from bem.lab.models import Battery, Experiment, LeadAcid, Lithium, Profile, RedoxStack, Station
from bem.lab.operations.batteries import (
    BatteryInput,
    LeadAcidDetails,
    LithiumDetails,
    RedoxStackDetails,
    add_battery,
    described,
    edit_battery,
    restore_battery,
    retire_battery,
)
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.experiments import cancel_experiment, queue_experiment

LEAD = LeadAcidDetails(capacity=12.0, chemistry="gel")
STACK = RedoxStackDetails(
    electrode_area=100.0,
    electrode_composition="Carbon felt",
    bipolar_type="graphite",
    membrane_type="nafion",
    electrolyte_type="all_vanadium",
)


@contextmanager
def refused() -> Iterator[dict[str, str]]:
    """Expect a refusal that stores nothing; yields its reasons, field by field, afterwards."""
    before = (Battery.objects.count(), Lithium.objects.count(), LeadAcid.objects.count())
    reasons: dict[str, str] = {}
    with pytest.raises(OperationRefused) as caught:
        yield reasons
    reasons |= {field: " | ".join(all_) for field, all_ in caught.value.problems.items()}
    assert before == (Battery.objects.count(), Lithium.objects.count(), LeadAcid.objects.count())


@pytest.mark.parametrize("details", [LithiumDetails(capacity=2.5, chemistry="lfp"), LEAD, STACK])
def test_a_battery_of_each_technology_comes_back_as_given(
    operator: User, cell: BatteryInput, details: LithiumDetails | LeadAcidDetails
) -> None:
    given = replace(cell, details=details, fabricated_on=date(2026, 1, 31), description="from A")
    battery = add_battery(operator, given)
    assert described(Battery.objects.get(pk=battery.pk)) == given
    assert battery.created_by == operator
    assert battery.capacity == getattr(details, "capacity", None)


def test_surrounding_blanks_are_not_part_of_a_name(operator: User, cell: BatteryInput) -> None:
    assert add_battery(operator, replace(cell, name="  Cell ")).name == "Cell"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"voltage_min": 4.3}, "voltage_min", ["4.3 V", "4.2 V"]),
        ({"voltage_min": 4.2, "cell_voltage_min": None}, "voltage_min", ["4.2 V", "below"]),
        ({"cell_voltage_min": 4.5}, "cell_voltage_min", ["4.5 V", "4.2 V"]),
        ({"voltage_max": math.inf}, "voltage_max", ["inf", "plain number"]),
        ({"voltage_min": math.nan}, "voltage_min", ["nan"]),
        ({"current_min": 5.0}, "current_min", ["5 A", "-5 A"]),
        ({"current_max": -5.0}, "current_max", ["-5 A"]),
        ({"current_min": 0.0, "current_max": 0.0}, "current_max", ["0 A"]),
        ({"cells": 0}, "cells", ["1"]),
        ({"voltage_max": 12.6}, "voltage_max", ["12.6 V", "1 x 4.2 V"]),
        ({"voltage_min": 1.0}, "voltage_min", ["1 V", "1 x 2.5 V"]),
        ({"name": " "}, "name", ["blank"]),
        ({"name": "x" * 65}, "name", ["64", "65"]),
        ({"name": "a\x00b"}, "name", ["NUL"]),
        ({"details": LithiumDetails(capacity=0.0, chemistry="nmc")}, "capacity", ["greater"]),
        ({"details": LithiumDetails(capacity=1.0, chemistry="gel")}, "chemistry", ["gel"]),
        ({"details": replace(STACK, electrode_composition=" ")}, "electrode_composition", ["bla"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_field_and_value(
    operator: User, cell: BatteryInput, changes: dict[str, Any], field: str, words: list[str]
) -> None:
    with refused() as reasons:
        add_battery(operator, replace(cell, **changes))
    assert field in reasons
    for word in words:
        assert word in reasons[field]


def test_everything_wrong_is_said_at_once(operator: User, cell: BatteryInput) -> None:
    with refused() as reasons:
        add_battery(operator, replace(cell, name="", voltage_min=9.0, current_min=1.0))
    assert set(reasons) == {"name", "voltage_min", "current_min"}


def test_a_pack_may_use_all_its_cells_allow(operator: User, cell: BatteryInput) -> None:
    add_battery(operator, replace(cell, cells=3, voltage_min=7.5, voltage_max=12.6))


def test_the_same_four_names_are_refused_naming_them(operator: User, cell: BatteryInput) -> None:
    add_battery(operator, cell)
    with refused() as reasons:
        add_battery(operator, cell)
    for word in ("“Cell”", "“Maker”", "“M50”", "serial number “1”"):
        assert word in reasons["name"]
    add_battery(operator, replace(cell, serial_number="2"))


def test_who_loses_a_race_for_a_name_is_refused(operator: User, cell: BatteryInput) -> None:
    def somebody_is_faster(instance: Battery, **_: object) -> None:
        pre_save.disconnect(somebody_is_faster, Battery)
        add_battery(operator, cell)

    pre_save.connect(somebody_is_faster, Battery)
    with pytest.raises(OperationRefused, match="already"):
        add_battery(operator, cell)
    # The faster one shares the only connection here, and so went with the refused one.
    assert not Battery.objects.exists()


def test_nothing_half_is_stored_when_the_details_fail(operator: User, cell: BatteryInput) -> None:
    def fail(**_: object) -> None:
        raise IntegrityError

    pre_save.connect(fail, Lithium)
    try:
        with refused():
            add_battery(operator, cell)
    finally:
        pre_save.disconnect(fail, Lithium)


def test_only_operators_describe_batteries(
    viewer: User, operator: User, cell: BatteryInput, battery: Battery
) -> None:
    for user in (viewer, AnonymousUser(), User.objects.create_user("nobody")):
        with pytest.raises(PermissionDenied):
            add_battery(user, replace(cell, name="Other"))
        with pytest.raises(PermissionDenied):
            edit_battery(user, battery, replace(cell, name="Other"))
        for change in (retire_battery, restore_battery):
            with pytest.raises(PermissionDenied):
                change(user, battery)
    assert described(Battery.objects.get()) == cell


def test_an_unused_battery_can_become_another_technology(
    operator: User, cell: BatteryInput, battery: Battery
) -> None:
    given = replace(cell, details=STACK, name="Stack")
    edit_battery(operator, battery, given)
    assert described(Battery.objects.get()) == given
    assert not Lithium.objects.exists()
    assert RedoxStack.objects.count() == 1


def test_an_edit_may_not_take_the_names_of_another(
    operator: User, cell: BatteryInput, battery: Battery
) -> None:
    other = add_battery(operator, replace(cell, serial_number="2"))
    with refused() as reasons:
        edit_battery(operator, other, cell)
    assert "already" in reasons["name"]
    assert Battery.objects.get(pk=other.pk).serial_number == "2"


def test_of_a_used_battery_only_the_description_changes(
    operator: User, cell: BatteryInput, battery: Battery, station: Station, profile: Profile
) -> None:
    queue_experiment(operator, name="E", battery=battery, station=station, profile=profile)
    edit_battery(operator, battery, replace(cell, description="seen"))
    assert Battery.objects.get().description == "seen"
    wider = replace(cell, current_max=50.0, details=LithiumDetails(capacity=9.0, chemistry="nmc"))
    with refused() as reasons:
        edit_battery(operator, battery, wider)
    assert set(reasons) == {"current_max", "capacity"}
    assert "stays 5" in reasons["current_max"]
    with refused() as reasons:
        edit_battery(operator, battery, replace(cell, details=LEAD))
    assert set(reasons) == {"technology"}
    assert described(Battery.objects.get()) == replace(cell, description="seen")


def test_a_cancelled_experiment_has_used_nothing(
    operator: User, cell: BatteryInput, battery: Battery, station: Station, profile: Profile
) -> None:
    cancel_experiment(
        operator,
        queue_experiment(operator, name="E", battery=battery, station=station, profile=profile),
    )
    edit_battery(operator, battery, replace(cell, current_max=4.0))
    assert Battery.objects.get().current_max == 4.0


def test_a_battery_in_the_queue_is_not_retired(
    operator: User, battery: Battery, station: Station, profile: Profile
) -> None:
    experiment = queue_experiment(
        operator, name="Ageing", battery=battery, station=station, profile=profile
    )
    with refused() as reasons:
        retire_battery(operator, battery)
    assert "“Ageing”" in reasons["__all__"]
    cancel_experiment(operator, experiment)
    retire_battery(operator, battery)
    retired_at = Battery.objects.get().retired_at
    retire_battery(operator, battery)
    assert Battery.objects.get().retired_at == retired_at is not None
    restore_battery(operator, battery)
    assert Battery.objects.get().retired_at is None
    assert Experiment.objects.count() == 1


def test_a_battery_that_is_gone_is_said_to_be(
    operator: User, cell: BatteryInput, battery: Battery
) -> None:
    gone = Battery.objects.get()
    battery.delete()
    with refused() as reasons:
        edit_battery(operator, gone, cell)
    assert "not there any more" in reasons["__all__"]
