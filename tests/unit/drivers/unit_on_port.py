"""A simulated unit at the far end of a pseudo-terminal, in a thread, for tests of whole drivers."""

import contextlib
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bem_drivers.simulation import LineUnit
from bem_drivers.simulation.port import LinePort, PtyLinePort


@contextlib.contextmanager
def served(unit: LineUnit, link: Path) -> Iterator[PtyLinePort]:
    """Have ``unit`` answer at the port ``link``; closing what is given pulls it out."""
    port = PtyLinePort(link)
    with serving(unit, port):
        yield port


@contextlib.contextmanager
def serving(unit: LineUnit, port: LinePort) -> Iterator[None]:
    """Have ``unit`` answer at a port, which is closed in the end."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError, ValueError):
                if select.select([port], [], [], 0.02)[0]:
                    now_ns = time.monotonic_ns()
                    for line in port.read():
                        port.write(unit.receive(line, now_ns))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        port.close()
