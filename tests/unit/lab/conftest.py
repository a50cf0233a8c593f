"""A laboratory with people, one node and two stations."""

import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from bem.lab.models import Battery, Node, Profile, Station
from bem.lab.operations.batteries import BatteryInput, LithiumDetails, add_battery
from bem.lab.operations.profiles import ProfileInput, add_profile

CELL = BatteryInput(
    name="Cell",
    manufacturer="Maker",
    model="M50",
    serial_number="1",
    voltage_min=2.5,
    voltage_max=4.2,
    current_min=-5.0,
    current_max=5.0,
    cell_voltage_min=2.5,
    cell_voltage_max=4.2,
    details=LithiumDetails(capacity=2.5, chemistry="nmc"),
)
TEXT = "Charge at C/2 until 4.2 V\nRest for 10 minutes\n"


def _person(role: str) -> User:
    user = User.objects.create_user(role)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def viewer(db: None) -> User:
    return _person("viewer")


@pytest.fixture
def operator(db: None) -> User:
    return _person("operator")


@pytest.fixture
def supervisor(db: None) -> User:
    return _person("supervisor")


@pytest.fixture
def cell() -> BatteryInput:
    """A battery of 2.5 Ah that takes 5 A."""
    return CELL


@pytest.fixture
def make_station(db: None) -> Callable[..., Station]:
    """Make a station of 0 to 6 V and 15 A, unless told otherwise."""
    node = Node.objects.create(
        id="node-1",
        hostname="node-1",
        version="1",
        session=uuid.uuid4(),
        online=True,
        last_seen=timezone.now(),
    )

    def make(name: str, **changes: object) -> Station:
        given: dict[str, object] = {
            "voltage_min": 0.0,
            "voltage_max": 6.0,
            "current_min": -15.0,
            "current_max": 15.0,
            "period_ms": 100,
            "state": Station.State.IDLE,
        }
        return Station.objects.create(node=node, slug=name, name=name, **(given | changes))

    return make


@pytest.fixture
def station(make_station: Callable[..., Station]) -> Station:
    return make_station("one", time_scale=3.0)


@pytest.fixture
def battery(operator: User) -> Battery:
    return add_battery(operator, CELL)


@pytest.fixture
def profile(operator: User) -> Profile:
    return add_profile(operator, ProfileInput(name="Charge", text=TEXT))
