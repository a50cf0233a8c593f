"""The demo comes up by itself, comes back by itself, and leaves nothing behind."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.support.demo import STATIONS, Demo, run_demo

WaitUntil = Callable[..., None]
MakeDemo = Callable[..., Demo]
PROCESSES = ("broker", "devices", "manager", "node", "simulator-epc-1", "simulator-epc-2", "web")

pytestmark = [pytest.mark.demo, pytest.mark.timeout(240)]


def test_every_process_comes_back_and_ctrl_c_ends_all(demo: Demo, wait_until: WaitUntil) -> None:
    for name in (*PROCESSES, *STATIONS):
        before = demo.pids()[name]
        os.kill(before, signal.SIGKILL)
        wait_until(
            lambda name=name, before=before: demo.pids().get(name, before) != before,
            f"{name} to come back\n{demo.logs()}",
            timeout_s=20,
        )
    demo.visitor().get("/")
    began = time.monotonic()
    assert demo.signal(signal.SIGINT) == 0
    assert time.monotonic() - began < 10
    assert demo.all_pids() == []
    assert not any(demo.places.runtime.iterdir()), list(demo.places.runtime.iterdir())
    for station in ("epc-1", "epc-2"):
        assert not demo.ledger(station).output_on()


def test_a_broker_port_that_was_taken_meanwhile(demo: Demo, wait_until: WaitUntil) -> None:
    assert demo.signal(signal.SIGTERM) == 0
    before = yaml.safe_load(demo.places.settings.read_text())["broker"]["port"]
    with socket.socket() as other:
        # The broker's last connections are still fading away.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", before))
        other.listen()
        demo.start()
        wait_until(demo.is_up, "the demo to come up", timeout_s=60)
        after = yaml.safe_load(demo.places.settings.read_text())["broker"]["port"]
        assert after != before
        assert demo.signal(signal.SIGTERM) == 0


def test_killing_the_supervisor_starts_everything_anew(demo: Demo, wait_until: WaitUntil) -> None:
    before = demo.pids()
    os.kill(int(demo.places.supervisor_pid.read_text()), signal.SIGKILL)
    wait_until(
        lambda: not {*before.values()} & {*demo.all_pids()} and demo.is_up(),
        "everything to come back",
        timeout_s=60,
    )
    assert demo.signal(signal.SIGTERM) == 0
    assert demo.all_pids() == []


def test_a_long_path_with_odd_characters_works(make_demo: MakeDemo, tmp_path: Path) -> None:
    deep = tmp_path / ("a long name " * 8) / ("blanks and 100 % and ü" * 4)
    make_demo(data=deep).visitor().get("/")


def test_the_check_does_the_main_job() -> None:
    began = time.monotonic()
    done = run_demo("--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 90
    recorded = re.search(r"(\d+) as the converter answered, 0 lost, 0 doubled", done.stdout)
    assert recorded is not None
    assert int(recorded[1]) > 100


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run_demo("--data", str(tmp_path), "--port", port)
    assert done.returncode == 2
    assert done.stderr == f"bem demo: port {port} is taken: choose another with --port N\n"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = run_demo("--data", str(tmp_path / "file" / "below"))
    assert done.returncode == 2
    assert str(tmp_path / "file" / "below") in done.stderr
    assert "--data DIR" in done.stderr


def test_a_broken_settings_file(tmp_path: Path) -> None:
    (tmp_path / "bem.yaml").write_text("web: {prot: 1}\n")
    done = run_demo("--data", str(tmp_path))
    assert done.returncode == 2
    assert "web.prot: unknown key; allowed here:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [("--speed", "0.5"), ("--speed", "nan"), ("--port", "70000")])
def test_options_out_of_range(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run_demo("--data", str(tmp_path), *options)
    assert done.returncode == 2
    assert options[0] in done.stderr
