"""The laboratory's secret key is changed while people are at their pages."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client, override_settings

PASSWORD = "battery-lab-1"


@pytest.fixture
def change_key() -> Iterator[Callable[[str], None]]:
    """Change the secret key as a rotation does: the one before stays valid, no older one."""
    with ExitStack() as changes:

        def change(key: str) -> None:
            now = {"SECRET_KEY": key, "SECRET_KEY_FALLBACKS": [settings.SECRET_KEY]}
            changes.enter_context(override_settings(**now))

        yield change


@pytest.fixture
def user(db: None) -> User:
    user = User.objects.create_user("ada", password=PASSWORD)
    user.groups.add(Group.objects.get(name="viewer"))
    return user


@pytest.fixture
def signed_in(user: User, hub: object) -> Client:
    client = Client()
    answer = client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 302
    assert client.get("/").status_code == 200
    return client


def test_a_page_that_asks_twice_at_once_stays_signed_in(
    signed_in: Client, change_key: Callable[[str], None]
) -> None:
    cookies = {name: one.value for name, one in signed_in.cookies.items()}
    change_key("another")
    for _ in range(2):
        # Both requests left the browser before either answer came.
        page = Client()
        page.cookies.load(cookies)
        assert page.get("/").status_code == 200


def test_a_session_in_use_outlives_any_number_of_changes_of_the_key(
    signed_in: Client, change_key: Callable[[str], None]
) -> None:
    for key in ("another", "a third", "a fourth"):
        change_key(key)
        assert signed_in.get("/").status_code == 200


def test_a_session_begun_before_this_release_goes_on(user: User, hub: object) -> None:
    client = Client()
    client.force_login(user)  # ties it to the password as Django does
    assert client.get("/").status_code == 200


def test_a_new_password_ends_the_sessions_begun_with_the_old(signed_in: Client, user: User) -> None:
    user.set_password("battery-lab-2")
    user.save()
    assert signed_in.get("/").status_code == 302


def test_an_account_that_was_switched_off_is_signed_out(signed_in: Client, user: User) -> None:
    user.is_active = False
    user.save()
    assert signed_in.get("/").status_code == 302
