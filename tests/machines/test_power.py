"""Power cuts, cold boots in every order, servers that are late or away: no hand is needed."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.lab.machines import Lab, Machine, in_parallel
from tests.lab.visit import Guest, wait_for

LONG = "Charge at C/10 for 10 minutes    record every 100 ms\n"
BACK_S = 90.0


def stations(guest: Guest) -> int:
    guest.sign_in()
    return len([one for one in guest.stations() if "Idle" in one.text])


def wait_until_well(guest: Guest, within_s: float = BACK_S) -> None:
    wait_for(lambda: stations(guest) == 3, within_s, "page with three idle stations")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_cold_boot_in_every_order(
    lab: Lab, guest: Guest, order: tuple[int, ...], record_property: Callable[[str, object], None]
) -> None:
    in_parallel(lab.machines, Machine.cut)
    began = time.monotonic()
    for number in order:
        lab.machines[number].start()
        time.sleep(1)
    wait_for(lambda: guest.visitor.get("/sign-in/"), BACK_S, "page")
    record_property("first_page_s", round(time.monotonic() - began, 1))
    wait_until_well(guest)
    record_property("all_stations_s", round(time.monotonic() - began, 1))


def test_a_database_that_is_a_minute_late(
    server: Machine, guest: Guest, record_property: Callable[[str, object], None]
) -> None:
    database = server.run(
        "systemctl list-units --plain --no-legend 'mariadb.service' 'mysql.service'"
    )
    unit = database.split()[0]
    server.cut()
    server.hold_back(unit, 60)
    try:
        began = time.monotonic()
        server.boot()
        wait_until_well(guest, 60 + BACK_S)
        record_property("all_stations_s", round(time.monotonic() - began, 1))
    finally:
        server.release(unit)
        server.run("systemctl daemon-reload")


@contextmanager
def stopped(machine: Machine, unit: str) -> Iterator[None]:
    machine.run(f"systemctl stop {unit}")
    try:
        yield
    finally:
        machine.run(f"systemctl start {unit}")


def test_a_broker_that_is_away_for_two_minutes(server: Machine, guest: Guest) -> None:
    guest.sign_in()
    station = next(one for one in guest.idle_stations(3, 30) if one.text.startswith("EPC 1"))
    experiment = guest.queue(station, "Rest for 150 seconds    record every 100 ms", "Broker away")
    guest.wait_until(experiment, "Running", 30)
    with stopped(server, "rabbitmq-server"):
        # The length of the outage is what is tested.
        threading.Event().wait(120)
    guest.wait_until(experiment, "Finished", 120)

    assert gaps(guest.samples(experiment)) == []
    wait_until_well(guest)


def test_a_database_restarted_as_apt_does(server: Machine, guest: Guest) -> None:
    unit = server.run(
        "systemctl list-units --plain --no-legend 'mariadb.service' 'mysql.service'"
    ).split()[0]
    with stopped(server, unit):
        threading.Event().wait(5)

    wait_until_well(guest)
    assert server.run("systemctl is-active bem-web bem-manager").split() == ["active", "active"]


def test_power_cut_of_a_node_in_mid_experiment(lab: Lab, guest: Guest) -> None:
    node = lab.machine("cycler-1")
    guest.sign_in()
    station = next(one for one in guest.idle_stations(3, 30) if one.text.startswith("EPC 1"))
    experiment = guest.queue(station, LONG, "Cut")
    guest.wait_until(experiment, "Running", 30)
    wait_for(lambda: len(guest.samples(experiment)) > 50, 30, "samples")

    cut_at = time.time()
    node.cut()
    node.boot()
    guest.wait_until(experiment, "Interrupted", BACK_S)
    rows = guest.samples(experiment)

    assert gaps(rows) == []
    assert float(rows[-1]["Unix Time / s"]) >= cut_at - 1.1
    # After a crash a person looks first.
    guest.acknowledge(station, BACK_S)


def gaps(rows: list[dict[str, str]]) -> list[tuple[float, float]]:
    """Find where more than two periods of 100 ms lie between two samples."""
    times = [float(row["Test Time / s"]) for row in rows]
    return [(a, b) for a, b in itertools.pairwise(times) if not 0 < b - a < 0.35]
