"""Where the demo keeps what, and the lock that lets one demo at a time in."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bem.demo.problems import DemoError
from bem.runtime.local import check_socket_path
from bem.runtime.lock import Held, hold, sign

LONGEST_SOCKET_NAME = 32
"""More than the name of any socket that the demo makes, in bytes."""


@dataclass(frozen=True, slots=True)
class Places:
    """The demo's files: all below ``data``, but sockets and ports, which need a short path."""

    data: Path
    runtime: Path

    @property
    def settings(self) -> Path:
        """The settings file of all processes."""
        return self.data / "bem.yaml"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.data / "log"

    @property
    def supervisor_socket(self) -> Path:
        """Where the supervisor answers who runs."""
        return self.runtime / "supervisor.sock"

    @property
    def supervisor_pid(self) -> Path:
        """The file that names the supervisor's process while it runs."""
        return self.runtime / "supervisor.pid"

    @property
    def supervisor_settings(self) -> Path:
        """What the supervisor keeps running."""
        return self.data / "supervisor.conf"

    def secret(self, name: str) -> Path:
        """The file of one secret."""
        return self.data / "secrets" / name

    def log(self, process: str) -> Path:
        """The log of one process."""
        return self.logs / f"{process}.log"

    def port(self, station: str) -> Path:
        """The simulated serial port of one station."""
        return self.runtime / f"port-{station}"

    def ledger(self, station: str) -> Path:
        """What one simulated converter was asked and did."""
        return self.data / "ledger" / f"{station}.jsonl"


def open_places(data: Path) -> Places:
    """Make the folders of a demo.

    Raises:
        DemoError: one of them cannot be made or written to.
    """
    data = data.absolute()
    for folder in (data, data / "secrets", data / "log", data / "ledger", data / "stations"):
        _make_folder(folder)
    runtime = _runtime_folder(data)
    _make_folder(runtime)
    return Places(data, runtime)


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Hold the demo's lock; the kernel lets go of it however the process ends.

    Raises:
        DemoError: another demo holds it; the message names its process.
    """
    try:
        file = hold(places.data / "lock")
    except Held as error:
        raise DemoError(
            f"a demo runs in {places.data} already (process {error.holder}): end that one, "
            "or choose another folder with --data DIR"
        ) from None
    try:
        sign(file)
        yield
        # An empty file says that nobody is there; unlinking it would let two demos in.
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Asking whether we may write is not the same as being able to (full, read-only).
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DemoError(
            f"cannot write to {folder}: {error.strerror}; "
            "choose a folder of your own with --data DIR"
        ) from error


def _runtime_folder(data: Path) -> Path:
    """Choose ``run`` below the data, or a short path in the temporary folder for long ones."""
    inside = data / "run"
    if _fits(inside):
        return inside
    name = f"bem-{os.getuid()}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:8]}"
    outside = Path(tempfile.gettempdir()) / name
    if not _fits(outside):
        raise DemoError(
            f"{outside} is too long for sockets: set TMPDIR to a shorter path, such as /tmp"
        )
    outside.mkdir(mode=0o700, exist_ok=True)
    found = outside.lstat()
    # Anybody may write to the temporary folder, and may have been here first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise DemoError(f"{outside} belongs to somebody else: set TMPDIR to a folder of your own")
    return outside


def _fits(folder: Path) -> bool:
    try:
        check_socket_path(folder / ("x" * LONGEST_SOCKET_NAME))
    except ValueError:
        return False
    return True
