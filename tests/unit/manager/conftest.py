"""A manager with a turned clock, its wire in the test's hand, and a laboratory to manage."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from bem.lab.models import Battery, Command, Experiment, Node, Profile, Station
from bem.manager.mailbox import Letter
from bem.manager.service import Manager
from bem.messages import (
    CommandAnswer,
    CommandOrder,
    NodeStatus,
    Outcome,
    StationReport,
    Topic,
    encode,
    topic,
)
from bem.messages.base import Message
from bem.runtime.settings import ManagerSettings

M = TypeVar("M", bound=Message)


@dataclass
class Bench:
    """Everything around a manager, and words to say what happens to it."""

    seconds: float = 1000.0
    sent: list[tuple[str, Message]] = field(default_factory=list)
    wire_up: bool = True
    session: uuid.UUID = field(default_factory=uuid.uuid4)

    def __post_init__(self) -> None:
        self.manager = self.new_manager()

    def new_manager(self) -> Manager:
        self.manager = Manager(
            ManagerSettings(), self.publish, clock=lambda: self.seconds, now=lambda: self.now
        )
        return self.manager

    @property
    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def publish(self, name: str, message: Message) -> bool:
        if self.wire_up:
            self.sent.append((name, message))
        return self.wire_up

    def letters(self, kind: type[M]) -> list[M]:
        return [message for _, message in self.sent if isinstance(message, kind)]

    def orders(self) -> list[CommandOrder]:
        return self.letters(CommandOrder)

    def arrive(self, last: Topic, message: Message | bytes, node: str = "node-a") -> None:
        payload = message if isinstance(message, bytes) else encode(message)
        name = topic(node, last)
        self.manager.heard(name)
        self.manager.receive(Letter(name, payload, self.now))

    def report(
        self,
        *stations: StationReport,
        node: str = "node-a",
        clock_off_s: float = 0.0,
        session: uuid.UUID | None = None,
    ) -> None:
        status = NodeStatus(
            session=session or self.session,
            sent_at=self.now + timedelta(seconds=clock_off_s),
            version="1",
            hostname=node,
            stations=stations or (self.station(),),
        )
        self.arrive(Topic.STATUS, status, node)

    def station(self, slug: str = "one", state: str = "idle", **more: object) -> StationReport:
        return StationReport.model_validate(
            {"id": slug, "name": slug, "state": state, "period_ms": 100} | more
        )

    def answer(
        self, order: CommandOrder, outcome: Outcome, reason: str = "", *, retry: bool = False
    ) -> None:
        answer = CommandAnswer(
            command=order.id, outcome=outcome, reason=reason, retry=retry, answered_at=self.now
        )
        self.arrive(Topic.ANSWERS, answer)

    def pass_time(
        self,
        seconds: float,
        stations: Iterable[StationReport] | None = None,
        step_s: float = 0.5,
    ) -> None:
        """Turn the clock, ticking all the way; with ``stations`` the node keeps reporting them."""
        end = self.seconds + seconds
        reported = None if stations is None else tuple(stations)
        while self.seconds < end:
            self.seconds = min(self.seconds + step_s, end)
            if reported is not None and self.seconds % 4 == 0:
                self.report(*reported)
            self.manager.tick()

    def experiment(
        self, name: str = "run", slug: str = "one", *, confirmed: bool = True
    ) -> Experiment:
        """Queue a run; with ``confirmed`` a person has said that its battery is on the station."""
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
        profile, _ = Profile.objects.get_or_create(name="p", defaults={"text": "Rest for 1 s"})
        if confirmed:
            Station.objects.filter(slug=slug).update(
                battery=battery, battery_confirmed_at=self.now - timedelta(days=1)
            )
        return Experiment.objects.create(
            name=name,
            battery=battery,
            station=Station.objects.get(slug=slug),
            profile=profile,
            profile_text="Rest for 1 s",
            program={"name": "program of " + name},
        )

    def stop(self, experiment: Experiment) -> Command:
        return Command.objects.create(
            station=experiment.station,
            experiment=experiment,
            action="stop",
            arguments={"experiment": str(experiment.uuid)},
            expires_at=self.now + timedelta(seconds=30),
        )

    def node(self, name: str = "node-a") -> Node:
        return Node.objects.get(id=name)


@pytest.fixture
def bench(db: None) -> Bench:
    bench = Bench()
    bench.manager.tick()
    return bench
