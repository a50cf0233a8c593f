"""The bridge of a laboratory, its way to the internet, and its page on this machine."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .places import HOST_OCTET, Network
from .shell import attempt, call

FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True, slots=True)
class Wires:
    """A network that has been laid. ``forwarded``: this machine has forwarded packets before."""

    network: Network
    forwarded: bool

    def save(self, path: Path) -> None:
        """Keep how things were, for whoever takes the network away."""
        path.write_text(json.dumps(asdict(self)), encoding="ascii")

    def remove(self) -> None:
        """Take bridge and rules away and leave this machine as it was. Idempotent."""
        for rule in _rules(self.network):
            while attempt("iptables", "-w", *_rule("-D", rule)).returncode == 0:
                pass
        attempt("ip", "link", "delete", self.network.bridge)
        if not self.forwarded:
            FORWARD.write_text("0", encoding="ascii")


def load(path: Path) -> Wires | None:
    """Read what :meth:`Wires.save` kept."""
    if not path.exists():
        return None
    raw = json.loads(path.read_text(encoding="ascii"))
    return Wires(Network(**raw["network"]), raw["forwarded"])


def lay(network: Network, record: Path) -> Wires:
    """Make the bridge and let its machines reach the internet through this one.

    Raises:
        LabError: a tool of the system refused.
    """
    wires = Wires(network, FORWARD.read_text(encoding="ascii").strip() == "1")
    wires.save(record)
    bridge = network.bridge
    if attempt("ip", "link", "show", bridge).returncode:
        call("ip", "link", "add", bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0")
    call("ip", "address", "replace", f"{network.address(HOST_OCTET)}/24", "dev", bridge)
    call("ip", "link", "set", bridge, "up")
    FORWARD.write_text("1", encoding="ascii")
    for rule in _rules(network):
        if attempt("iptables", "-w", *_rule("-C", rule)).returncode:
            call("iptables", "-w", *_rule("-I", rule))
    return wires


def resolver() -> str:
    """Get the name servers that a machine behind this one can ask, as resolv.conf says them."""
    for path in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            # One on the local machine itself answers nobody else.
            found = [
                line
                for line in lines
                if line.startswith("nameserver") and not line.split()[1].startswith("127.")
            ]
            if found:
                return "\n".join(found) + "\n"
    return ""


def _rules(network: Network) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Get table, chain and rule of everything that is let through."""
    away = ("-s", network.subnet, "!", "-d", network.subnet, "-j", "MASQUERADE")
    return (
        ("nat", "POSTROUTING", away),
        # Where something else (such as Docker) has closed forwarding.
        ("filter", "FORWARD", ("-i", network.bridge, "-j", "ACCEPT")),
        ("filter", "FORWARD", ("-o", network.bridge, "-j", "ACCEPT")),
    )


def _rule(action: str, rule: tuple[str, str, tuple[str, ...]]) -> tuple[str, ...]:
    table, chain, words = rule
    return ("-t", table, action, chain, *words)
