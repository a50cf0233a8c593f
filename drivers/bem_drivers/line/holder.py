"""Who holds a port or a connection. Asking opens nothing, so that it disturbs nobody."""

import contextlib
import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_LONGEST_NAME = 80
_ESTABLISHED = "01"
_WORD = 4
_PSEUDO_TERMINALS = range(136, 144)
"""Major numbers of the far ends of pseudo-terminals (Linux, devices.txt)."""


def is_pseudo_terminal(status: os.stat_result) -> bool:
    """Tell whether a port is simulated."""
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _PSEUDO_TERMINALS


def port_holder(port: str) -> str | None:
    """Get who has locked or opened a port, such as ``process 123 (python -m bem.station a)``.

    ``None``: nobody, or somebody of whom the kernel does not tell this user. A lock shows
    whosever it is, an open file only to its user and to root.
    """
    with contextlib.suppress(OSError):
        status = Path(port).stat()
        pid = _locker(status.st_dev, status.st_ino) or _opener(status)
        if pid is not None:
            return _told(pid)
    return None


def connection_holder(host: str, port: int) -> str | None:
    """Get who on this machine is connected to an address, by whatever name it called it.

    ``None``: nobody, or the name leads nowhere.
    """
    with contextlib.suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        wanted = {_plain(ipaddress.ip_address(one[4][0])) for one in found}
        for far, far_port, inode in _connections():
            if far_port == port and far in wanted:
                pid = _owner(f"socket:[{inode}]")
                return "another program of this machine" if pid is None else _told(pid)
    return None


_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def _connections() -> Iterator[tuple[_Ip, int, str]]:
    """Get address and port of the far end, and the inode, of each connection (proc(5))."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            _, _, remote, state, *rest = line.split()
            if state == _ESTABLISHED:
                far, _, port = remote.partition(":")
                yield _plain(_ip(far)), int(port, 16), rest[5]


def _ip(text: str) -> _Ip:
    """Read an address that stands there in words of the machine's own order."""
    packed = bytes.fromhex(text)
    words = [packed[at : at + _WORD] for at in range(0, len(packed), _WORD)]
    own = words if sys.byteorder == "big" else [word[::-1] for word in words]
    return ipaddress.ip_address(b"".join(own))


def _plain(address: _Ip) -> _Ip:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def _owner(link: str) -> int | None:
    """Look for the process that has an open file of this name."""
    for pid, descriptor in _descriptors():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) == link:
                return pid
    return None


def _locker(device: int, inode: int) -> int | None:
    """Look for a ``flock`` in the kernel's list."""
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    for line in (_PROC / "locks").read_text().splitlines():
        fields = line.split()
        # A "->" marks one who waits for a lock.
        if "->" not in fields and "FLOCK" in fields and wanted in fields:
            pid = int(fields[fields.index(wanted) - 1])
            return pid if pid > 0 else None
    return None


def _opener(port: os.stat_result) -> int | None:
    """Look for another process that has the character device open."""
    if not stat.S_ISCHR(port.st_mode):
        return None
    for pid, descriptor in _descriptors():
        with contextlib.suppress(OSError):
            if pid != os.getpid() and _is_same(descriptor.stat(), port):
                return pid
    return None


def _descriptors() -> Iterator[tuple[int, Path]]:
    """Get the open files of all processes, as far as the kernel shows them to this user."""
    for process in _PROC.iterdir():
        if process.name.isdecimal():
            with contextlib.suppress(OSError):
                for descriptor in (process / "fd").iterdir():
                    yield int(process.name), descriptor


def _is_same(one: os.stat_result, port: os.stat_result) -> bool:
    # Each container numbers its pseudo-terminals from 0; only the file system tells them apart.
    return one.st_rdev == port.st_rdev and (
        not is_pseudo_terminal(port) or one.st_dev == port.st_dev
    )


def _told(pid: int) -> str:
    return f"process {pid} ({_name(pid)})"


def _name(pid: int) -> str:
    process = _PROC / str(pid)
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        name = command.strip() or (process / "comm").read_text().strip()
    except OSError:
        return "its name is hidden"
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
