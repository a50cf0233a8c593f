"""Tell one person of one alarm, by e-mail or by a webhook. No secret leaves in an error's text.

A delivery without an alarm is a test: it takes the same road, and says what it is.
"""

import contextlib
import http.client
import json
import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from bem import __version__
from bem.lab.models import Alarm, Delivery
from bem.runtime.settings import NotifySettings, SettingsError, read_secret

TIMEOUT_S = 10.0
"""How long the other side may take for each of its answers."""
_TEST = "Test message: this way of being told of alarms works"
_LONGEST_SUBJECT = 200
_SUCCESS = range(200, 300)
_REDIRECTION = range(300, 400)


class NotTold(Exception):
    """The other side did not take it. The message says why, and holds no address or secret."""


def destination(delivery: Delivery) -> str:
    """Name who would take a delivery: one that is down takes none of the others either."""
    if delivery.way == Delivery.Way.EMAIL:
        return "the mail server"
    return f"the webhook at {urlsplit(delivery.address).hostname}"


def tell(settings: NotifySettings, delivery: Delivery) -> None:
    """Make one attempt; ``delivery`` comes with its alarm.

    Raises:
        NotTold: it may be tried again.
    """
    by: dict[str, Callable[[NotifySettings, Delivery], None]] = {
        Delivery.Way.EMAIL: _mail,
        Delivery.Way.WEBHOOK: _post,
    }
    try:
        by[delivery.way](settings, delivery)
    except TimeoutError:
        raise NotTold(f"no answer within {TIMEOUT_S:g} s") from None
    except smtplib.SMTPResponseException as error:
        raise NotTold(f"the mail server refused: {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = {str(code) for code, _ in error.recipients.values()}
        raise NotTold(f"the mail server refused the recipient: {', '.join(codes)}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise NotTold(f"the mail server cannot do what is asked of it: {error}") from None
    except (OSError, smtplib.SMTPException, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        raise NotTold(f"not reached: {said}") from None


# -- e-mail


def _mail(settings: NotifySettings, delivery: Delivery) -> None:
    if not settings.smtp_host:
        raise NotTold("no mail server is set: notify.smtp_host")
    message = _email(settings, delivery)
    with _mail_server(settings) as server:
        server.send_message(message)


def _mail_server(settings: NotifySettings) -> smtplib.SMTP:
    """Connect, and sign in where an account is set."""
    trust = ssl.create_default_context(
        cafile=None if settings.smtp_ca_file is None else str(settings.smtp_ca_file)
    )
    where = (settings.smtp_host, settings.smtp_port)
    server: smtplib.SMTP
    if settings.smtp_security == "tls":
        server = smtplib.SMTP_SSL(*where, timeout=TIMEOUT_S, context=trust)
    else:
        server = smtplib.SMTP(*where, timeout=TIMEOUT_S)
    with contextlib.ExitStack() as undo:
        undo.callback(server.close)
        if settings.smtp_security == "starttls":
            server.starttls(context=trust)
        if settings.smtp_user is not None:
            try:
                secret = read_secret(settings.smtp_password_file, "notify.smtp_password_file")
            except SettingsError as error:
                raise NotTold(str(error)) from None
            server.login(settings.smtp_user, secret.get_secret_value())
        undo.pop_all()
    return server


def _email(settings: NotifySettings, delivery: Delivery) -> EmailMessage:
    alarm = delivery.alarm
    said = _TEST if alarm is None else alarm.message
    subject = said if alarm is None else f"{_severity(alarm)}: {' '.join(said.split())}"
    host = socket.gethostname()
    message = EmailMessage()
    message["From"] = settings.sender or f"bem@{host}"
    message["To"] = delivery.address
    message["Subject"] = subject[:_LONGEST_SUBJECT]
    message["Date"] = format_datetime(datetime.now(UTC))
    # The same in each attempt: whoever gets it twice knows it for one.
    message["Message-ID"] = f"<bem-{delivery.pk}-{delivery.created_at:%Y%m%d%H%M%S%f}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [f"{title}: {value}" for title, value in _facts(delivery) if value]
    if settings.pages:
        lines += ["", _link(settings)]
    message.set_content("\n".join([said, "", *lines]) + "\n")
    return message


def _facts(delivery: Delivery) -> list[tuple[str, str]]:
    alarm = delivery.alarm
    if alarm is None:
        return [("Asked for", f"{delivery.created_at:%Y-%m-%d %H:%M:%S} UTC")]
    return [
        ("Severity", _severity(alarm)),
        ("Raised", f"{alarm.raised_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Times", str(alarm.count) if alarm.count > 1 else ""),
        ("Passed", f"{alarm.cleared_at:%Y-%m-%d %H:%M:%S} UTC" if alarm.cleared_at else ""),
        ("Experiment", str(alarm.experiment or "")),
        ("Station", str(alarm.station or "")),
        ("Node", alarm.node_id or ""),
    ]


def _severity(alarm: Alarm) -> str:
    return str(alarm.get_severity_display())


def _link(settings: NotifySettings) -> str:
    return f"{settings.pages.rstrip('/')}/alarms/"


# -- webhook


def _post(settings: NotifySettings, delivery: Delivery) -> None:
    """Send it as JSON. A redirection is not followed: nobody but its user names the receiver."""
    parts = urlsplit(delivery.address)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise NotTold("the webhook is no http or https address")
    body = json.dumps(_payload(settings, delivery)).encode()
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"bem/{__version__}",
            "Idempotency-Key": f"bem-delivery-{delivery.pk}",
        }
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    if status in _REDIRECTION:
        raise NotTold(f"the webhook answered {status}, a redirection: name its new address")
    if status not in _SUCCESS:
        raise NotTold(f"the webhook answered {status}")


def _payload(settings: NotifySettings, delivery: Delivery) -> dict[str, Any]:
    common = {"delivery": delivery.pk, "pages": _link(settings) if settings.pages else None}
    alarm = delivery.alarm
    if alarm is None:
        asked = delivery.created_at.isoformat()
        return {"type": "test", **common, "message": _TEST, "asked_at": asked}
    run = alarm.experiment
    return {
        "type": "alarm",
        **common,
        "alarm": alarm.pk,
        "severity": alarm.severity,
        "cause": alarm.cause,
        "message": alarm.message,
        "raised_at": alarm.raised_at.isoformat(),
        "cleared_at": alarm.cleared_at.isoformat() if alarm.cleared_at else None,
        "count": alarm.count,
        "node": alarm.node_id,
        "station": None if alarm.station is None else alarm.station.slug,
        "experiment": None if run is None else {"name": run.name, "uuid": str(run.uuid)},
    }
