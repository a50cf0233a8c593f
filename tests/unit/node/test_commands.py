"""A command is carried out at most once and answered exactly once, whatever ends in between."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bem.messages import CommandAnswer, CommandOrder, Outcome
from bem.node.commands import Relay
from bem.node.editor import StationEditor
from bem.node.orders import OrderStore
from bem.runtime.local import LocalReply
from bem.runtime.settings import Settings

if TYPE_CHECKING:
    from tests.unit.node.conftest import FakeStation, Recorder


def order(seconds: float = 30.0, **changes: object) -> CommandOrder:
    now = datetime.now(UTC)
    return CommandOrder.model_validate(
        {
            "id": uuid.uuid4(),
            "station": "one",
            "action": "stop",
            "issued_at": now,
            "expires_at": now + timedelta(seconds=seconds),
            "issued_by": "somebody",
        }
        | changes
    )


class Desk:
    """A relay and what it answered."""

    def __init__(self, settings: Settings, editor: StationEditor) -> None:
        self.settings = settings
        self.editor = editor
        self.answers: list[CommandAnswer] = []
        self.begin()

    def begin(self, timeout_s: float = 0.3) -> None:
        self.store = OrderStore(self.settings.data_dir / "node.sqlite3")
        self.relay = Relay(
            self.settings, self.store, self.answers.append, self.editor, timeout_s=timeout_s
        )

    def end(self) -> None:
        self.relay.stop()
        deadline = time.monotonic() + 5
        while any(thread.name.startswith("command-") for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.store.close()

    def outcomes(self) -> list[tuple[str, bool]]:
        return [(answer.outcome.value, answer.retry) for answer in self.answers]


@pytest.fixture
def desk(settings: Settings, editor: StationEditor) -> Iterator[Desk]:
    desk = Desk(settings, editor)
    yield desk
    desk.end()


@pytest.fixture
def station(make_station: Callable[[str], "FakeStation"]) -> "FakeStation":
    return make_station("one")


def test_done(desk: Desk, station: "FakeStation", wait_until: Callable[..., None]) -> None:
    given = order(action="start", arguments={"experiment": "x"})
    desk.relay.take(given)
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("done", False)]
    (request,) = station.asked("command")
    assert (request.id, request.action, request.arguments) == (
        given.id,
        "start",
        {"experiment": "x"},
    )


def test_a_repeated_order_gets_the_same_answer_and_is_not_carried_out_again(
    desk: Desk, station: "FakeStation", wait_until: Callable[..., None]
) -> None:
    given = order()
    desk.relay.take(given)
    wait_until(lambda: desk.answers, "an answer")
    for _ in range(3):
        desk.relay.take(given)
    desk.end()
    desk.begin()
    desk.relay.take(given)
    assert len(desk.answers) == 5
    assert len(set(desk.answers)) == 1
    assert len(station.asked("command")) == 1


@pytest.mark.parametrize("retry", [True, False])
def test_refused(
    retry: bool, desk: Desk, station: "FakeStation", wait_until: Callable[..., None]
) -> None:
    station.answer = lambda _: LocalReply(ok=False, reason="no", retry=retry)
    desk.relay.take(order())
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("refused", retry)]
    assert desk.answers[0].reason == "no"


def test_a_station_that_is_down_refuses_for_now(
    desk: Desk, wait_until: Callable[..., None]
) -> None:
    desk.relay.take(order())
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("refused", True)]


def test_an_order_that_comes_too_late_is_not_carried_out(
    desk: Desk, station: "FakeStation", wait_until: Callable[..., None]
) -> None:
    desk.relay.take(order(seconds=-1))
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("expired", False)]
    assert station.requests == []


def test_a_station_that_hangs_up_is_asked_again_for_the_same_id(
    desk: Desk, station: "FakeStation", wait_until: Callable[..., None]
) -> None:
    calls = 0

    def answer(request: object) -> LocalReply | None:
        nonlocal calls
        calls += 1
        return None if calls == 1 else LocalReply(ok=True)

    station.answer = answer
    desk.relay.take(order())
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("done", False)]
    assert len({request.id for request in station.requests}) == 1


def test_a_station_that_hangs_until_the_end_lets_the_order_expire(
    desk: Desk, station: "FakeStation", wait_until: Callable[..., None]
) -> None:
    station.hang.set()
    desk.relay.take(order(seconds=1))
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("expired", False)]


def test_a_hung_start_does_not_hold_up_a_stop(
    desk: Desk, station: "FakeStation", wait_until: Callable[..., None]
) -> None:
    station.hang.set()
    first = order(action="start")
    desk.relay.take(first)
    wait_until(station.hung.is_set, "the start to hang")
    station.hang.clear()
    second = order()
    desk.relay.take(second)
    wait_until(lambda: desk.answers, "an answer")
    assert desk.answers[0].command == second.id


def test_the_journal_answers_for_a_station_that_died_after_the_command(
    desk: Desk,
    station: "FakeStation",
    recorder: "Recorder",
    wait_until: Callable[..., None],
) -> None:
    given = order(action="start")

    def die(_: object) -> LocalReply | None:
        recorder.database.execute(
            "INSERT INTO command VALUES (?, 'now', ?)",
            (str(given.id), LocalReply(ok=True).model_dump_json()),
        )
        return None

    station.answer = die
    desk.relay.take(given)
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("done", False)]


def test_an_agent_that_died_before_the_answer_asks_again(
    settings: Settings,
    desk: Desk,
    station: "FakeStation",
    wait_until: Callable[..., None],
) -> None:
    given = order()
    desk.store.add(given)
    station.executed.append(given.id)
    desk.relay.resume()
    wait_until(lambda: desk.answers, "an answer")
    assert desk.outcomes() == [("done", False)]
    assert station.executed == [given.id]


def test_the_first_answer_stays(desk: Desk) -> None:
    given = order()
    desk.store.add(given)
    for outcome in (Outcome.DONE, Outcome.EXPIRED):
        desk.store.settle(
            CommandAnswer(command=given.id, outcome=outcome, answered_at=datetime.now(UTC))
        )
    found = desk.store.answer_of(given.id)
    assert found is not None
    assert found.outcome == Outcome.DONE


def test_a_broken_store_is_put_aside(settings: Settings) -> None:
    path = settings.data_dir / "node.sqlite3"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all " * 500)
    store = OrderStore(path)
    assert store.add(order())
    store.close()
    assert path.with_name("node.sqlite3.broken").exists()
