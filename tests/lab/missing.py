"""What a computer lacks for a laboratory: ``python -m lab.missing``, before anything is installed.

Standard library only. It asks the computer, installs the packages that it may, and says in one list
what a person must see to.
"""

import ipaddress
import json
import os
import platform
import runpy
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .places import WEB_PORT, Network, cache_folder, network, state_folder

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "modprobe": "kmod",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/usr/lib/systemd/systemd-socket-proxyd": "systemd",
    "systemd-socket-activate": "systemd",
}
"""Programs and files that are called, and the package of each."""
VM_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "depmod": "kmod",
    "modprobe": "kmod",
    "setpriv": "util-linux",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
"""The same for ``bin/lab vm``; the virtual machine uses some of them, as its root is ours."""
VM_PROCESSOR = "x86_64"
FREE_GIGABYTES = 4
VM_FREE_GIGABYTES = 1
UNAVAILABLE = 69
"""How this ends where a laboratory cannot come up (EX_UNAVAILABLE of sysexits.h)."""
LABORATORY = "lab"
"""The name of the laboratory that ``bin/lab up`` makes."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on this computer."""

    root: bool
    system: str
    """``ID`` and ``ID_LIKE`` of /etc/os-release."""
    packages: tuple[str, ...]
    """Packages that are missing and could not be installed."""
    kernel: tuple[str, ...]
    """What the kernel cannot do."""
    port_taken: bool
    up: str | None
    """The laboratory of that name, if there is one."""
    overlap: str | None
    """An address of this computer inside the laboratory's network."""
    free_gigabytes: float
    wanted_gigabytes: float = FREE_GIGABYTES
    processor: str = ""
    """The one of this computer, where only another will do."""


def is_debian(system: str) -> bool:
    """Whether that is Debian, Ubuntu or a child of theirs."""
    return bool({"debian", "ubuntu", "raspbian"} & set(system.split()))


def complaints(facts: Facts, network: Network) -> list[str]:
    """Say what is missing, each with its remedy; nothing when a laboratory can come up."""
    found = []
    if not facts.root:
        found.append("not root: sudo bin/lab …")
    if not is_debian(facts.system):
        found.append(
            f"this system is {facts.system or 'unknown'}, and machines are made with the tools of "
            "Debian or Ubuntu: use one of these, a virtual machine will do"
        )
    elif facts.packages:
        found.append(f"packages: sudo apt-get install {' '.join(facts.packages)}")
    if facts.processor:
        found.append(
            f"this computer's processor is {facts.processor}, and the virtual machine runs this "
            f"computer's own programs on a kernel for {VM_PROCESSOR}: use a computer of that kind"
        )
    found.extend(
        f"the kernel has no {one}: use one that has it, or run this in a virtual machine"
        for one in facts.kernel
    )
    if facts.port_taken:
        found.append(
            f"port {WEB_PORT} of this machine is taken (ss -ltnp 'sport = :{WEB_PORT}' tells by "
            "whom): stop that, or choose another by bin/lab up --port N"
        )
    if facts.up is not None:
        found.append(
            f"a laboratory is up already ({facts.up}): bin/lab status shows it, "
            "bin/lab down ends it"
        )
    if facts.overlap is not None:
        found.append(
            f"{facts.overlap} is in the laboratory's network {network.subnet}: "
            "BEM_LAB_SUBNET=198.18.9.0/24 (or another free one) bin/lab …"
        )
    if facts.free_gigabytes < facts.wanted_gigabytes:
        found.append(
            f"only {facts.free_gigabytes:.1f} GB are free in {state_folder().parent} and "
            f"{facts.wanted_gigabytes} are needed: make room, or name other folders by "
            "BEM_LAB_STATE and BEM_LAB_CACHE"
        )
    return found


def gather(network: Network, name: str, port: int | None) -> Facts:
    """Ask this computer; as root on Debian install what is not there."""
    root = os.getuid() == 0
    system = _system()
    packages = _installed(TOOLS, system)
    up = state_folder() / name
    return Facts(
        root=root,
        system=system,
        packages=packages,
        kernel=tuple(_kernel_lacks()) if root and not packages else (),
        port_taken=port is not None and not up.exists() and not _can_listen(port),
        up=name if (up / "up").exists() else None,
        overlap=None if up.exists() else _overlap(network),
        free_gigabytes=_free_gigabytes(),
    )


