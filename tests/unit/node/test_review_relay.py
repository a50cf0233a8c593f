"""Commands under a full disk and a clock that jumps: a stop gets through, nothing comes late."""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bem.messages import CommandAnswer, CommandOrder
from bem.node.commands import Relay
from bem.node.editor import StationEditor
from bem.node.orders import OrderStore
from bem.runtime.settings import Settings

if TYPE_CHECKING:
    from tests.unit.node.conftest import FakeStation


def order(action: str, life_s: float = 30.0) -> CommandOrder:
    now = datetime.now(UTC)
    return CommandOrder.model_validate(
        {
            "id": uuid.uuid4(),
            "station": "one",
            "action": action,
            "issued_at": now,
            "expires_at": now + timedelta(seconds=life_s),
            "issued_by": "somebody",
        }
    )


class FullStore(OrderStore):
    """A store whose disk has no room left."""

    def add(self, order: CommandOrder) -> bool:
        raise sqlite3.OperationalError(f"database or disk is full ({order.id})")

    def settle(self, answer: CommandAnswer) -> None:
        raise sqlite3.OperationalError(f"database or disk is full ({answer.command})")


@pytest.fixture
def station(make_station: Callable[[str], "FakeStation"]) -> "FakeStation":
    return make_station("one")


@pytest.fixture
def full_store(settings: Settings) -> Iterator[OrderStore]:
    store = FullStore(settings.data_dir / "node.sqlite3")
    yield store
    store.close()


def test_without_a_disk_a_stop_still_reaches_its_station(
    settings: Settings,
    full_store: OrderStore,
    editor: StationEditor,
    station: "FakeStation",
    wait_until: Callable[..., None],
) -> None:
    answers: list[CommandAnswer] = []
    relay = Relay(settings, full_store, answers.append, editor)
    stop = order("stop")
    relay.take(stop)
    wait_until(lambda: answers, "the answer")
    assert station.executed == [stop.id]
    assert answers[0].outcome == "done"


def test_without_a_disk_nothing_else_is_begun_and_the_agent_goes_on(
    settings: Settings,
    full_store: OrderStore,
    editor: StationEditor,
    station: "FakeStation",
) -> None:
    answers: list[CommandAnswer] = []
    relay = Relay(settings, full_store, answers.append, editor)
    relay.take(order("start"))
    relay.take(order("acknowledge"))
    assert station.executed == []
    assert answers == []


def test_a_clock_set_back_does_not_lengthen_the_life_of_an_order(
    settings: Settings,
    editor: StationEditor,
    station: "FakeStation",
    wait_until: Callable[..., None],
) -> None:
    """The station hangs up for longer than the order lives, while the clock goes back an hour."""
    answers: list[CommandAnswer] = []
    offset = timedelta()
    seconds = 100.0
    store = OrderStore(settings.data_dir / "node.sqlite3")
    relay = Relay(
        settings,
        store,
        answers.append,
        editor,
        clock=lambda: seconds,
        now=lambda: datetime.now(UTC) + offset,
    )
    station.answer = lambda _: None
    relay.take(order("start"))
    wait_until(lambda: station.asked("command"), "the order at the station")
    offset = timedelta(hours=-1)
    seconds += 31
    wait_until(lambda: answers, "the order to expire")
    assert answers[0].outcome == "expired"
    station.answer = station.usual
    assert station.executed == []
    relay.stop()
    store.close()


def test_an_order_that_a_wrong_clock_makes_too_long_lives_no_longer_than_it_was_meant_to(
    settings: Settings,
    editor: StationEditor,
    station: "FakeStation",
    wait_until: Callable[..., None],
) -> None:
    answers: list[CommandAnswer] = []
    seconds = 100.0
    store = OrderStore(settings.data_dir / "node.sqlite3")
    relay = Relay(
        settings,
        store,
        answers.append,
        editor,
        clock=lambda: seconds,
        now=lambda: datetime.now(UTC) - timedelta(hours=1),
    )
    station.answer = lambda _: None
    relay.take(order("start"))
    wait_until(lambda: station.asked("command"), "the order at the station")
    seconds += 31
    wait_until(lambda: answers, "the order to expire")
    assert answers[0].outcome == "expired"
    relay.stop()
    store.close()
