"""A station ordered in the records comes to life on its node, changes, and goes again."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.manager.conftest import Laboratory

WaitUntil = Callable[..., None]
pytestmark = pytest.mark.timeout(180)
_OPERATE = """
import json, sys
import django
django.setup()
from django.contrib.auth.models import User
from bem.lab.models import Node, Station
from bem.lab.operations import definitions as it
what, slug, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
user, _ = User.objects.get_or_create(username="ann", is_superuser=True)
if what == "add":
    command = it.add_station(user, Node.objects.get(), slug, it.StationInput(**given))
else:
    station = Station.objects.get(slug=slug)
    if what == "edit":
        seen = it.fingerprint(station.definition)
        command = it.edit_station(user, station, it.StationInput(**given), seen=seen)
    else:
        command = it.remove_station(user, station)
print(command.id.hex)
"""
VIRTUAL = {"name": "Two", "driver": "virtual", "settings": {"battery": {"capacity_ah": 3.0}}}


def operate(laboratory: "Laboratory", what: str, slug: str, given: object = None) -> str:
    return subprocess.run(
        [sys.executable, "-c", _OPERATE, what, slug, json.dumps(given)],
        env=laboratory.environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()


def outcome(laboratory: "Laboratory", command: str) -> tuple[str, str]:
    found = laboratory.rows("SELECT status, reason FROM lab_command WHERE id = ?", command)
    ending: tuple[str, str] = found[0]
    return ending


def ended(laboratory: "Laboratory", command: str) -> bool:
    return outcome(laboratory, command)[0] not in ("pending", "sent")


@pytest.fixture
def running(laboratory: "Laboratory", wait_until: WaitUntil) -> "Laboratory":
    laboratory.define("one")
    laboratory.start("broker", "manager", "node")
    wait_until(
        lambda: (
            laboratory.station_states() == {"one": "idle"}
            and laboratory.rows("SELECT 1 FROM lab_driverlist")
        ),
        "the node with its drivers",
        # A node tells its drivers once a minute; the manager may have missed the first time.
        timeout_s=90,
    )
    return laboratory


def test_a_station_is_made_changed_and_removed(
    running: "Laboratory", wait_until: WaitUntil
) -> None:
    made = operate(running, "add", "two", VIRTUAL)
    wait_until(lambda: running.station_states().get("two") == "idle", "it to live", timeout_s=30)
    wait_until(lambda: outcome(running, made) == ("done", ""), "the answer")
    first = running.station_pid("two")
    assert first is not None
    assert "capacity_ah: 3.0" in running.settings.station_file("two").read_text()

    changed = operate(running, "edit", "two", VIRTUAL | {"name": "Zwei"})
    wait_until(lambda: ended(running, changed), "the change", timeout_s=30)
    assert outcome(running, changed) == ("done", "")
    wait_until(
        lambda: (
            running.rows("SELECT name, state FROM lab_station WHERE slug = 'two'")
            == [("Zwei", "idle")]
        ),
        "the station by its new name",
        timeout_s=30,
    )
    assert running.station_pid("two") not in (first, None)

    removed = operate(running, "remove", "two")
    wait_until(lambda: running.station_states() == {"one": "idle"}, "it to go", timeout_s=30)
    wait_until(lambda: outcome(running, removed) == ("done", ""), "the answer")
    assert running.station_pid("two") is None
    assert not running.settings.station_file("two").exists()
    # What it recorded stays.
    assert running.settings.journal_file("two").exists()


def test_the_node_refuses_with_the_drivers_own_words(
    running: "Laboratory", wait_until: WaitUntil
) -> None:
    epc = {"name": "E", "driver": "epc", "settings": {"bus": {}, "device_id": 17}}
    command = operate(running, "add", "epc", epc)
    wait_until(lambda: ended(running, command), "the answer", timeout_s=30)
    status, reason = outcome(running, command)
    assert status == "refused"
    assert reason.startswith("power.settings.device_id: EPC id 0x11 uses CAN identifiers")
    assert not running.settings.station_file("epc").exists()
    assert running.station_states() == {"one": "idle"}
