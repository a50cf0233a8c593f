"""People are told of alarms by a real mail server and a real webhook, once, however they falter."""

import json
import logging
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from tests.support.receivers import Told, mail_server, webhook

from bem.lab.alarms import Condition, raise_alarm
from bem.lab.models import Alarm, Delivery, Notifications, Severity
from bem.lab.operations.alarms import send_test_message
from bem.manager.courier import Courier
from bem.runtime.settings import NotifySettings

if TYPE_CHECKING:
    from tests.unit.manager.conftest import Bench

SECRET = "s3cret-of-the-mail"


@dataclass
class People:
    """Somebody who wants to be told, a courier, and a clock that is turned."""

    settings: dict[str, Any] = field(default_factory=dict)
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    acting: bool = True

    def wish(self, **ways: str) -> None:
        user, _ = User.objects.get_or_create(username="sue")
        Notifications.objects.update_or_create(user=user, defaults={"severity": "info", **ways})

    def alarm(self, message: str = "“one” has latched a fault: hot") -> Alarm:
        condition = Condition(Alarm.Cause.FAULT, Severity.ERROR, message, station=None)
        raised = raise_alarm(condition, self.now)
        assert raised is not None
        return raised

    def courier(self) -> Courier:
        given = {"smtp_security": "none", "smtp_host": "127.0.0.1", **self.settings}
        settings = NotifySettings.model_validate(given)
        return Courier(settings, may_act=lambda: self.acting, now=lambda: self.now)

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def people(db: None) -> People:
    return People()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_email_says_what_it_is_about(people: People, bench: "Bench") -> None:
    bench.report(bench.station(state="fault", reason="51 degC is above 45 degC"))
    people.wish(email="sue@example.org")
    people.settings = {"pages": "https://lab:8869/", "sender": "lab@example.org"}
    bench.pass_time(1)
    people.now = bench.now
    with mail_server() as server:
        people.settings["smtp_port"] = server.port
        assert people.courier().turn() == 1
        assert people.courier().turn() == 0
    (text,) = server.told.messages
    message = message_from_string(text, policy=policy.default)
    assert (message["To"], message["From"]) == ("sue@example.org", "lab@example.org")
    assert message["Subject"] == "Error: “one” has latched a fault: 51 degC is above 45 degC"
    body = message.get_content()
    for words in ("Station: one", "Node: node-a", "https://lab:8869/alarms/"):
        assert words in body


def test_a_webhook_gets_json(people: People) -> None:
    with webhook() as receiver:
        people.wish(webhook=f"http://127.0.0.1:{receiver.port}/in?room=3")
        alarm = people.alarm()
        assert people.courier().turn() == 1
        assert people.courier().turn() == 0
    (body,) = receiver.told.messages
    said = json.loads(body)
    assert (said["type"], said["alarm"], said["severity"]) == ("alarm", alarm.pk, "error")
    assert said["message"] == "“one” has latched a fault: hot"
    assert receiver.told.paths == ["/in?room=3"]
    key = f"bem-delivery-{Delivery.objects.get().pk}"
    assert receiver.told.headers[0]["Idempotency-Key"] == key
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts, delivery.sent_at) == ("sent", 1, people.now)


def test_a_test_message_says_that_it_is_one_and_is_tried_like_any_other(people: People) -> None:
    port = free_port()
    people.settings |= {"smtp_port": port, "pages": "https://lab:8869"}
    user = User.objects.create_superuser("sue")
    with webhook() as receiver:
        people.wish(email="sue@example.org", webhook=f"http://127.0.0.1:{receiver.port}/")
        send_test_message(user)
        people.now = timezone.now()
        assert people.courier().turn() == 1, "the mail server is down"
    said = json.loads(receiver.told.messages[0])
    assert (said["type"], said["pages"]) == ("test", "https://lab:8869/alarms/")
    assert "alarm" not in said
    with mail_server(port) as server:
        people.wait(seconds=10)
        assert people.courier().turn() == 1
    (text,) = server.told.messages
    message = message_from_string(text, policy=policy.default)
    assert message["Subject"] == "Test message: this way of being told of alarms works"
    assert "Asked for: " in message.get_content()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}


def test_a_mail_server_that_was_down_gets_it_once_it_is_up(people: People) -> None:
    port = free_port()
    people.settings["smtp_port"] = port
    people.wish(email="sue@example.org")
    people.alarm()
    courier = people.courier()
    for pause_s in (0, 10, 20):
        people.wait(seconds=pause_s)
        assert courier.turn() == 0
    people.wait(seconds=39)
    with mail_server(port) as server:
        assert courier.turn() == 0, "it is not its time yet"
        people.wait(seconds=1)
        assert courier.turn() == 1
        people.wait(hours=1)
        assert courier.turn() == 0
    assert len(server.told.messages) == 1
    assert Delivery.objects.get().attempts == 4


