"""A laboratory with one node, one station and experiments on it, and samples to deliver."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from bem.lab.models import Battery, Experiment, Node, Profile, Station


@dataclass
class Batch:
    """Columns as a node sends them; what is not given is told from the number of the row."""

    elapsed_us: Sequence[int]
    voltage: Sequence[float]
    extra: dict[str, Sequence[float | None]] = field(default_factory=dict)
    first_seq: int = 0

    def __post_init__(self) -> None:
        size = len(self.elapsed_us)
        seqs = range(self.first_seq, self.first_seq + size)
        self.step = [1] * size
        self.cycle = [1] * size
        self.current = [-1.0 - seq for seq in seqs]
        self.power = [v * i for v, i in zip(self.voltage, self.current, strict=True)]
        self.charge_in = [0.0] * size
        self.charge_out = [seq / 3600 for seq in seqs]
        self.energy_in = [0.0] * size
        self.energy_out = [seq / 1000 for seq in seqs]


@dataclass
class Happened:
    """An event as a node sends it."""

    kind: str
    data: dict[str, object] = field(default_factory=dict)
    elapsed_us: int = 0
    at: datetime = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    severity: str = "info"
    message: str = "something"


@pytest.fixture
def batch() -> type[Batch]:
    return Batch


@pytest.fixture
def happened() -> type[Happened]:
    return Happened


def add_experiment(status: str = "running", slug: str = "one") -> Experiment:
    node, _ = Node.objects.get_or_create(
        id="node-a",
        defaults={
            "hostname": "a",
            "version": "1",
            "session": uuid.uuid4(),
            "last_seen": timezone.now(),
            "online": True,
        },
    )
    station, _ = Station.objects.get_or_create(
        node=node,
        slug=slug,
        defaults={
            "name": slug,
            "state": "idle",
            "period_ms": 100,
            "channels": [{"name": "temperature_body", "unit": "degC", "title": "Body"}],
        },
    )
    battery, _ = Battery.objects.get_or_create(
        name="cell",
        defaults={
            "technology": "lithium",
            "voltage_min": 2.5,
            "voltage_max": 4.2,
            "current_min": -3,
            "current_max": 3,
        },
    )
    profile, _ = Profile.objects.get_or_create(name="profile", defaults={"text": "Rest for 1 s"})
    return Experiment.objects.create(
        name="run",
        battery=battery,
        station=station,
        profile=profile,
        profile_text="Rest for 1 s",
        program={"name": "p"},
        status=status,
    )


@pytest.fixture
def make_experiment(db: None) -> Callable[..., Experiment]:
    return add_experiment


@pytest.fixture
def experiment(db: None) -> Experiment:
    return add_experiment()
