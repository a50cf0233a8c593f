"""Tests on machines that really boot: ``bin/lab test`` calls them, or ``BEM_LAB_NAME=NAME pytest``.

They change the laboratory that they are given: power is cut, disks are emptied.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lab.controller import FIRST_ACCOUNT, Controller
from tests.lab.machines import Lab, Machine
from tests.lab.visit import Guest, wait_for

NEEDS = "needs a booted laboratory: sudo bin/lab test, or BEM_LAB_NAME=NAME of one that is up"
ENTER_S = 180.0
LONGEST_S = 3600
"""A playbook takes minutes, and what it runs on may be slow."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.timeout(LONGEST_S))
        if "BEM_LAB_NAME" not in os.environ:
            item.add_marker(pytest.mark.skip(reason=NEEDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was measured: these figures are what the scenarios are run for."""
    measured = [
        f"{report.nodeid.rpartition('::')[2]}: {name} = {value}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
    ]
    if measured:
        terminalreporter.section("measured")
        terminalreporter.write("\n".join([*measured, ""]))


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
    return controller.secrets()


@pytest.fixture
def authority(vault: dict[str, str], tmp_path: Path) -> Path:
    """The certificate of the laboratory's authority."""
    path = tmp_path / "ca.pem"
    path.write_text(vault["pki_ca_certificate"], encoding="ascii")
    return path


@pytest.fixture
def guest(server: Machine, authority: Path, vault: dict[str, str]) -> Guest:
    """Somebody at a browser, not yet signed in."""
    return guest_at(server, authority, vault)


@pytest.fixture
def enter(authority: Path, vault: dict[str, str]) -> Callable[[Machine], Guest]:
    """Sign in at the pages of one server, as soon as they answer."""

    def entered(machine: Machine) -> Guest:
        guest = guest_at(machine, authority, vault)

        def signed_in() -> bool:
            guest.sign_in()
            return True

        wait_for(signed_in, ENTER_S, f"page of {machine.name}")
        return guest

    return entered


def guest_at(server: Machine, authority: Path, vault: dict[str, str]) -> Guest:
    password = vault["web_admin_password"]
    return Guest(f"https://{server.address}:8869", authority, FIRST_ACCOUNT, password)


@pytest.fixture
def secrets_json(vault: dict[str, str]) -> str:
    """What tests/lab/leaks.py looks for; certificates are no secrets."""
    return json.dumps({name: text for name, text in vault.items() if "certificate" not in name})
