"""Who holds a port. Asking opens nothing, so that it disturbs nobody."""

import contextlib
import os
import stat
from pathlib import Path

_PROC = Path("/proc")
_LONGEST_NAME = 80
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
            return f"process {pid} ({_name(pid)})"
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
    for process in _PROC.iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if _is_same(descriptor.stat(), port):
                        return int(process.name)
    return None


def _is_same(one: os.stat_result, port: os.stat_result) -> bool:
    # Each container numbers its pseudo-terminals from 0; only the file system tells them apart.
    return one.st_rdev == port.st_rdev and (
        not is_pseudo_terminal(port) or one.st_dev == port.st_dev
    )


def _name(pid: int) -> str:
    process = _PROC / str(pid)
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        name = command.strip() or (process / "comm").read_text().strip()
    except OSError:
        return "its name is hidden"
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
