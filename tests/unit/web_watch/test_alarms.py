"""The alarms: who sees and acknowledges them, how they are narrowed, and what the menu counts."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from bem.lab.models import Alarm, Command, Delivery, Notifications, Station

SignIn = Callable[[str | None], Client]
MOST_QUERIES = 15


@pytest.fixture
def alarms(station: Station) -> list[Alarm]:
    """One present and new, one acknowledged that lasts, one that is over and seen."""
    now = timezone.now()
    made = []
    for number, (severity, seen, passed) in enumerate(
        (("error", None, None), ("warning", now, None), ("info", now, now))
    ):
        made.append(
            Alarm.objects.create(
                severity=severity,
                cause=Alarm.Cause.STATION_WARNING,
                source=f"station:{station.pk}",
                open_key=None if passed else f"key-{number}",
                message=f"alarm {number} <b>",
                station=station,
                raised_at=now - timedelta(minutes=number),
                last_at=now,
                acknowledged_at=seen,
                cleared_at=passed,
            )
        )
    return made


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {0, 1}),
        ("?state=new", {0}),
        ("?state=open", {0, 1}),
        ("?state=acknowledged", {1, 2}),
        ("?state=cleared", {2}),
        ("?state=all", {0, 1, 2}),
        ("?severity=warning", {1}),
        ("?state=all&station=4711", set()),
        ("?state=nonsense", set()),
    ],
)
def test_the_list_shows_what_was_asked_for(
    viewer: Client, alarms: list[Alarm], query: str, shown: set[int]
) -> None:
    text = viewer.get(f"/alarms/{query}").content.decode()
    assert {number for number in range(3) if f"alarm {number} &lt;b&gt;" in text} == shown


def test_the_list_costs_few_queries_however_many_there_are(
    viewer: Client,
    alarms: list[Alarm],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(60):
        first = alarms[0]
        first.pk, first.open_key = None, f"more-{number}"
        first.save()
    with django_assert_max_num_queries(MOST_QUERIES):
        assert viewer.get("/alarms/").status_code == 200


def test_the_menu_counts_what_nobody_has_acknowledged(
    sign_in: SignIn, alarms: list[Alarm], hub: object
) -> None:
    viewer = sign_in("viewer")
    for path in ("/", "/batteries/", "/alarms/count/"):
        assert "1<span" in viewer.get(path).content.decode(), path
    Alarm.objects.update(acknowledged_at=timezone.now())
    assert "alarm-count" not in viewer.get("/").content.decode()


def test_an_operator_acknowledges_with_a_note(sign_in: SignIn, alarms: list[Alarm]) -> None:
    operator = sign_in("operator")
    page = f"/alarms/{alarms[0].pk}/"
    assert "What was found and done" in operator.get(page).content.decode()
    answer = operator.post(f"{page}acknowledge/", {"note": "fan replaced"})
    assert answer.headers["Location"] == "/alarms/"
    alarms[0].refresh_from_db()
    assert alarms[0].acknowledged_note == "fan replaced"
    assert "fan replaced" in operator.get(page).content.decode()
    again = operator.post(f"{page}acknowledge/", follow=True)
    assert "acknowledged already by user-operator" in again.content.decode()


@pytest.mark.parametrize("role", ["viewer", None])
def test_nobody_below_an_operator_acknowledges(
    sign_in: SignIn, alarms: list[Alarm], role: str | None
) -> None:
    client = sign_in(role)
    assert client.post(f"/alarms/{alarms[0].pk}/acknowledge/").status_code == 403
    assert Alarm.objects.filter(acknowledged_at=None).count() == 1
    for path in ("/alarms/", f"/alarms/{alarms[0].pk}/", "/notifications/"):
        answer = client.get(path)
        assert answer.status_code == (403 if role is None else 200)
        assert b"acknowledge/" not in answer.content


def test_a_latched_fault_is_for_a_supervisor(
    sign_in: SignIn, station: Station, alarms: list[Alarm]
) -> None:
    Station.objects.update(state=Station.State.FAULT, state_reason="too hot")
    Alarm.objects.filter(pk=alarms[0].pk).update(cause=Alarm.Cause.FAULT)
    page = f"/alarms/{alarms[0].pk}/"
    operator = sign_in("operator")
    assert "acknowledged by a supervisor" in operator.get(page).content.decode()
    assert operator.post(f"{page}acknowledge/").status_code == 403
    answer = sign_in("supervisor").post(f"{page}acknowledge/", {"note": "fan"}, follow=True)
    assert "The station is being told" in answer.content.decode()
    assert Command.objects.get().action == "acknowledge"


def test_everybody_sets_how_they_are_told_and_nobody_elses(
    sign_in: SignIn, station: Station
) -> None:
    given = {"email": "ana@lab.example", "webhook": "", "severity": "error"}
    assert sign_in("viewer").post("/notifications/", given).status_code == 302
    kept = Notifications.objects.get()
    assert (kept.user.get_username(), kept.email, kept.severity) == (
        "user-viewer",
        "ana@lab.example",
        "error",
    )
    text = sign_in("operator").get("/notifications/").content.decode()
    assert "ana@lab.example" not in text.replace('placeholder="ana@lab.example"', "")


def test_an_address_that_is_none_is_marked(viewer: Client, station: Station) -> None:
    given = {"email": "ana", "webhook": "ftp://x", "severity": "warning"}
    text = viewer.post("/notifications/", given).content.decode()
    assert "is no e-mail address" in text
    assert "neither http:// nor https://" in text
    assert not Notifications.objects.exists()


def test_a_test_message_is_sent_to_oneself_and_its_fate_is_shown(
    sign_in: SignIn, station: Station
) -> None:
    viewer = sign_in("viewer")
    given = {"email": "ana@lab.example", "webhook": "", "severity": "error", "test": "yes"}
    text = viewer.post("/notifications/", given, follow=True).content.decode()
    assert "A test message is on its way by e-mail." in text
    assert 'hx-trigger="every 2s"' in text
    Delivery.objects.update(error="the mail server refused: 550", attempts=1)
    part = viewer.get("/notifications/", headers={"HX-Request": "true"}).content.decode()
    assert "the mail server refused: 550 · tried again" in part
    assert "<form" not in part
    Delivery.objects.update(status="sent", error="", sent_at=timezone.now())
    part = viewer.get("/notifications/", headers={"HX-Request": "true"}).content.decode()
    assert "Sent" in part
    assert "hx-trigger" not in part
    assert "Test message" not in sign_in("operator").get("/notifications/").content.decode()


def test_a_test_message_without_a_way_is_refused_in_words(viewer: Client, station: Station) -> None:
    given = {"email": "", "webhook": "", "severity": "error", "test": "yes"}
    text = viewer.post("/notifications/", given, follow=True).content.decode()
    assert "give an e-mail address or a webhook" in text
    assert not Delivery.objects.exists()
