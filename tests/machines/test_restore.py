"""A backup, the loss of the server's disk, and the backup put on the empty server.

The tests follow each other; the last one ends with the laboratory as it was.
"""

import itertools
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.lab.controller import Controller, changed
from tests.lab.machines import Lab, Machine
from tests.lab.visit import Guest, wait_for

SHORT = """\
Charge at 1C for 5 seconds                        record every 100 ms
Discharge at 1C for 5 seconds                     record every 100 ms
"""
OVER_THE_LOSS = "Rest for 90 seconds    record every 100 ms"
RESULTS = {"lab_sample", "lab_event", "lab_bucket", "lab_stepresult", "lab_experiment"}
WRITERS = ("bem-web.socket", "bem-web.service", "bem-manager.service")
HOLD = "bem-test-hold.conf"
ENTER_S = 120.0
DELIVERED_S = 120.0

Record = Callable[[str, object], None]
Sums = dict[str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup of a database at rest, and what was in that database.

    ``kept``: an experiment that has ended; ``running``: one that runs on while the server is lost.
    """

    file: Path
    sums: Sums
    kept: str
    kept_rows: list[dict[str, str]]
    running: str


@pytest.fixture(scope="module")
def backup_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def backups() -> list[Taken]:
    """What the first test hands on to the others."""
    return []


@pytest.fixture
def taken(backups: list[Taken]) -> Taken:
    if not backups:
        pytest.skip("no backup was made, see the first test")
    return backups[0]


def ask(server: Machine, query: str) -> list[list[str]]:
    client = "$(command -v mariadb || command -v mysql)"
    said = server.run(f"{client} --batch --skip-column-names bem", query)
    return [line.split("\t") for line in said.splitlines()]


def checksums(server: Machine) -> Sums:
    """Compute the checksum of every table's rows."""
    tables = ask(
        server,
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = 'bem' AND table_type = 'BASE TABLE'",
    )
    named = ", ".join(f"`{name}`" for (name,) in tables)
    found = {
        name.removeprefix("bem."): sum_ for name, sum_ in ask(server, f"CHECKSUM TABLE {named}")
    }
    assert len(found) == len(tables) > len(RESULTS)
    assert "NULL" not in found.values()
    return found


def gaps(rows: list[dict[str, str]]) -> list[tuple[float, float]]:
    times = [float(row["Test Time / s"]) for row in rows]
    return [(a, b) for a, b in itertools.pairwise(times) if not 0 < b - a < 0.35]


def meant(file: Path) -> tuple[str, str]:
    return f"--extra-vars=backup_file={file}", "--extra-vars=restore_confirm=bem-server"


def hold(server: Machine) -> None:
    """Let what writes to the database stay off, whoever starts it."""
    for unit in WRITERS:
        folder = f"/run/systemd/system/{unit}.d"
        server.run(
            f"mkdir -p {folder} && cat > {folder}/{HOLD}",
            "[Unit]\nConditionPathExists=/nonexistent\n",
        )
    server.run("systemctl daemon-reload")


def release(server: Machine) -> None:
    for unit in WRITERS:
        server.run(f"rm /run/systemd/system/{unit}.d/{HOLD}")
    server.run("systemctl daemon-reload")
    # A server that boots starts the same.
    server.run(f"systemctl start {' '.join(WRITERS)}")


def test_a_backup_comes_to_the_controller(
    controller: Controller,
    server: Machine,
    enter: Callable[[Machine], Guest],
    backup_folder: Path,
    backups: list[Taken],
    record_property: Record,
) -> None:
    guest = enter(server)
    kept = guest.queue(guest.idle_station("EPC 1", ENTER_S), SHORT, "Kept")
    guest.wait_until(kept, "Finished", 90)
    rows = guest.samples(kept)
    running = guest.queue(guest.idle_station("EPC 1", 60), OVER_THE_LOSS, "Over the loss")
    guest.wait_until(running, "Running", 60)
    wait_for(lambda: len(guest.samples(running)) > 50, 30, "samples")
    # At rest, so that the database stays what the backup holds.
    server.run(f"systemctl stop {' '.join(WRITERS)}")

    began = time.monotonic()
    controller.play("playbooks/backup.yml", f"--extra-vars=backup_fetch_dir={backup_folder}")
    record_property("backup_s", round(time.monotonic() - began, 1))

    (file,) = backup_folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        names = archive.getnames()
        vault = archive.extractfile("controller/group_vars/all/vault.yml")
        assert vault is not None
        assert vault.read().startswith(b"$ANSIBLE_VAULT")
    assert {"controller/hosts.yml", "settings/web.yaml", "settings/manager.yaml"} <= set(names)
    assert not [name for name in names if "credentials" in name]
    sums = checksums(server)
    # An empty table has the sum 0.
    assert [name for name in RESULTS if sums[name] == "0"] == []
    backups.append(Taken(file, sums, kept, rows, running))


def test_a_restore_that_is_not_meant_is_refused(
    controller: Controller, server: Machine, taken: Taken
) -> None:
    said = controller.refused("playbooks/restore.yml", f"--extra-vars=backup_file={taken.file}")

    assert 'restore_confirm is ""' in said
    assert "restore_confirm=bem-server" in said
    assert checksums(server) == taken.sums


@pytest.mark.parametrize("damage", ["changed", "cut short"])
def test_a_damaged_backup_is_refused(
    controller: Controller, server: Machine, taken: Taken, tmp_path: Path, damage: str
) -> None:
    whole = taken.file.read_bytes()
    middle = tarfile.BLOCKSIZE + 5000
    damaged = tmp_path / taken.file.name
    if damage == "changed":
        damaged.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    else:
        damaged.write_bytes(whole[: len(whole) // 2])

    said = controller.refused("playbooks/restore.yml", *meant(damaged))

    assert "take another one" in said or "cannot be read as a backup" in said
    assert checksums(server) == taken.sums
    left = server.run("find /var/backups/bem/restore -type f 2>/dev/null || true")
    assert left == ""


def test_a_restore_onto_an_empty_server(
    lab: Lab,
    controller: Controller,
    server: Machine,
    enter: Callable[[Machine], Guest],
    taken: Taken,
    record_property: Record,
) -> None:
    server.reset()
    controller.hang_up()
    server.boot()
    began = time.monotonic()
    controller.play("site.yml")
    record_property("site_s", round(time.monotonic() - began, 1))
    # Nodes have met a server that knows nothing; they must not have given anything up.
    assert ask(server, "SELECT COUNT(*) FROM lab_experiment") == [["0"]]
    wait_for(lambda: ask(server, "SELECT 1 FROM lab_node WHERE online"), ENTER_S, "node")
    hold(server)
    began = time.monotonic()
    controller.play("playbooks/restore.yml", *meant(taken.file))
    record_property("restore_s", round(time.monotonic() - began, 1))

    assert checksums(server) == taken.sums
    release(server)
    guest = enter(server)
    assert guest.samples(taken.kept) == taken.kept_rows
    guest.wait_until(taken.running, "Finished", DELIVERED_S)
    rows = guest.samples(taken.running)
    assert gaps(rows) == []
    assert float(rows[-1]["Test Time / s"]) >= 89.8
    after = guest.queue(guest.idle_station("EPC 1", ENTER_S), SHORT, "After the restore")
    guest.wait_until(after, "Finished", 90)
    assert gaps(guest.samples(after)) == []


def test_a_second_run_changes_nothing(controller: Controller, taken: Taken) -> None:
    del taken
    assert changed(controller.said("site.yml")) == []
