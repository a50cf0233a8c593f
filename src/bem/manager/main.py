"""The process ``bem-manager``."""

import logging
import os
import secrets
import signal
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import django

from bem.messages import node_filter
from bem.messages.base import Message
from bem.runtime.broker import BrokerLink
from bem.runtime.lock import Held, hold
from bem.runtime.log import reload_logging, set_up_logging
from bem.runtime.notify import Notifier
from bem.runtime.settings import Settings, SettingsError

_LOGGER = logging.getLogger(__name__)
_LEASE = "manager"
_LAST_LETTER_S = 5.0
"""How long the end waits for an attempt to tell somebody that is under way."""


def run(settings: Settings) -> int:
    """Run the manager until SIGTERM or SIGINT; SIGHUP takes new log levels.

    Of several managers on one database one decides and the others stand by.

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
        return _run(settings, _holder(lock))
    except SettingsError as error:
        _LOGGER.critical("the manager cannot start: %s", error)
        return 1
    finally:
        os.close(lock)


def _run(settings: Settings, holder: str) -> int:
    # Models can be imported only after Django has been set up.
    from django.db import Error as DatabaseError
    from django.db import connection

    from bem.lab.lease import LeaseKeeper
    from bem.manager.courier import Courier
    from bem.manager.mailbox import Letter, Mailbox
    from bem.manager.post import Post
    from bem.manager.service import TOPICS, Manager
    from bem.manager.worker import Worker

    stopping, reloading = threading.Event(), threading.Event()
    notifier = Notifier()
    mailbox = Mailbox()
    link: BrokerLink

    def new_manager() -> Manager:
        return Manager(settings.manager, publish)

    def new_link() -> BrokerLink:
        return BrokerLink(
            settings.broker,
            # Two that stand in for each other must not push each other off the broker.
            client_id=f"bem-manager-{socket.gethostname()}_{secrets.token_hex(8)}",
            subscriptions=[node_filter(topic) for topic in TOPICS],
            on_message=arrived,
        )

    def publish(topic: str, message: Message) -> bool:
        return post.held() and link.publish(topic, message)

    def arrived(topic: str, payload: bytes) -> None:
        worker.manager.heard(topic)
        mailbox.put(Letter(topic, payload, datetime.now(UTC)))

    def take_up() -> None:
        nonlocal link
        # A new one knows nothing of what it believed when it decided last.
        worker.manager = new_manager()
        link = new_link()
        link.start()
        courier.start()

    def lay_down() -> None:
        courier.stop()
        link.stop()
        mailbox.clear()

    def alive() -> None:
        notifier.alive()
        if reloading.is_set():
            reloading.clear()
            reload_logging()

    link = new_link()
    post = Post(
        LeaseKeeper(_LEASE, holder), take_up=take_up, lay_down=lay_down, status=notifier.status
    )
    courier = Courier(settings.notify, may_act=post.held)
    worker = Worker(new_manager(), mailbox, stopping, alive, tend=post.tend, status=notifier.status)
    _handle_signals(stopping, reloading)
    notifier.ready()
    worker.run()
    notifier.stopping()
    try:
        post.leave()
    except DatabaseError as error:
        _LOGGER.warning("the post could not be given back, another takes it later: %s", error)
    courier.join(_LAST_LETTER_S)
    connection.close()
    return 0


def _handle_signals(stopping: threading.Event, reloading: threading.Event) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    def reload(_number: int, _frame: FrameType | None) -> None:
        reloading.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, reload)


def _only_one(path: Path) -> int | None:
    """Take the manager's lock; two on one machine would decide against each other."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return hold(path)
    except OSError as error:
        _LOGGER.critical("cannot open %s: %s", path, error)
    except Held:
        _LOGGER.critical("another manager holds %s", path)
    return None


def _holder(lock: int) -> str:
    """Name this manager as no other is named: by its host and a number kept in its lock file.

    The lock says that its predecessor is gone, so a lease under this name is free.
    """
    name = os.pread(lock, 64, 0).decode(errors="replace").strip()
    if not name:
        name = secrets.token_hex(8)
        os.pwrite(lock, f"{name}\n".encode(), 0)
        os.fsync(lock)
    return f"{socket.gethostname()}/{name}"
