"""Running the tools of the system, and saying what they said when they fail."""

import subprocess
from collections.abc import Sequence


class LabError(Exception):
    """The laboratory cannot do it. The message says why and what to do about it."""


def call(*command: str, what: str | None = None, input_text: str | None = None) -> str:
    """Run a tool and get what it wrote.

    Raises:
        LabError: it failed; the message holds the end of what it said.
    """
    done = attempt(*command, input_text=input_text)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise LabError(f"{what or ' '.join(command)} failed ({done.returncode}):\n{said}")
    return done.stdout


def attempt(
    *command: str, input_text: str | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool whose failure is an answer."""
    return subprocess.run(
        command, input=input_text, capture_output=True, text=True, check=False, timeout=timeout
    )


def quiet(commands: Sequence[Sequence[str]]) -> None:
    """Run tools that undo what may be undone already."""
    for command in commands:
        attempt(*command)
