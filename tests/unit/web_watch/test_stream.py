"""The event stream as a browser reads it."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.test import Client

from bem.lab.models import Station
from bem.web.watch.hub import LiveHub
from bem.web.watch.stream import EventStream

Say = Callable[..., None]
Listen = Callable[..., Iterator[bytes]]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def listen(viewer: Client) -> Iterator[Callable[[str], Iterator[bytes]]]:
    opened = []

    def listening(query: str = "") -> Iterator[bytes]:
        answer = viewer.get(f"/live/stream{query}")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/event-stream"
        assert answer["Content-Encoding"] == "identity"
        opened.append(answer)
        return iter(answer)

    yield listening
    for answer in opened:
        answer.close()


def test_a_new_value_is_an_event(listen: Listen, station: Station, hub: LiveHub, say: Say) -> None:
    events = listen(f"?stations={station.pk}")
    assert next(events) == b"retry: 1000\n\n"
    say(hub, values={"voltage": 3.7}, measured_at=NOON)
    name, data = next(events).decode().strip().split("\n")
    assert name == "event: live"
    [reading] = json.loads(data.removeprefix("data: "))["stations"]
    assert reading["station"] == station.pk
    assert reading["values"] == {"voltage": 3.7}
    assert reading["measured_at"] == NOON.isoformat()
    assert 0 <= reading["age"] < 5


def test_garbage_leaves_the_stream_alive(
    listen: Listen, lab: object, hub: LiveHub, say: Say
) -> None:
    events = listen()
    next(events)
    hub.take("bem/v1/nodes/cycler-01/live", b"\x80\x04garbage")
    say(hub, values={"voltage": 3.7})
    assert b'"voltage":3.7' in next(events)


def test_a_silent_stream_shows_that_it_lives(
    lab: object, hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bem.web.watch.stream.KEEPALIVE_S", 0.01)
    events = EventStream(hub, hub.subscribe({}))
    next(events)
    assert next(events).startswith(b":")


def test_the_stream_ends_with_the_process_and_with_its_life(hub: LiveHub) -> None:
    assert list(EventStream(hub, hub.subscribe({}), life_s=0)) == []
    assert hub.subscribers == 0
    events = EventStream(hub, hub.subscribe({}))
    next(events)
    hub.close()
    assert list(events) == [b": still here\n\n"] or hub.subscribers == 0


def test_a_browser_that_leaves_before_the_first_event_is_forgotten(
    viewer: Client, lab: object, hub: LiveHub
) -> None:
    answer = viewer.get("/live/stream")
    assert hub.subscribers == 1
    answer.close()
    assert hub.subscribers == 0


def test_too_many_pages_are_told_to_come_back(viewer: Client, lab: object, hub: LiveHub) -> None:
    answers = [viewer.get("/live/stream") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
    assert answers[-1]["Retry-After"]
    for answer in answers:
        answer.close()


@pytest.mark.parametrize("asked", ["abc", "1,,2", "-1", "1;drop", "²"])
def test_nonsense_is_refused(viewer: Client, lab: object, hub: LiveHub, asked: str) -> None:
    assert viewer.get("/live/stream", {"stations": asked}).status_code == 400
