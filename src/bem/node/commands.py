"""Carry out commands: at most once per id, and exactly one final answer each.

Those about a run go to the station, those about its definition to the editor.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from bem.messages import CommandAnswer, CommandOrder, Outcome
from bem.node.editor import EditRefused, StationEditor
from bem.node.journal import Journal
from bem.node.orders import OrderStore
from bem.node.window import Clock
from bem.runtime.local import LocalReply, LocalRequest, StationClient, StationUnreachable
from bem.runtime.log import Condition
from bem.runtime.settings import Settings

_LOGGER = logging.getLogger(__name__)
RELAY_TIMEOUT_S = 30.0
"""A start checks the device and reads its settings back before it is answered."""
_AGAIN_S = 0.5
MAX_AT_ONCE = 64
"""Commands on their way at once; a person at a browser gives far fewer."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Relay:
    """Takes orders, hands each to its station in a thread of its own, and publishes the answers.

    A stop must not wait behind a start that hangs, so that nothing queues here; each station puts
    its own commands in order. Without a disk a stop is relayed all the same: switching off must
    not wait for one, and doing it twice does no harm.

    ``clock``: seconds that never jump; ``now``: the time of day, which may.
    """

    def __init__(
        self,
        settings: Settings,
        store: OrderStore,
        publish: Callable[[CommandAnswer], object],
        editor: StationEditor,
        *,
        timeout_s: float = RELAY_TIMEOUT_S,
        clock: Clock = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._settings = settings
        self._store = store
        self._publish = publish
        self._editor = editor
        self._timeout_s = timeout_s
        self._clock = clock
        self._now = now
        self._unkept = Condition(_LOGGER, "commands cannot be kept; only stops are carried out")
        self._lock = threading.Lock()
        self._running: set[UUID] = set()
        self._stopping = threading.Event()

    def resume(self) -> None:
        """Relay again what was received before the agent ended and never answered."""
        for order in self._store.unanswered():
            self._begin(order, delivered=True)

    def stop(self) -> None:
        """Start nothing any more; unanswered orders are taken up by the next agent."""
        self._stopping.set()

    def take(self, order: CommandOrder) -> None:
        """Take an order; a repeated one gets its stored answer again."""
        try:
            answer = self._store.answer_of(order.id)
            new = answer is None and self._store.add(order)
        except sqlite3.Error as error:
            self._unkept.begin(error)
            if order.action == "stop":
                self._begin(order, delivered=True)
            # All else could be done twice; the manager repeats it until there is room again.
            return
        self._unkept.end()
        if answer is not None:
            self._publish(answer)
        else:
            self._begin(order, delivered=not new)

    def _begin(self, order: CommandOrder, *, delivered: bool) -> None:
        with self._lock:
            if order.id in self._running or self._stopping.is_set():
                return
            if len(self._running) >= MAX_AT_ONCE:
                _LOGGER.warning("%d commands are on their way; more wait", MAX_AT_ONCE)
                return
            self._running.add(order.id)
        threading.Thread(
            target=self._carry_out,
            args=(order, delivered),
            name=f"command-{order.action}-{order.station}",
            daemon=True,
        ).start()

    def _carry_out(self, order: CommandOrder, delivered: bool) -> None:
        try:
            answer = self._answer(order, delivered=delivered)
            if answer is not None and self._keep(order, answer):
                self._publish(answer)
        finally:
            with self._lock:
                self._running.discard(order.id)

    def _keep(self, order: CommandOrder, answer: CommandAnswer) -> bool:
        """Keep the final answer; whether it may go out."""
        try:
            self._store.settle(answer)
        except sqlite3.Error as error:
            _LOGGER.warning("command %s: its answer cannot be kept: %s", order.id, error)
            # Of all but a stop nothing is said then: the manager repeats the order.
            return order.action == "stop"
        return True

    def _answer(self, order: CommandOrder, *, delivered: bool) -> CommandAnswer | None:
        """Get the final answer; ``None`` when the agent ends before there is one.

        ``delivered``: the station may have been asked already, by this agent or the one before.
        """
        # From here on its life is measured by a clock that nobody sets, and is never longer than
        # it was meant to be: an order that waits must not outlive an hour put back.
        life = min(order.expires_at - self._now(), order.expires_at - order.issued_at)
        expires_at = self._clock() + life.total_seconds()
        if order.action in ("define", "remove"):
            return self._edit(order, delivered=delivered, expired=life.total_seconds() <= 0)
        while not self._stopping.is_set():
            if self._clock() >= expires_at:
                return self._expired(order, delivered=delivered)
            client = StationClient(self._settings.station_socket(order.station), self._timeout_s)
            try:
                reply = client.ask(
                    LocalRequest(
                        request="command",
                        id=order.id,
                        action=order.action,
                        arguments=order.arguments,
                    )
                )
            except StationUnreachable as error:
                # A reply that was never sent cannot have been acted on.
                never_there = isinstance(
                    error.__cause__, FileNotFoundError | ConnectionRefusedError
                )
                if never_there and not delivered:
                    return _final(order, Outcome.REFUSED, "the station is down", retry=True)
                delivered = delivered or not never_there
                stored = self._reply_in_journal(order)
                if stored is not None:
                    return _from_reply(order, stored)
            else:
                return _from_reply(order, reply)
            finally:
                client.close()
            self._stopping.wait(_AGAIN_S)
        return None

    def _edit(self, order: CommandOrder, *, delivered: bool, expired: bool) -> CommandAnswer:
        if delivered and self._editor.is_done(order):
            return _final(order, Outcome.DONE, "")
        if expired:
            return _final(order, Outcome.EXPIRED, "it was not carried out in time")
        try:
            return _final(order, Outcome.DONE, self._editor.carry_out(order))
        except EditRefused as refused:
            return _final(order, Outcome.REFUSED, str(refused), retry=refused.retry)

    def _expired(self, order: CommandOrder, *, delivered: bool) -> CommandAnswer:
        """Say how an order ended whose time is over; the station's own record decides."""
        if delivered:
            stored = self._reply_in_journal(order)
            if stored is not None:
                return _from_reply(order, stored)
        return _final(order, Outcome.EXPIRED, "it was not carried out in time")

    def _reply_in_journal(self, order: CommandOrder) -> LocalReply | None:
        path: Path = self._settings.journal_file(order.station)
        try:
            journal = Journal(path)
        except sqlite3.Error:
            return None
        try:
            _, text = journal.reply(order.id)
            return None if text is None else LocalReply.model_validate_json(text)
        except (sqlite3.Error, ValidationError):
            return None
        finally:
            journal.close()


def _from_reply(order: CommandOrder, reply: LocalReply) -> CommandAnswer:
    if reply.ok:
        return _final(order, Outcome.DONE, reply.reason)
    return _final(order, Outcome.REFUSED, reply.reason, retry=reply.retry)


def _final(
    order: CommandOrder, outcome: Outcome, reason: str, *, retry: bool = False
) -> CommandAnswer:
    return CommandAnswer(
        command=order.id,
        outcome=outcome,
        reason=reason[:1000],
        retry=retry,
        answered_at=datetime.now(UTC),
    )
