"""What the agent asks a short process of its own, because it loads no drivers itself."""

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bem.messages import DriverReport

_LOGGER = logging.getLogger(__name__)
_BEM = (sys.executable, "-m", "bem.cli")
TIMEOUT_S = 20.0
"""A small computer that is busy needs a few seconds to start a process."""
EXIT_REFUSED = 2
_SHOWN = 200


class ToolFailed(Exception):
    """A tool did not do its work, for a reason that is not in what it was asked."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Command lines of the tools; tests bring their own."""

    drivers: Sequence[str] = (*_BEM, "drivers", "--json")
    check: Sequence[str] = (*_BEM, "station")

    def list_drivers(self) -> tuple[DriverReport, ...]:
        """Get the drivers of this node and the settings they take.

        Raises:
            ToolFailed: they cannot be listed now.
        """
        done = _run(self.drivers)
        if done.returncode != 0:
            raise ToolFailed(f"the drivers cannot be listed: {_last_words(done)}")
        try:
            raw = json.loads(done.stdout)
            return tuple(DriverReport.model_validate(one) for one in raw)
        except (ValueError, TypeError, ValidationError) as error:
            raise ToolFailed(f"the list of drivers cannot be read: {error}") from error

    def objections(self, station: str, candidate: Path) -> str:
        """Get what speaks against a definition, in the driver's own words; empty if nothing does.

        Raises:
            ToolFailed: it cannot be checked now.
        """
        done = _run([*self.check, station, "--check", str(candidate)])
        if done.returncode == 0:
            return ""
        if done.returncode == EXIT_REFUSED:
            return done.stdout.strip() or _last_words(done)
        raise ToolFailed(f"the definition cannot be checked: {_last_words(done)}")


def _run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 - our own command line; the id is of a fixed pattern
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolFailed(f"{arguments[-1]} took longer than {TIMEOUT_S:g} s") from None
    except OSError as error:
        raise ToolFailed(f"{arguments[0]} cannot be started: {error.strerror}") from error


def _last_words(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    return lines[-1][:_SHOWN]
