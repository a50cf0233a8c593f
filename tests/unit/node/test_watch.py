"""A station's state is known soon, and one that hangs delays nobody."""

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bem.node.definitions import Definitions
from bem.node.watch import StationWatch
from bem.runtime.local import LocalReply, LocalRequest
from bem.runtime.settings import Settings, StationDefinition

if TYPE_CHECKING:
    from tests.unit.node.conftest import FakeStation

WaitUntil = Callable[..., None]


@pytest.fixture
def watch(settings: Settings) -> Iterator[Callable[[str], StationWatch]]:
    made: list[StationWatch] = []

    def make(station: str) -> StationWatch:
        definition = StationDefinition.model_validate(
            {"id": station, "name": station, "power": {"driver": "virtual"}}
        )
        made.append(
            StationWatch(
                definition,
                settings.station_socket(station),
                live_s=0.02,
                heartbeat_s=60,
                on_change=lambda: None,
            )
        )
        made[-1].start()
        return made[-1]

    yield make
    for it in made:
        it.stop()
        it._thread.join(5)


def test_a_station_is_described(
    watch: Callable[[str], StationWatch],
    make_station: Callable[[str], "FakeStation"],
    wait_until: WaitUntil,
) -> None:
    station = make_station("one")
    it = watch("one")
    wait_until(lambda: it.report.state == "idle", "idle")
    assert it.report.voltage_max == 6.0
    assert it.report.channels[0].name == "temperature_body"
    wait_until(lambda: it.live.values == {"voltage": 3.7}, "live")
    station.experiment, station.state = uuid.uuid4(), "running"
    wait_until(lambda: it.report.experiment == station.experiment, "the experiment")
    assert it.report.state == "running"
    it.forget(station.experiment, 5, 2)
    wait_until(lambda: station.asked("forget"), "the watermarks")
    (request,) = station.asked("forget")
    assert (request.next_sample, request.next_event) == (5, 2)


def test_a_station_that_goes_and_comes_is_down_meanwhile(
    watch: Callable[[str], StationWatch],
    make_station: Callable[[str], "FakeStation"],
    wait_until: WaitUntil,
) -> None:
    it = watch("one")
    wait_until(it.asked.is_set, "the first question")
    assert (it.report.state, it.live.state) == ("down", "down")
    station = make_station("one")
    wait_until(lambda: it.report.state == "idle", "idle")
    station.close()
    wait_until(lambda: it.report.state == "down", "down")
    make_station("one")
    wait_until(lambda: it.report.state == "idle", "idle again")


@pytest.mark.parametrize(
    "body",
    [{}, {"state": "dancing"}, {"state": "idle", "values": {"voltage": None}}],
)
def test_a_station_that_answers_nonsense_is_down(
    body: dict[str, object],
    watch: Callable[[str], StationWatch],
    make_station: Callable[[str], "FakeStation"],
    wait_until: WaitUntil,
) -> None:
    station = make_station("one")
    station.answer = lambda _: LocalReply(ok=True, body=body)
    it = watch("one")
    wait_until(it.asked.is_set, "the first question")
    answered = it.report
    assert answered.state == "down"
    station.answer = station.usual
    wait_until(lambda: it.report.state == "idle", "idle")


def test_a_hung_station_delays_no_other(
    watch: Callable[[str], StationWatch],
    make_station: Callable[[str], "FakeStation"],
    wait_until: WaitUntil,
) -> None:
    hung, lively = make_station("hung"), make_station("lively")
    hung.hang.set()
    watch("hung")
    it = watch("lively")
    wait_until(hung.hung.is_set, "one to hang")
    wait_until(lambda: len(lively.asked("live")) > 10, "the other to go on", timeout_s=1.5)
    assert it.report.state == "idle"


def test_thirty_stations_need_thirty_threads_and_no_more(
    watch: Callable[[str], StationWatch],
) -> None:
    before = threading.active_count()
    for number in range(30):
        watch(f"s{number}")
    assert threading.active_count() <= before + 30


def test_definitions_are_read_when_they_change(
    settings: Settings, define: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    definitions = Definitions(settings.station_files)
    definitions.scan()
    assert definitions.good == {}
    define("one")
    definitions.scan()
    assert definitions.good["one"].period_ms == 100
    define("one", period_ms=50)
    definitions.scan()
    assert definitions.good["one"].period_ms == 50
    define("one", volts=3)
    for _ in range(3):
        definitions.scan()
    assert definitions.good["one"].period_ms == 50
    assert "volts: unknown key" in definitions.broken["one"]
    assert len(caplog.records) == 1
    define("one").rename(settings.station_files / "two.yaml")
    (settings.station_files / "Not An Id.yaml").write_text("{}")
    (settings.station_files / "three.yaml").write_bytes(b"\xff\xfe\x00")
    (settings.station_files / "four.yaml").write_text("{[")
    definitions.scan()
    assert definitions.good == {}
    assert "it must be the file's name" in definitions.broken["two"]
    assert definitions.broken.keys() == {"two", "three", "four", "Not An Id"}


def test_a_pause_a_lock_and_a_warning_are_told_at_once(
    settings: Settings,
    make_station: Callable[[str], "FakeStation"],
    wait_until: WaitUntil,
) -> None:
    station = make_station("one")
    station.experiment, station.state = uuid.uuid4(), "running"
    more: dict[str, object] = {}
    revision = 1

    def answer(request: LocalRequest) -> LocalReply:
        reply = station.usual(request)
        if request.request == "live":
            return reply.model_copy(update={"body": reply.body | {"revision": revision}})
        if request.request == "describe":
            return reply.model_copy(update={"body": reply.body | more})
        return reply

    station.answer = answer
    told = threading.Event()
    definition = StationDefinition.model_validate(
        {"id": "one", "name": "one", "power": {"driver": "virtual"}}
    )
    it = StationWatch(
        definition,
        settings.station_socket("one"),
        live_s=0.02,
        heartbeat_s=60,
        on_change=told.set,
    )
    it.start()
    try:
        wait_until(lambda: it.report.state == "running", "the state")
        told.clear()
        more = {
            "activity": "waiting",
            "waits_for": "swap the fixture" * 100,
            "lock": {"by": "ana", "note": "hands in", "at": "2026-11-25T22:00:00.000000+00:00"},
            "warnings": ["the disk fills"],
        }
        revision = 2
        assert told.wait(5)
        assert it.report.activity == "waiting"
        assert it.report.waits_for.startswith("swap the fixture")
        assert it.report.lock is not None
        assert it.report.lock.note == "hands in"
        assert it.report.warnings == ("the disk fills",)
    finally:
        it.stop()
        it._thread.join(5)
