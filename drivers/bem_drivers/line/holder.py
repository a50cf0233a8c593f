"""Who holds a port. Asking opens nothing, so that it disturbs nobody."""

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")
_LONGEST_NAME = 80


def port_holder(port: str) -> str | None:
    """Get who has locked or opened a port, such as ``process 123 (python -m bem.station a)``.

    ``None``: nobody, or somebody of whom the kernel does not tell this user. A lock shows
    whosever it is, an open file only to its user and to root.
    """
    with contextlib.suppress(OSError):
        status = os.stat(port)  # noqa: PTH116 - the devices' numbers are what counts here
        pid = _locker(status.st_dev, status.st_ino) or _opener(status.st_rdev)
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


def _opener(device: int) -> int | None:
    """Look for a process that has the character device open."""
    for process in _PROC.iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if device and descriptor.stat().st_rdev == device:
                        return int(process.name)
    return None


def _name(pid: int) -> str:
    process = _PROC / str(pid)
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        name = command.strip() or (process / "comm").read_text().strip()
    except OSError:
        return "its name is hidden"
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
