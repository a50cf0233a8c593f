"""The server process: it starts, says what is wrong, and ends in time with streams open."""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.records import put_tables

SERVE = "from bem.runtime.settings import load_settings; from bem.web.server import run; "
SERVE += "raise SystemExit(run(load_settings()))"
PREPARE = """
import django
django.setup()
from django.contrib.auth.models import Group
from bem.lab.models import Account
user = Account.objects.create_user("ana")
user.groups.add(Group.objects.get(name="viewer"))
from django.test import Client
client = Client()
client.force_login(user)
print(client.cookies["bem_session"].value)
"""
Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path, port: int) -> dict[str, str]:
    (tmp_path / "key").write_text(secrets.token_urlsafe(50))
    settings = {
        "data_dir": str(tmp_path / "data"),
        "web": {"port": port, "secret_key_file": str(tmp_path / "key"), "threads": 16},
        # Nobody listens there: the pages must work without a broker.
        "broker": {"hosts": ["127.0.0.1"], "port": 9},
    }
    (tmp_path / "bem.yaml").write_text(yaml.safe_dump(settings))
    return {
        **os.environ,
        "BEM_CONFIG": str(tmp_path / "bem.yaml"),
        "DJANGO_SETTINGS_MODULE": "bem.web.settings",
    }


@pytest.fixture
def serve(environment: dict[str, str]) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE], env=environment, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_it_stops_within_three_seconds_with_streams_open(
    serve: Start,
    environment: dict[str, str],
    port: int,
    tmp_path: Path,
    wait_until: Callable[..., None],
) -> None:
    put_tables(tmp_path / "data")
    prepared = subprocess.run(
        [sys.executable, "-c", PREPARE], env=environment, capture_output=True, text=True, check=True
    )
    session = prepared.stdout.strip()
    process = serve()
    wait_until(lambda: _answers(port), "the server", timeout_s=30)
    streams = []
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/live/stream", headers={"Cookie": f"bem_session={session}"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.readline() == b"retry: 1000\n"
        streams.append((connection, answer))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 3
    for connection, answer in streams:
        answer.read()
        connection.close()


def test_a_taken_port_is_named_with_the_way_out(serve: Start, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        process = serve()
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert "web.port" in said
    assert "Traceback" not in said


def test_a_missing_secret_is_said_in_words(
    serve: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "key").unlink()
    process = serve()
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert "web.secret_key_file" in said
    assert "Traceback" not in said
