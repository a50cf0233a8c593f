"""``bem simulate``, also ``python -m bem_drivers.simulation``: one process that runs a bench.

It lives until SIGTERM or SIGINT. Orders come by standard input and, where the bench names one, by
its control socket.
"""

import argparse
import os
import selectors
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from bem_drivers.simulation.bench import BenchError, load_bench
from bem_drivers.simulation.control import ControlSocket, Orders
from bem_drivers.simulation.rig import Rig

_READ_SIZE = 4096


class BenchProcess:
    """The loop of a bench. :meth:`run` blocks; the other methods may be called from anywhere.

    ``orders`` is a file descriptor to read orders from, whose answers go to standard output.
    """

    def __init__(self, rig: Rig, control: Path | None = None, orders: int | None = None) -> None:
        self._rig = rig
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._running = True
        self._ordered: deque[str] = deque()
        self._watched: dict[int, object] = {}
        self._control: ControlSocket | None = None
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
        if control is not None:
            try:
                self._control = ControlSocket(control, self._selector, self._obey)
            except OSError as error:
                raise BenchError(
                    f"control: {control} cannot be had: {error}; choose a path in a folder that "
                    "exists and is yours"
                ) from error
        if orders is not None:
            self._read_orders(orders)

    def stop(self) -> None:
        """End :meth:`run`."""
        self._running = False
        self._wake()

    def order(self, order: str) -> None:
        """Have an order obeyed soon; nobody hears what is said to it."""
        self._ordered.append(order)
        self._wake()

    def run(self) -> None:
        """Live until :meth:`stop`. Wakes when something comes or a device has something to do."""
        try:
            due_ns = time.monotonic_ns()
            while self._running:
                self._watch_ports()
                for key, _ in self._selector.select(max(due_ns - time.monotonic_ns(), 0) / 1e9):
                    action: Callable[[], None] = key.data
                    action()
                due_ns = self._rig.live(time.monotonic_ns())
        finally:
            self._close()

    def _watch_ports(self) -> None:
        """Wait on the ports that there are now; orders may have changed which."""
        ports = {number: place.port for number, place in self._rig.ports().items()}
        for number, port in list(self._watched.items()):
            # The number of a port that was pulled out may be that of another one by now.
            if ports.get(number) is not port:
                self._selector.unregister(number)
                del self._watched[number]
        for number, port in ports.items():
            if number not in self._watched:
                self._selector.register(number, selectors.EVENT_READ, self._taker(number))
                self._watched[number] = port

    def _taker(self, descriptor: int) -> Callable[[], None]:
        def take() -> None:
            # An order of this very pass may have unplugged it.
            place = self._rig.ports().get(descriptor)
            if place is not None:
                place.take(time.monotonic_ns())

        return take

    def _read_orders(self, descriptor: int) -> None:
        orders = Orders(self._obey)

        def take() -> None:
            data = os.read(descriptor, _READ_SIZE)
            if not data:
                self._selector.unregister(descriptor)
            sys.stdout.write(orders.take(data))
            sys.stdout.flush()

        try:
            self._selector.register(descriptor, selectors.EVENT_READ, take)
        except PermissionError:
            # A file, such as /dev/null, cannot be waited for; orders then come by the socket only.
            return

    def _obey(self, order: str) -> str:
        try:
            return self._rig.obey(order, time.monotonic_ns())
        except (ValueError, OSError) as error:
            return f"refused: {error}"

    def _wake(self) -> None:
        if self._wake_write >= 0:
            os.write(self._wake_write, b"!")

    def _woken(self) -> None:
        os.read(self._wake_read, 1)
        while self._ordered:
            self._obey(self._ordered.popleft())

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()
        self._selector.close()
        self._rig.close()
        # The number of a closed file may be given to another file at once.
        wake_write, self._wake_write = self._wake_write, -1
        os.close(self._wake_read)
        os.close(wake_write)


def simulate(path: Path, folder: Path | None = None, *, check: bool = False) -> int:
    """Run the bench of a file until a signal: 0, or 2 for a bench that cannot be.

    Its paths are relative to ``folder``, by default the folder of ``path``.
    """
    try:
        bench = load_bench(path)
        if check:
            sys.stdout.write(f"{path} describes {len(bench.simulators)} devices\n")
            return 0
        base = (path.parent if folder is None else folder).absolute()
        rig = Rig(bench, base, time.monotonic_ns())
        control = bench.settings.control
        try:
            orders = None if sys.stdin is None else sys.stdin.fileno()
            process = BenchProcess(rig, None if control is None else base / control, orders)
        except BaseException:
            rig.close()
            raise
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: process.stop())
    for line in rig.describe():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write("ready; help lists the orders\n")
    sys.stdout.flush()
    process.run()
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run without the rest of the product."""
    parser = argparse.ArgumentParser(
        prog="python -m bem_drivers.simulation",
        description="Simulate a bench of devices around battery models.",
    )
    parser.add_argument("bench", type=Path, metavar="BENCH.yaml", help="what is on the bench")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="where links, ledger and control socket go (default: where BENCH.yaml is)",
    )
    parser.add_argument(
        "--check", action="store_true", help="only say whether BENCH.yaml can be; opens nothing"
    )
    arguments = parser.parse_args(argv)
    return simulate(arguments.bench, arguments.folder, check=arguments.check)
