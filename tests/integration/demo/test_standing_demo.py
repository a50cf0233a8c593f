"""What is true of a demo that is up: all of these share one, and leave it up and running."""

import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.demo import STATIONS, Demo, run_demo

WaitUntil = Callable[..., None]

pytestmark = [pytest.mark.demo, pytest.mark.timeout(240)]


@pytest.fixture
def demo(shared_demo: Demo) -> Demo:
    return shared_demo


def test_all_stations_come_online(demo: Demo, wait_until: WaitUntil) -> None:
    visitor = demo.visitor()

    def idle() -> bool:
        found = visitor.get("/experiments/add/").choices("station")
        return len(found) == len(STATIONS) and all("Idle" in one.text for one in found)

    wait_until(idle, "three idle stations", timeout_s=30)


def test_a_second_start_finds_everything_again(demo: Demo, wait_until: WaitUntil) -> None:
    battery = demo.visitor().add(
        "/batteries/add/",
        {
            "technology": "lithium",
            "name": "Kept",
            "cells": "1",
            "voltage_min": "2.5",
            "voltage_max": "4.2",
            "current_min": "-1",
            "current_max": "1",
            "capacity": "2",
            "chemistry": "nmc",
        },
    )
    password, port = demo.password, demo.port
    assert demo.signal(signal.SIGTERM) == 0
    demo.start()
    wait_until(demo.is_up, "the demo to come up again", timeout_s=60)
    assert (demo.password, demo.port) == (password, port)
    assert "Kept" in demo.visitor().get(battery).text


def test_secrets_are_for_the_owner_alone(demo: Demo) -> None:
    secrets = list((demo.places.data / "secrets").iterdir())
    assert len(secrets) == 3
    for path in (*secrets, demo.places.settings):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert demo.password in demo.said
    for path in secrets:
        secret = path.read_text()
        for pid in demo.all_pids():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert secret.encode() not in command + environment


def test_a_second_demo_on_the_same_data_is_refused(demo: Demo) -> None:
    assert demo.process is not None
    second = run_demo("--data", str(demo.places.data))
    assert second.returncode == 2
    assert f"process {demo.process.pid}" in second.stderr
    assert "--data DIR" in second.stderr
    assert demo.is_up()


def test_killing_the_demo_itself_ends_all_in_order(demo: Demo, wait_until: WaitUntil) -> None:
    demo.signal(signal.SIGKILL)
    wait_until(lambda: not demo.all_pids(), "all processes to end", timeout_s=20)
    demo.start()
    wait_until(demo.is_up, "the demo to come up again", timeout_s=60)
