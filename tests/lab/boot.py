"""Booting a folder as a machine by ``systemd-nspawn``, on hosts with systemd and without."""

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .processes import Process
from .shell import attempt, call

CGROUPS = Path("/sys/fs/cgroup")
REBOOT = 133
"""How systemd-nspawn ends when the machine wants to boot again."""
LEGACY = {"bookworm"}
"""Suites whose systemd still lives with the first version of control groups."""


@dataclass(frozen=True, slots=True)
class Boot:
    """How one machine is booted. ``id`` is unique on this computer: it names processes and links.

    ``bridge`` is the laboratory's; the machine's end of the wire is called ``host0`` inside.
    """

    id: str
    hostname: str
    suite: str
    root: Path
    bridge: str
    folder: Path

    @property
    def link(self) -> str:
        """The network interface of this computer that leads to the machine."""
        return f"vb-{self.id}"

    @property
    def process(self) -> Process | None:
        """The process that keeps the machine, while it runs."""
        if _host_has_systemd():
            said = attempt("systemctl", "show", "--property=MainPID", "--value", self._unit).stdout
            pid = int(said.strip() or 0)
            return processes.identify(pid) if pid else None
        return processes.recorded(self._record)

    def start(self) -> None:
        """Switch it on; returns at once.

        Raises:
            LabError: it cannot be started.
        """
        if self.process is not None:
            return
        if _host_has_systemd():
            # A unit of its own that may run a service manager inside, as systemd's own template.
            properties = (
                "Delegate=yes",
                "KillMode=mixed",
                "TasksMax=16384",
                f"RestartForceExitStatus={REBOOT}",
                f"SuccessExitStatus={REBOOT}",
                "DevicePolicy=auto",
            )
            call(
                "systemd-run",
                "--quiet",
                "--collect",
                "--slice=machine.slice",
                f"--unit={self._unit}",
                *(f"--property={one}" for one in properties),
                f"--setenv=SYSTEMD_NSPAWN_UNIFIED_HIERARCHY={self._unified}",
                *self._nspawn,
                what=f"starting {self.hostname}",
            )
            return
        for group in self._cgroups:
            group.mkdir(parents=True, exist_ok=True)
        # Each machine in control groups of its own: they would share their payload's otherwise.
        script = (
            'for group in $GROUPS_OF_IT; do echo $$ > "$group/cgroup.procs"; done\n'
            "unset GROUPS_OF_IT\n"
            f'while "$@"; [ $? -eq {REBOOT} ]; do :; done\n'
        )
        variables = (
            f"GROUPS_OF_IT={' '.join(map(str, self._cgroups))}",
            f"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY={self._unified}",
        )
        processes.start(
            ["env", *variables, "sh", "-c", script, "machine", *self._nspawn],
            self._record,
            self.folder / "console.log",
        )

    def cut(self) -> None:
        """Take the power away: everything inside is gone at once. Idempotent."""
        if _host_has_systemd():
            attempt("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=all", self._unit)
            attempt("systemctl", "stop", self._unit)
            attempt("systemctl", "reset-failed", self._unit)
            return
        keeper = self.process
        if keeper is None:
            return
        # From the outside in, so that nothing boots it again.
        spawner = keeper.children()
        inside = [one for process in spawner for one in process.children()]
        for process in [keeper, *inside, *spawner]:
            process.send(signal.SIGKILL)
        for process in [*inside, *spawner, keeper]:
            process.wait(processes.END_SECONDS)
        self._record.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what a machine that is off leaves in this computer's kernel."""
        attempt("ip", "link", "delete", self.link)
        for group in self._cgroups:
            # From the innermost: a group with groups in it stays.
            for folder, _, _ in os.walk(group, topdown=False):
                _remove_group(Path(folder))

    @property
    def _record(self) -> Path:
        return self.folder / "process.json"

    @property
    def _unit(self) -> str:
        return f"bem-lab-{self.id}.service"

    @property
    def _unified(self) -> int:
        only_new = (CGROUPS / "cgroup.controllers").exists()
        return int(only_new or self.suite not in LEGACY)

    @property
    def _cgroups(self) -> list[Path]:
        if (CGROUPS / "cgroup.controllers").exists():
            return [CGROUPS / f"bem-lab-{self.id}"]
        hierarchies = [CGROUPS / "systemd", CGROUPS / "unified"]
        return [one / f"bem-lab-{self.id}" for one in hierarchies if one.is_dir()]

    @property
    def _nspawn(self) -> list[str]:
        return [
            "systemd-nspawn",
            f"--directory={self.root}",
            f"--machine={self.id}",
            f"--hostname={self.hostname}",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            f"--network-bridge={self.bridge}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
        ]


def _remove_group(folder: Path) -> None:
    """Remove a control group, as soon as the kernel has forgotten the processes that were in it.

    Raises:
        OSError: something lives there.
    """
    deadline = time.monotonic() + processes.END_SECONDS
    while True:
        try:
            folder.rmdir()
        except OSError as error:
            # The kernel does not tell when; it takes milliseconds.
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _host_has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()
