"""An inventory with real, encrypted secrets, and Ansible as a person calls it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"


@dataclass(frozen=True)
class Laboratory:
    """An inventory in ``folder``; its machines do not exist."""

    folder: Path
    password_file: Path

    def play(self, playbook: str, *options: str, password: bool = True) -> tuple[int, str]:
        """Run a playbook; gives the exit code and all that it printed."""
        environment = {key: value for key, value in os.environ.items() if "VAULT" not in key}
        # Where nobody else's collections and plugins can have a say.
        environment |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "COLUMNS": "1000"}
        if password:
            environment["ANSIBLE_VAULT_PASSWORD_FILE"] = str(self.password_file)
        done = subprocess.run(
            [PLAYBOOK, "-i", self.folder / "hosts.yml", ROOT / "playbooks" / playbook, *options],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def hosts(self, server: int = 1, nodes: tuple[str, ...] = ("cycler-1", "cycler-2")) -> None:
        """Say which machines there are."""
        groups = {
            "server": {"hosts": {f"server-{n}": _at(10 + n) for n in range(1, server + 1)}},
            "nodes": {"hosts": {name: _at(20 + n) for n, name in enumerate(nodes)}},
        }
        self._write("hosts.yml", {"all": {"children": groups}})

    def variables(self, **values: object) -> None:
        """Set variables for all machines."""
        self._write("group_vars/all/more.yml", values)

    def node(self, name: str, **values: object) -> None:
        """Set the variables of one node."""
        self._write(f"host_vars/{name}.yml", values)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _at(last: int) -> dict[str, str]:
    # Addresses for documentation: nobody answers there.
    return {"ansible_host": f"192.0.2.{last}"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    folder = tmp_path_factory.mktemp("made")
    password_file = folder / "password"
    password_file.write_text("of the tests alone")
    laboratory = Laboratory(folder / "inventory", password_file)
    shutil.copytree(ROOT / "inventory" / "example", laboratory.folder)
    code, output = laboratory.play("secrets.yml")
    assert code == 0, output
    return laboratory


@pytest.fixture
def laboratory(made: Laboratory, tmp_path: Path) -> Laboratory:
    """The example, with secrets made."""
    shutil.copytree(made.folder, tmp_path / "inventory")
    return Laboratory(tmp_path / "inventory", made.password_file)


@pytest.fixture
def example(tmp_path: Path, made: Laboratory) -> Laboratory:
    """The example as it is in the repository."""
    shutil.copytree(ROOT / "inventory" / "example", tmp_path / "inventory")
    return Laboratory(tmp_path / "inventory", made.password_file)
