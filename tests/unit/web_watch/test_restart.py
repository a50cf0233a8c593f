"""A restart on a socket that somebody else keeps: no request fails, with HTTPS and without."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.workertmp import WorkerTmp
from tests.support.records import put_tables

from bem.web.server import Worker

pytestmark = pytest.mark.timeout(240)
WaitUntil = Callable[..., None]
# What systemd does: the socket as descriptor 3, named by the process that is about to serve.
SERVE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
from bem.runtime.settings import load_settings
from bem.web.server import run
raise SystemExit(run(load_settings()))
"""


class Systemd:
    """Keeps the listening socket, starts the server on it, and hears what it says."""

    def __init__(self, folder: Path, **web: object) -> None:
        self._folder = folder
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self.listener.getsockname()[1])
        self.heard: list[str] = []
        self.log = folder / "log"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(0.2)
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        (folder / "key").write_text(secrets.token_urlsafe(50))
        settings = {
            "data_dir": str(folder / "data"),
            # Taken by the listener itself: binding it, or probing it, would fail.
            "web": {"port": self.port, "secret_key_file": str(folder / "key"), "threads": 8, **web},
            "broker": {"hosts": ["127.0.0.1"], "port": 9},
        }
        self.settings_file = folder / "bem.yaml"
        self.settings_file.write_text(yaml.safe_dump(settings))
        self._environment = {
            **os.environ,
            "BEM_CONFIG": str(self.settings_file),
            "DJANGO_SETTINGS_MODULE": "bem.web.settings",
            "LISTEN_FDS": "1",
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "30000000",
        }
        put_tables(folder / "data")
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        number = self.listener.fileno()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(number)],
                env=self._environment,
                pass_fds=[number],
                stderr=log,
            )

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def use(self, settings_module: str, **modules: str) -> None:
        """Have Django's settings from one of these modules, given by their text."""
        for name, text in modules.items():
            (self._folder / f"{name}.py").write_text(text)
        path = [str(self._folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment |= {
            "DJANGO_SETTINGS_MODULE": settings_module,
            "PYTHONPATH": os.pathsep.join(path),
        }

    def wait_for_end(self) -> int:
        assert self._process is not None
        return self._process.wait(60)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        self._ended = True
        self._ear.join()
        self._notify.close()
        self.listener.close()

    def _listen(self) -> None:
        while not self._ended:
            try:
                self.heard += self._notify.recv(1000).decode().splitlines()
            except TimeoutError:
                continue


@pytest.fixture(params=["off", "serve"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    web: dict[str, Any] = {"https": request.param}
    if request.param == "serve":
        web |= _certificate(tmp_path)
    systemd = Systemd(tmp_path, **web)
    yield systemd
    systemd.close()


def _certificate(folder: Path) -> dict[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the Debian package openssl: sudo apt-get install openssl")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=web", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "tls_key"), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return {
        "certificate_file": str(folder / "certificate.pem"),
        "key_file": str(folder / "tls_key"),
    }


def _connect(systemd: Systemd, folder: Path) -> http.client.HTTPConnection:
    if not (folder / "certificate.pem").exists():
        return http.client.HTTPConnection("127.0.0.1", systemd.port, timeout=60)
    context = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    return http.client.HTTPSConnection("127.0.0.1", systemd.port, timeout=60, context=context)


def _ask(systemd: Systemd, folder: Path) -> str:
    connection = _connect(systemd, folder)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
    except OSError as error:
        return repr(error)
    finally:
        connection.close()
    return str(answer.status)


def test_a_restart_under_ten_requests_a_second_loses_none(
    systemd: Systemd, tmp_path: Path, wait_until: WaitUntil
) -> None:
    systemd.start()
    wait_until(lambda: "READY=1" in systemd.heard, "the server", timeout_s=60)
    assert _ask(systemd, tmp_path) == "200"
    answers: list[str] = []
    enough = threading.Event()

    def visit() -> None:
        while not enough.wait(0.1):
            one = threading.Thread(target=lambda: answers.append(_ask(systemd, tmp_path)))
            one.start()
            asking.append(one)

    asking: list[threading.Thread] = []
    visitor = threading.Thread(target=visit)
    visitor.start()
    for _ in range(2):
        wait_until(lambda: len(answers) >= 10, "some answers", timeout_s=60)
        before = systemd.heard.count("READY=1")
        assert systemd.stop() == 0
        systemd.start()
        wait_until(lambda: systemd.heard.count("READY=1") > before, "it again", timeout_s=60)  # noqa: B023 - called at once
    seen = len(answers)
    wait_until(lambda: len(answers) >= seen + 10, "answers after it", timeout_s=60)
    enough.set()
    visitor.join()
    for one in asking:
        one.join()
    assert set(answers) == {"200"}
    assert len(answers) == len(asking)
    # Once each, and not before a worker could answer.
    assert systemd.heard.count("READY=1") == 3
    assert systemd.heard.count("STOPPING=1") == 2
    assert "Traceback" not in systemd.log.read_text()


def test_a_kept_connection_and_the_release_survive_a_reload(
    systemd: Systemd, tmp_path: Path, wait_until: WaitUntil
) -> None:
    systemd.start()
    wait_until(lambda: "READY=1" in systemd.heard, "the server", timeout_s=60)
    connection = _connect(systemd, tmp_path)
    for level in ("WARNING", "LOUD", "DEBUG"):
        raw = yaml.safe_load(systemd.settings_file.read_text())
        systemd.settings_file.write_text(yaml.safe_dump(raw | {"logging": {"level": level}}))
        os.kill(systemd.pid, signal.SIGHUP)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert answer.status == 200
        assert set(json.loads(answer.read())) == {"database", "version"}
        said = "'LOUD'" if level == "LOUD" else f"log level {level}"
        if level != "WARNING":
            # In the arbiter and in its worker.
            wait_until(lambda: systemd.log.read_text().count(said) >= 2, said)  # noqa: B023 - called at once
    connection.close()
    assert systemd.stop() == 0


@pytest.mark.parametrize("systemd", ["off"], indirect=True)
def test_pages_that_cannot_be_loaded_are_never_called_ready(systemd: Systemd) -> None:
    systemd.use(
        "broken_settings",
        broken_settings="from bem.web.settings import *\nROOT_URLCONF = 'broken_pages'\n",
        broken_pages="import no_such_module\n",
    )
    systemd.start()

    assert systemd.wait_for_end() != 0
    assert "READY=1" not in systemd.heard
    assert "no_such_module" in systemd.log.read_text()


@pytest.mark.parametrize("systemd", ["serve"], indirect=True)
def test_https_is_tls_1_2_or_newer_with_its_headers_and_plain_http_is_told(
    systemd: Systemd, tmp_path: Path, wait_until: WaitUntil
) -> None:
    systemd.start()
    wait_until(lambda: "READY=1" in systemd.heard, "the server", timeout_s=60)
    connection = _connect(systemd, tmp_path)
    connection.request("GET", "/sign-in/")
    answer = connection.getresponse()
    assert answer.headers["Strict-Transport-Security"] == "max-age=2592000"
    assert "Secure" in answer.headers["Set-Cookie"]
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.version() in ("TLSv1.2", "TLSv1.3")
    connection.close()
    plain = http.client.HTTPConnection("127.0.0.1", systemd.port, timeout=10)
    plain.request("GET", "/")
    told = plain.getresponse()
    assert told.status == 400
    assert b"speaks HTTPS" in told.read()
    plain.close()
    with socket.create_connection(("127.0.0.1", systemd.port), timeout=10) as noise:
        noise.sendall(bytes(range(256)))
        noise.recv(100)
    assert _ask(systemd, tmp_path) == "200"
    log = systemd.log.read_text()
    assert "Traceback" not in log
    assert "SSL" not in log


def test_a_worker_has_beaten_before_it_is_called_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the first beat gunicorn has the time of day there, which no hanging makes old."""
    beats: list[float] = []
    worker = object.__new__(Worker)
    worker.tmp = WorkerTmp(Config())
    monkeypatch.setattr("bem.web.gate.GATE.watch", lambda: None)
    monkeypatch.setattr(
        "bem.web.server._READY.tell", lambda: beats.append(worker.tmp.last_update())
    )
    monkeypatch.setattr(ThreadWorker, "run", lambda _: None)
    try:
        worker.run()
    finally:
        worker.tmp.close()
    assert beats
    assert beats[0] <= time.monotonic()


@pytest.mark.parametrize("systemd", ["off"], indirect=True)
def test_a_hung_worker_is_replaced_and_meanwhile_the_watchdog_starves(
    systemd: Systemd, tmp_path: Path, wait_until: WaitUntil
) -> None:
    systemd.start()
    wait_until(lambda: "READY=1" in systemd.heard, "the server", timeout_s=60)
    wait_until(lambda: "WATCHDOG=1" in systemd.heard, "the watchdog's food")
    children = Path(f"/proc/{systemd.pid}/task/{systemd.pid}/children")
    (worker,) = children.read_text().split()
    os.kill(int(worker), signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: worker not in children.read_text().split(), "its end", timeout_s=60)
    assert time.monotonic() - stopped < 25
    # Fed for as long as the last beat counts, and not until the new worker is there.
    assert systemd.heard.count("WATCHDOG=1") < 20
    fed = systemd.heard.count("WATCHDOG=1")
    wait_until(lambda: systemd.heard.count("WATCHDOG=1") > fed, "its successor", timeout_s=60)
    assert _ask(systemd, tmp_path) == "200"
