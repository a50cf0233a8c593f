"""One process per station and one per device: exclusive locks on files that name their holder."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from bem.runtime.lock import Held, hold, sign


class StationBusy(Exception):
    """Another process runs this station or drives its device. The message names it.

    ``holder``: its number.
    """

    def __init__(self, message: str, holder: str = "") -> None:
        super().__init__(message)
        self.holder = holder


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
                f"({self._path} is locked); stop that one first",
                error.holder,
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


class DeviceHold:
    """All locks of one device, taken once they are free and kept until let go of."""

    def __init__(self, folder: Path, places: Iterable[str]) -> None:
        self._folder = folder
        self._places = tuple(places)
        self._held: ExitStack | None = None

    def take(self) -> None:
        """Take them, unless they are held here already.

        Raises:
            StationBusy: another process has one of them.
            OSError: the file of a lock cannot be made.
        """
        if self._held is not None:
            return
        with ExitStack() as taken:
            for place in self._places:
                try:
                    taken.enter_context(DeviceLock(self._folder, place))
                except StationBusy as busy:
                    if busy.holder != str(os.getpid()):
                        raise
                    raise StationBusy(
                        f"the device at {place} is driven by this station already, as another of "
                        "its devices: give each its own place in the station's definition"
                    ) from None
            self._held = taken.pop_all()

    def let_go(self) -> None:
        """Leave the device to others."""
        if self._held is not None:
            self._held.close()
            self._held = None


def device_lock(folder: Path, place: str) -> Path:
    """Get the file that is locked by whoever drives the device at ``place``."""
    name = hashlib.sha256(place.encode()).hexdigest()[:16]
    return folder / f"device-{name}.lock"
