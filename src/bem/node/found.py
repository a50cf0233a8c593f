"""What the search for devices came back with: a process of its own writes it, the agent tells it.

The agent, which talks to the network, has no right over devices.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bem.messages import MAX_DEVICES, DeviceReport
from bem.runtime.log import Condition

_LOGGER = logging.getLogger(__name__)
LONGEST_FILE = 1024 * 1024
"""Bytes; a whole laboratory is a tenth of it."""
SEARCH_S = 30.0
"""How long after it is due a search may end before what it found counts as no longer known."""
_REPORTS: TypeAdapter[tuple[DeviceReport, ...]] = TypeAdapter(tuple[DeviceReport, ...])


class FoundDevices:
    """Reads the file again whenever it changes.

    ``reports`` are the devices, ``None`` before anything was found. A file that nobody writes any
    more leaves them as they are: what is last known is told, and the log says so once.
    """

    def __init__(self, path: Path, every_s: float, now_s: Callable[[], float] = time.time) -> None:
        self.reports: tuple[DeviceReport, ...] | None = None
        self._path = path
        self._every_s = every_s
        self._now_s = now_s
        self._read_ns = 0
        self._trouble = Condition(_LOGGER, "what devices this node has cannot be told")
        self._stale = Condition(_LOGGER, "nobody looks for devices: is bem devices --watch running")

    def look(self) -> bool:
        """Look at the file; ``True`` if the devices are others than before."""
        try:
            changed_ns = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            # Nobody has searched yet, or nobody ever does.
            return False
        except OSError as error:
            self._trouble.begin(error)
            return False
        self._watch_age(changed_ns)
        if changed_ns == self._read_ns:
            return False
        self._read_ns = changed_ns
        return self._read()

    def _read(self) -> bool:
        try:
            with self._path.open("rb") as file:
                text = file.read(LONGEST_FILE + 1)
            if len(text) > LONGEST_FILE:
                raise ValueError(f"{self._path} has more than {LONGEST_FILE} bytes")  # noqa: TRY301 - told like the others
            reports = _REPORTS.validate_json(text)[:MAX_DEVICES]
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            self._trouble.begin(f"{self._path}: {first['loc']}: {first['msg']}")
            return False
        except (OSError, ValueError) as error:
            self._trouble.begin(error)
            return False
        self._trouble.end()
        changed = reports != self.reports
        self.reports = reports
        return changed

    def _watch_age(self, changed_ns: int) -> None:
        if self._every_s <= 0:
            return
        age_s = self._now_s() - changed_ns / 1e9
        if age_s > self._every_s + SEARCH_S:
            self._stale.begin(f"{self._path} is {age_s:.0f} s old")
        else:
            self._stale.end()
