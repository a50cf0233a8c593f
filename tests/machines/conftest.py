"""Tests on machines that really boot: ``bin/lab test`` calls them, or ``BEM_LAB_NAME=NAME pytest``.

They change the laboratory that they are given: power is cut, disks are emptied.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.controller import BIN, FIRST_ACCOUNT, Controller
from lab.machines import Lab, Machine
from lab.visit import Guest

NEEDS = "needs a booted laboratory: sudo bin/lab test, or BEM_LAB_NAME=NAME of one that is up"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "BEM_LAB_NAME" in os.environ:
        return
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=NEEDS))


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab.open(os.environ["BEM_LAB_NAME"])


@pytest.fixture(scope="session")
def controller(lab: Lab) -> Controller:
    return Controller(lab)


@pytest.fixture
def server(lab: Lab) -> Machine:
    return lab.machine("bem-server")


@pytest.fixture
def servers(lab: Lab) -> list[Machine]:
    return [machine for machine in lab.machines if machine.place.group == "server"]


@pytest.fixture
def nodes(lab: Lab) -> list[Machine]:
    return [machine for machine in lab.machines if machine.place.group == "nodes"]


@pytest.fixture(scope="session")
def vault(controller: Controller) -> dict[str, str]:
    """All secrets by name; those of nodes as ``rabbitmq_node_passwords.<node>``."""
    path = controller.inventory / "group_vars/all/vault.yml"
    password = f"--vault-password-file={controller.vault_password}"
    done = subprocess.run(
        [BIN / "ansible-vault", "view", password, path],
        env=controller.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = yaml.safe_load(done.stdout)
    nodes = found.pop("rabbitmq_node_passwords")
    return found | {f"rabbitmq_node_passwords.{name}": text for name, text in nodes.items()}


@pytest.fixture
def authority(vault: dict[str, str], tmp_path: Path) -> Path:
    """The certificate of the laboratory's authority."""
    path = tmp_path / "ca.pem"
    path.write_text(vault["pki_ca_certificate"], encoding="ascii")
    return path


@pytest.fixture
def guest(server: Machine, authority: Path, controller: Controller) -> Guest:
    """Somebody at a browser, not yet signed in."""
    return guest_at(server, authority, controller)


def guest_at(server: Machine, authority: Path, controller: Controller) -> Guest:
    password = controller.password.read_text(encoding="utf-8").strip()
    return Guest(f"https://{server.address}:8869", authority, FIRST_ACCOUNT, password)


@pytest.fixture
def secrets_json(vault: dict[str, str]) -> str:
    """What tests/lab/leaks.py looks for; certificates are no secrets."""
    return json.dumps({name: text for name, text in vault.items() if "certificate" not in name})
