"""What may end a check at any instant, and what may hold it up: signals, and a terminal."""

import contextlib
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Ctrl-C, kill, the terminal that is closed, Ctrl-backslash."""
STOPPING = (signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN)
"""A process that is put aside by Ctrl-Z would leave the output on unwatched."""
LAST_WORDS_S = 2.0


@contextmanager
def signals_as_ctrl_c() -> Iterator[None]:
    """While a person is asked, have whatever signal end it as Ctrl-C does: in order.

    Raises:
        KeyboardInterrupt: on such a signal.
    """
    before = {one: signal.signal(one, signal.default_int_handler) for one in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interruption:
    """While entered, signals that end a process are kept for :meth:`reason` instead."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None

    def reason(self) -> str:
        """Say why to end, or nothing."""
        received = self._received
        return "" if received is None else f"it was interrupted by {received.name}"

    def __enter__(self) -> "Interruption":
        self._before = {one: signal.signal(one, self._receive) for one in ENDING}
        self._before |= {one: signal.signal(one, signal.SIG_IGN) for one in STOPPING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is Python's
        self._received = signal.Signals(number)


class Teller:
    """Writes lines in a thread: a terminal that is held by Ctrl-S, or gone, must not hold us up."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="teller", daemon=True)

    def tell(self, line: str) -> None:
        """Have a line written soon."""
        self._lines.put(line)

    def __enter__(self) -> "Teller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.put(None)
        self._thread.join(LAST_WORDS_S)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
