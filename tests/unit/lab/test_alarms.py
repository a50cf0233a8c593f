"""Acknowledge alarms, and choose how to be told of them."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from bem.lab.alarms import Condition, raise_alarm
from bem.lab.models import Alarm, Command, Delivery, Notifications, Severity, Station
from bem.lab.operations.alarms import (
    TEST_PAUSE,
    acknowledge_alarm,
    send_test_message,
    set_notifications,
)
from bem.lab.operations.errors import OperationRefused


def raised(station: Station, cause: Alarm.Cause) -> Alarm:
    condition = Condition(cause, Severity.ERROR, "it is so", "node-1", station.pk)
    alarm = raise_alarm(condition, timezone.now())
    assert alarm is not None
    return alarm


def test_an_operator_acknowledges_once_and_a_supervisor_faults(
    operator: User, viewer: User, supervisor: User, station: Station
) -> None:
    warning = raised(station, Alarm.Cause.STATION_WARNING)
    with pytest.raises(PermissionDenied):
        acknowledge_alarm(viewer, warning)
    acknowledge_alarm(operator, warning, " I know ")
    warning.refresh_from_db()
    assert (warning.acknowledged_by, warning.acknowledged_note) == (operator, "I know")
    assert warning.cleared_at is None, "it lasts"
    with pytest.raises(OperationRefused, match="acknowledged already by operator"):
        acknowledge_alarm(supervisor, warning)
    Station.objects.update(state="fault")
    fault = raised(station, Alarm.Cause.FAULT)
    with pytest.raises(PermissionDenied):
        acknowledge_alarm(operator, fault)
    acknowledge_alarm(supervisor, fault)
    assert Command.objects.get().action == "acknowledge"


def test_a_fault_that_is_gone_needs_no_order(operator: User, station: Station) -> None:
    fault = raised(station, Alarm.Cause.FAULT)
    acknowledge_alarm(operator, fault)
    assert not Command.objects.exists()


def test_a_note_has_its_length(operator: User, station: Station) -> None:
    with pytest.raises(OperationRefused, match="note: the note has 501 characters: at most 500"):
        acknowledge_alarm(operator, raised(station, Alarm.Cause.WAITS), "x" * 501)


def test_everybody_with_a_role_chooses_for_themselves(viewer: User) -> None:
    set_notifications(viewer, email=" v@example.org ", severity="error")
    set_notifications(viewer, webhook="http://10.0.0.7:8080/alarms?room=3")
    wish = Notifications.objects.get()
    assert (wish.user, wish.email, wish.severity) == (viewer, "", "warning")
    assert wish.webhook == "http://10.0.0.7:8080/alarms?room=3"
    with pytest.raises(PermissionDenied):
        set_notifications(User.objects.create_user("nobody"))


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("email", "nobody"),
        ("email", "a@example.org\nBcc: b@example.org"),
        ("webhook", "ftp://example.org/"),
        ("webhook", "file:///etc/passwd"),
        ("webhook", "https://"),
        ("webhook", "https://me:secret@example.org/"),
        ("webhook", "https://example.org:99999/"),
        ("webhook", "https://example.org/a b"),
        ("webhook", "https://example.org/\r\nX: y"),
        ("webhook", "https://example.org/" + "x" * 500),
        ("severity", "deadly"),
    ],
)
def test_what_is_no_address_is_refused_beside_its_field(
    field: str, given: str, viewer: User
) -> None:
    with pytest.raises(OperationRefused) as refused:
        set_notifications(viewer, **{field: given})
    assert list(refused.value.problems) == [field]
    assert "secret" not in str(refused.value)
    assert not Notifications.objects.exists()


def test_a_test_message_goes_to_oneself_by_each_way(viewer: User, operator: User) -> None:
    set_notifications(operator, email="o@example.org")
    set_notifications(viewer, email="v@example.org", webhook="https://example.org/in")
    assert send_test_message(viewer) == ["email", "webhook"]
    kept = Delivery.objects.order_by("pk")
    assert [(one.user_id, one.alarm_id, one.address, one.status) for one in kept] == [
        (viewer.pk, None, "v@example.org", "pending"),
        (viewer.pk, None, "https://example.org/in", "pending"),
    ]


def test_a_test_message_needs_a_way_and_a_role(viewer: User) -> None:
    with pytest.raises(OperationRefused, match="give an e-mail address or a webhook"):
        send_test_message(viewer)
    set_notifications(viewer)
    with pytest.raises(OperationRefused, match="give an e-mail address or a webhook"):
        send_test_message(viewer)
    with pytest.raises(PermissionDenied):
        send_test_message(User.objects.create_user("nobody"))


def test_test_messages_neither_flood_nor_pile_up(viewer: User) -> None:
    set_notifications(viewer, email="v@exmaple.org")
    send_test_message(viewer)
    with pytest.raises(OperationRefused, match="asked for just now: try again in 10 s"):
        send_test_message(viewer)
    Delivery.objects.update(created_at=timezone.now() - TEST_PAUSE)
    set_notifications(viewer, email="v@example.org")
    send_test_message(viewer)
    kept = Delivery.objects.order_by("pk").values_list("address", "status")
    assert list(kept) == [("v@exmaple.org", "failed"), ("v@example.org", "pending")]
