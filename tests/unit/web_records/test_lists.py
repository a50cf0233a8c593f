"""Lists: every combination of search, filter, order and page against brute force."""

import gzip
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from bem.lab.models import Battery, Experiment, Profile

PAGE = 25
"""Rows of a page, where nobody asks for more."""
MOST_QUERIES = 15
MOST_BYTES = 20_000
"""Of the document, compressed; scripts, styles and the font take some 200 kB more at most."""


def rows_of(page: bytes, pattern: str) -> list[int]:
    """Get the numbers of the rows that a page shows, in order."""
    body = page.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    return [int(found) for found in re.findall(rf'record-link[^>]*href="{pattern}(\d+)/"', body)]


@pytest.mark.usefixtures("laboratory")
def test_experiments_show_what_was_asked_for(viewer: Client) -> None:
    everything = list(Experiment.objects.select_related("battery", "station", "profile"))
    keys: dict[str, Callable[[Experiment], Any]] = {
        "id": lambda one: one.pk,
        "name": lambda one: (one.name, one.pk),
        "status": lambda one: (one.status, one.pk),
        "battery": lambda one: (one.battery.name, one.battery.serial_number, one.pk),
        "station": lambda one: (one.station.name, one.pk),
        "started_at": lambda one: (one.started_at is not None, one.started_at, one.pk),
    }
    first = everything[0]
    narrowings: list[dict[str, Any]] = [
        {},
        {"status": "running"},
        {"battery": first.battery_id, "station": first.station_id},
        {"profile": first.profile_id},
        {"technology": first.battery.technology, "search": "run 1"},
        {"search": "sn-3 wide"},
    ]
    orders = [*keys, *(f"-{name}" for name in keys)]
    for number, (narrowing, sort) in enumerate(itertools.product(narrowings, orders)):
        page = 1 + number % 3
        kept = [one for one in everything if _has(one, narrowing)]
        kept.sort(key=keys[sort.removeprefix("-")], reverse=sort.startswith("-"))
        answer = viewer.get("/experiments/", {**narrowing, "sort": sort, "page": page})
        last = max(1, -(-len(kept) // PAGE))
        start = (min(page, last) - 1) * PAGE
        expected = [one.pk for one in kept[start : start + PAGE]]
        assert rows_of(answer.content, "/experiments/") == expected, (narrowing, sort, page)


def _has(one: Experiment, narrowing: dict[str, Any]) -> bool:
    words = str(narrowing.get("search", "")).lower().split()
    searched = (
        one.name,
        one.description,
        one.battery.name,
        one.battery.serial_number,
        one.station.name,
        one.profile.name,
    )
    found = all(any(word in text.lower() for text in searched) for word in words)
    wanted = {
        "status": one.status,
        "battery": one.battery_id,
        "station": one.station_id,
        "profile": one.profile_id,
        "technology": one.battery.technology,
    }
    return found and all(wanted[name] == narrowing[name] for name in wanted if name in narrowing)


@pytest.mark.usefixtures("laboratory")
@pytest.mark.parametrize("retired", ["", "yes", "all"])
@pytest.mark.parametrize("technology", ["", "lithium", "redox_stack"])
@pytest.mark.parametrize("sort", ["name", "-voltage_max", "nominal_capacity", "-experiment_count"])
def test_pages_of_batteries_cover_each_row_once(
    viewer: Client, retired: str, technology: str, sort: str
) -> None:
    seen: list[int] = []
    for page in range(1, 11):
        query = {"retired": retired, "technology": technology, "sort": sort, "page": str(page)}
        found = rows_of(viewer.get("/batteries/", query).content, "/batteries/")
        if found == seen[-len(found) :]:
            break
        seen += found
    kept = Battery.objects.filter(**({"technology": technology} if technology else {}))
    if retired != "all":
        kept = kept.filter(retired_at__isnull=retired != "yes")
    assert len(seen) == len(set(seen))
    assert set(seen) == set(kept.values_list("pk", flat=True))


@pytest.mark.usefixtures("laboratory")
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({"page": "99"}, 20),
        ({"page": "-1"}, 20),
        ({"page": "x"}, 25),
        ({"per_page": "0"}, 25),
        ({"per_page": "100000"}, 25),
        ({"per_page": "100"}, 100),
        ({"sort": "password"}, 25),
        ({"status": "nonsense"}, 0),
        ({"battery": "x' or 1=1"}, 0),
        ({"search": "%"}, 0),
        ({"search": "nobody has this"}, 0),
    ],
)
def test_nonsense_in_the_address_does_no_harm(
    viewer: Client, query: dict[str, str], rows: int
) -> None:
    answer = viewer.get("/experiments/", query)
    assert answer.status_code == 200
    assert len(rows_of(answer.content, "/experiments/")) == rows


@pytest.mark.usefixtures("laboratory")
@pytest.mark.parametrize(
    "path",
    [
        "/batteries/?per_page=100",
        "/profiles/?per_page=100",
        "/experiments/?per_page=100",
        "/batteries/{battery}/",
        "/batteries/{battery}/edit/",
        "/batteries/add/",
        "/profiles/{profile}/",
        "/profiles/{profile}/edit/",
        "/profiles/add/",
        "/experiments/add/",
        "/experiments/add/?battery={battery}&station={station}&profile={profile}",
    ],
)
def test_a_page_costs_few_queries_however_many_rows(
    operator: Client, django_assert_max_num_queries: DjangoAssertNumQueries, path: str
) -> None:
    experiment = Experiment.objects.first()
    assert experiment is not None
    address = path.format(
        battery=experiment.battery_id,
        station=experiment.station_id,
        profile=experiment.profile_id,
    )
    with django_assert_max_num_queries(MOST_QUERIES):
        answer = operator.get(address)
    assert answer.status_code == 200
    assert len(gzip.compress(answer.content)) < MOST_BYTES


@pytest.mark.usefixtures("laboratory")
def test_htmx_gets_rows_only_and_the_address_keeps_the_order(viewer: Client) -> None:
    answer = viewer.get("/experiments/?sort=-name&status=running", headers={"HX-Request": "true"})
    body = answer.content.decode()
    assert "<html" not in body
    assert 'name="sort" value="-name"' in body
    assert "HX-Request" in answer.headers["Vary"]
    restored = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in viewer.get("/experiments/", headers=restored).content.decode()


def test_empty_lists_say_what_to_do(operator: Client, viewer: Client) -> None:
    for name, one in (("batteries", "battery"), ("profiles", "profile"), ("experiments", "expe")):
        assert f"Add {one}" in operator.get(f"/{name}/").content.decode()
        assert f"Add {one}" not in viewer.get(f"/{name}/").content.decode()


@pytest.mark.usefixtures("laboratory")
def test_words_of_a_profile_are_found_in_its_text(viewer: Client) -> None:
    found = rows_of(viewer.get("/profiles/", {"search": "rest 17 min"}).content, "/profiles/")
    assert set(found) == set(
        Profile.objects.filter(text__contains="17", retired_at=None).values_list("pk", flat=True)
    ) | set(Profile.objects.filter(name="Profile 17").values_list("pk", flat=True))
