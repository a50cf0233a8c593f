"""The next release and the one before, under an experiment and requests all the time.

The tests follow each other: forward, back, forward again by runs that are broken off.
"""

import itertools
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.lab.asking import Asking, asking
from tests.lab.controller import Controller
from tests.lab.machines import Lab, Machine
from tests.lab.newer import COLUMN, VERSION, Newer, make_newer
from tests.lab.visit import Guest, wait_for

PAGES = {"/sign-in/": "csrfmiddlewaretoken", "/healthz": '"database": "ok"'}
PER_SECOND = 10.0
LONG = "Charge at C/20 for 60 minutes    record every 100 ms"
PERIODS_S = 0.35
"""A period is 100 ms; the machine is shared, so one may be late, but none may be missing."""
STATION = "bem-station@epc-1.service"
DAEMONS = ("bem-web.service", "bem-manager.service")

Record = Callable[[str, object], None]

"""Each test runs whole playbooks, on a machine that other things share."""


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Newer:
    return make_newer(tmp_path_factory.mktemp("newer"))


@pytest.fixture(scope="module")
def older(server_of_module: Machine) -> str:
    """The release that the laboratory was made with."""
    current, previous = (
        Path(line).name
        for line in server_of_module.run(
            "cd /opt/bem; readlink current; readlink previous || echo none"
        ).split()
    )
    return previous if current.startswith(f"{VERSION}+") else current


@pytest.fixture(scope="module")
def server_of_module(lab: Lab) -> Machine:
    return lab.machine("bem-server")


@pytest.fixture
def node(lab: Lab) -> Machine:
    return lab.machine("cycler-1")


def release_in_use(machine: Machine) -> str:
    return Path(machine.run("readlink -f /opt/bem/current").strip()).name


def release_of(machine: Machine, unit: str) -> str:
    """The release that a unit's process runs from; empty while there is none."""
    command = machine.run(
        f"p=$(systemctl show -P MainPID {unit}); "
        "tr '\\0' '\\n' 2>/dev/null < /proc/$p/cmdline || true"
    )
    parts = Path(command.partition("\n")[0]).parts
    return parts[4] if parts[:4] == ("/", "opt", "bem", "releases") else ""


def main_process(machine: Machine, unit: str) -> str:
    return machine.run(f"systemctl show -P MainPID {unit}").strip()


def has_column(server: Machine) -> bool:
    asked = f"SHOW COLUMNS FROM lab_battery LIKE '{COLUMN}'"
    return COLUMN in server.run("$(command -v mariadb || command -v mysql) bem", asked)


def gaps(guest: Guest, experiment: str) -> list[tuple[float, float]]:
    times = [float(row["Test Time / s"]) for row in guest.samples(experiment)]
    assert len(times) > 50
    return [(a, b) for a, b in itertools.pairwise(times) if not 0 < b - a < PERIODS_S]


@dataclass(frozen=True, slots=True)
class Going:
    """An experiment that runs, and the process that runs it."""

    path: str
    process: str
    release: str


def begin(guest: Guest, node: Machine, name: str) -> Going:
    guest.sign_in()
    station = next(one for one in guest.idle_stations(2, 90) if one.text.startswith("EPC 1"))
    # So that the tests can be run again on the same laboratory.
    experiment = guest.queue(station, LONG, f"{name} {secrets.token_hex(2)}")
    guest.wait_until(experiment, "Running", 60)
    wait_for(lambda: len(guest.samples(experiment)) > 20, 30, "samples")
    return Going(experiment, main_process(node, STATION), release_of(node, STATION))


def end(guest: Guest, node: Machine, going: Going, wanted: str) -> None:
    """Stop it; the station, idle now, goes over to the release in use."""
    guest.visitor.submit(going.path, {"note": ""}, action=f"{going.path}stop/")
    guest.wait_until(going.path, "Stopped", 60)
    wait_for(lambda: release_of(node, STATION) == wanted, 60, f"station on {wanted}")
    assert gaps(guest, going.path) == []
    guest.idle_stations(2, 60)


def undisturbed(guest: Guest, node: Machine, going: Going) -> None:
    assert main_process(node, STATION) == going.process
    assert release_of(node, STATION) == going.release
    assert "Running" in guest.states(going.path)
    assert gaps(guest, going.path) == []


@contextmanager
def asked_for(server: Machine, authority: Path, record: Record) -> Iterator[Asking]:
    """Ask for pages meanwhile; every answer must be the page."""
    with asking(server.address, authority, tuple(PAGES), PER_SECOND) as found:
        yield found
    record("requests", len(found.answers))
    record("rate", round(found.rate(), 2))
    record("longest_s", round(found.longest_s(), 2))
    assert found.failed(PAGES) == []
    assert found.rate() > 0.95 * PER_SECOND


def versions(found: Asking) -> set[str]:
    return {json.loads(one.text)["version"] for one in found.answers if one.path == "/healthz"}


