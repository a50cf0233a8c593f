"""Run the demo's processes under one supervisor, and leave none behind."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Self
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from bem.demo.kernel import adopt_orphans, children
from bem.demo.places import Places
from bem.demo.problems import DemoError
from bem.runtime.settings import ENVIRONMENT_VARIABLE

_LOOK_S = 1.0
_STOP_S = 20.0
_KILL_AFTER_S = 5.0
_END_OF_PREDECESSOR_S = 20.0


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP; any signal ends a :meth:`wait`."""

    def __init__(self) -> None:
        self._stop = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._asked)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as it was given to us
        os.close(self._read)
        os.close(self._write)

    def stop(self) -> bool:
        """Whether we have been asked to end."""
        return self._stop

    def wait(self, seconds: float) -> None:
        """Wait that long (s), or until a signal comes."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        if ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 4096)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True


class Supervision:
    """The supervisor and everything below it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything. Comes back at once.

        Raises:
            DemoError: what an earlier demo left behind does not end.
        """
        _wait_for_predecessor(self._places)
        adopt_orphans()
        self._start_supervisor()

    def keep_running(self) -> None:
        """Bury what has ended, and start anew should the supervisor itself have been killed."""
        supervisor = self._supervisor
        if supervisor is not None and supervisor.poll() is not None:
            self._end_leftovers()
            self._start_supervisor()
        self._bury()

    def stop(self) -> None:
        """End everything in order: stations first, so that outputs go off; at most some 25 s."""
        supervisor = self._supervisor
        if supervisor is not None and supervisor.poll() is None:
            supervisor.terminate()
            try:
                supervisor.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                supervisor.kill()
                supervisor.wait()
        self._supervisor = None
        self._end_leftovers()
        for path in (self._places.supervisor_pid, self._places.supervisor_socket):
            path.unlink(missing_ok=True)

    def _start_supervisor(self) -> None:
        places = self._places
        environment = os.environ | {
            ENVIRONMENT_VARIABLE: str(places.settings),
            "PYTHONUNBUFFERED": "1",
        }
        with places.log("supervisor-output").open("ab") as output:
            self._supervisor = subprocess.Popen(  # noqa: S603 - our own module and file
                [sys.executable, "-m", "bem.demo.supervisor", str(places.supervisor_settings)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=places.data,
                env=environment,
                # Ctrl-C is for us alone; we end the others in order.
                start_new_session=True,
            )

    def _bury(self) -> list[int]:
        """Take leave of adopted children that have ended; get those that live."""
        living = []
        for pid in children():
            if self._supervisor is not None and pid == self._supervisor.pid:
                continue
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    living.append(pid)
        return living

    def _end_leftovers(self) -> None:
        """End what lost its parent, children of theirs as they come to us; politely at first."""
        asked: set[int] = set()
        deadline = time.monotonic() + _KILL_AFTER_S
        while living := self._bury():
            late = time.monotonic() > deadline
            for pid in living:
                if late or pid not in asked:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                    asked.add(pid)
            time.sleep(0.05)


def running_processes(places: Places) -> dict[str, int]:
    """Ask the supervisor who runs: names to process ids. Empty while it does not answer."""
    transport = SupervisorTransport(None, None, f"unix://{places.supervisor_socket}")
    try:
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            found = proxy.supervisor.getAllProcessInfo()
    except (OSError, Fault):
        return {}
    if not isinstance(found, list):
        return {}
    return {str(one["name"]): int(one["pid"]) for one in found if one["statename"] == "RUNNING"}


def _wait_for_predecessor(places: Places) -> None:
    """A demo that was killed leaves a supervisor that is still ending its processes."""
    deadline = time.monotonic() + _END_OF_PREDECESSOR_S
    for pid in _predecessor(places.supervisor_pid, places.supervisor_settings):
        if time.monotonic() > deadline:
            raise DemoError(
                f"process {pid} of an earlier demo in {places.data} does not end: kill {pid}"
            )
        time.sleep(0.1)


def _predecessor(pid_file: Path, settings: Path) -> Iterator[int]:
    """Yield the earlier supervisor's process id for as long as it lives."""
    while True:
        try:
            pid = int(pid_file.read_text(encoding="utf-8"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return
        if os.fsencode(settings) not in command.split(b"\0"):
            return
        yield pid
