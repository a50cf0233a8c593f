"""Where commands arrive: each id is executed at most once, whatever dies in between.

The receipt is on the disk before a command reaches the control loop, and the answer is on the disk
before it leaves the process. A stop is the exception: it is handed over first, because switching
off must not wait for a disk, and doing it twice does no harm.
"""

import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Protocol
from uuid import UUID

from bem.runtime.local import LocalReply, LocalRequest
from bem.station.journal import Journal
from bem.station.journal_file import JournalError
from bem.station.orders import Order, Refused, StopOrder, parse_order

RECEIPT_TIMEOUT_S = 4.0
LOOP_TIMEOUT_S = 30.0


class OrderTaker(Protocol):
    """Whoever executes orders, in a thread of its own."""

    def submit(self, order: Order) -> "Future[LocalReply]":
        """Hand an order over."""
        ...


class CommandDesk:
    """Takes commands from any number of threads."""

    def __init__(self, journal: Journal, orders: OrderTaker) -> None:
        self._journal = journal
        self._orders = orders
        self._lock = threading.Lock()
        self._under_way: dict[UUID, Future[LocalReply]] = {}
        self._unwritten: dict[UUID, LocalReply] = {}
        """Answers that the journal could not keep yet."""

    def execute(self, request: LocalRequest) -> LocalReply:
        """Execute a command, or repeat the answer it got before."""
        if request.id is None:
            return Refused("a command needs an id").reply()
        with self._lock:
            answer = self._under_way.get(request.id)
            mine = answer is None
            if answer is None:
                answer = self._under_way[request.id] = Future()
        if mine:
            try:
                answer.set_result(self._answer(request.id, request))
            except BaseException as error:
                answer.set_exception(error)
                raise
            finally:
                with self._lock:
                    del self._under_way[request.id]
        return answer.result()

    def _answer(self, command: UUID, request: LocalRequest) -> LocalReply:
        unwritten = self._unwritten.get(command)
        if unwritten is not None:
            return unwritten
        try:
            stored = self._journal.find_command(command)
        except JournalError as error:
            stored = None
            if request.action != "stop":
                return Refused(str(error), retry=True).reply()
        if stored is not None:
            return (
                stored.reply
                or Refused(
                    "the station received this command and stopped before it answered; whether it "
                    "took effect shows in the record of the experiment",
                    # A start that did take effect is refused for good when it is tried again.
                    retry=True,
                ).reply()
            )
        try:
            reply = self._carry_out(command, parse_order(request.action, request.arguments))
        except Refused as refused:
            reply = refused.reply()
        self._journal.answer(command, reply)
        self._unwritten[command] = reply
        # Answers of others may join while this one is waited for; they are not on the disk then.
        queued = list(self._unwritten)
        if self._journal.flush(RECEIPT_TIMEOUT_S):
            for one in queued:
                self._unwritten.pop(one, None)
        return reply

    def _carry_out(self, command: UUID, order: Order) -> LocalReply:
        if not isinstance(order, StopOrder):
            self._journal.receive(command)
            if not self._journal.flush(RECEIPT_TIMEOUT_S):
                raise Refused("the journal cannot record the command", retry=True)
        handed_over = self._orders.submit(order)
        try:
            return handed_over.result(LOOP_TIMEOUT_S)
        except (FutureTimeoutError, CancelledError):
            # Once it is cancelled the loop will not execute it any more.
            if handed_over.cancel():
                raise Refused("the control loop is busy; try again", retry=True) from None
            return handed_over.result()
