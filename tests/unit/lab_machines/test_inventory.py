"""What Ansible is told of the machines of ``bin/lab``."""

import stat
from pathlib import Path

import pytest
import yaml
from tests.lab.inventory import (
    host_variables,
    inventory,
    node_number,
    shared_variables,
    write_inventory,
)
from tests.lab.places import Network
from tests.lab.plan import Plan, PlanError, read_plan
from tests.lab.simulators import converters, files

NETWORK = Network("bemlab0", "198.18.0.0/24")


def test_a_server_and_two_nodes_at_their_addresses() -> None:
    hosts = inventory(Plan(), NETWORK, Path("/lab"))["all"]["children"]
    assert hosts == {
        "server": {"hosts": {"bem-server": {"ansible_host": "198.18.0.10"}}},
        "nodes": {
            "hosts": {
                "cycler-1": {"ansible_host": "198.18.0.21"},
                "cycler-2": {"ansible_host": "198.18.0.22"},
            }
        },
    }


def test_a_cluster_has_three_servers() -> None:
    servers = inventory(Plan(servers=3), NETWORK, Path("/lab"))["all"]["children"]["server"]
    addresses = [one["ansible_host"] for one in servers["hosts"].values()]
    assert addresses == ["198.18.0.10", "198.18.0.11", "198.18.0.12"]


def test_the_machines_are_known_by_their_own_keys() -> None:
    variables = inventory(Plan(), NETWORK, Path("/lab"))["all"]["vars"]
    assert variables["ansible_ssh_private_key_file"] == "/lab/key"
    assert "UserKnownHostsFile=/lab/known_hosts" in variables["ansible_ssh_common_args"]
    assert "StrictHostKeyChecking=yes" in variables["ansible_ssh_common_args"]


def test_the_page_answers_to_this_computer_too() -> None:
    names = shared_variables(Plan(), NETWORK, ("localhost", "bench"))["web_names"]
    assert names == ["bem-server", "198.18.0.10", "localhost", "bench"]


def test_a_scenario_has_the_last_word_on_variables() -> None:
    plan = read_plan({"variables": {"web_names": ["x"], "mysql_flavour": "mysql"}})
    found = shared_variables(plan, NETWORK, ())
    assert found == {"web_names": ["x"], "mysql_flavour": "mysql"}


def test_stations_of_the_laboratory_have_ids_of_their_own() -> None:
    found = host_variables(Plan(nodes=3))
    ids = [one["id"] for node in found.values() for one in node["node_stations"]]
    assert ids == ["epc-1", "virtual-1", "epc-2", "epc-3"]
    assert all(node["node_buses"] for node in found.values())


def test_a_station_finds_the_converter_beside_its_node() -> None:
    plan = Plan()
    for place in plan.places():
        number = node_number(place, plan)
        for converter in converters(place, number):
            stations = host_variables(plan)[place.name]["node_stations"]
            channel = stations[0]["power"]["settings"]["bus"]["channel"]
            assert channel == converter.link
            assert f"bem-simulator@{converter.id}.path" in "".join(
                files(converters(place, number)).values()
            )


def test_equipment_is_no_part_of_the_product() -> None:
    place = Plan().places()[1]
    texts = "".join(files(converters(place, 1)).values())
    assert "bem-node.target" not in texts
    assert "PartOf=" not in texts
    assert files(converters(Plan().places()[0], 0)) == {}


def test_what_is_written_is_for_root_alone(tmp_path: Path) -> None:
    folder = write_inventory(Plan(), NETWORK, tmp_path, ("localhost",))
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert len(written) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    hosts = yaml.safe_load((folder / "hosts.yml").read_text())
    assert hosts == inventory(Plan(), NETWORK, tmp_path)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"servers": 2}, "servers: 2: one, or three"),
        ({"nodes": -1}, "nodes: -1"),
        ({"suite": "jessie"}, "server_suite: jessie: one of bookworm"),
        ({"sweet": "trixie"}, "sweet: unknown; known are"),
        (["bookworm"], "a plan is a mapping"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_remedy(raw: object, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        read_plan(raw)


def test_a_plan_survives_being_kept() -> None:
    plan = read_plan({"suite": "trixie", "servers": 3, "packages": ["tcpdump"]})
    assert read_plan(plan.as_dict()) == plan


def test_every_scenario_has_a_plan_that_can_be_followed() -> None:
    folder = Path(__file__).resolve().parents[2] / "molecule"
    plans = sorted(folder.glob("*/laboratory.yml"))
    assert len(plans) == len(list(folder.glob("*/molecule.yml"))) > 0
    for path in plans:
        read_plan(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("subnet", ["198.18.0.0/16", "198.18.0.0/30"])
def test_a_network_is_a_24(subnet: str) -> None:
    with pytest.raises(ValueError, match="must be a /24"):
        Network("bemlab0", subnet)


def test_a_bridge_leaves_room_for_the_names_of_its_links() -> None:
    with pytest.raises(ValueError, match="one to eight"):
        Network("laboratory", "198.18.0.0/24")
