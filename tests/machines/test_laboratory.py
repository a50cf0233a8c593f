"""What holds in a laboratory that ``site.yml`` has made."""

import itertools
import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lab import leaks
from tests.lab.controller import Controller, changed
from tests.lab.machines import Machine
from tests.lab.places import ROOT
from tests.lab.visit import Guest, wait_for

PROFILE = """\
Rest for 2 seconds                                record every 100 ms
Charge at 1C for 4 seconds                        record every 100 ms
Discharge at 1C for 4 seconds                     record every 100 ms
"""
Record = Callable[[str, object], None]
OPEN_AT_SERVER = {22, 8869, 8883}
OPEN_AT_NODE = {22}
PORTS = [22, 80, 443, 1883, 3306, 3369, 4369, 5671, 5672, 8080, 8443, 8869, 8883, 15672, 25672]


def test_an_experiment_runs_to_its_end(guest: Guest) -> None:
    guest.sign_in()
    station = guest.idle_station("EPC 1", 30)

    experiment = guest.queue(station, PROFILE, "Machines")
    guest.wait_until(experiment, "Finished", 60)
    times = [float(row["Test Time / s"]) for row in guest.samples(experiment)]

    assert times[-1] >= 10
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert min(gaps) > 0
    # A period is 100 ms; the machine is shared, so one may be late, but none may be missing.
    assert max(gaps) < 0.35


def test_only_what_is_used_answers_from_another_host(
    servers: list[Machine], nodes: list[Machine]
) -> None:
    for machine, wanted in [(servers[0], OPEN_AT_SERVER), *((one, OPEN_AT_NODE) for one in nodes)]:
        assert {port for port in PORTS if answers(machine.address, port)} == wanted


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def test_no_secret_lies_open(
    servers: list[Machine], nodes: list[Machine], secrets_json: str
) -> None:
    search = Path(leaks.__file__).read_text(encoding="utf-8")
    for machine in [*servers, *nodes]:
        machine.run("cat > /root/leaks.py", search)
        # The search itself ends with 1 when it finds something.
        assert machine.run("python3 /root/leaks.py; rm /root/leaks.py", secrets_json) == ""


def test_a_second_run_changes_nothing_and_shows_no_secret(
    controller: Controller, vault: dict[str, str], secrets_json: str, record_property: Record
) -> None:
    began = time.monotonic()
    said = controller.said("site.yml", "-vvv", "--diff")
    record_property("second_run_s", round(time.monotonic() - began, 1))
    assert changed(said) == []
    wanted = leaks.Needles(json.loads(secrets_json))

    assert wanted.found_in(said.encode()) == set()
    assert wanted.found_in(controller.log.read_bytes()) == set()
    assert leaks.Needles(vault).found_in(vault["web_secret_key"].encode()) == {"web_secret_key"}


def test_no_secret_in_the_repository(secrets_json: str) -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    wanted = leaks.Needles(json.loads(secrets_json))
    paths = [ROOT / name.decode() for name in files if name]

    found = [path for path in paths if path.is_file() and wanted.found_in(path.read_bytes())]

    assert found == []


def test_a_person_on_a_node_calls_bem_by_its_name(nodes: list[Machine]) -> None:
    said = nodes[0].run("bem stations --json")
    assert "epc-1" in {station["id"] for station in json.loads(said)}
    assert "epc" in nodes[0].run("bem devices")


@pytest.mark.parametrize("unit", ["bem-web", "bem-manager"])
def test_a_killed_service_comes_back(server: Machine, unit: str) -> None:
    before = server.run(f"systemctl show -P MainPID {unit}").strip()
    server.run(f"kill -KILL {before}")

    def back() -> bool:
        now = server.run(f"systemctl show -P MainPID -P ActiveState {unit}").split()
        return "active" in now and before not in now and "0" not in now

    wait_for(back, 30, f"{unit} to come back")
