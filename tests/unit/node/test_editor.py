"""A definition is changed whole or not at all, once, and never under a running experiment."""

import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from bem.messages import CommandAnswer, CommandOrder
from bem.node.commands import Relay
from bem.node.editor import EditRefused, StationEditor
from bem.node.orders import OrderStore
from bem.node.tools import ToolFailed, Tools
from bem.runtime.settings import Settings, StationDefinition, load_station

ONE = {"id": "one", "name": "One", "power": {"driver": "virtual", "settings": {"seed": 1}}}
FITS = (sys.executable, "-c", "")
OBJECTS = (sys.executable, "-c", "print('power.settings.seed: not this one'); raise SystemExit(2)")
FAILS = (sys.executable, "-c", "raise SystemExit('no memory')")


@dataclass
class Bench:
    """Stations that do at once what their files say, unless told otherwise."""

    running: set[str] = field(default_factory=set)
    looks: int = 0
    obeys: bool = True

    def is_running(self, station: str) -> bool:
        return station in self.running

    def look_again(self) -> None:
        self.looks += 1

    def works_by(self, station: str, definition: StationDefinition | None) -> bool:
        return self.obeys and (station, definition) is not None


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def edit(settings: Settings, bench: Bench) -> Callable[..., str]:
    def carry_out(given: CommandOrder, check: tuple[str, ...] = FITS) -> str:
        seconds = iter(range(1000))
        return StationEditor(
            settings,
            bench,
            Tools(check=check),
            clock=lambda: float(next(seconds)),
            sleep=lambda _: None,
        ).carry_out(given)

    return carry_out


def order(
    action: str = "define",
    definition: object = ONE,
    before: object = None,
    station: str = "one",
    life_s: float = 30,
) -> CommandOrder:
    now = datetime.now(UTC)
    arguments: dict[str, object] = {"by": "ann", "note": "", "before": before}
    if action == "define":
        arguments["definition"] = definition
    return CommandOrder.model_validate(
        {
            "id": uuid.uuid4(),
            "station": station,
            "action": action,
            "arguments": arguments,
            "issued_at": now,
            "expires_at": now + timedelta(seconds=life_s),
            "issued_by": "ann",
        }
    )


def test_a_definition_is_written_whole_with_who_did_it(
    settings: Settings, bench: Bench, edit: Callable[..., str]
) -> None:
    assert edit(order()) == ""
    path = settings.station_file("one")
    assert load_station(path) == StationDefinition.model_validate(ONE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_text().startswith("# Written by the node agent for ann, ")
    assert bench.looks >= 1
    assert [*(settings.data_dir / "candidates").iterdir()] == []


def test_it_is_changed_and_removed_by_those_who_know_what_it_was(
    settings: Settings, edit: Callable[..., str]
) -> None:
    edit(order())
    changed = ONE | {"name": "Uno"}
    edit(order(definition=changed, before=ONE))
    assert load_station(settings.station_file("one")).name == "Uno"
    with pytest.raises(EditRefused, match="changed on the node in the meantime"):
        edit(order("remove", before=ONE))
    edit(order("remove", before=changed))
    assert not settings.station_file("one").exists()


def test_a_new_station_takes_no_other_ones_place(
    settings: Settings, edit: Callable[..., str]
) -> None:
    edit(order())
    with pytest.raises(EditRefused, match="has a station 'one' already: choose another id"):
        edit(order(definition=ONE | {"name": "Uno"}))


def test_a_broken_file_may_be_replaced(settings: Settings, edit: Callable[..., str]) -> None:
    settings.station_files.mkdir(parents=True)
    settings.station_file("one").write_text("id: [")
    edit(order())
    assert load_station(settings.station_file("one")).name == "One"


def test_the_drivers_own_words_refuse_it(settings: Settings, edit: Callable[..., str]) -> None:
    with pytest.raises(EditRefused, match=r"^power\.settings\.seed: not this one$") as caught:
        edit(order(), OBJECTS)
    assert not caught.value.retry
    assert not settings.station_file("one").exists()
    assert [*(settings.data_dir / "candidates").iterdir()] == []


def test_a_check_that_cannot_be_made_may_be_tried_again(edit: Callable[..., str]) -> None:
    with pytest.raises(EditRefused, match="cannot be checked: no memory") as caught:
        edit(order(), FAILS)
    assert caught.value.retry


@pytest.mark.parametrize("action", ["define", "remove"])
def test_never_under_a_running_experiment(
    action: str, settings: Settings, bench: Bench, edit: Callable[..., str]
) -> None:
    edit(order())
    bench.running.add("one")
    with pytest.raises(EditRefused, match="an experiment runs"):
        edit(order(action, definition=ONE | {"name": "Uno"}, before=ONE))
    assert load_station(settings.station_file("one")).name == "One"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (order(definition=ONE | {"id": "two"}), "definition.id is 'two'"),
        (order(definition=ONE | {"period_ms": 1}), "definition.period_ms: .* greater than"),
        (order(definition=ONE | {"colour": "red"}), "definition.colour: "),
        (order(definition=None), "the order has no definition"),
        (order(definition="one"), "definition: "),
    ],
)
def test_what_is_no_definition_is_refused(
    given: CommandOrder, reason: str, settings: Settings, edit: Callable[..., str]
) -> None:
    with pytest.raises(EditRefused, match=reason):
        edit(given)
    assert not settings.station_file("one").exists()


