"""A broker of our own with the accounts and rights that the role ``rabbitmq`` gives."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.server import conftest as server
else:
    # pytest gives a folder's helpers to that folder alone.
    _file = Path(__file__).parent.parent / "server" / "conftest.py"
    _spec = importlib.util.spec_from_file_location("bem_tests_server", _file)
    server = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(server)

_ROLE = Path(__file__).parents[3] / "roles" / "rabbitmq"
_PLAY = Path(sys.executable).with_name("ansible-playbook")
_NODES = ["cycler-1", "cycler-2", "cycler-1-b"]
"""One begins with the name of another: a pattern that is not held at both ends would show."""


def render_definitions(passwords: dict[str, str], folder: Path) -> Path:
    """Let Ansible render the role's template into ``folder``; ``passwords`` by account."""
    target = folder / "definitions.json"
    variables = {
        "rabbitmq_nodes": _NODES,
        "rabbitmq_web_password": passwords["web"],
        "rabbitmq_manager_password": passwords["manager"],
        "rabbitmq_node_passwords": {node: passwords[f"node-{node}"] for node in _NODES},
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(_ROLE / "defaults/main.yml"), str(_ROLE / "vars/main.yml")],
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": str(_ROLE / "templates/definitions.json.j2"),
                    "dest": str(target),
                    "mode": "0644",
                },
                # Above the defaults of the role, as an inventory is.
                "vars": variables,
            }
        ],
    }
    playbook = folder / "render.json"
    playbook.write_text(json.dumps([play]))
    done = subprocess.run(
        [_PLAY, "--inventory", "localhost,", str(playbook)],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(_ROLE.parents[1] / "ansible.cfg"),
            "ANSIBLE_FILTER_PLUGINS": str(_ROLE / "filter_plugins"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "ansible"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "ansible"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@dataclass(frozen=True)
class Accounts:
    """Where the broker is and who may log in."""

    port: int
    passwords: dict[str, str]


@pytest.fixture(scope="session")
def accounts() -> Iterator[Accounts]:
    """A broker with the accounts of web, manager and three nodes, and no other."""
    if not _PLAY.is_file():
        pytest.skip("needs ansible-core beside this Python: bin/test installs it")
    server._need(server._RABBITMQ.is_file(), "rabbitmq-server")
    names = ["web", "manager", *(f"node-{node}" for node in _NODES)]
    passwords = {name: f"password of {name}" for name in names}
    with server._short_folder("rights") as folder:
        broker = server.RabbitMQ(folder)
        wanted = render_definitions(passwords, folder)
        try:
            broker.open()
            broker.control("import_definitions", str(wanted))
            broker.control("delete_user", "bem")
            yield Accounts(broker.port, passwords)
        finally:
            broker.close()
