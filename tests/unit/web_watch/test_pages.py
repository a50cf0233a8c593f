"""What the pages say, how many queries they cost, and that names stay text."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import bem.web
from bem.lab.models import Battery, Experiment, Node, Profile, Station

BASELINE = json.loads((Path(__file__).parent / "queries.json").read_text())
MOST = 15
WEB = Path(bem.web.__file__).parent
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
Record = Callable[..., None]
More = Callable[[int], None]


@pytest.mark.parametrize("page", sorted(BASELINE))
def test_queries_of_a_page_stay_at_the_baseline(
    viewer: Client,
    station: Station,
    experiment: Experiment,
    record: Record,
    more: More,
    hub: object,
    page: str,
) -> None:
    record(50)
    more(8)
    path = page.format(station=station.pk, experiment=experiment.pk)
    viewer.get(path)
    with CaptureQueriesContext(connection) as queries:
        answer = viewer.get(path)
        if answer.streaming:
            answer.getvalue()
    assert answer.status_code == 200
    assert len(queries) <= MOST
    assert len(queries) == BASELINE[page], (
        f"{page} makes {len(queries)} queries, the baseline says {BASELINE[page]}:\n"
        + "\n".join(query["sql"][:160] for query in queries)
    )


@pytest.mark.parametrize("path", ["/", "/stations/{station}/", "/experiments/{experiment}/"])
def test_names_are_text_and_never_markup(
    viewer: Client,
    station: Station,
    experiment: Experiment,
    battery: Battery,
    profile: Profile,
    hub: object,
    path: str,
) -> None:
    Experiment.objects.update(
        name=EVIL[:64], description=EVIL, status_reason=EVIL, profile_text=EVIL
    )
    Station.objects.update(
        name=EVIL[:64],
        state_reason=EVIL,
        device=EVIL,
        state=Station.State.FAULT,
        channels=[{"name": "evil", "unit": "degC", "title": EVIL}],
    )
    Node.objects.update(hostname=EVIL)
    battery.name = EVIL[:64]
    battery.save()
    profile.name = EVIL[:64]
    profile.save()
    text = viewer.get(path.format(station=station.pk, experiment=experiment.pk)).content.decode()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert" in text


def test_no_page_has_code_or_style_of_its_own(
    viewer: Client, station: Station, experiment: Experiment, hub: object
) -> None:
    for path in ("/", f"/stations/{station.pk}/", f"/experiments/{experiment.pk}/"):
        text = viewer.get(path).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text)
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|hx-on|https?://(?!www\.w3\.org)", text)


def test_an_offline_node_is_shown_as_offline(viewer: Client, lab: object, hub: object) -> None:
    Node.objects.update(online=False)
    text = viewer.get("/").content.decode()
    assert "This node is offline" in text
    assert 'data-state="offline"' in text
    assert "This node" not in viewer.get("/nope/").content.decode()


def test_an_empty_laboratory_says_what_to_expect(viewer: Client, hub: object) -> None:
    assert b"No node has reported yet" in viewer.get("/").content


def test_a_station_shows_steps_queue_and_time_lapse(
    viewer: Client, more: More, hub: object
) -> None:
    more(1)
    Station.objects.update(time_scale=60)
    other = Station.objects.get(slug="more-0")
    text = viewer.get(f"/stations/{other.pk}/").content.decode()
    assert "Time-lapse \N{MULTIPLICATION SIGN}60" in text
    assert "3 times" in text
    assert "Rest for 1 minute" in text
    assert "Nothing waits here" not in text


def test_htmx_gets_only_what_may_have_changed(
    viewer: Client, station: Station, experiment: Experiment, hub: object
) -> None:
    for path in ("/", f"/stations/{station.pk}/", f"/experiments/{experiment.pk}/"):
        part = viewer.get(path, headers={"HX-Request": "true"}).content
        assert b"<html" not in part
        assert b"Running" in part


def test_every_icon_named_anywhere_is_in_the_sprite() -> None:
    sprite = set(json.loads((WEB / "frontend" / "icons.json").read_text()))
    sources = [*WEB.rglob("*.html"), *WEB.glob("*.py"), *WEB.glob("*/*.py")]
    named = set()
    for source in sources:
        text = source.read_text()
        named |= set(re.findall(r"""\{%\s*icon\s+["']([a-z0-9-]+)["']""", text))
        named |= set(re.findall(r"""\bLook\("[a-z]+", "([a-z0-9-]+)"\)""", text))
        named |= set(re.findall(r"""\bEntry\(\s*"[A-Za-z]+",\s*"([a-z0-9-]+)",""", text))
    assert named
    assert named <= sprite


Measure = Callable[[str], int]


@pytest.fixture
def first_load(sign_in: Callable[[str | None], Client]) -> Measure:
    """Measure what a browser gets at its first visit, compressed as it travels."""
    assets = WEB / "assets"
    operator = sign_in("operator")

    def size(path: str) -> int:
        text = operator.get(path).content.decode()
        wanted = re.findall(r'(?:src|href)="/static/([^"#]+)', text)
        total, seen = len(text), set()
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            packed = assets / f"{name}.gz"
            total += (packed if packed.exists() else assets / name).stat().st_size
            if name.endswith((".js", ".css")):
                source = (assets / name).read_text()
                wanted += re.findall(r'["\'(]\./([A-Za-z0-9_.-]+\.(?:js|woff2))', source)
        return total

    return size


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/stations/{station}/",
        "/experiments/",
        "/experiments/add/",
        "/experiments/{experiment}/",
        "/batteries/",
        "/batteries/add/",
        "/profiles/",
        "/profiles/add/",
    ],
)
def test_the_first_load_is_light(
    first_load: Measure, station: Station, experiment: Experiment, hub: object, path: str
) -> None:
    path = path.format(station=station.pk, experiment=experiment.pk)
    size = first_load(path)
    assert 50_000 < size < 250_000
