"""Three servers: whichever loses its power, the others go on; all come back by themselves."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import pairwise

import pytest
from tests.lab.machines import Machine, in_parallel
from tests.lab.shell import LabError, attempt
from tests.lab.visit import Guest, wait_for

from bem.demo.visitor import Refused

TAKE_OVER_S = 20.0
ANSWER_S = 20.0
BACK_S = 180.0
RUN_S = 60
PROFILE = f"Charge at C/10 for {RUN_S} seconds    record every 100 ms\n"
ALL_RUN_S = 150
ALL_PROFILE = f"Charge at C/10 for {ALL_RUN_S} seconds    record every 100 ms\n"
JOURNAL = "/var/lib/bem/stations/epc-1/journal.sqlite3"
LOOK_S = 0.25
READ_JOURNAL = """
import sqlite3, sys, uuid
rows = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(
    "SELECT seq, elapsed_us FROM sample WHERE experiment = ? ORDER BY seq",
    [str(uuid.UUID(sys.argv[2]))],
)
print("\\n".join("\\t".join(map(str, row)) for row in rows))
"""

Record = Callable[[str, object], None]
Enter = Callable[[Machine], Guest]


@pytest.mark.parametrize("which", ["the active one", 0, 1, 2])
def test_one_server_without_power(
    which: str | int,
    servers: list[Machine],
    nodes: list[Machine],
    enter: Enter,
    record_property: Record,
) -> None:
    wait_until_complete(servers)
    active = active_manager(servers)
    assert active is not None
    victim = servers[which] if isinstance(which, int) else active
    others = [one for one in servers if one.address != victim.address]
    guests = [enter(one) for one in others]
    experiment = begin(guests[0], PROFILE, f"Without {which}")

    with watched(others, enter, experiment) as watches:
        cut_at = time.monotonic()
        unplug(victim)
        wait_for(lambda: active_manager(others), TAKE_OVER_S, "active manager")
        took_s = time.monotonic() - cut_at
        before = count(others[0], experiment)
        wait_for(lambda: count(others[0], experiment) > before, TAKE_OVER_S, "new samples")
        flowing_s = time.monotonic() - cut_at
        guests[1].wait_until(experiment, "Finished", RUN_S + BACK_S)
    silent_s = max(watch.longest_s() for watch in watches)
    record_property("was_active", victim.address == active.address)
    record_property("active_again_s", round(took_s, 1))
    record_property("samples_again_s", round(flowing_s, 1))
    record_property("page_silent_s", round(silent_s, 1))

    assert took_s < TAKE_OVER_S
    assert silent_s < ANSWER_S
    assert len([one for one in others if is_active(one)]) == 1
    complete_at(others, nodes[0], experiment, RUN_S)

    on_at = time.monotonic()
    victim.boot()
    enter(victim).wait_until(experiment, "Finished", BACK_S)
    record_property("page_of_the_returned_s", round(time.monotonic() - on_at, 1))
    wait_until_complete(servers)
    record_property("all_three_again_s", round(time.monotonic() - on_at, 1))
    complete_at(servers, nodes[0], experiment, RUN_S)


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0)])
def test_all_servers_without_power(
    order: tuple[int, ...],
    servers: list[Machine],
    nodes: list[Machine],
    enter: Enter,
    record_property: Record,
) -> None:
    wait_until_complete(servers)
    experiment = begin(enter(servers[0]), ALL_PROFILE, f"Without all, {order}")

    in_parallel(servers, unplug)
    on_at = time.monotonic()
    for number in order:
        servers[number].start()
        # The servers come one after the other; each must wait for those that are not there yet.
        threading.Event().wait(5)
    guests = [enter(one) for one in servers]
    record_property("all_pages_s", round(time.monotonic() - on_at, 1))
    wait_until_complete(servers)
    record_property("all_three_again_s", round(time.monotonic() - on_at, 1))
    for guest in guests:
        guest.wait_until(experiment, "Finished", ALL_RUN_S + BACK_S)

    complete_at(servers, nodes[0], experiment, ALL_RUN_S)


def begin(guest: Guest, profile: str, name: str) -> str:
    """Begin an experiment on the simulated converter; gives the path of its page."""

    def idle() -> str:
        found = [one for one in guest.stations() if one.text.startswith("EPC 1")]
        return guest.queue(found[0], profile, name) if found and "Idle" in found[0].text else ""

    experiment = wait_for(idle, BACK_S, "idle EPC 1")
    guest.wait_until(experiment, "Running", 30)
    wait_for(lambda: len(guest.samples(experiment)) > 20, 30, "samples")
    return experiment


def unplug(machine: Machine) -> None:
    """Take the power away; the kernel they share must not tell the others that it has gone."""
    machine.link(up=False)
    machine.cut()


def is_active(machine: Machine) -> bool:
    """Whether the manager of this server decides."""
    done = attempt(*machine.ssh(), "systemctl show -P StatusText bem-manager")
    return done.stdout.startswith("active")


def active_manager(servers: list[Machine]) -> Machine | None:
    """Find the server whose manager decides."""
    return next((one for one in servers if is_active(one)), None)


def wait_until_complete(servers: list[Machine]) -> None:
    """Wait until all servers are members of both clusters and one manager decides."""

    def complete() -> bool:
        for one in servers:
            try:
                seen = members(one)
            except (LabError, ValueError) as error:
                raise Refused(f"{one.name}: {error}") from error
            if seen != (3, 3):
                raise Refused(f"{one.name}: members of database and broker: {seen}")
        active = [one.name for one in servers if is_active(one)]
        if len(active) != 1:
            raise Refused(f"managers that decide: {active}")
        return True

    wait_for(complete, BACK_S, "complete clusters of database and broker")


def members(machine: Machine) -> tuple[int, int]:
    """Count the members that database and broker of this server see.

    Raises:
        LabError: one of them does not answer.
        ValueError: one of them answers something else.
    """
    said = machine.run(
        'mariadb -N -e "SELECT variable_value FROM information_schema.global_status WHERE '
        "variable_name IN ('wsrep_cluster_size', 'wsrep_ready') ORDER BY variable_name\" && "
        "rabbitmqctl --silent cluster_status --formatter=json"
    )
    size, ready, broker = said.split("\n", 2)
    return int(size) if ready == "ON" else 0, len(json.loads(broker)["running_nodes"])


def count(machine: Machine, experiment: str) -> int:
    """Count the samples of an experiment that a server has."""
    text = "SELECT COUNT(*) FROM lab_sample WHERE experiment_id = @experiment"
    return int(query(machine, experiment, text))


def query(machine: Machine, experiment: str, text: str) -> str:
    """Ask the database of a server; ``@experiment`` is the number of the experiment."""
    number = int(experiment.strip("/").rpartition("/")[2])
    return machine.run("mariadb -N bem", f"SET @experiment = {number}; {text}")


def complete_at(servers: list[Machine], node: Machine, experiment: str, length_s: int) -> None:
    """Check that each server holds exactly the samples that the station took."""
    uuid = query(servers[0], experiment, "SELECT uuid FROM lab_experiment WHERE id = @experiment")
    taken = node.run(f"python3 - {JOURNAL} {uuid.strip()}", READ_JOURNAL).splitlines()
    times = [int(line.split()[1]) for line in taken]
    assert [int(line.split()[0]) for line in taken] == list(range(len(taken)))
    assert times[-1] >= (length_s - 1) * 1_000_000
    assert all(after > before for before, after in pairwise(times))
    for server in servers:
        kept = query(
            server,
            experiment,
            "SELECT seq, elapsed_us FROM lab_sample WHERE experiment_id = @experiment ORDER BY seq",
        )
        assert kept.splitlines() == taken, server.name


@dataclass(slots=True)
class Watch:
    """Reads a page again and again, and notes when it was answered."""

    guest: Guest
    page: str
    ended: threading.Event
    answered: list[float] = field(default_factory=lambda: [time.monotonic()])

    def run(self) -> None:
        """Read until the end."""
        while not self.ended.wait(LOOK_S):
            try:
                self.guest.visitor.get(self.page)
            except (Refused, OSError, HTTPException):
                continue
            self.answered.append(time.monotonic())

    def longest_s(self) -> float:
        """Get the longest time (s) without an answer."""
        return max(after - before for before, after in pairwise([*self.answered, time.monotonic()]))


@contextmanager
def watched(servers: list[Machine], enter: Enter, page: str) -> Iterator[list[Watch]]:
    """Read a page of each server all the time."""
    ended = threading.Event()
    watches = [Watch(enter(one), page, ended) for one in servers]
    threads = [threading.Thread(target=one.run) for one in watches]
    for thread in threads:
        thread.start()
    try:
        yield watches
    finally:
        ended.set()
        for thread in threads:
            thread.join()
