"""A lock on a file, for what must run once on a machine."""

import fcntl
import os
from pathlib import Path

_LOCKS = Path("/proc/locks")


class Held(Exception):
    """Another process holds the lock. ``holder`` is what it wrote into the file, or ``unknown``."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is held by {holder}")
        self.holder = holder


def hold(path: Path, mode: int = 0o600) -> int:
    """Take the lock; the kernel lets go of it when the descriptor is closed or the process ends.

    Returns:
        The descriptor. What is written to it tells others who holds the lock.

    Raises:
        Held: another process has it.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Held(path, holder) from None
    return descriptor


def sign(descriptor: int) -> None:
    """Write this process's number into the file of a lock that it holds."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def signer(path: Path) -> int | None:
    """Get the process that holds a lock and has signed it, without touching the lock.

    Taking it, even for a moment, could keep away whoever is about to. ``None``: nobody holds it.
    """
    try:
        inode = path.stat().st_ino
        signed = path.read_text(encoding="ascii").strip()
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        # 1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF
        fields = line.split()
        if "FLOCK" not in fields or "->" in fields or signed not in fields:
            continue
        if fields[fields.index(signed) + 1].rpartition(":")[2] == str(inode):
            return int(signed)
    return None
