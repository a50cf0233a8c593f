"""One process per station and one per device: exclusive locks on files that name their holder."""

import hashlib
import os
from pathlib import Path
from types import TracebackType

from bem.runtime.lock import Held, hold, sign


class StationBusy(Exception):
    """Another process runs this station or drives its device. The message names it."""


class _Lock:
    """Holds a file while entered; the kernel lets go of it however the process ends.

    Raises:
        StationBusy: on entering, if another process holds it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._file: int | None = None

    def __enter__(self) -> "_Lock":
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            self._file = hold(self._path, 0o640)
        except Held as error:
            raise StationBusy(
                f"{self._what} by process {error.holder} already "
                f"({self._path} is locked); stop that one first"
            ) from None
        sign(self._file)
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


class StationLock(_Lock):
    """Holds ``<folder>/lock``, so that nobody else runs the station of that folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "lock", f"station {folder.name} is run")


class DeviceLock(_Lock):
    """Makes sure that no other station of this machine drives the device at ``place``.

    Two definitions may name one device by mistake: each station would switch off, disarm and limit
    it as it pleases, under the other's experiment.
    """

    def __init__(self, folder: Path, place: str) -> None:
        super().__init__(device_lock(folder, place), f"the device at {place} is driven")


def device_lock(folder: Path, place: str) -> Path:
    """Get the file that is locked by whoever drives the device at ``place``."""
    name = hashlib.sha256(place.encode()).hexdigest()[:16]
    return folder / f"device-{name}.lock"