def gather_vm() -> Facts:
    """Ask the same for a virtual machine, which needs less."""
    system = _system()
    processor = platform.machine()
    return Facts(
        root=os.getuid() == 0,
        system=system,
        packages=_installed(VM_TOOLS, system),
        kernel=(),
        port_taken=False,
        up=None,
        overlap=None,
        free_gigabytes=_free_gigabytes(),
        wanted_gigabytes=VM_FREE_GIGABYTES,
        processor="" if processor == VM_PROCESSOR else processor,
    )


def main(arguments: list[str]) -> int:
    """Check for ``up``, ``test`` or ``vm``; the other words need no more than root."""
    word = arguments[0] if arguments else ""
    asks_help = not arguments or {"-h", "--help", "--list"} & set(arguments)
    if word not in {"up", "test", "vm"} or asks_help:
        return 0
    is_test = word == "test"
    port = None if is_test else _port(arguments)
    try:
        chosen = network(is_test)
    except ValueError as error:
        sys.stderr.write(f"bin/lab: {error}\n")
        return 1
    is_vm = word == "vm"
    facts = gather_vm() if is_vm else gather(chosen, "" if is_test else LABORATORY, port)
    found = complaints(facts, chosen)
    if not found:
        return 0
    what = "The virtual machine cannot boot" if is_vm else "A laboratory cannot come up"
    sys.stderr.write(f"{what} here yet:\n")
    sys.stderr.writelines(f"  * {one}\n" for one in found)
    return UNAVAILABLE


def _port(arguments: list[str]) -> int:
    # The real parser says what is wrong with it; here a number is enough.
    for number, argument in enumerate(arguments):
        value = argument.removeprefix("--port=")
        if argument == "--port" and number + 1 < len(arguments):
            value = arguments[number + 1]
        if argument.startswith("--port") and value.isdecimal():
            return int(value)
    return WEB_PORT


def _system() -> str:
    path = Path("/etc/os-release")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return " ".join(pairs.get(key, "").strip('"') for key in ("ID", "ID_LIKE")).strip()


def _installed(tools: Mapping[str, str], system: str) -> tuple[str, ...]:
    """Install the packages of these that are not here, where we may; get those still missing."""

    def is_here(tool: str) -> bool:
        return Path(tool).exists() if tool.startswith("/") else shutil.which(tool) is not None

    packages = tuple(sorted({package for tool, package in tools.items() if not is_here(tool)}))
    if packages and os.getuid() == 0 and is_debian(system) and _install(packages):
        return ()
    return packages


def _install(packages: tuple[str, ...]) -> bool:
    helper = Path(__file__).resolve().parents[2] / "bin" / "_packages.py"
    install = runpy.run_path(str(helper))["install"]
    return bool(install(packages))


def _kernel_lacks() -> Iterable[str]:
    attempts: dict[str, Callable[[], bool]] = {
        "overlay file system": _has_overlay,
        "bridge": lambda: _can_add("bridge"),
        "veth": lambda: _can_add("veth"),
        "network address translation (iptables -t nat)": lambda: _succeeds(
            "iptables", "-w", "-t", "nat", "-L", "-n"
        ),
    }
    return [what for what, attempt in attempts.items() if not attempt()]


def _has_overlay() -> bool:
    _succeeds("modprobe", "-q", "overlay")
    return "overlay" in Path("/proc/filesystems").read_text(encoding="ascii").split()


def _can_add(kind: str) -> bool:
    probe = f"bemp{os.getpid()}"
    if not _succeeds("ip", "link", "add", probe, "type", kind):
        return False
    return _succeeds("ip", "link", "delete", probe)


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # All addresses: the laboratory is looked at from other computers too.
            probe.bind(("0.0.0.0", port))  # noqa: S104 - as said
        except OSError:
            return False
    return True


def _overlap(network: Network) -> str | None:
    if shutil.which("ip") is None:
        return None
    done = subprocess.run(
        ["ip", "-json", "-4", "address"], capture_output=True, text=True, check=False
    )
    ours = ipaddress.IPv4Network(network.subnet)
    for link in json.loads(done.stdout or "[]"):
        for one in link.get("addr_info", []):
            theirs = ipaddress.IPv4Interface(f"{one['local']}/{one['prefixlen']}")
            # Our own bridge may be left from an `up` that was broken off.
            if link["ifname"] != network.bridge and theirs.network.overlaps(ours):
                return f"address {theirs} of {link['ifname']}"
    return None


def _free_gigabytes() -> float:
    def free(folder: Path) -> float:
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free / 1e9

    return min(free(state_folder()), free(cache_folder()))


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
