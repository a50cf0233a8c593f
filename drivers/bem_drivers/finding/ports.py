"""Which ports and buses this machine has. Opens none of them."""

import os
from collections.abc import Iterable
from pathlib import Path

_PATTERNS = ("bem/*", "serial/by-id/*", "ttyUSB*", "ttyACM*")
"""Below /dev, the most stable names first."""
_CAN = 280
"""ARPHRD_CAN of the kernel's ``if_arp.h``."""
_UP = 0x1


def serial_ports(
    extra: Iterable[str] = (), without: Iterable[str] = (), dev: Path = Path("/dev")
) -> list[str]:
    """List the serial ports, each once, by the most stable of its names.

    ``extra``: further ports, such as pseudo-terminals. ``without``: ports that are something else,
    such as CAN adapters, by any of their names. What does not exist is left out.
    """
    candidates = [str(path) for pattern in _PATTERNS for path in sorted(dev.glob(pattern))]
    seen = {os.path.realpath(port) for port in without}
    ports = []
    for port in (*candidates, *extra):
        device = os.path.realpath(port)
        if device not in seen and Path(device).exists():
            seen.add(device)
            ports.append(port)
    return ports


def can_interfaces(interfaces: Path = Path("/sys/class/net")) -> list[str]:
    """List the CAN interfaces of the kernel that are up."""
    return sorted(path.name for path in interfaces.glob("*") if _is_can_and_up(path))


def _is_can_and_up(interface: Path) -> bool:
    try:
        kind = int((interface / "type").read_text())
        flags = int((interface / "flags").read_text(), 16)
    except (OSError, ValueError):
        return False
    return kind == _CAN and bool(flags & _UP)
