"""The agent tells what the search for devices wrote down, and nothing it cannot read."""

import json
import logging
import os
from pathlib import Path

import pytest

from bem.messages import MAX_DEFINITION, MAX_DEVICES
from bem.node.found import LONGEST_FILE, FoundDevices

FLOW = {"place": "serial /dev/bem/flow-001", "state": "free", "driver": "flow"}
EA = {"place": "serial /dev/bem/ea-1", "state": "used", "station": "left"}


class Search:
    """Writes the file as a search does; its time is what the test says."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "devices.json"
        self.now_s = 1_000_000.0
        self.found = FoundDevices(self.path, 30.0, lambda: self.now_s)

    def ends(self, *reports: object, text: str | None = None) -> bool:
        self.now_s += 30
        self.path.write_text(json.dumps(reports) if text is None else text)
        os.utime(self.path, (self.now_s, self.now_s))
        return self.found.look()

    def places(self) -> list[str]:
        return [one.place for one in self.found.reports or ()]


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def test_nothing_is_told_before_anybody_searched(search: Search) -> None:
    assert not search.found.look()
    assert search.found.reports is None


def test_what_comes_and_goes_is_news_and_the_same_again_is_none(search: Search) -> None:
    assert search.ends(FLOW)
    assert not search.found.look()
    assert not search.ends(FLOW)
    assert search.ends(FLOW, EA)
    assert search.ends(EA)
    assert search.places() == [EA["place"]]
    assert search.ends()
    assert search.found.reports == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '[{"place": "x"}]',
        '[{"place": "x", "state": "free", "odd": 1}]',
        "\udc80".encode("utf-8", "surrogatepass").decode("latin-1"),
        json.dumps([FLOW | {"settings": {"a": "x" * (MAX_DEFINITION + 1)}}]),
        json.dumps([FLOW | {"settings": {"a": float("nan")}}]),
        " " * (LONGEST_FILE + 1),
    ],
)
def test_what_cannot_be_read_leaves_what_was_known(
    search: Search, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    search.ends(FLOW)
    assert not search.ends(text=text)
    assert not search.ends(text=text)
    assert search.places() == [FLOW["place"]]
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 1


def test_more_devices_than_a_message_carries_are_cut(search: Search) -> None:
    search.ends(*(FLOW | {"place": f"serial {n}"} for n in range(MAX_DEVICES + 5)))
    assert len(search.places()) == MAX_DEVICES


def test_a_search_that_ended_for_good_is_logged_once(
    search: Search, caplog: pytest.LogCaptureFixture
) -> None:
    search.ends(FLOW)
    search.now_s += 61
    search.found.look()
    search.found.look()
    assert [one.getMessage() for one in caplog.records if "devices --watch" in one.getMessage()]
    assert len(caplog.records) == 1
    assert search.places() == [FLOW["place"]]
