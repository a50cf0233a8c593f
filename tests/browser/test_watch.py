"""The live pages in a browser."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from bem.domain.limits import Limits
from bem.domain.program import REST, Compare, End, Program, Quantity, StepOp
from bem.lab.intake import take_samples
from bem.lab.models import Battery, Command, Experiment, Intake, Node, Profile, Station
from bem.messages import LiveMessage, SampleColumns, StationLive, encode
from bem.web.watch import monitor, station, stream
from bem.web.watch.hub import LiveHub

OpenPage = Callable[..., Page]
WHOLE = 600


@dataclass
class Bench:
    """A running station, and the way its node speaks."""

    station: Station
    experiment: Experiment
    hub: LiveHub
    elapsed_s: float = WHOLE

    def say(self, voltage: float, **facts: object) -> None:
        self.elapsed_s += 0.5
        live = StationLive.model_validate(
            {
                "id": self.station.slug,
                "state": "running",
                "measured_at": datetime.now(UTC),
                "values": {"voltage": voltage, "current": 1.5, "power": 1.5 * voltage},
                "experiment": self.experiment.uuid,
                "elapsed_us": int(self.elapsed_s * 1e6),
                "step": 2,
                "step_title": "Charge at C/2 until 4.2 V",
                "cycle": 4,
                **facts,
            }
        )
        self.hub.take("bem/v1/nodes/cycler-01/live", encode(LiveMessage(stations=(live,))))


@pytest.fixture
def bench(live_server: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    hub = LiveHub()
    for module in (monitor, station, stream):
        monkeypatch.setattr(module, "HUB", hub)
    node = Node.objects.create(
        id="cycler-01",
        hostname="cycler-01.lab",
        version="1",
        session=uuid.uuid4(),
        online=True,
        last_seen=timezone.now(),
    )
    place = Station.objects.create(
        node=node,
        slug="epc-1",
        name="A station with a rather long name, Bench A",
        state="running",
        period_ms=100,
        channels=[{"name": "temperature_body", "unit": "degC", "title": "Body temperature"}],
    )
    battery = Battery.objects.create(
        name="Cell",
        technology="lithium",
        voltage_min=2.5,
        voltage_max=4.2,
        current_min=-5,
        current_max=5,
    )
    profile = Profile.objects.create(name="Cycle", text="Rest for 1 minute\n")
    ends = (End(quantity=Quantity.DURATION, compare=Compare.AT_LEAST, threshold=60),)
    steps = tuple(
        StepOp(number=number, title=title, setpoint=REST, ends=ends)
        for number, title in enumerate(("Rest for 1 minute", "Charge at C/2 until 4.2 V"), start=1)
    )
    program = Program(name="Cycle", operations=steps, operating=Limits())
    experiment = Experiment.objects.create(
        name="Ageing of a cell with a long name",
        battery=battery,
        station=place,
        profile=profile,
        profile_text=profile.text,
        program=program.model_dump(mode="json"),
        channels=place.channels,
        status=Experiment.Status.RUNNING,
        started_at=timezone.now() - timedelta(seconds=WHOLE),
    )
    Intake.objects.create(experiment=experiment)
    rows = range(WHOLE)
    nothing = tuple(0.0 for _ in rows)
    taken = take_samples(
        node.pk,
        experiment.uuid,
        0,
        SampleColumns(
            elapsed_us=tuple(row * 1_000_000 for row in rows),
            step=tuple(1 for _ in rows),
            cycle=tuple(1 for _ in rows),
            voltage=tuple(3.0 + row / 1000 for row in rows),
            current=tuple(1.5 for _ in rows),
            power=tuple(4.5 for _ in rows),
            charge_in=nothing,
            charge_out=nothing,
            energy_in=nothing,
            energy_out=nothing,
            extra={"temperature_body": tuple(25.0 for _ in rows)},
        ),
    )
    assert taken is not None
    yield Bench(place, experiment, hub)
    hub.close()


@pytest.fixture
def open_page(bench: Bench, open_page: OpenPage) -> OpenPage:
    """Close the pages before the hub: one that is open still would ask for a stream and get 503."""
    return open_page


def _watched(bench: Bench, wait_until: Callable[..., None]) -> None:
    wait_until(lambda: bench.hub.subscribers == 1, "the page to open its stream")


def test_a_new_value_is_on_the_monitor_within_a_second(
    page: Page, bench: Bench, wait_until: Callable[..., None]
) -> None:
    page.goto("/")
    _watched(bench, wait_until)
    shown = page.locator('[data-live="voltage"]')
    expect(page.locator("[data-live-word]")).to_have_text("No live data")
    times = []
    for number in range(20):
        began = time.monotonic()
        bench.say(3.7 + number / 1000)
        expect(shown).to_have_text(f"{3.7 + number / 1000:.3f}")
        times.append(time.monotonic() - began)
    assert sorted(times)[18] < 1, f"95th percentile of {times}"
    expect(page.locator("[data-live-word]")).to_have_text("Live")
    expect(page.locator("[data-live-step]")).to_have_text("2 · Charge at C/2 until 4.2 V")
    expect(page.locator("[data-live-cycle]")).to_have_text("Cycle 4")


def test_what_is_not_current_never_looks_current(
    page: Page, bench: Bench, wait_until: Callable[..., None]
) -> None:
    page.goto("/")
    _watched(bench, wait_until)
    bench.say(3.7)
    card = page.locator(".station-card")
    expect(card).not_to_have_class(re.compile("is-stale"))
    expect(card).to_have_class(re.compile("is-stale"), timeout=5000)
    expect(page.locator("[data-stale-note]")).to_have_text(re.compile(r"No live data since \d\d:"))
    bench.say(3.8)
    expect(card).not_to_have_class(re.compile("is-stale"))


def test_a_hidden_tab_gives_its_connection_back(
    page: Page, bench: Bench, wait_until: Callable[..., None]
) -> None:
    page.goto("/")
    _watched(bench, wait_until)
    hide = """hidden => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)

    def ended() -> bool:
        # The server notices when it next writes.
        bench.say(3.7)
        return bench.hub.subscribers == 0

    wait_until(ended, "the stream to end")
    page.evaluate(hide, False)
    _watched(bench, wait_until)


