"""Who gets in, and what every answer carries."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.urls import reverse

from bem.lab.models import Command, Experiment, Station
from bem.web.navigation import NAVIGATION, current_entry

SignIn = Callable[[str | None], Client]
PAGES = (
    "/",
    "/stations/{station}/",
    "/experiments/{experiment}/",
    "/experiments/{experiment}/samples.csv",
)
PROGRAMS = ("/live/stream", "/api/v1/experiments/{experiment}/series")


@pytest.fixture
def fill(station: Station, experiment: Experiment) -> Callable[[str], str]:
    return lambda path: path.format(station=station.pk, experiment=experiment.pk)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_sends_a_stranger_to_the_sign_in_page(
    client: Client, fill: Callable[[str], str], path: str
) -> None:
    answer = client.get(fill(path))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("path", PROGRAMS)
def test_a_program_is_told_to_sign_in(
    client: Client, fill: Callable[[str], str], path: str
) -> None:
    assert client.get(fill(path)).status_code == 401


def test_a_part_of_a_page_takes_the_whole_page_to_the_sign_in(client: Client, db: None) -> None:
    answer = client.get("/", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/sign-in/"


@pytest.mark.parametrize("path", [*PAGES, *PROGRAMS])
def test_an_account_without_a_role_sees_nothing(
    sign_in: SignIn, hub: object, fill: Callable[[str], str], path: str
) -> None:
    assert sign_in(None).get(fill(path)).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_every_page(
    viewer: Client, hub: object, fill: Callable[[str], str], path: str
) -> None:
    assert viewer.get(fill(path)).status_code == 200


def test_the_menu_leads_somewhere(viewer: Client, db: None) -> None:
    for entry in NAVIGATION:
        assert viewer.get(reverse(entry.url_name)).status_code == 200
    assert current_entry("watch:station") is NAVIGATION[0]
    assert current_entry("watch:experiment") is NAVIGATION[1]


def test_only_what_this_server_sends_runs(viewer: Client, lab: object) -> None:
    policy = viewer.get("/")["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert viewer.get("/")["Content-Security-Policy"] != policy, "the nonce must change"


def test_headers_of_every_answer(viewer: Client, lab: object) -> None:
    answer = viewer.get("/")
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_another_host_name_is_refused(client: Client) -> None:
    answer = client.get("/sign-in/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert b"Battery Experiments Manager" in answer.content


def test_forms_from_elsewhere_are_refused(experiment: Experiment, sign_in: SignIn) -> None:
    user = User.objects.create_user("ana", password="battery-lab-1")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    answer = strict.post(f"/experiments/{experiment.pk}/stop/")
    assert answer.status_code == 403
    assert b"reload" in answer.content


def test_ten_failures_make_a_pair_wait(client: Client, db: None) -> None:
    User.objects.create_user("ana", password="battery-lab-1")
    for _ in range(10):
        client.post("/sign-in/", {"username": "ana", "password": "wrong"})
    answer = client.post("/sign-in/", {"username": "ana", "password": "battery-lab-1"})
    assert answer.status_code == 200
    assert b"Too many failed attempts" in answer.content
    other = client.post("/sign-in/", {"username": "bea", "password": "wrong"})
    assert b"Too many" not in other.content


def test_signing_in_and_out(client: Client, db: None) -> None:
    User.objects.create_user("ana", password="battery-lab-1")
    answer = client.post(
        "/sign-in/", {"username": "ana", "password": "battery-lab-1", "next": "/profiles/"}
    )
    assert answer["Location"] == "/profiles/"
    assert client.cookies["bem_session"]["httponly"]
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_an_outside_address_is_no_place_to_go_after_signing_in(client: Client, db: None) -> None:
    User.objects.create_user("ana", password="battery-lab-1")
    answer = client.post(
        "/sign-in/",
        {"username": "ana", "password": "battery-lab-1", "next": "https://evil.example/"},
    )
    assert answer["Location"] == "/"


@pytest.mark.parametrize("path", ["/nope/", "/stations/999999/", "/experiments/999999/"])
def test_what_is_not_there_says_so_in_style(viewer: Client, path: str) -> None:
    answer = viewer.get(path)
    assert answer.status_code == 404
    assert b"Nothing here" in answer.content
    assert b"site-" in answer.content


def test_health_needs_no_account_but_a_database(client: Client, db: None) -> None:
    assert client.get("/healthz").status_code == 200

    def broken(*_: object) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(broken):
        assert client.get("/healthz").status_code == 503


def test_an_operator_stops_an_experiment(
    sign_in: SignIn, station: Station, experiment: Experiment, hub: object
) -> None:
    operator = sign_in("operator")
    answer = operator.post(
        f"/experiments/{experiment.pk}/stop/", {"note": "smells", "back": "station"}
    )
    assert answer["Location"] == f"/stations/{station.pk}/"
    command = Command.objects.get()
    assert (command.action, command.note) == ("stop", "smells")
    assert command.issued_by is not None
    assert command.issued_by.get_username() == "user-operator"
    page = operator.get(answer["Location"])
    assert b"waiting for the station" in page.content
    again = operator.post(f"/experiments/{experiment.pk}/stop/", follow=True)
    assert b"being stopped already" in again.content
    assert Command.objects.count() == 1


def test_a_viewer_stops_nothing(viewer: Client, station: Station, experiment: Experiment) -> None:
    assert viewer.post(f"/experiments/{experiment.pk}/stop/").status_code == 403
    assert not Command.objects.exists()
    assert b"stop-dialog" not in viewer.get(f"/stations/{station.pk}/").content


def test_a_supervisor_acknowledges_a_fault(sign_in: SignIn, station: Station, hub: object) -> None:
    Station.objects.update(state=Station.State.FAULT, state_reason="too hot")
    address = f"/stations/{station.pk}/acknowledge/"
    assert sign_in("operator").post(address).status_code == 403
    supervisor = sign_in("supervisor")
    assert b"too hot" in supervisor.get(f"/stations/{station.pk}/").content
    supervisor.post(address, {"note": "fan replaced"})
    assert Command.objects.get().action == "acknowledge"


@pytest.mark.parametrize(
    "path", ["/experiments/{experiment}/stop/", "/stations/{station}/acknowledge/"]
)
def test_looking_changes_nothing(sign_in: SignIn, fill: Callable[[str], str], path: str) -> None:
    assert sign_in("admin").get(fill(path)).status_code == 405


@override_settings(SESSION_COOKIE_SECURE=True)
def test_with_https_the_session_never_travels_in_the_clear(client: Client, db: None) -> None:
    User.objects.create_user("ana", password="battery-lab-1")
    client.post("/sign-in/", {"username": "ana", "password": "battery-lab-1"})
    assert client.cookies["bem_session"]["secure"]
