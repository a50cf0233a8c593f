"""Serve the web application by gunicorn."""

import errno
import importlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from bem.runtime.log import reload_logging, set_up_logging
from bem.runtime.notify import take_over_notification
from bem.runtime.settings import Settings, SettingsError
from bem.web.arbiter import ReadyPipe, WatchedArbiter
from bem.web.tls import answer_plainly, server_context

GRACE_S = 15
"""How long requests under way may take to end; streams end at once."""
_TIMEOUT_S = 20
_STREAMS = "/live/"
_LOGGER = logging.getLogger(__name__)
_READY = ReadyPipe()


class Worker(ThreadWorker):
    """Ends the live streams when told to stop, so that they do not hold it up."""

    def init_process(self) -> None:
        """Listen to the broker in this process, then serve."""
        from bem.web.watch.process_hub import HUB, connect_hub

        self._hub = HUB
        connect_hub()
        super().init_process()

    def init_signals(self) -> None:
        """Take SIGHUP for new log levels."""
        super().init_signals()
        signal.signal(signal.SIGHUP, self._handle_hup)
        signal.siginterrupt(signal.SIGHUP, False)

    def run(self) -> None:
        """Serve; the application is loaded now."""
        from bem.web.gate import GATE

        GATE.watch()
        # Until its first beat gunicorn takes the worker for a live one, however long it hangs.
        self.notify()
        _READY.tell()
        super().run()

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

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """Wait for events; on the way out only as long as somebody waits for us."""
        super().wait_for_and_dispatch_events(timeout)
        if not self.alive and self.ppid != os.getppid():
            # Threads under way would hold up an orderly exit.
            os._exit(1)

    def handle_request(self, req: Any, conn: Any) -> bool:  # noqa: ANN401 - gunicorn's own
        """Answer; ``True`` if the connection stays open for another request."""
        stays = bool(super().handle_request(req, conn))
        if self.alive or not req.path.startswith(_STREAMS):
            # On the way out, too, for a moment: the next request may be coming on it already.
            return stays
        # All of it has been sent, and who watched a stream makes a new connection in any case;
        # gunicorn would wait up to 2 s for each to hang up, one after the other.
        conn.sock.close()
        return False

    def handle_error(
        self,
        req: Any,  # noqa: ANN401 - gunicorn's own
        client: Any,  # noqa: ANN401 - as above
        addr: Any,  # noqa: ANN401 - as above
        exc: BaseException,
    ) -> None:
        """Say what went wrong; a client that speaks no HTTPS is nothing to log about."""
        if not isinstance(exc, ssl.SSLError):
            super().handle_error(req, client, addr, exc)
            return
        _LOGGER.debug("no TLS with %s: %s", addr, exc)
        if exc.reason == "HTTP_REQUEST":
            answer_plainly(client)

    def _handle_hup(self, _signal: int, _frame: FrameType | None) -> None:
        self.method_queue.defer(reload_logging)


class _Application(BaseApplication):
    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Callable[..., Any]:
        from django.urls import get_resolver

        from bem.web.wsgi import application

        # Django would load the pages with the first request, long after this was called ready.
        get_resolver().check()
        return application


def run(settings: Settings) -> int:
    """Serve until told to stop: on the socket that systemd hands over, else on a port of our own.

    Returns:
        0 after an orderly end, 1 when the settings cannot be used or the address is taken.
    """
    set_up_logging(settings.logging)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bem.web.settings")
    web = settings.web
    activated = _sockets_handed_over() > 0
    problem = _cannot_work() or (None if activated else _cannot_listen(web.address, web.port))
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        return 1
    try:
        application = _Application(_options(settings, activated=activated))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    # gunicorn would announce itself before anything is loaded.
    notifier = take_over_notification()
    try:
        WatchedArbiter(application, notifier, _READY).run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _options(settings: Settings, *, activated: bool) -> dict[str, Any]:
    web = settings.web

    def ready(_arbiter: Arbiter) -> None:
        scheme = "https" if web.https == "serve" else "http"
        if activated:
            _LOGGER.info("serving %s on the socket that was handed over", scheme)
        else:
            _LOGGER.info("serving %s on %s port %d", scheme, web.address, web.port)

    options: dict[str, Any] = {
        "bind": [_address(web.address, web.port)],
        "worker_class": Worker,
        "workers": web.workers,
        "threads": web.threads,
        "worker_connections": web.threads * 4,
        "timeout": _TIMEOUT_S,
        "graceful_timeout": GRACE_S,
        "keepalive": 15,
        "preload_app": False,
        "proc_name": "bem-web",
        "control_socket_disable": True,
        "errorlog": "-",
        "loglevel": "warning",
        "when_ready": ready,
        # Django judges what a proxy says, and only where there is one.
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
    }
    if web.https == "serve":
        # Once for all connections; gunicorn would read both files anew for each.
        context = server_context(web)

        def made(_config: object, _factory: object) -> ssl.SSLContext:
            return context

        options |= {"certfile": str(web.certificate_file), "ssl_context": made}
    return options


def _sockets_handed_over() -> int:
    """How many sockets systemd has handed to this very process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    return int(os.environ.get("LISTEN_FDS", "0"))


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