def test_a_webhook_that_fails_is_tried_again_and_after_success_never(people: People) -> None:
    with webhook(told=Told(answers=[500, 302, 404])) as receiver:
        people.wish(webhook=f"http://127.0.0.1:{receiver.port}/in")
        people.alarm()
        errors = []
        for _ in range(6):
            people.courier().turn()
            errors.append(Delivery.objects.get().error)
            people.wait(minutes=5)
    assert errors[:3] == [
        "the webhook answered 500",
        "the webhook answered 302, a redirection: name its new address",
        "the webhook answered 404",
    ]
    assert errors[3:] == ["", "", ""]
    assert len(receiver.told.messages) == 4
    assert set(receiver.told.paths) == {"/in"}, "redirections are not followed"


def test_it_is_given_up_after_the_stated_time(people: People) -> None:
    people.settings |= {"smtp_port": free_port(), "give_up_h": 24}
    people.wish(email="sue@example.org")
    people.alarm()
    courier = people.courier()
    for _ in range(300):
        courier.turn()
        people.wait(minutes=5)
    delivery = Delivery.objects.get()
    assert delivery.status == "failed"
    assert 95 < delivery.attempts < 110
    assert "Connection refused" in delivery.error


def test_one_way_that_is_down_holds_up_no_other(people: People) -> None:
    people.settings["smtp_port"] = free_port()
    with webhook() as receiver:
        people.wish(email="sue@example.org", webhook=f"http://127.0.0.1:{receiver.port}/")
        people.alarm()
        assert people.courier().turn() == 1
    assert len(receiver.told.messages) == 1


def test_a_server_that_is_down_is_asked_once_in_a_turn(people: People) -> None:
    people.settings["smtp_port"] = free_port()
    people.wish(email="sue@example.org")
    User.objects.create_user("ben")
    Notifications.objects.create(user=User.objects.get(username="ben"), email="ben@example.org")
    people.alarm()
    people.courier().turn()
    assert sorted(Delivery.objects.values_list("attempts", flat=True)) == [0, 1]


def test_only_the_manager_that_decides_tells(people: People) -> None:
    with webhook() as receiver:
        people.wish(webhook=f"http://127.0.0.1:{receiver.port}/")
        people.alarm()
        people.acting = False
        assert people.courier().turn() == 0
        people.acting = True
        assert people.courier().turn() == 1


def test_a_clock_that_is_put_back_delays_nothing(people: People) -> None:
    people.settings["smtp_port"] = port = free_port()
    people.wish(email="sue@example.org")
    people.alarm()
    people.courier().turn()
    people.wait(hours=-5)
    with mail_server(port):
        assert people.courier().turn() == 1


def test_the_account_is_used_and_no_secret_is_said(
    people: People, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "password").write_text(SECRET)
    people.settings |= {"smtp_user": "bem", "smtp_password_file": str(tmp_path / "password")}
    people.wish(
        email="sue@example.org", webhook=f"http://127.0.0.1:{free_port()}/hook/t0ken-of-the-url"
    )
    people.alarm()
    with caplog.at_level(logging.DEBUG), mail_server(told=Told(answers=[550])) as server:
        people.settings["smtp_port"] = server.port
        people.courier().turn()
        people.wait(seconds=10)
        people.courier().turn()
    assert server.told.signed_in == [f"\0bem\0{SECRET}"] * 2
    assert len(server.told.messages) == 1
    errors = " ".join(Delivery.objects.values_list("error", flat=True))
    for secret in (SECRET, "t0ken"):
        assert secret not in caplog.text + errors


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"smtp_host": ""}, "no mail server is set: notify.smtp_host"),
        ({"smtp_security": "starttls"}, "STARTTLS"),
        ({"smtp_user": "bem"}, "notify.smtp_password_file is not set"),
    ],
)
def test_why_no_email_goes_out_is_said(
    settings: dict[str, str], words: str, people: People
) -> None:
    people.wish(email="sue@example.org")
    people.alarm()
    with mail_server() as server:
        people.settings |= {"smtp_port": server.port, **settings}
        assert people.courier().turn() == 0
    assert words in Delivery.objects.get().error
    assert server.told.messages == []


@pytest.mark.django_db(transaction=True)
def test_the_thread_tells_what_comes_and_ends_when_told(people: People) -> None:
    with webhook() as receiver:
        people.wish(webhook=f"http://127.0.0.1:{receiver.port}/")
        courier = people.courier()
        people.alarm()
        # In this thread: the tests' database is of this connection alone.
        courier.turn()
        people.acting = False
        courier.start()
        courier.stop()
        courier.join(10)
        assert courier._thread is not None
        assert not courier._thread.is_alive()
    assert len(receiver.told.messages) == 1
