"""The station definitions of this node, read again whenever a file changes."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from bem.runtime.settings import SettingsError, StationDefinition, is_station_id, load_station

_LOGGER = logging.getLogger(__name__)
_Signature = tuple[int, int]


@dataclass(slots=True)
class Definitions:
    """What the folder of definitions says.

    ``good`` are the definitions by station; ``broken`` says why a file cannot be used, by its name
    without the suffix. A station whose file breaks later keeps its last good definition.
    """

    folder: Path
    good: dict[str, StationDefinition] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    _signatures: dict[str, _Signature] = field(default_factory=dict)

    def scan(self) -> None:
        """Look at the folder; reads only files that are new or have changed."""
        found = self._files()
        for name in self._signatures.keys() - found.keys():
            self._signatures.pop(name)
            self.good.pop(name, None)
            self.broken.pop(name, None)
        for name, signature in found.items():
            if self._signatures.get(name) != signature:
                self._signatures[name] = signature
                self._read(name)

    def _files(self) -> dict[str, _Signature]:
        found: dict[str, _Signature] = {}
        try:
            paths = sorted(self.folder.glob("*.yaml"))
        except OSError:
            return found
        for path in paths:
            try:
                status = path.stat()
            except OSError:
                continue
            found[path.stem] = (status.st_mtime_ns, status.st_size)
        return found

    def _read(self, name: str) -> None:
        path = self.folder / f"{name}.yaml"
        if not is_station_id(name):
            self._refuse(name, f"{path}: {name!r} is no station id (a-z, 0-9 and hyphens)")
            return
        try:
            definition = load_station(path)
        except (SettingsError, UnicodeDecodeError) as error:
            self._refuse(name, str(error))
        else:
            self.good[name] = definition
            self.broken.pop(name, None)

    def _refuse(self, name: str, reason: str) -> None:
        if reason != self.broken.get(name):
            _LOGGER.error("a station definition cannot be used: %s", reason)
        self.broken[name] = reason
