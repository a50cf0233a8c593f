"""Where things of a laboratory are kept, and which networks there are."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
WEB_PORT = 8869
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
BRIDGE = re.compile(r"[a-z][a-z0-9]{0,7}")
HOST_OCTET = 1


def state_folder() -> Path:
    """Get the folder of all laboratories; ``BEM_LAB_STATE`` names another one."""
    return Path(os.environ.get("BEM_LAB_STATE", "/var/lib/bem-lab"))


def cache_folder() -> Path:
    """Get the folder of root file systems; ``BEM_LAB_CACHE`` names another one."""
    return Path(os.environ.get("BEM_LAB_CACHE", "/var/cache/bem-lab"))


def remove_if_empty(folder: Path) -> None:
    """Remove a folder unless somebody has something in it."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge and the addresses on it: ``subnet`` is a /24, this machine has its .1.

    Raises:
        ValueError: the bridge's name is too long for an interface, or the subnet is no /24.
    """

    bridge: str
    subnet: str

    def __post_init__(self) -> None:
        if BRIDGE.fullmatch(self.bridge) is None:
            raise ValueError(
                f"bridge {self.bridge!r}: one to eight lower-case letters and digits, as in bemlab0"
            )
        if ipaddress.IPv4Network(self.subnet).prefixlen != 24:
            raise ValueError(f"subnet {self.subnet}: it must be a /24, as in 198.18.0.0/24")

    def address(self, octet: int) -> str:
        """Get the address that ends in ``octet``."""
        return str(ipaddress.IPv4Network(self.subnet)[octet])


def network(test: bool) -> Network:
    """Get the network of ``bin/lab up``, or the one of tests, which may run beside it.

    ``BEM_LAB_BRIDGE`` and ``BEM_LAB_SUBNET`` name another one.
    """
    bridge, subnet = ("bemlab1", "198.18.1.0/24") if test else ("bemlab0", "198.18.0.0/24")
    return Network(
        os.environ.get("BEM_LAB_BRIDGE", bridge), os.environ.get("BEM_LAB_SUBNET", subnet)
    )
