"""The main job in a browser: a battery, a profile with a slip in it, an experiment."""

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect
from tests.support.browsing import note_complaints
from tests.support.records import put_tables

PASSWORD = "a password for a test"
STATION = """
import django, uuid
django.setup()
from django.utils import timezone
from bem.lab.models import Node, Station
node = Node.objects.create(
    id="node-1", hostname="node-1", version="1", session=uuid.uuid4(), online=True,
    last_seen=timezone.now(),
)
for name, top in (("Wide", 6.0), ("Narrow", 3.0)):
    Station.objects.create(
        node=node, slug=name.lower(), name=name, state="idle", period_ms=100, voltage_min=0.0,
        voltage_max=top, current_min=-15.0, current_max=15.0,
    )
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web application as a process of its own, with an operator and two stations."""
    folder = tmp_path_factory.mktemp("site")
    port = _free_port()
    (folder / "secret").write_text("x" * 50)
    (folder / "password").write_text(PASSWORD)
    (folder / "bem.yaml").write_text(
        yaml.safe_dump(
            {
                "data_dir": str(folder / "data"),
                "runtime_dir": str(folder / "run"),
                "broker": {"port": _free_port()},
                "web": {"port": port, "secret_key_file": str(folder / "secret")},
            }
        )
    )
    environment = {
        **os.environ,
        "BEM_CONFIG": str(folder / "bem.yaml"),
        "DJANGO_SETTINGS_MODULE": "bem.web.settings",
    }

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], env=environment, check=True)

    put_tables(folder / "data")
    run(
        "-m",
        "bem.cli",
        *("user", "add", "operator", "--role", "operator"),
        *("--password-file", str(folder / "password")),
    )
    run("-c", STATION)
    web = subprocess.Popen([sys.executable, "-m", "bem.cli", "web"], env=environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        web.terminate()
        web.wait(timeout=10)


@pytest.fixture
def page(site: str, browser: Browser, wait_until: Callable[..., None]) -> Iterator[Page]:
    """A page signed in as operator; whatever the browser complains about fails the test."""
    wait_until(lambda: _answers(site), "the web application", timeout_s=30)
    context = browser.new_context(base_url=site, viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    note_complaints(opened, complaints)
    opened.goto("/sign-in/?next=/batteries/")
    opened.get_by_label("User name").fill("operator")
    opened.get_by_label("Password").fill(PASSWORD)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", level=1)).to_have_text("Batteries")
    yield opened
    context.close()
    assert complaints == []


def _answers(site: str) -> bool:
    try:
        with urllib.request.urlopen(f"{site}/sign-in/", timeout=5) as answer:  # noqa: S310 - http
            return bool(answer.status == 200)
    except OSError:
        return False


def _write(page: Page, text: str) -> None:
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_from_a_battery_to_a_queued_experiment(page: Page) -> None:
    _add_battery(page)
    _add_profile(page)
    _queue_experiment(page)
    _find_and_cancel(page)


def _add_battery(page: Page) -> None:
    """The technology brings its own fields; what follows from the cells is filled in."""
    page.goto("/batteries/add/")
    page.get_by_label("Name", exact=False).first.fill("Starter battery")
    page.get_by_role("link", name="Lead-acid").click()
    expect(page.get_by_label("Electrolyte held as")).to_be_visible()
    expect(page.locator("#id_name")).to_have_value("Starter battery")
    page.locator("#id_cells").fill("2")
    expect(page.locator("#id_voltage_max")).to_have_value("4.9")
    page.locator("#id_capacity").fill("4")
    page.locator("#id_current_min").fill("-5")
    page.locator("#id_current_max").fill("5")
    page.locator("#id_voltage_min").fill("9")
    page.get_by_role("button", name="Add battery").click()
    expect(page.locator("#id_voltage_min_error")).to_contain_text("9 V must be below")
    page.locator("#id_voltage_min").fill("3.5")
    page.get_by_role("button", name="Add battery").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Starter battery")


def _add_profile(page: Page) -> None:
    """A slip is marked with its place while it is typed, and mended by a click."""
    page.goto("/profiles/add/")
    page.get_by_label("Name").fill("Top up")
    _write(page, "Rest for 1 minute\nCharge at C/2 untill 4.8 V\n")
    problem = page.locator("[data-problems] .problem")
    expect(problem.locator(".problem-place")).to_have_text("2:15")
    expect(problem).to_contain_text("'untill' is not a word")
    expect(problem).to_contain_text("expected 'until'")
    expect(page.locator(".cm-lintRange-error")).to_have_text("untill")
    page.get_by_role("button", name="use “until”").click()
    expect(page.locator("[data-verdict]")).to_have_text("No problems")
    page.locator("#id_battery").select_option(label="Starter battery")
    page.locator("#id_station").select_option(label="Wide")
    expect(page.locator("[data-outline]")).to_contain_text("Charge at 2 A until 4.8 V")
    page.get_by_role("button", name="Add profile").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Top up")


def _queue_experiment(page: Page) -> None:
    """Only what fits can be chosen."""
    page.goto("/experiments/add/")
    page.get_by_label("Starter battery").check()
    expect(page.get_by_label("Narrow")).to_be_disabled()
    expect(page.locator(".choice-reason")).to_contain_text("bears at most 3 V")
    page.get_by_label("Wide").check()
    page.get_by_label("Top up").check()
    expect(page.locator(".outline")).to_contain_text("Charge at 2 A until 4.8 V")
    expect(page.locator("#id_name")).to_have_value("Top up · Starter battery")
    page.locator("#id_name").fill("First light")
    page.get_by_role("button", name="Queue experiment").click()
    page.wait_for_url(re.compile(r"/experiments/\d+/$"))


def _find_and_cancel(page: Page) -> None:
    """The list narrows without loading the page anew."""
    page.goto("/experiments/")
    page.evaluate("window.isTheSamePage = true")
    page.get_by_label("Search").fill("nothing like it")
    expect(page.locator("#record-rows")).to_contain_text("Nothing matches")
    page.get_by_label("Search").fill("first")
    expect(page.get_by_role("link", name="First light")).to_be_visible()
    page.get_by_label("Status").select_option("queued")
    page.get_by_role("link", name="Name", exact=True).click()
    expect(page).to_have_url(re.compile("sort=name"))
    expect(page).to_have_url(re.compile("status=queued"))
    assert page.evaluate("window.isTheSamePage")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("“First light” is cancelled")


def test_examples_are_inserted_and_the_editor_keeps_its_look(page: Page) -> None:
    page.goto("/profiles/add/")
    page.get_by_role("button", name="Repeat").click()
    expect(page.locator("[data-outline]")).to_contain_text("Repeat 100 times")
    expect(page.locator(".cm-lineNumbers")).to_contain_text("6")
    # The style sheet of the editor passes the content security policy.
    assert page.locator(".cm-scroller").evaluate("e => getComputedStyle(e).display") == "flex"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_pages_fit_a_phone(page: Page, colours: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
    for path in (
        "/batteries/",
        "/batteries/add/",
        "/profiles/",
        "/profiles/add/",
        "/experiments/",
        "/experiments/add/",
    ):
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
