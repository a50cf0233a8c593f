"""Orders on their way to the control loop, which alone executes them."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from bem.runtime.local import LocalReply
from bem.station.orders import Order, Refused


class OrderInbox:
    """Takes orders from any thread; :meth:`serve` is for the one that turns the loop."""

    def __init__(self) -> None:
        self._orders: deque[tuple[Order, Future[LocalReply]]] = deque()
        self._ended = ""
        """Why nothing is executed any more; empty while something is."""

    def __len__(self) -> int:
        return len(self._orders)

    def submit(self, order: Order) -> "Future[LocalReply]":
        """Hand an order over. A future that is cancelled before its turn is not executed."""
        future: Future[LocalReply] = Future()
        self._orders.append((order, future))
        if self._ended:
            self.refuse_all(self._ended)
        return future

    def serve(self, execute: Callable[[Order], LocalReply], executed: Callable[[], None]) -> None:
        """Execute what waits; ``executed`` is called before each answer goes out."""
        while self._orders:
            order, future = self._orders.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                reply = execute(order)
            except Exception as error:
                future.set_exception(error)
                raise
            executed()
            future.set_result(reply)

    def refuse_all(self, reason: str) -> None:
        """Refuse what waits and what will come. May be called from any thread."""
        self._ended = reason
        while True:
            try:
                _, future = self._orders.popleft()
            except IndexError:
                return
            if future.set_running_or_notify_cancel():
                future.set_result(Refused(reason, retry=True).reply())
