"""What people do about alarms, and how they want to be told of them."""

from datetime import timedelta
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from bem.lab import alarms
from bem.lab.models import Account, Alarm, Command, Delivery, Notifications, Severity, Station
from bem.lab.operations.commands import LONGEST_NOTE, is_told
from bem.lab.operations.errors import Problems, refusal
from bem.lab.operations.stations import acknowledge_fault
from bem.lab.rights import Role, User, require

TEST_PAUSE = timedelta(seconds=10)
"""How long after a test message the next one is asked for, at the earliest."""
_ADDRESS = 500


def acknowledge_alarm(user: User, alarm: Alarm, note: str = "") -> Alarm:
    """Say that a person knows of an alarm. For a latched fault the station is told so, too.

    Raises:
        PermissionDenied: the user is no operator; for a latched fault, no supervisor.
        OperationRefused: it is not there any more, or acknowledged already; the note is too long.
    """
    require(user, Role.OPERATOR)
    said = note.strip()
    if len(said) > LONGEST_NOTE:
        raise refusal(f"the note has {len(said)} characters: at most {LONGEST_NOTE}", field="note")
    with transaction.atomic():
        kept = _locked(alarm)
        station = kept.station
        latched = (
            kept.cause == Alarm.Cause.FAULT
            and kept.cleared_at is None
            and station is not None
            and station.state == Station.State.FAULT
        )
        if latched and station is not None:
            require(user, Role.SUPERVISOR)
            if not is_told(station, Command.Action.ACKNOWLEDGE):
                acknowledge_fault(user, station, said)
                kept.refresh_from_db()
                return kept
        alarms.acknowledge(kept, user, said, timezone.now())
        return kept


def set_notifications(
    user: User, *, email: str = "", webhook: str = "", severity: str = Severity.WARNING
) -> Notifications:
    """Say by which ways this user is told of new alarms of at least this severity.

    An empty address is a way not taken. A webhook gets a POST with JSON; a receiver inside of the
    laboratory may be named, redirections are never followed.

    Raises:
        PermissionDenied: the user has no role.
        OperationRefused: an address or the severity is none.
    """
    require(user, Role.VIEWER)
    problems = Problems()
    email, webhook = email.strip(), webhook.strip()
    if email:
        try:
            validate_email(email)
        except ValidationError:
            problems.add("email", f"“{email}” is no e-mail address: give one such as a@example.org")
    if webhook:
        reason = _no_webhook(webhook)
        if reason:
            problems.add("webhook", reason)
    if severity not in Severity.values:
        problems.add("severity", f"“{severity}” is none of {', '.join(Severity.values)}")
    problems.refuse_if_any()
    account = Account.objects.get(username=user.get_username())
    wish = Notifications(user=account, email=email, webhook=webhook, severity=severity)
    wish.save()
    return wish


def send_test_message(user: User) -> list[Delivery.Way]:
    """Queue a message to this user by each way that is kept, as an alarm's would be; gives these.

    One that is still tried to be sent is given up for it: the address may have been mended.

    Raises:
        PermissionDenied: the user has no role.
        OperationRefused: no way is kept, or a test was asked for just now.
    """
    require(user, Role.VIEWER)
    now = timezone.now()
    with transaction.atomic():
        wish = (
            Notifications.objects.select_for_update()
            .filter(user__username=user.get_username())
            .first()
        )
        if wish is None or not (wish.email or wish.webhook):
            raise refusal("no way to tell you is kept: give an e-mail address or a webhook")
        earlier = Delivery.objects.filter(user_id=wish.user_id, alarm=None)
        # One in the future was before the clock was put back.
        if earlier.filter(created_at__gt=now - TEST_PAUSE, created_at__lte=now).exists():
            raise refusal(
                f"a test message was asked for just now: try again in {TEST_PAUSE.seconds} s"
            )
        earlier.filter(status=Delivery.Status.PENDING).update(status=Delivery.Status.FAILED)
        made = Delivery.objects.bulk_create(alarms.deliveries_by(wish, now))
        return [Delivery.Way(one.way) for one in made]


def _locked(alarm: Alarm) -> Alarm:
    kept = Alarm.objects.select_for_update().filter(pk=alarm.pk).first()
    if kept is None:
        raise refusal("this alarm is not there any more: load the page again")
    if kept.acknowledged_at is not None:
        who = kept.acknowledged_by
        by = f" by {who.get_username()}" if who is not None else ""
        raise refusal(f"this alarm is acknowledged already{by}")
    return kept


def _no_webhook(address: str) -> str:
    """Say why an address is none for a webhook; empty if it is. It may hold a secret: unsaid."""
    remedy = "give one such as https://example.org/alarms"
    if len(address) > _ADDRESS or not address.isprintable() or " " in address:
        return f"longer than {_ADDRESS} characters, or with blanks: {remedy}"
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return f"no address: {remedy}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"neither http:// nor https:// with a host: {remedy}"
    if parts.username is not None or parts.password is not None:
        return f"a name or password in an address ends up in logs: {remedy}"
    return ""