def test_a_station_that_falls_into_fault_says_so(
    page: Page, bench: Bench, wait_until: Callable[..., None]
) -> None:
    page.goto("/")
    _watched(bench, wait_until)
    bench.say(3.7)
    Station.objects.update(state="fault", state_reason="over the limit")
    bench.say(3.7, state="fault")
    expect(page.locator(".station-card .reason")).to_have_text("over the limit")
    expect(page.locator(".station-card .state")).to_have_text("Fault")


def test_the_station_page_charts_past_and_present(
    page: Page, bench: Bench, wait_until: Callable[..., None]
) -> None:
    page.goto(f"/stations/{bench.station.pk}/")
    _watched(bench, wait_until)
    readout = page.locator(".plot-readout")
    expect(readout).to_contain_text("3.5990 V")
    bench.say(4.0123)
    expect(readout).to_contain_text("4.0123 V")
    expect(page.locator('[aria-current="step"]')).to_contain_text("Charge at C/2")
    with page.expect_response(re.compile(r"/series\?")):
        page.get_by_role("button", name="Whole run").click()
    expect(page.get_by_role("button", name="Whole run")).to_have_attribute("aria-pressed", "true")
    page.locator("[data-channel-picker]").select_option("temperature_body")
    expect(readout).to_contain_text("Body temperature")
    box = page.locator(".u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    with page.expect_response(re.compile(r"/series\?.*from=.*to=")):
        page.mouse.up()
    page.get_by_role("button", name="Back to live").click()
    expect(page.get_by_role("button", name="Back to live")).to_be_hidden()


def test_stopping_asks_first(page: Page, bench: Bench) -> None:
    page.goto(f"/stations/{bench.station.pk}/")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Keep running").click()
    assert not Command.objects.exists()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("dialog[open]").get_by_label("Reason").fill("smells odd")
    page.get_by_role("button", name="Stop experiment").click()
    expect(page.get_by_text("waiting for the station's answer")).to_be_visible()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    assert Command.objects.get().note == "smells odd"


def test_stopping_can_hold_the_queue_in_the_same_go(page: Page, bench: Bench) -> None:
    waiting = Experiment.objects.get()
    waiting.pk, waiting.uuid, waiting.name = None, uuid.uuid4(), "Next"
    waiting.status, waiting.started_at = Experiment.Status.QUEUED, None
    waiting.save()
    page.goto(f"/stations/{bench.station.pk}/")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("dialog[open]")).to_contain_text("“Next” is next in the queue")
    page.get_by_role("button", name="Stop and hold the queue").click()
    expect(page.get_by_text("what waits there is held")).to_be_visible()
    waiting.refresh_from_db()
    assert (waiting.held, Command.objects.get().action) == (True, "stop")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_told_otherwise(
    open_page: OpenPage, bench: Bench, scheme: str
) -> None:
    page = open_page("viewer", color_scheme=scheme)
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = sum(map(int, re.findall(r"\d+", page.evaluate(background))[:3])) < 200
    assert dark == (scheme == "dark")
    other = {"light": "dark", "dark": "light"}[scheme]
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    if scheme == "light":
        toggle.click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", other)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", other)


def test_nothing_is_wider_than_a_phone(open_page: OpenPage, bench: Bench) -> None:
    page = open_page("operator", width=390, height=844)
    bench.say(3.7)
    for path in (
        "/",
        f"/stations/{bench.station.pk}/",
        f"/experiments/{bench.experiment.pk}/",
    ):
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        menu = page.get_by_role("navigation", name="Main")
        expect(menu).to_be_in_viewport()


def test_signing_in_by_hand(open_page: OpenPage, bench: Bench) -> None:
    User.objects.create_user("ana", password="battery-lab-1")
    page = open_page(None, width=390, height=844)
    page.goto("/")
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("correct username")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
