"""Who holds a station's lock: a station has an exclusive flock on its lock file while it lives."""

import fcntl
import os
from pathlib import Path

_LOCKS = Path("/proc/locks")
_FIELDS = 6


def is_held(lock: Path) -> bool:
    """Whether any process holds the lock."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(lock: Path) -> int | None:
    """Get the process that took the lock and still has its file open; ``None`` if there is none."""
    try:
        inode = lock.stat().st_ino
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        # 1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF
        fields = line.split()
        if (
            len(fields) < _FIELDS
            or fields[1] != "FLOCK"
            or fields[5].rpartition(":")[2] != str(inode)
        ):
            continue
        pid = int(fields[4])
        if pid > 0 and _has_open(pid, lock):
            return pid
    return None


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open; inode numbers alone are not unique across disks."""
    wanted = str(path.resolve())
    try:
        return any(str(link.readlink()) == wanted for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
