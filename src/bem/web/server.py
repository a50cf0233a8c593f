"""Serve the web application by gunicorn."""

import errno
import importlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from bem.runtime.log import set_up_logging
from bem.runtime.settings import Settings, SettingsError

GRACE_S = 2
"""How long requests under way may take to end; streams end at once."""
_TIMEOUT_S = 30
_LOGGER = logging.getLogger(__name__)


class Worker(ThreadWorker):
    """Ends the live streams when told to stop, so that they do not hold it up."""

    def init_process(self) -> None:
        """Listen to the broker in this process, then serve."""
        from bem.web.watch.process_hub import HUB, connect_hub

        self._hub = HUB
        connect_hub()
        super().init_process()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop accepting, end the streams."""
        self._hub.close()
        super().handle_exit(sig, frame)

    def is_parent_alive(self) -> bool:
        """Look whether the arbiter is there; without it the streams end, too."""
        alive = bool(super().is_parent_alive())
        if not alive:
            self._hub.close()
        return alive


class _Application(BaseApplication):
    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Callable[..., Any]:
        from bem.web.wsgi import application

        return application


def run(settings: Settings) -> int:
    """Serve until told to stop.

    Returns:
        0 after an orderly end, 1 when the settings cannot be used or the address is taken.
    """
    set_up_logging(settings.logging)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bem.web.settings")
    problem = _cannot_work() or _cannot_listen(settings.web.address, settings.web.port)
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        return 1

    def ready(_arbiter: Arbiter) -> None:
        _LOGGER.info("serving on %s port %d", settings.web.address, settings.web.port)

    application = _Application(
        {
            "bind": [_address(settings.web.address, settings.web.port)],
            "worker_class": Worker,
            "workers": settings.web.workers,
            "threads": settings.web.threads,
            "worker_connections": settings.web.threads * 4,
            "timeout": _TIMEOUT_S,
            "graceful_timeout": GRACE_S,
            "keepalive": 15,
            "preload_app": False,
            "proc_name": "bem-web",
            "control_socket_disable": True,
            "errorlog": "-",
            "loglevel": "warning",
            "when_ready": ready,
        }
    )
    try:
        Arbiter(application).run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _cannot_work() -> str | None:
    """Say why a worker would fail to start, in words instead of by its traceback."""
    try:
        importlib.import_module("bem.web.settings")
    except SettingsError as error:
        return str(error)
    except OSError as error:
        return f"cannot use the data directory: {error}; choose another by data_dir"
    return None


def _cannot_listen(host: str, port: int) -> str | None:
    """Say why an address cannot be listened on, and what to do; ``None`` if it can."""
    plain = host.strip("[]")
    family = socket.AF_INET6 if ":" in plain else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((plain, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return (
                f"port {port} of {host} is taken by another program: choose another by "
                "web.port in the settings file"
            )
        return (
            f"cannot listen on {host} port {port}: {error.strerror}; choose another by "
            "web.address and web.port in the settings file"
        )
    return None
