"""One process per station: an exclusive lock on a file that names its holder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType


class StationBusy(Exception):
    """Another process runs this station. The message names it."""


class StationLock:
    """Holds ``<folder>/lock`` while entered; the kernel lets go of it however the process ends.

    Raises:
        StationBusy: on entering, if another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: int | None = None

    def __enter__(self) -> "StationLock":
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise StationBusy(
                f"station {self._path.parent.name} is run by process {holder} already "
                f"({self._path} is locked); stop that one first"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
