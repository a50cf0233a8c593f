"""A real browser before a real server. Needs Chromium; BEM_CHROMIUM may name its binary."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    expect,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer
from tests.support.browsing import note_complaints

from bem.lab.models import Account

# Playwright's synchronous calls run inside an event loop, from which Django refuses its own
# synchronous database calls; here they cannot block anybody else.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TIMEOUT_MS = 15_000
# The page that a click leads to takes its time where other tests run beside these.
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have the database in a file, as in life.

    In memory all threads of the server share one cache, whose locks nobody waits for: a stream
    that still reads would fail the test that follows.
    """
    name = tmp_path_factory.mktemp("database") / "browser.sqlite3"
    settings.DATABASES["default"]["TEST"]["NAME"] = str(name)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once for all tests."""
    named = os.environ.get("BEM_CHROMIUM")
    binary = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if binary is None:
        pytest.skip("no Chromium here: apt-get install chromium, or name it by BEM_CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=binary, args=_ARGUMENTS)
        yield chromium
        chromium.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, live_server: LiveServer) -> Iterator[OpenPage]:
    """Open a window: ``open_page("operator", width=390, height=844, color_scheme="dark")``.

    The first argument is the role to sign in as; ``None`` stays a stranger. Errors on the console
    of any page fail the test, and so do requests that leave this server.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def opened(
        role: str | None = "operator",
        *,
        width: int = 1440,
        height: int = 900,
        color_scheme: Literal["dark", "light"] = "light",
    ) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            color_scheme=color_scheme,
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        if role is not None:
            context.add_cookies(
                [{"name": "bem_session", "value": _session(role), "url": live_server.url}]
            )
        page = context.new_page()
        note_complaints(page, troubles)
        page.on(
            "request",
            lambda request: (
                troubles.append(f"left the server: {request.url}")
                if not request.url.startswith((live_server.url, "data:", "blob:"))
                else None
            ),
        )
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def _session(role: str) -> str:
    user, _ = Account.objects.get_or_create(username=f"{role}-of-the-lab")
    # A transactional test takes the rows of migrations away with everything else.
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    client = Client()
    client.force_login(user)
    session: str = client.cookies["bem_session"].value
    return session


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """Get a window of an operator on a desk."""
    return open_page("operator")
