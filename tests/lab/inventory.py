"""The inventory of a laboratory: what Ansible reads. Pure."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .places import Network
from .plan import Place, Plan
from .simulators import node_variables

HEADING = "# Written by bin/lab.\n"


def node_number(place: Place, plan: Plan) -> int:
    """Count a node among the nodes, from 1; 0 for a server."""
    nodes = [one for one in plan.places() if one.group == "nodes"]
    return nodes.index(place) + 1 if place in nodes else 0


def inventory(plan: Plan, network: Network, folder: Path) -> dict[str, Any]:
    """Make the hosts of a laboratory whose keys are in ``folder``."""
    groups: dict[str, Any] = {"server": {"hosts": {}}, "nodes": {"hosts": {}}}
    for place in plan.places():
        address = {"ansible_host": network.address(place.octet)}
        groups[place.group]["hosts"][place.name] = address
    ssh = (
        f"-o IdentitiesOnly=yes -o UserKnownHostsFile={folder / 'known_hosts'} "
        "-o StrictHostKeyChecking=yes"
    )
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(folder / "key"),
        "ansible_ssh_common_args": ssh,
    }
    return {"all": {"vars": variables, "children": groups}}


def shared_variables(plan: Plan, network: Network, names: tuple[str, ...]) -> dict[str, Any]:
    """Make the variables of all machines; ``names``: further names of the pages' address."""
    servers = [place for place in plan.places() if place.group == "server"]
    own = [place.name for place in servers] + [network.address(one.octet) for one in servers]
    return {"web_names": [*own, *names], **plan.variables}


def host_variables(plan: Plan) -> Mapping[str, dict[str, Any]]:
    """Make the variables of each node: its buses and stations."""
    return {
        place.name: node_variables(place, number)
        for place in plan.places()
        if (number := node_number(place, plan))
    }


def write_inventory(plan: Plan, network: Network, folder: Path, names: tuple[str, ...]) -> Path:
    """Write the inventory below the laboratory's folder; get its own folder."""
    target = folder / "inventory"
    _write(target / "hosts.yml", inventory(plan, network, folder))
    _write(target / "group_vars/all/vars.yml", shared_variables(plan, network, names))
    for name, variables in host_variables(plan).items():
        _write(target / "host_vars" / f"{name}.yml", variables)
    return target


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(HEADING + yaml.safe_dump(facts, sort_keys=False))
