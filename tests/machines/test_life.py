"""A station more, a stop in good order, a node less: what a laboratory meets in its life."""

import shlex
import time
from collections.abc import Callable

import pytest
import yaml
from tests.lab.controller import Controller
from tests.lab.machines import Lab, Machine
from tests.lab.visit import Guest, wait_for

NEW = {
    "node": "cycler-1",
    "driver": "virtual",
    "slug": "made-here",
    "name": "Made here",
    "period_ms": "100",
    "silence_s": "1",
    "time_scale": "1",
    "note": "by a test",
}
UNIT = "bem-station@made-here.service"
AT_ONCE_S = 5.0
LIVE_S = 60.0
LONG = "Rest for 30 minutes    record every 1 s\n"
SHORT = "Charge at 1C for 5 seconds    record every 100 ms\n"

CHECK = """
import signal, sys
from bem.cli.checks import known_as_running
from bem.runtime.settings import load_settings

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with known_as_running(load_settings()):
    signal.pause()
"""
"""What ``bem calibrate`` does to be found, on a node that has no reference meter."""

Enter = Callable[[Machine], Guest]
Record = Callable[[str, object], None]


def test_a_station_made_in_the_browser_is_a_unit_on_its_node(
    lab: Lab, server: Machine, enter: Enter, record_property: Record
) -> None:
    guest, node = enter(server), lab.machine("cycler-1")
    guest.idle_station("EPC 1", LIVE_S)
    guest.visitor.add("/stations/add/", NEW)
    ordered_at = time.monotonic()

    def runs() -> bool:
        said = node.run(f"systemctl is-enabled {UNIT} || true; systemctl is-active {UNIT} || true")
        return said.split() == ["enabled", "active"]

    wait_for(runs, LIVE_S, UNIT)
    took_s = time.monotonic() - ordered_at
    record_property("enabled_and_active_s", round(took_s, 2))
    station = guest.idle_station("Made here", LIVE_S)
    record_property("idle_in_the_browser_s", round(time.monotonic() - ordered_at, 2))
    experiment = guest.queue(station, SHORT, "On the new station")
    guest.wait_until(experiment, "Finished", LIVE_S)

    assert took_s < AT_ONCE_S
    assert node.run("stat -c %U /proc/$(systemctl show -P MainPID bem-node)").strip() == "bem"


def test_what_was_stopped_in_good_order_starts_again(
    lab: Lab, controller: Controller, server: Machine, enter: Enter
) -> None:
    guest = enter(server)
    experiment = guest.queue(guest.idle_station("EPC 1", LIVE_S), LONG, "Stopped")
    guest.wait_until(experiment, "Running", LIVE_S)
    node = lab.machine("cycler-1")
    node.run(
        "systemd-run --quiet --unit=a-check --uid=bem --setenv=BEM_CONFIG=/etc/bem/node.yaml "
        f"/opt/bem/current/bin/python -c {shlex.quote(CHECK)}"
    )
    wait_for(lambda: node.run("ls /var/lib/bem/checks || true") != "", LIVE_S, "the check")

    controller.play("playbooks/stop.yml")
    for machine in lab.machines:
        assert running(machine) == ""
    assert node.run("systemctl is-active a-check || true").strip() == "inactive"
    assert node.run("ls /var/lib/bem/checks") == ""
    controller.play("playbooks/start.yml")
    controller.play("playbooks/check.yml")

    guest = enter(server)
    guest.wait_until(experiment, "Interrupted", LIVE_S)
    station = guest.idle_station("EPC 1", LIVE_S)
    guest.wait_until(guest.queue(station, SHORT, "After the stop"), "Finished", LIVE_S)


def test_a_node_is_taken_out(
    lab: Lab, controller: Controller, server: Machine, enter: Enter
) -> None:
    node = lab.machine("cycler-2")
    guest = enter(server)
    station = guest.idle_station("EPC 2", LIVE_S)
    experiment = guest.queue(station, LONG, "On the node that goes")
    guest.wait_until(experiment, "Running", LIVE_S)

    said = controller.refused("playbooks/remove-node.yml", "--extra-vars=node=cycler-2")
    assert "An experiment runs on cycler-2" in said
    assert guest.states(experiment)[0] == "Running"

    force = ("--extra-vars=node=cycler-2", "--extra-vars=force=true")
    controller.play("playbooks/remove-node.yml", *force)
    take_out(controller, "cycler-2")
    assert running(node) == ""
    accounts = server.run("rabbitmqctl --quiet list_users")
    assert "cycler-1" in accounts
    assert "cycler-2" not in accounts
    controller.play("site.yml")

    guest.wait_until(
        guest.queue(guest.idle_station("EPC 1", LIVE_S), SHORT, "Left"), "Finished", LIVE_S
    )


@pytest.fixture(autouse=True)
def _laboratory_of_two_nodes(nodes: list[Machine]) -> None:
    assert [one.name for one in nodes] == ["cycler-1", "cycler-2"]


def running(machine: Machine) -> str:
    """List the services of a machine that could do something to a battery or a record."""
    return machine.run(
        "systemctl list-units --plain --no-legend --state=active,activating,deactivating "
        "bem-web.service bem-manager.service bem-node.service 'bem-station@*.service'"
    )


def take_out(controller: Controller, name: str) -> None:
    """Do what the playbook asks for: take a node out of the inventory."""
    path = controller.inventory / "hosts.yml"
    hosts = yaml.safe_load(path.read_text(encoding="utf-8"))
    del hosts["all"]["children"]["nodes"]["hosts"][name]
    path.write_text(yaml.safe_dump(hosts), encoding="utf-8")
