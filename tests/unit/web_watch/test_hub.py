"""The hub: the newest word of each station reaches whoever watches, and nothing else does."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.messages import NodeGone, NodeStatus, StationReport, encode, topic
from bem.messages.topics import Topic
from bem.web.watch.hub import HubFull, LiveHub, describe

KEY = ("cycler-01", "epc-1")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Say = Callable[..., None]


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> LiveHub:
    return LiveHub(most_subscribers=2, clock=clock)


def test_a_page_gets_what_is_known_when_it_opens(hub: LiveHub, say: Say) -> None:
    say(hub, values={"voltage": 3.7}, measured_at=NOON)
    news = hub.wait(hub.subscribe({KEY: 5}), 0)
    assert news is not None
    assert news.live[5].live.values == {"voltage": 3.7}


def test_a_slow_page_gets_the_newest_and_never_a_backlog(hub: LiveHub, say: Say) -> None:
    page = hub.subscribe({KEY: 5})
    for number in range(1000):
        say(hub, values={"voltage": float(number)}, measured_at=NOON + timedelta(seconds=number))
    assert len(page.pending) == 1
    news = hub.wait(page, 0)
    assert news is not None
    assert news.live[5].live.values == {"voltage": 999.0}
    assert hub.wait(page, 0) is None


def test_a_page_hears_nothing_of_stations_it_does_not_show(hub: LiveHub, say: Say) -> None:
    page = hub.subscribe({("cycler-02", "epc-1"): 9})
    say(hub, values={"voltage": 1.0})
    assert hub.wait(page, 0) is None


def test_a_repeated_reading_grows_old(hub: LiveHub, say: Say, clock: Clock) -> None:
    say(hub, values={"voltage": 3.7}, measured_at=NOON)
    clock.now += 8
    say(hub, values={"voltage": 3.7}, measured_at=NOON)
    known = hub.newest(KEY)
    assert known is not None
    assert known[1] == pytest.approx(8)
    say(hub, values={"voltage": 3.8}, measured_at=NOON + timedelta(seconds=8))
    known = hub.newest(KEY)
    assert known is not None
    assert known[1] == pytest.approx(0)


def test_a_change_of_state_is_told(hub: LiveHub) -> None:
    page = hub.subscribe({KEY: 5})
    told = []
    for state in ("idle", "idle", "running"):
        report = StationReport(id="epc-1", name="x", state=state, period_ms=100)
        status = NodeStatus(
            session=uuid.uuid4(), sent_at=NOON, version="1", hostname="h", stations=(report,)
        )
        hub.take(topic("cycler-01", Topic.STATUS), encode(status))
        news = hub.wait(page, 0)
        told.append(news.changed if news else frozenset())
    assert told == [frozenset({5}), frozenset(), frozenset({5})]


def test_a_lost_node_is_told(hub: LiveHub, say: Say) -> None:
    say(hub, values={"voltage": 1.0})
    page = hub.subscribe({KEY: 5})
    hub.wait(page, 0)
    hub.take(topic("cycler-01", Topic.STATUS), encode(NodeGone(session=uuid.uuid4())))
    news = hub.wait(page, 0)
    assert news is not None
    assert news.changed == {5}


@given(
    st.one_of(st.just("bem/v1/nodes/cycler-01/live"), st.text()),
    st.one_of(
        st.binary(max_size=200),
        st.just(b'{"v":1,"type":"live","stations":[{"id":"epc-1","state":"running","values":3}]}'),
    ),
)
def test_garbage_is_counted_and_dropped(where: str, payload: bytes) -> None:
    hub = LiveHub()
    hub.take(where, payload)
    assert hub.dropped == 1
    assert hub.newest(KEY) is None


def test_no_more_pages_than_the_process_can_serve(hub: LiveHub) -> None:
    first = hub.subscribe({KEY: 5})
    hub.subscribe({KEY: 5})
    with pytest.raises(HubFull):
        hub.subscribe({KEY: 5})
    hub.unsubscribe(first)
    hub.subscribe({KEY: 5})


def test_closing_wakes_who_waits(hub: LiveHub) -> None:
    page = hub.subscribe({KEY: 5})
    waiting = threading.Thread(target=hub.wait, args=(page, 60))
    waiting.start()
    hub.close()
    waiting.join(5)
    assert not waiting.is_alive()


def test_the_memory_of_a_station_is_short_and_bounded(hub: LiveHub, say: Say, clock: Clock) -> None:
    for number in range(2000):
        clock.now += 0.5
        moment = NOON + timedelta(seconds=number)
        say(hub, values={"voltage": float(number)}, measured_at=moment)
    points = hub.points(KEY)
    assert 70 <= len(points) <= 75
    assert points[0][0] <= 300
    assert [age for age, *_ in points] == sorted((age for age, *_ in points), reverse=True)


def test_a_reading_says_all_that_a_page_shows(hub: LiveHub, say: Say) -> None:
    run = uuid.uuid4()
    say(
        hub,
        values={"voltage": 3.7},
        measured_at=NOON,
        experiment=str(run),
        elapsed_us=1_500_000,
        step=2,
        step_title="Rest",
        cycle=3,
    )
    known = hub.newest(KEY)
    assert known is not None
    shown = describe(5, known[0], 0.25)
    assert shown["station"] == 5
    assert shown["measured_at"] == "2026-03-01T12:00:00+00:00"
    assert shown["age"] == 0.25
    assert (shown["experiment"], shown["step"], shown["cycle"]) == (str(run), 2, 3)
