"""When a station that does nothing shall end, so that its next process is a newer one.

Whoever runs the process (systemd) starts it again at once: with the definition as it is now, from
the release that is in use now. A definition that has gone leaves nothing to start.
"""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from bem.runtime.settings import SettingsError, StationDefinition, load_station

_LOGGER = logging.getLogger(__name__)
LOOK_S = 1.0
"""How often (s) to look."""
MISSING_LOOKS = 2
"""Looks in a row that must find no file: an editor may take it away for a moment."""
_PROGRAM = Path("bin/bem")

_Signature = tuple[int, int, int]


@dataclass(slots=True)
class Renewal:
    """Compares what runs with what should run.

    ``file`` holds the definition, ``definition`` is the one in force. ``release_link`` leads to the
    release in use, ``None`` where releases are not kept side by side; ``prefix`` is the folder of
    the release that this process runs from.
    """

    file: Path
    definition: StationDefinition
    release_link: Path | None
    prefix: Path
    _seen: _Signature | None = field(default=None, init=False)
    _missing: int = field(default=0, init=False)

    def reason(self) -> str | None:
        """Look, and say in words why to end now; ``None`` while all is as it was."""
        return self._definition_reason() or self._release_reason()

    def _definition_reason(self) -> str | None:
        try:
            status = self.file.stat()
        except FileNotFoundError:
            self._missing += 1
            gone = self._missing >= MISSING_LOOKS
            return f"the definition {self.file} was removed" if gone else None
        except OSError as error:
            _LOGGER.debug("cannot look at %s: %s", self.file, error)
            return None
        self._missing = 0
        signature = (status.st_mtime_ns, status.st_size, status.st_ino)
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            found = load_station(self.file)
        except (SettingsError, UnicodeDecodeError) as error:
            # A slip of the pen does not take a station away that works.
            _LOGGER.error("the station goes on with its last good definition: %s", error)  # noqa: TRY400 - the message says what is wrong
            return None
        return f"the definition {self.file} changed" if found != self.definition else None

    def _release_reason(self) -> str | None:
        if self.release_link is None:
            return None
        target = Path(os.path.realpath(self.release_link))
        if is_newer_release(self.prefix, target) and (target / _PROGRAM).exists():
            return f"the release in use is {target.name} now, this process runs {self.prefix.name}"
        return None


def is_newer_release(prefix: Path, target: Path) -> bool:
    """Whether the release in use, ``target``, is another one than this process's own, ``prefix``.

    Only a release kept beside one's own counts: a process that runs from elsewhere (a checkout) is
    not brought back on the release by whoever starts it again, and would end for ever.
    """
    return target != prefix and target.parent == prefix.parent
