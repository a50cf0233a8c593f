"""The calibration checks that run on this node: processes that persons started, no services.

Each holds a lock in a folder of its own as long as it lives, so that whoever stops everything on
this node finds it. It takes the file away when nothing is left on: one that stays behind tells that
this is not known.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bem.runtime.lock import hold, sign, signer
from bem.runtime.settings import Settings
from bem.station.calibration.ending import OutputUnverified

END_TIMEOUT_S = 30.0
"""So long a check may take from its signal to its last verified output."""


@contextmanager
def known_as_running(settings: Settings) -> Iterator[None]:
    """Let others find this check while it is in here.

    Raises:
        OSError: the file of its lock cannot be made.
    """
    folder = _folder(settings)
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = folder / str(os.getpid())
    descriptor = hold(path, 0o640)
    known_off = True
    try:
        sign(descriptor)
        yield
    except OutputUnverified:
        known_off = False
        raise
    finally:
        if known_off:
            path.unlink(missing_ok=True)
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Check:
    """A check that runs as process ``pid``."""

    pid: int
    path: Path

    def end(self) -> str:
        """Interrupt it and wait until it has switched off and ended.

        Returns:
            Why its outputs are not known to be off; empty if they are.
        """
        try:
            process = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return self._why_not()
        try:
            # Between the look at the lock and now the number may have become another's.
            if signer(self.path) != self.pid:
                return self._why_not()
            signal.pidfd_send_signal(process, signal.SIGTERM)
            if not select.select([process], [], [], END_TIMEOUT_S)[0]:
                return f"it has not ended within {END_TIMEOUT_S:g} s"
        except PermissionError:
            return "it belongs to another user: do it as root"
        except ProcessLookupError:
            pass
        finally:
            os.close(process)
        return self._why_not()

    def _why_not(self) -> str:
        return "it ended without having verified that" if self.path.exists() else ""


def running_checks(settings: Settings) -> list[Check]:
    """List the checks that run now; what others left behind is no check."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(_folder(settings).iterdir()):
            pid = signer(path)
            if pid is not None:
                found.append(Check(pid, path))
    return found


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "checks"
