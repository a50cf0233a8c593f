"""A small laboratory: one node, a running station, and what it has recorded."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from bem.domain.limits import Limits
from bem.domain.program import REST, Compare, End, LoopOp, Program, Quantity, StepOp
from bem.lab.intake import take_samples
from bem.lab.models import Account, Battery, Experiment, Intake, Lithium, Node, Profile, Station
from bem.messages import LiveMessage, SampleColumns, StationLive, encode, topic
from bem.messages.topics import Topic
from bem.web.watch import monitor, stream
from bem.web.watch import station as station_page
from bem.web.watch.hub import LiveHub

CHANNELS = [{"name": "temperature_body", "unit": "degC", "title": "Body temperature"}]


@pytest.fixture(autouse=True)
def no_remembered_failures() -> Iterator[None]:
    yield
    cache.clear()


@pytest.fixture
def sign_in(db: None) -> Callable[[str | None], Client]:
    """Get a browser signed in as somebody with a role; ``None`` is an account without any."""

    def signed_in(role: str | None = "viewer") -> Client:
        user = Account.objects.create_user(f"user-{role}", password="battery-lab-1")
        if role is not None:
            user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def viewer(sign_in: Callable[[str | None], Client]) -> Client:
    return sign_in("viewer")


@dataclass
class Lab:
    node: Node
    station: Station
    battery: Battery
    profile: Profile
    experiment: Experiment

    def more(self, count: int) -> None:
        """Add stations that run, each with something in its queue."""
        for number in range(count):
            station = _station(self.node, f"more-{number}")
            for status in (Experiment.Status.RUNNING, Experiment.Status.QUEUED):
                _experiment(self.battery, station, self.profile, status)

    def record(self, count: int, first: int = 0) -> None:
        """Record samples at 1 Hz by the road that all samples take."""
        rows = range(first, first + count)
        columns = SampleColumns(
            elapsed_us=tuple(row * 1_000_000 for row in rows),
            step=tuple(1 for _ in rows),
            cycle=tuple(1 for _ in rows),
            voltage=tuple(3.0 + row / 1e4 for row in rows),
            current=tuple(-1.5 for _ in rows),
            power=tuple(-4.5 for _ in rows),
            charge_in=tuple(0.0 for _ in rows),
            charge_out=tuple(row / 2400 for row in rows),
            energy_in=tuple(0.0 for _ in rows),
            energy_out=tuple(row / 800 for row in rows),
            extra={"temperature_body": tuple(None if row == first else 25.0 for row in rows)},
        )
        taken = take_samples(self.node.pk, self.experiment.uuid, first, columns)
        assert taken is not None
        self.experiment.refresh_from_db()


def _station(node: Node, slug: str, name: str = "") -> Station:
    return Station.objects.create(
        node=node,
        slug=slug,
        name=name or slug,
        state=Station.State.RUNNING,
        channels=CHANNELS,
        period_ms=100,
    )


def _experiment(
    battery: Battery, station: Station, profile: Profile, status: Experiment.Status
) -> Experiment:
    step = StepOp(
        number=1,
        title="Rest for 1 minute",
        setpoint=REST,
        ends=(End(quantity=Quantity.DURATION, compare=Compare.AT_LEAST, threshold=60),),
    )
    program = Program(
        name="p", operations=(step, LoopOp(start=0, passes=3)), operating=Limits(), capacity=5.0
    )
    experiment = Experiment.objects.create(
        name=f"run at {station.slug}",
        battery=battery,
        station=station,
        profile=profile,
        profile_text=profile.text,
        program=program.model_dump(mode="json"),
        channels=CHANNELS,
        status=status,
        started_at=datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
    )
    Intake.objects.create(experiment=experiment)
    return experiment


@pytest.fixture
def lab(db: None) -> Lab:
    node = Node.objects.create(
        id="cycler-01",
        hostname="cycler-01.lab",
        version="0.1.0",
        session=uuid.uuid4(),
        online=True,
        last_seen=timezone.now() - timedelta(seconds=2),
    )
    station = _station(node, "epc-1", "Bench A")
    battery = Battery.objects.create(
        name="Cell",
        serial_number="7",
        technology="lithium",
        voltage_min=2.5,
        voltage_max=4.2,
        current_min=-5,
        current_max=5,
    )
    Lithium.objects.create(battery=battery, capacity=5.0, chemistry="nmc")
    profile = Profile.objects.create(name="Rests", text="Rest for 1 minute\n")
    experiment = _experiment(battery, station, profile, Experiment.Status.RUNNING)
    station.running_experiment = experiment.uuid
    station.save()
    return Lab(node, station, battery, profile, experiment)


@pytest.fixture
def station(lab: Lab) -> Station:
    return lab.station


@pytest.fixture
def experiment(lab: Lab) -> Experiment:
    return lab.experiment


@pytest.fixture
def battery(lab: Lab) -> Battery:
    return lab.battery


@pytest.fixture
def profile(lab: Lab) -> Profile:
    return lab.profile


@pytest.fixture
def record(lab: Lab) -> Callable[..., None]:
    """Record samples: ``record(count, first=0)``."""
    return lab.record


@pytest.fixture
def more(lab: Lab) -> Callable[[int], None]:
    """Add stations, each with a running and a waiting experiment: ``more(count)``."""
    return lab.more


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveHub]:
    """Give the pages a hub of their own, without a broker."""
    fresh = LiveHub(most_subscribers=3)
    for module in (monitor, station_page, stream):
        monkeypatch.setattr(module, "HUB", fresh)
    yield fresh
    fresh.close()


@pytest.fixture
def say() -> Callable[..., None]:
    """Bring a live message to a hub as the broker would."""

    def said(hub: LiveHub, node: str = "cycler-01", **facts: object) -> None:
        live = StationLive.model_validate({"id": "epc-1", "state": "running", **facts})
        hub.take(topic(node, Topic.LIVE), encode(LiveMessage(stations=(live,))))

    return said
