"""Machines of a laboratory: switch on, cut, reboot, ask by ssh, pull the cable, make as new.

::

    lab = Lab.open("test-default")
    node = lab.machine("cycler-1")
    node.cut()
    node.boot()
    assert node.run("systemctl is-active bem-node").strip() == "active"
"""

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import image as images
from . import wires
from .boot import Boot
from .places import HOST_OCTET, NAME, Network, cache_folder, remove_if_empty, state_folder
from .plan import Place, Plan, read_plan
from .shell import LabError, attempt, call

READY_SECONDS = 120.0
SSH_WAIT_SECONDS = 5
_RUNNING = ("running", "degraded")
_HOLD = "bem-lab-hold.conf"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a laboratory that has been made."""

    place: Place
    address: str
    folder: Path
    lower: tuple[Path, ...]
    """What its disk is laid over, the uppermost first."""
    boot_settings: Boot
    keys: Path
    """The laboratory's folder, with ``key`` and ``known_hosts``."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that are on its disk before it boots for the first time."""

    @property
    def name(self) -> str:
        """Its inventory host name."""
        return self.place.name

    @property
    def root(self) -> Path:
        """Its disk, readable and writable from here, best while it is off."""
        return self.folder / "root"

    @property
    def is_on(self) -> bool:
        """Whether it has power."""
        return self.boot_settings.process is not None

    def prepare(self) -> None:
        """Make its disk, as new, if it has none yet.

        Raises:
            LabError: it cannot be mounted.
        """
        if os.path.ismount(self.root):
            return
        fresh = not (self.folder / "made").exists()
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        lower = ":".join(map(str, self.lower))
        options = f"lowerdir={lower},upperdir={self.folder}/upper,workdir={self.folder}/work"
        call("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        if fresh:
            self._furnish()
            (self.folder / "made").touch()

    def boot(self) -> None:
        """Switch it on and wait until it has booted and answers.

        Raises:
            LabError: it does not; the message says where to look.
        """
        self.start()
        self.wait()

    def start(self) -> None:
        """Switch it on; returns at once."""
        self.prepare()
        self.boot_settings.start()

    def wait(self) -> None:
        """Wait until it has booted and answers.

        Raises:
            LabError: it does not in two minutes.
        """
        ends = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends:
            if self.state() in _RUNNING:
                return
            if not self.is_on:
                break
            # There is nothing to be told by: a machine that boots has no socket to wait on.
            time.sleep(0.25)
        raise LabError(
            f"{self.name} has not booted in {READY_SECONDS:.0f} s; "
            f"see {self.boot_settings.folder / 'console.log'}"
        )

    def state(self) -> str:
        """Ask it how it is, as ``systemctl is-system-running`` says; ``off``, or ``silent``."""
        if not self.is_on:
            return "off"
        try:
            done = attempt(*self.ssh(), "systemctl is-system-running --wait", timeout=READY_SECONDS)
        except subprocess.TimeoutExpired:
            return "silent"
        return done.stdout.strip() or "silent"

    def cut(self) -> None:
        """Take the power away, as if the cable were pulled. Idempotent."""
        self.boot_settings.cut()
        self.boot_settings.clear()

    def shut_down(self) -> None:
        """Switch it off in order, and by force after that."""
        process = self.boot_settings.process
        if process is not None:
            attempt(*self.ssh(), "systemctl poweroff")
            process.wait(READY_SECONDS)
        self.cut()

    def reboot(self) -> None:
        """Let it boot again in order and wait for it.

        Raises:
            LabError: it does not come back.
        """
        self.shut_down()
        self.boot()

    def run(self, command: str, input_text: str | None = None) -> str:
        """Run a command line as root and get what it wrote.

        Raises:
            LabError: it ended with another code than 0.
        """
        return call(*self.ssh(), command, what=f"{self.name}: {command}", input_text=input_text)

    def ssh(self) -> list[str]:
        """Get the command that leads into it."""
        options = (
            f"IdentityFile={self.keys / 'key'}",
            "IdentitiesOnly=yes",
            f"UserKnownHostsFile={self.keys / 'known_hosts'}",
            "StrictHostKeyChecking=yes",
            "LogLevel=ERROR",
            f"ConnectTimeout={SSH_WAIT_SECONDS}",
        )
        return ["ssh", "-F", "none", *(f"-o{one}" for one in options), f"root@{self.address}"]

    def link(self, *, up: bool) -> None:
        """Plug its network cable in or pull it.

        Raises:
            LabError: it has no power.
        """
        call("ip", "link", "set", self.boot_settings.link, "up" if up else "down")

    def hold_back(self, unit: str, seconds: int) -> None:
        """Make a unit start that much later, from the next boot on."""
        folder = self.root / "etc/systemd/system" / f"{unit}.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _HOLD).write_text(
            f"[Service]\nExecStartPre=+/bin/sleep {seconds}\nTimeoutStartSec={seconds + 600}\n",
            encoding="ascii",
        )

    def release(self, unit: str) -> None:
        """Let a unit start as it is meant to, from the next boot on."""
        (self.root / "etc/systemd/system" / f"{unit}.d" / _HOLD).unlink(missing_ok=True)

    def reset(self) -> None:
        """Take its disk away and give it a new one; it is off afterwards."""
        self.cut()
        self.unmount()
        for part in ("upper", "work", "made"):
            path = self.folder / part
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self.prepare()

    def unmount(self) -> None:
        """Take its disk off this computer's tree. Idempotent.

        Raises:
            LabError: something still uses it.
        """
        while os.path.ismount(self.root):
            call("umount", "--recursive", str(self.root))

    def _furnish(self) -> None:
        """Write what makes this machine itself."""
        network = f"[Match]\nName=host0\n[Network]\nAddress={self.address}/24\n"
        network += "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        if self.place.online:
            network += f"Gateway={self.address.rpartition('.')[0]}.{HOST_OCTET}\n"
        own = {
            "etc/hostname": f"{self.name}\n",
            "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n",
            "etc/resolv.conf": wires.resolver() if self.place.online else "",
            "etc/systemd/network/10-host0.network": network,
            "root/.ssh/authorized_keys": (self.keys / "key.pub").read_text(encoding="ascii"),
        }
        for relative, text in {**own, **self.files}.items():
            path = self.root / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for relative in ("etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub"):
            path = self.root / relative
            shutil.copyfile(self.folder / path.name, path)
            path.chmod(0o644 if path.suffix else 0o600)


