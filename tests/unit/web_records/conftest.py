"""A laboratory with many records, and browsers signed in as this or that person."""

import random
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from bem.lab.models import (
    Account,
    Battery,
    Experiment,
    Intake,
    LeadAcid,
    Lithium,
    Node,
    Profile,
    RedoxStack,
    Station,
)

ROWS = 220


@pytest.fixture
def sign_in(db: None) -> Callable[[str], Client]:
    """Get a browser signed in as somebody with a role."""

    def enter(role: str) -> Client:
        user, is_new = Account.objects.get_or_create(username=role)
        if is_new and role != "nobody":
            user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return enter


@pytest.fixture
def viewer(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("viewer")


@pytest.fixture
def operator(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("operator")


@pytest.fixture
def stations(db: None) -> list[Station]:
    """One that takes 6 V and 15 A, one that ends at 3 V."""
    node = Node.objects.create(
        id="node-1",
        hostname="node-1",
        version="1",
        session=uuid.uuid4(),
        online=True,
        last_seen=timezone.now(),
    )
    return [
        Station.objects.create(
            node=node,
            slug=name,
            name=name,
            state=Station.State.IDLE,
            period_ms=100,
            voltage_min=0.0,
            voltage_max=top,
            current_min=-15.0,
            current_max=15.0,
        )
        for name, top in (("wide", 6.0), ("narrow", 3.0))
    ]


def _add_details(battery: Battery) -> None:
    match battery.technology:
        case "lithium":
            Lithium.objects.create(battery=battery, capacity=2.5, chemistry="nmc")
        case "lead_acid":
            LeadAcid.objects.create(battery=battery, capacity=12.0, chemistry="gel")
        case _:
            RedoxStack.objects.create(
                battery=battery,
                electrode_area=1.0,
                electrode_composition="felt",
                bipolar_type="other",
                membrane_type="other",
                electrolyte_type="other",
            )


@pytest.fixture
def laboratory(operator: Client, stations: list[Station]) -> None:
    """More rows of everything than fit a page, with equal values among them."""
    person = User.objects.get(username="operator")
    chance = random.Random(7)  # noqa: S311 - the same rows in every run
    batteries = Battery.objects.bulk_create(
        Battery(
            name=f"{chance.choice(('Cell', 'Pack', 'Stack'))} {number % 17}",
            serial_number=f"SN-{number}",
            technology=chance.choice(Battery.Technology.values),
            voltage_min=1.0,
            voltage_max=chance.choice((2.5, 3.5, 4.2)),
            current_min=-5.0,
            current_max=5.0,
            created_by=person,
        )
        for number in range(ROWS)
    )
    for battery in batteries:
        _add_details(battery)
    profiles = Profile.objects.bulk_create(
        Profile(name=f"Profile {number}", text=f"Rest for {number} min", created_by=person)
        for number in range(1, ROWS + 1)
    )
    now = timezone.now()
    Experiment.objects.bulk_create(
        Experiment(
            name=f"Run {number % 23}",
            battery=chance.choice(batteries[:5]),
            station=chance.choice(stations),
            profile=chance.choice(profiles[:5]),
            profile_text="Rest for 1 min",
            program={},
            status=chance.choice(list(Experiment.Status)),
            started_at=chance.choice((None, now - timedelta(hours=number % 9))),
            created_by=person,
        )
        for number in range(ROWS)
    )
    Intake.objects.bulk_create(Intake(experiment=one) for one in Experiment.objects.all())
    Battery.objects.filter(pk__in=[one.pk for one in batteries[-20:]]).update(retired_at=now)
    Profile.objects.filter(pk__in=[one.pk for one in profiles[-20:]]).update(retired_at=now)
