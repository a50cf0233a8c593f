"""Ansible, run from this computer at the machines of a laboratory."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml

from .inventory import write_inventory
from .machines import Lab
from .places import ROOT
from .shell import LabError, attempt

BIN = Path(sys.executable).parent
FIRST_ACCOUNT = "admin"


class Controller:
    """The person at the keyboard of a laboratory: inventory, vault password, playbooks."""

    def __init__(self, lab: Lab, home: Path | None = None) -> None:
        self.lab = lab
        self.home = home or lab.folder / "ansible"
        """Where Ansible keeps what it keeps, its log too."""
        self.inventory = lab.folder / "inventory"
        self.vault_password = lab.folder / "vault_password"
        self.password = lab.folder / "admin_password"
        """File with the password of the first account of the pages."""

    def prepare(self) -> None:
        """Write inventory and vault password, keeping a vault that is there."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_inventory(self.lab.plan, self.lab.network, self.lab.folder, local_names())
        if not self.vault_password.exists():
            write_private(self.vault_password, secrets.token_urlsafe(32) + "\n")

    def play(self, playbook: str, *options: str) -> None:
        """Run a playbook of this checkout, to be watched.

        Raises:
            LabError: it failed.
        """
        done = subprocess.run(
            [*self.command(playbook), *options], cwd=ROOT, env=self.environment(), check=False
        )
        if done.returncode:
            raise LabError(
                f"{playbook} failed ({done.returncode}), see above or {self.log}. When it is "
                "mended, bin/lab up goes on; bin/lab down ends the laboratory"
            )

    def command(self, playbook: str) -> list[str]:
        """Get the command line of a playbook."""
        return [
            str(BIN / "ansible-playbook"),
            f"--inventory={self.inventory}",
            f"--vault-password-file={self.vault_password}",
            playbook,
        ]

    @property
    def log(self) -> Path:
        """Where all that Ansible says is kept."""
        return self.home / "log"

    def environment(self) -> dict[str, str]:
        """Get the environment of Ansible; nothing of it is left in a person's home."""
        # Ours would be the tests' of this checkout.
        inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        return inherited | {
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.home),
            "ANSIBLE_LOCAL_TEMP": str(self.home / "tmp"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.home / "cp"),
            "ANSIBLE_LOG_PATH": str(self.log),
            "ANSIBLE_FORCE_COLOR": str(sys.stdout.isatty()),
        }

    def make_secrets(self) -> None:
        """Let the playbook make the vault, and keep the first account's password for a person.

        Raises:
            LabError: the playbook failed.
        """
        self.play("playbooks/secrets.yml")
        write_private(self.password, f"{self.secrets().get('web_admin_password', '')}\n")

    def secrets(self) -> dict[str, str]:
        """Read the vault: all secrets by name, those of nodes as ``rabbitmq_node_passwords.NODE``.

        Raises:
            LabError: it cannot be read.
        """
        vault = self.inventory / "group_vars/all/vault.yml"
        done = subprocess.run(
            [
                str(BIN / "ansible-vault"),
                "view",
                f"--vault-password-file={self.vault_password}",
                str(vault),
            ],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LabError(f"{vault} cannot be read: {done.stderr.strip()}")
        found = yaml.safe_load(done.stdout) or {}
        nodes = found.pop("rabbitmq_node_passwords", {})
        named = {f"rabbitmq_node_passwords.{name}": text for name, text in nodes.items()}
        return dict(found) | named

    def said(self, playbook: str, *options: str) -> str:
        """Run a playbook and get all that it says.

        Raises:
            LabError: it failed.
        """
        done = self._run(playbook, *options)
        if done.returncode:
            raise LabError(f"{playbook} failed ({done.returncode}): {done.stdout[-3000:]}")
        return done.stdout + done.stderr

    def refused(self, playbook: str, *options: str) -> str:
        """Run a playbook that must fail, and get what it says, on one line.

        Raises:
            LabError: it did not fail.
        """
        done = self._run(playbook, *options)
        if done.returncode == 0:
            raise LabError(f"{playbook} {' '.join(options)} was not refused")
        return " ".join(done.stdout.split())

    def _run(self, playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command(playbook), *options],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def break_off(self, playbook: str, task: str, *options: str) -> None:
        """Run a playbook and kill it as soon as a task of that name begins.

        Raises:
            LabError: it has ended before.
        """
        running = subprocess.Popen(
            [*self.command(playbook), *options],
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with running:
            said = []
            # Asked for a pipe, it has one.
            for line in running.stdout or ():
                said.append(line)
                if line.startswith("TASK") and task in line:
                    os.killpg(running.pid, signal.SIGKILL)
                    break
        if running.returncode != -signal.SIGKILL:
            raise LabError(f"{playbook} has not come to {task}: {''.join(said[-30:])}")

    def hang_up(self) -> None:
        """End the ssh connections that Ansible keeps open for the next run."""
        for path in (self.home / "cp").glob("*"):
            attempt("ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "any")


def changed(said: str) -> list[str]:
    """Find the hosts on which a playbook has changed something, by what it said at its end.

    Raises:
        LabError: it has not come to its end.
    """
    recap = [line for line in said.rpartition("PLAY RECAP")[2].splitlines() if "changed=" in line]
    if not recap:
        raise LabError(f"this playbook did not come to its end: {said[-3000:]}")
    return [line for line in recap if "changed=0 " not in line]


def local_names() -> tuple[str, ...]:
    """Get the names and addresses by which a browser may reach this computer."""
    name = socket.gethostname()
    done = attempt("hostname", "-I")
    addresses = [one for one in done.stdout.split() if ":" not in one]
    return tuple(dict.fromkeys(["localhost", "127.0.0.1", name, *addresses]))


def write_private(path: Path, text: str) -> None:
    """Write a file that only root may read, whole or not at all."""
    interim = path.with_name(f".{path.name}.new")
    handle = os.open(interim, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    interim.replace(path)