class Lab:
    """A laboratory: its machines, network and keys, in a folder of its own."""

    def __init__(self, name: str, network: Network, plan: Plan) -> None:
        if NAME.fullmatch(name) is None:
            raise LabError(f"laboratory {name!r}: lower-case letters, digits and hyphens")
        self.name = name
        self.network = network
        self.plan = plan
        self.folder = state_folder() / name

    @classmethod
    def open(cls, name: str) -> "Lab":
        """Get a laboratory that has been made.

        Raises:
            LabError: there is none of that name.
        """
        path = state_folder() / name / "lab.json"
        if not path.exists():
            raise LabError(f"there is no laboratory {name}: sudo bin/lab up makes one")
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(name, Network(**raw["network"]), read_plan(raw["plan"]))

    @property
    def machines(self) -> list[Machine]:
        """All machines, servers first."""
        return [self._machine(place) for place in self.plan.places()]

    def machine(self, name: str) -> Machine:
        """Get one machine.

        Raises:
            LabError: it is not there; the message names those that are.
        """
        for machine in self.machines:
            if machine.name == name:
                return machine
        known = ", ".join(place.name for place in self.plan.places())
        raise LabError(f"{name}: no such machine; there are {known}")

    def each(self, action: Callable[[Machine], None], machines: list[Machine]) -> None:
        """Do something with machines at once; the first error of all is raised."""
        in_parallel(machines, action)

    def lay_down(self) -> None:
        """Make folder, keys and images, so that machines can be made.

        Raises:
            LabError: another laboratory uses the network, or a tool refused.
        """
        self._claim_network()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._keep("lab.json", {"network": asdict(self.network), "plan": self.plan.as_dict()})
        _make_key(self.folder / "key", f"root@{self.name}")
        known = []
        for machine in self.machines:
            machine.folder.mkdir(parents=True, exist_ok=True)
            key = machine.folder / "ssh_host_ed25519_key"
            _make_key(key, machine.name)
            kind, text, _ = key.with_suffix(".pub").read_text(encoding="ascii").split()
            known.append(f"{machine.address} {kind} {text}\n")
        (self.folder / "known_hosts").write_text("".join(known), encoding="ascii")
        for suite in sorted({place.suite for place in self.plan.places()}):
            images.image(suite, self.plan.packages)

    def switch_on(self, files: Callable[[Place], Mapping[str, str]]) -> None:
        """Lay the network and boot all machines; ``files`` gives what is on each disk before.

        Raises:
            LabError: one does not boot.
        """
        record = self.folder / "wires.json"
        before = wires.load(record)
        laid = wires.lay(self.network, record)
        if before is not None:
            # A second `up` must not take our own doing for how this machine was.
            wires.Wires(laid.network, before.forwarded).save(record)
        machines = [self._machine(place, files(place)) for place in self.plan.places()]
        in_parallel(machines, Machine.start)
        in_parallel(machines, Machine.wait)

    def remove(self) -> None:
        """End and remove everything. Idempotent; works after an `up` that was broken off.

        Raises:
            LabError: a disk is still in use by somebody.
        """
        in_parallel(self.machines, Machine.cut)
        for machine in self.machines:
            machine.unmount()
        laid = wires.load(self.folder / "wires.json")
        if laid is not None:
            laid.remove()
        self._keep_packages()
        shutil.rmtree(self.folder)
        remove_if_empty(state_folder())

    def _keep_packages(self) -> None:
        if [path for path in state_folder().glob("*/lab.json") if path.parent != self.folder]:
            # Their machines may be laid over the same packages.
            return
        for suite in sorted({place.suite for place in self.plan.places()}):
            name = images.image_name(suite, self.plan.packages)
            uppers = [
                machine.folder / "upper"
                for machine in self.machines
                if machine.place.suite == suite
            ]
            images.keep_packages(uppers, images.package_layer(name))

    def _machine(self, place: Place, files: Mapping[str, str] | None = None) -> Machine:
        folder = self.folder / "machines" / place.name
        name = images.image_name(place.suite, self.plan.packages)
        image = cache_folder() / name
        layer = images.package_layer(name)
        kept = self._files(folder, files)
        return Machine(
            place=place,
            address=self.network.address(place.octet),
            folder=folder,
            lower=(layer, image) if layer.is_dir() else (image,),
            boot_settings=Boot(
                id=f"{self.network.bridge}-{place.octet}",
                hostname=place.name,
                suite=place.suite,
                root=folder / "root",
                bridge=self.network.bridge,
                folder=folder,
            ),
            keys=self.folder,
            files=kept,
        )

    def _files(self, folder: Path, files: Mapping[str, str] | None) -> Mapping[str, str]:
        """Get a machine's files, kept for the day when it gets a new disk."""
        path = folder / "files.json"
        if files is not None:
            path.write_text(json.dumps(dict(files)), encoding="utf-8")
            return files
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def _keep(self, name: str, facts: object) -> None:
        interim = self.folder / f".{name}"
        interim.write_text(json.dumps(facts), encoding="utf-8")
        interim.replace(self.folder / name)

    def _claim_network(self) -> None:
        for path in state_folder().glob("*/lab.json"):
            other = json.loads(path.read_text(encoding="utf-8"))["network"]
            taken = {other["bridge"], other["subnet"]} & {self.network.bridge, self.network.subnet}
            if path.parent.name != self.name and taken:
                raise LabError(
                    f"{', '.join(sorted(taken))} belongs to the laboratory {path.parent.name}: "
                    "end that one, or name another network by BEM_LAB_BRIDGE and BEM_LAB_SUBNET"
                )


@contextmanager
def alone() -> Iterator[None]:
    """Keep others from making or ending laboratories meanwhile.

    Raises:
        LabError: somebody else is at it.
    """
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError("another bin/lab is at work: wait for it, or end it") from None
        yield
    finally:
        os.close(handle)
        remove_if_empty(folder)


def in_parallel(machines: list[Machine], action: Callable[[Machine], None]) -> None:
    """Do something with all machines at once; the first error of all is raised."""
    with ThreadPoolExecutor(max(len(machines), 1)) as pool:
        list(pool.map(action, machines))


def _make_key(path: Path, comment: str) -> None:
    if not path.exists():
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))