def to_newer(newer: Newer) -> tuple[str, ...]:
    return f"--extra-vars=release_wheel={newer.wheel}", f"--extra-vars=release_version={VERSION}"


def in_use(server: Machine, node: Machine, wanted: str) -> None:
    assert {release_in_use(server), release_in_use(node)} == {wanted}
    assert {release_of(server, unit) for unit in DAEMONS} == {wanted}
    assert release_of(node, "bem-node.service") == wanted


def test_upgrade(
    controller: Controller,
    server: Machine,
    node: Machine,
    guest: Guest,
    authority: Path,
    newer: Newer,
    older: str,
    record_property: Record,
) -> None:
    going = begin(guest, node, "Upgrade")
    with asked_for(server, authority, record_property) as found:
        controller.play("playbooks/upgrade.yml", *to_newer(newer))

    undisturbed(guest, node, going)
    wanted = release_in_use(server)
    assert wanted.startswith(f"{VERSION}+")
    assert going.release == older
    in_use(server, node, wanted)
    assert has_column(server)
    assert versions(found) == {older.partition("+")[0], VERSION}
    end(guest, node, going, wanted)


def test_an_older_release_is_refused_by_site(controller: Controller, server: Machine) -> None:
    before = release_in_use(server), main_process(server, "bem-web.service")

    said = controller.refused("site.yml")

    assert "To go back to the release before, run playbooks/rollback.yml" in said
    assert (release_in_use(server), main_process(server, "bem-web.service")) == before


@pytest.mark.parametrize("playbook", ["playbooks/upgrade.yml", "site.yml"])
def test_a_database_newer_than_the_release_is_refused(
    controller: Controller, server: Machine, newer: Newer, playbook: str
) -> None:
    before = release_in_use(server), *(main_process(server, unit) for unit in DAEMONS)

    said = controller.refused(playbook, "--extra-vars=release_downgrade=true")

    assert "The database is newer than release_version" in said
    assert newer.migration in said
    assert (release_in_use(server), *(main_process(server, unit) for unit in DAEMONS)) == before


def test_the_migration_of_an_older_release_refuses(server: Machine, older: str) -> None:
    said = server.run(
        "systemd-run --quiet --wait --collect --pipe --property=DynamicUser=yes "
        "--property=LoadCredential=database_password:"
        "/etc/bem/credentials/migrate/database_password "
        "--setenv=BEM_CONFIG=/etc/bem/migrate.yaml --setenv=PYTHONDONTWRITEBYTECODE=1 "
        f"/opt/bem/releases/{older}/bin/bem migrate 2>&1; echo code $?"
    )

    assert "the database is newer than this release" in said
    assert said.split()[-2:] == ["code", "2"]
    assert has_column(server)


def test_roll_back(
    controller: Controller,
    server: Machine,
    node: Machine,
    guest: Guest,
    authority: Path,
    older: str,
    record_property: Record,
) -> None:
    going = begin(guest, node, "Roll back")
    with asked_for(server, authority, record_property) as found:
        controller.play("playbooks/rollback.yml")

    undisturbed(guest, node, going)
    in_use(server, node, older)
    assert not has_column(server)
    assert versions(found) == {VERSION, older.partition("+")[0]}
    end(guest, node, going, older)


def test_an_upgrade_broken_off_completes_when_run_again(
    controller: Controller,
    server: Machine,
    node: Machine,
    guest: Guest,
    authority: Path,
    newer: Newer,
    record_property: Record,
) -> None:
    going = begin(guest, node, "Broken off")
    playbook, options = "playbooks/upgrade.yml", to_newer(newer)
    with asked_for(server, authority, record_property):
        controller.break_off(playbook, "Put the release in use", *options)
        # The manager is stopped and the migration is due.
        controller.break_off(playbook, "Restart the web application", *options)
        controller.break_off(playbook, "Start the manager", *options)
        controller.play(playbook, *options)

    undisturbed(guest, node, going)
    wanted = release_in_use(server)
    in_use(server, node, wanted)
    assert has_column(server)
    end(guest, node, going, wanted)


def test_a_roll_back_broken_off_completes_when_run_again(
    controller: Controller,
    server: Machine,
    node: Machine,
    guest: Guest,
    authority: Path,
    older: str,
    record_property: Record,
) -> None:
    going = begin(guest, node, "Roll back broken off")
    playbook, quick = "playbooks/rollback.yml", "--extra-vars=upgrade_backup=false"
    with asked_for(server, authority, record_property):
        controller.break_off(playbook, "Read the units again", quick)
        controller.break_off(playbook, "Start the manager", quick)
        controller.play(playbook, quick)

    undisturbed(guest, node, going)
    in_use(server, node, older)
    assert not has_column(server)
    assert server.run("systemctl show -P DropInPaths bem-migrate").strip() == ""
    end(guest, node, going, older)
