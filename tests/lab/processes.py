"""Processes that outlive the command that started them: kept in a file, found again, ended.

A process is known by its number, the instant it began and the boot of this computer, so that a
number that was given to another process is never taken for ours.
"""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_STATE, _PARENT, _STARTED = 0, 1, 19
"""Places in /proc/PID/stat behind the name."""
END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this computer, now or once."""

    pid: int
    started: int
    boot: str

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that only waits to be reaped does not."""
        found = _stat(self.pid)
        return (
            found is not None
            and found[_STATE] != "Z"
            and int(found[_STARTED]) == self.started
            and self.boot == _boot()
        )

    def children(self) -> list["Process"]:
        """Get the processes that it has started itself and that live."""
        return [one for one in _all() if (s := _stat(one.pid)) and int(s[_PARENT]) == self.pid]

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has come."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.alive:
                return True
            ready, _, _ = select.select([handle], [], [], seconds)
            return bool(ready)
        finally:
            os.close(handle)

    def end(self) -> None:
        """End it, by force if it does not listen."""
        self.send(signal.SIGTERM)
        if not self.wait(END_SECONDS):
            self.send(signal.SIGKILL)
            self.wait(END_SECONDS)


def start(command: Sequence[str], record: Path, output: Path) -> Process:
    """Start a process in a session of its own and keep who it is in ``record``."""
    with output.open("ab") as stream:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    process = identify(started.pid)
    record.write_text(json.dumps(asdict(process)), encoding="ascii")
    # It is not ours to wait for: it is meant to go on when we have gone.
    started.returncode = 0
    return process


def identify(pid: int) -> Process:
    """Get the process that has this number now.

    Raises:
        ProcessLookupError: none has.
    """
    found = _stat(pid)
    if found is None:
        raise ProcessLookupError(f"no process {pid}")
    return Process(pid, int(found[_STARTED]), _boot())


def recorded(record: Path) -> Process | None:
    """Get the process of a record, if it lives."""
    try:
        process = Process(**json.loads(record.read_text(encoding="ascii")))
    except (FileNotFoundError, ValueError, TypeError):
        # A record that was being written when the power went names nobody.
        return None
    return process if process.alive else None


def _all() -> Iterator[Process]:
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                yield identify(int(path.name))
            except ProcessLookupError:
                continue


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
