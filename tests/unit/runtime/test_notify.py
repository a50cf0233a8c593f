"""What systemd is told, over a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bem.runtime.notify import Notifier, take_over_notification


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield listener


def test_a_status_is_one_line_of_utf8_and_not_repeated(systemd: socket.socket) -> None:
    notifier = Notifier()
    notifier.status("21 °C\nREADY=1")
    notifier.status("21 °C\nREADY=1")
    notifier.extend_start(1.5)
    assert systemd.recv(200).decode() == "STATUS=21 °C READY=1"
    assert systemd.recv(200) == b"EXTEND_TIMEOUT_USEC=1500000"
    notifier.close()


def test_a_taken_over_notification_is_found_by_nobody_else(systemd: socket.socket) -> None:
    notifier = take_over_notification()
    assert notifier.watchdog_s == 30
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
    notifier.ready()
    assert systemd.recv(200) == b"READY=1"
    notifier.close()


def test_the_watchdog_of_another_process_is_not_ours(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    notifier = Notifier()
    assert notifier.watchdog_s is None
    notifier.close()
