"""What a person does with a running station, its queue, its alarms and a new experiment."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Page, expect

from bem.lab.models import (
    Account,
    Alarm,
    Battery,
    Command,
    Event,
    Experiment,
    Lithium,
    Node,
    Profile,
    Station,
)
from bem.lab.operations.experiments import queue_experiment

OpenPage = Callable[..., Page]
CALCULATED_MS = 30_000
"""Dry runs of a busy machine come one after the other."""
TEXT = "Parameter rate = C/2\nCharge at {rate} until 4.2 V\nRest for 10 minutes\n"


@dataclass
class Laboratory:
    """One idle station with three experiments in its queue, on two batteries."""

    station: Station
    battery: Battery
    profile: Profile
    names: tuple[str, ...] = ("First", "Second", "Third")


@pytest.fixture
def laboratory(live_server: object) -> Laboratory:
    node = Node.objects.create(
        id="cycler-01",
        hostname="cycler-01",
        version="1",
        session=uuid.uuid4(),
        online=True,
        last_seen=timezone.now(),
    )
    place = Station.objects.create(
        node=node,
        slug="epc-1",
        name="Bench A",
        state=Station.State.IDLE,
        period_ms=100,
        voltage_min=0.0,
        voltage_max=6.0,
        current_min=-15.0,
        current_max=15.0,
    )
    battery = Battery.objects.create(
        name="Cell 7",
        technology="lithium",
        voltage_min=2.5,
        voltage_max=4.2,
        current_min=-5,
        current_max=5,
    )
    Lithium.objects.create(battery=battery, capacity=2.5, chemistry="nmc")
    profile = Profile.objects.create(name="Top up", text=TEXT)
    person = Account.objects.create(username="ana")
    person.groups.add(Group.objects.get_or_create(name="operator")[0])
    made = Laboratory(place, battery, profile)
    for name in made.names:
        queue_experiment(person, name=name, battery=battery, station=place, profile=profile)
    return made


def _run_first(laboratory: Laboratory) -> Experiment:
    """Let the first experiment run, as the manager and its station would report it."""
    run = Experiment.objects.get(name="First")
    run.status, run.started_at = Experiment.Status.RUNNING, timezone.now()
    run.save()
    Station.objects.update(
        state=Station.State.RUNNING,
        activity="running",
        running_experiment=run.uuid,
        battery=laboratory.battery,
    )
    Event.objects.create(
        experiment=run,
        seq=0,
        elapsed_us=0,
        at=timezone.now(),
        kind="step_started",
        severity="info",
        message="Step 1 began",
        data={"step": 1, "title": "Charge at 1.25 A until 4.2 V"},
    )
    return run


def test_a_battery_is_confirmed_on_the_station_page(page: Page, laboratory: Laboratory) -> None:
    page.goto(f"/stations/{laboratory.station.pk}/")
    expect(page.locator(".battery-line")).to_contain_text("Nobody has said which battery")
    expect(page.locator("[data-why]")).to_contain_text("nobody has said that battery")
    page.get_by_role("button", name="This battery is on this station").click()
    expect(page.locator(".battery-line")).to_contain_text("Cell 7 is on this station")
    assert Station.objects.get().battery == laboratory.battery


def test_a_run_is_paused_and_resumed_from_the_page(page: Page, laboratory: Laboratory) -> None:
    _run_first(laboratory)
    page.goto(f"/stations/{laboratory.station.pk}/")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("dialog").get_by_label("Reason").fill("lunch")
    page.get_by_role("button", name="Pause experiment").click()
    expect(page.get_by_text("waiting for the station's answer")).to_be_visible()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_disabled()
    Command.objects.update(status=Command.Status.DONE, answered_at=timezone.now())
    Station.objects.update(activity="paused")
    Experiment.objects.filter(name="First").update(status=Experiment.Status.PAUSED)
    page.reload()
    expect(page.get_by_text("by operator-of-the-lab: done")).to_contain_text("lunch")
    page.get_by_role("button", name="Resume", exact=True).click()
    page.get_by_role("button", name="Resume experiment").click()
    expect(page.get_by_text("Resume: waiting")).to_be_visible()
    assert [one.action for one in Command.objects.order_by("issued_at")] == ["pause", "resume"]


_KEEP_WHAT_IS_SAID = """() => {
    window.said = [];
    new MutationObserver(() => {
        const status = document.querySelector("#station-queue [role=status]");
        if (status) window.said.push(status.textContent.trim());
    }).observe(document.body, {subtree: true, childList: true});
}"""
"""A status is read out when it comes; the next refresh of the page takes it away."""


def test_the_queue_is_reordered_with_the_keyboard(
    page: Page, laboratory: Laboratory, wait_until: Callable[..., None]
) -> None:
    page.goto(f"/stations/{laboratory.station.pk}/")
    page.evaluate(_KEEP_WHAT_IS_SAID)
    page.get_by_role("button", name="Move “Third” up").focus()
    page.keyboard.press("Enter")
    rows = page.locator(".queue-text > a")
    expect(rows).to_have_text(["First", "Third", "Second"])
    # The focus stays on the button, so that it is pressed again.
    expect(page.get_by_role("button", name="Move “Third” up")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows).to_have_text(["Third", "First", "Second"])
    wait_until(
        lambda: any("“Third” is now 1 of 3" in one for one in page.evaluate("window.said")),
        "the new place to be read out",
    )


def test_an_alarm_is_acknowledged_with_a_note(page: Page, laboratory: Laboratory) -> None:
    now = timezone.now()
    Alarm.objects.create(
        severity="warning",
        cause=Alarm.Cause.STATION_WARNING,
        source=f"station:{laboratory.station.pk}",
        open_key="disk",
        message="The disk has 8 % left",
        station=laboratory.station,
        raised_at=now,
        last_at=now,
    )
    page.goto("/")
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Alarms")
    expect(link).to_contain_text("1")
    link.click()
    page.get_by_role("link", name="Acknowledge: The disk has 8 % left").click()
    page.get_by_label("What was found and done").fill("old logs removed")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("status").first).to_contain_text("The alarm is acknowledged")
    expect(page.locator(".alarm-count")).to_have_count(0)
    assert Alarm.objects.get().acknowledged_note == "old logs removed"


def test_what_will_happen_is_shown_before_queueing(page: Page, laboratory: Laboratory) -> None:
    page.goto("/experiments/add/")
    page.get_by_label("Cell 7").check()
    page.get_by_role("radio", name=re.compile("^Bench A")).check()
    page.get_by_label("Top up").check()
    foretold = page.locator("[data-foretold]")
    expect(foretold).to_contain_text("It would finish after", timeout=CALCULATED_MS)
    expect(foretold).to_contain_text("voltage at or above 4.2 V")
    expect(foretold.locator("canvas")).to_be_visible()
    expect(page.locator(".outline")).to_contain_text("Charge at 1.25 A until 4.2 V")
    page.get_by_label("rate", exact=True).fill("1C")
    page.get_by_label("Limits of this experiment").fill("temperature above 24 degC")
    page.get_by_label("Limits of this experiment").blur()
    expect(foretold).to_contain_text("It would run into a limit", timeout=CALCULATED_MS)
    expect(page.locator(".outline")).to_contain_text("Charge at 2.5 A until 4.2 V")
    page.get_by_label("Limits of this experiment").fill("temperature above 60 degC")
    page.get_by_label("Limits of this experiment").blur()
    expect(foretold).to_contain_text("It would finish after", timeout=CALCULATED_MS)
    page.get_by_role("button", name="Queue experiment").click()
    page.wait_for_url(re.compile(r"/experiments/\d+/$"))
    expect(page.locator("[data-expected-plot] canvas")).to_be_visible()
    queued = Experiment.objects.latest("pk")
    assert queued.parameters == {"rate": "1C"}
    assert queued.expected is not None
    assert queued.expected["ending"] == "finished"


def test_the_editor_completes_what_is_typed(page: Page, laboratory: Laboratory) -> None:
    page.goto("/profiles/add/")
    page.locator(".cm-content").click()
    page.keyboard.type("Dis")
    # By the mouse: keys that come at once with the list are still taken for typing.
    page.locator(".cm-tooltip-autocomplete li").first.click()
    expect(page.locator(".cm-line").first).to_contain_text("Discharge at")


def test_a_drive_cycle_as_csv_becomes_a_table_in_the_text(
    page: Page, laboratory: Laboratory
) -> None:
    page.goto("/profiles/add/")
    page.get_by_label("Rows of times and values").fill("time,current\n0,1.5\n10,-2\n20,0\n")
    page.get_by_role("button", name="Insert as a table").click()
    expect(page.locator(".cm-content")).to_contain_text("Drive current:")
    expect(page.locator("[data-verdict]")).to_have_text("No problems")


def test_stop_all_asks_first_and_says_how_many(page: Page, laboratory: Laboratory) -> None:
    _run_first(laboratory)
    page.goto("/batteries/")
    page.get_by_role("link", name="Stop all").click()
    page.get_by_role("button", name="Keep running").click()
    assert not Command.objects.exists()
    page.get_by_role("link", name="Stop all").click()
    page.get_by_role("button", name="Stop all stations").click()
    expect(page.locator(".alert")).to_contain_text("1 station was told to stop")
    assert Command.objects.get().action == "stop"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_new_pages_fit_a_phone(
    open_page: OpenPage, laboratory: Laboratory, colours: str
) -> None:
    _run_first(laboratory)
    window = open_page("supervisor", width=390, height=844, color_scheme=colours)
    for path in (
        f"/stations/{laboratory.station.pk}/",
        f"/stations/{laboratory.station.pk}/battery/",
        "/alarms/",
        "/notifications/",
        "/stop-all/",
        f"/experiments/add/?battery={laboratory.battery.pk}",
    ):
        window.goto(path)
        assert window.evaluate("document.documentElement.scrollWidth") <= 390, path
