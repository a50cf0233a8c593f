"""The process ``bem-manager``."""

import fcntl
import logging
import os
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import django

from bem.messages import node_filter
from bem.messages.base import Message
from bem.runtime.broker import BrokerLink
from bem.runtime.log import set_up_logging
from bem.runtime.notify import Notifier
from bem.runtime.settings import Settings, SettingsError

_LOGGER = logging.getLogger(__name__)
_CLIENT_ID = "bem-manager"


def run(settings: Settings) -> int:
    """Run the manager until SIGTERM or SIGINT.

    Returns:
        The exit code: 0 after an orderly end, 1 if it cannot work here.
    """
    set_up_logging(settings.logging)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bem.lab.django_settings")
    lock = _only_one(settings.data_dir / "manager.lock")
    if lock is None:
        return 1
    try:
        django.setup()
        return _run(settings)
    except SettingsError as error:
        _LOGGER.critical("the manager cannot start: %s", error)
        return 1
    finally:
        os.close(lock)


def _run(settings: Settings) -> int:
    # Models can be imported only after Django has been set up.
    from bem.manager.mailbox import Letter, Mailbox
    from bem.manager.service import TOPICS, Manager
    from bem.manager.worker import Worker

    stopping = threading.Event()
    notifier = Notifier()
    mailbox = Mailbox()

    def publish(topic: str, message: Message) -> bool:
        return link.publish(topic, message)

    manager = Manager(settings.manager, publish)

    def arrived(topic: str, payload: bytes) -> None:
        manager.heard(topic)
        mailbox.put(Letter(topic, payload, datetime.now(UTC)))

    link = BrokerLink(
        settings.broker,
        client_id=_CLIENT_ID,
        subscriptions=[node_filter(topic) for topic in TOPICS],
        on_message=arrived,
    )

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    worker = Worker(manager, mailbox, stopping, notifier.alive)
    link.start()
    notifier.ready()
    worker.run()
    notifier.stopping()
    link.stop()
    return 0


def _only_one(path: Path) -> int | None:
    """Take the manager's lock; two on one machine would decide against each other."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        _LOGGER.critical("cannot open %s: %s", path, error)
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        _LOGGER.critical("another manager holds %s", path)
        return None
    return descriptor