def test_a_folder_that_is_none_is_refused_with_a_remedy(
    settings: Settings, edit: Callable[..., str]
) -> None:
    settings.data_dir.mkdir(parents=True)
    settings.station_files.write_text("in the way")
    with pytest.raises(EditRefused, match=r"cannot write .*stations: File exists; make room"):
        edit(order())


def test_the_answer_waits_until_the_node_works_by_it(
    bench: Bench, edit: Callable[..., str]
) -> None:
    bench.obeys = False
    assert edit(order()) == "written down, but the station has not ended yet"
    assert bench.looks > 10


class Desk:
    """A relay with an editor whose tool counts how often it was asked."""

    def __init__(self, settings: Settings, bench: Bench, count: Path) -> None:
        code = f"open({str(count)!r}, 'a').write('x')"
        tools = Tools(check=(sys.executable, "-c", code))
        self.answers: list[CommandAnswer] = []
        self.store = OrderStore(settings.data_dir / "node.sqlite3")
        self.relay = Relay(
            settings, self.store, self.answers.append, StationEditor(settings, bench, tools)
        )


@pytest.fixture
def desk(settings: Settings, bench: Bench, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(settings, bench, tmp_path / "count")
    yield desk
    desk.relay.stop()
    desk.store.close()


def test_an_order_is_carried_out_once_and_answered_each_time(
    desk: Desk, settings: Settings, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    given = order()
    desk.relay.take(given)
    wait_until(lambda: desk.answers, "the answer")
    settings.station_file("one").unlink()
    desk.relay.take(given)
    assert [answer.outcome for answer in desk.answers] == ["done", "done"]
    assert (tmp_path / "count").read_text() == "x"
    assert not settings.station_file("one").exists()


def test_an_order_found_done_after_a_crash_is_done(
    desk: Desk, settings: Settings, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    """The agent ended after the rename and before the answer; by now its time is over."""
    settings.station_files.mkdir(parents=True)
    settings.station_file("one").write_text(yaml.safe_dump(ONE))
    given = order(life_s=-60)
    assert desk.store.add(given)
    desk.relay.resume()
    wait_until(lambda: desk.answers, "the answer")
    assert desk.answers[0].outcome == "done"
    assert not (tmp_path / "count").exists()


def test_an_order_that_came_too_late_is_not_carried_out(
    desk: Desk, settings: Settings, wait_until: Callable[..., None]
) -> None:
    desk.relay.take(order(life_s=-1))
    wait_until(lambda: desk.answers, "the answer")
    assert desk.answers[0].outcome == "expired"
    assert not settings.station_file("one").exists()


def test_the_drivers_are_listed_with_their_settings() -> None:
    found = {one.name: one for one in Tools().list_drivers()}
    assert {"epc", "virtual"} <= found.keys()
    assert found["epc"].settings["required"] == ["bus"]


@pytest.mark.parametrize("said", ["[1]", "no JSON", "{}1", '[{"name": "x"}]'])
def test_a_list_of_drivers_that_is_none(said: str) -> None:
    with pytest.raises(ToolFailed, match="cannot be read"):
        Tools(drivers=(sys.executable, "-c", f"print({said!r})")).list_drivers()
