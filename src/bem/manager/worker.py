"""The manager's one loop: message by message, duty by duty, and never ended by any of them."""

import logging
import threading
from collections import Counter
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import connection

from bem.lab.passing import is_collision
from bem.manager.mailbox import Letter, Mailbox
from bem.manager.post import Turn
from bem.manager.service import Manager
from bem.runtime.log import Condition

_LOGGER = logging.getLogger(__name__)
_TAKE_S = 0.1
_BACK_OFF_MIN_S = 0.5
_BACK_OFF_MAX_S = 5.0
_MAX_SENDERS = 10_000
_ATTEMPTS = 3
"""How often a message is worked off anew that collided with somebody else's work."""


def _always() -> Turn:
    return Turn.ACT


def _say_nothing(_text: str) -> None:
    return


class Worker:
    """Feeds the manager from the mailbox until told to stop.

    ``alive`` is called at every turn: it proves that this loop turns. ``tend`` says at every turn
    whether this manager may act, and may set another ``manager``. While the database is away the
    loop waits with growing pauses; what arrives meanwhile is not acknowledged and comes again.
    """

    def __init__(
        self,
        manager: Manager,
        mailbox: Mailbox,
        stopping: threading.Event,
        alive: Callable[[], None],
        tend: Callable[[], Turn] = _always,
        status: Callable[[str], None] = _say_nothing,
    ) -> None:
        self.manager = manager
        self._mailbox = mailbox
        self._stopping = stopping
        self._alive = alive
        self._tend = tend
        self._status = status
        self._away = Condition(_LOGGER, "the database is away; nothing is lost meanwhile")
        self._overflow = Condition(_LOGGER, "more arrives than can be worked off; nodes send again")
        self._duties_fail = Condition(_LOGGER, "a duty of the manager fails")
        self._untended = Condition(_LOGGER, "who decides cannot be told from the database")
        self._dropped = 0
        self.failed: Counter[str] = Counter()
        """Messages that could not be worked off although the database was there, by topic."""

    def run(self) -> None:
        """Work until stopped."""
        pause_s = _BACK_OFF_MIN_S
        while not self._stopping.is_set():
            self._alive()
            if self._go():
                pause_s = _BACK_OFF_MIN_S
            else:
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, _BACK_OFF_MAX_S)

    def _go(self) -> bool:
        """Do one turn, if it is for this manager to do; ``False`` if the database is away."""
        if self._away.active and not self._database_is_back():
            return False
        try:
            turn = self._tend()
        except Exception as error:  # noqa: BLE001 - nothing may end the loop; logged, tried again
            if not self._database_answers(error):
                return False
            if not is_collision(error):
                self._untended.begin(error)
            turn = Turn.STAND_BY
        else:
            self._untended.end()
        if turn is Turn.ACT:
            return self.turn(self._mailbox.take(_TAKE_S))
        self._stopping.wait(_TAKE_S)
        return True

    def turn(self, letter: Letter | None) -> bool:
        """Work off one letter and what is due; ``False`` if the database is away."""
        self._watch_overflow()
        if letter is not None and not self._work_off(letter):
            return False
        try:
            self.manager.tick()
        except Exception as error:
            if not self._database_answers(error):
                return False
            if is_collision(error):
                return True
            if not self._duties_fail.active:
                _LOGGER.exception("a duty of the manager fails")
            self._duties_fail.begin(error)
        else:
            self._duties_fail.end()
        self._away.end()
        return True

    def _work_off(self, letter: Letter) -> bool:
        try:
            self._receive(letter)
        except Exception as error:
            if not self._database_answers(error):
                return False
            # The message itself, or the moment: it is not acknowledged, so nothing is lost.
            if is_collision(error):
                _LOGGER.info("a message collided with other work and will come again: %s", error)
            elif self._count(letter.topic) == 1:
                _LOGGER.exception(
                    "a message on %s could not be worked off; further ones are only counted",
                    letter.topic,
                )
        return True

    def _receive(self, letter: Letter) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self.manager.receive(letter)
            except DatabaseError as error:
                if attempt == _ATTEMPTS or not is_collision(error):
                    raise
            else:
                return

    def _database_answers(self, cause: Exception) -> bool:
        """Find out whether an error means that the database is away."""
        if not isinstance(cause, DatabaseError):
            return True
        return self._probe()

    def _database_is_back(self) -> bool:
        back = self._probe()
        if back:
            self._away.end()
        return back

    def _probe(self) -> bool:
        try:
            # A broken connection is replaced only once it has been closed.
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchone()
        except DatabaseError as error:
            self._away.begin(error)
            self._status("waiting: the database is away")
            connection.close()
            return False
        return True

    def _count(self, topic: str) -> int:
        """Count a failed message; returns how many there were from there."""
        if topic not in self.failed and len(self.failed) >= _MAX_SENDERS:
            topic = "(others)"
        self.failed[topic] += 1
        return self.failed[topic]

    def _watch_overflow(self) -> None:
        dropped = self._mailbox.dropped
        if dropped > self._dropped:
            self._overflow.begin(f"{dropped} messages dropped since the start")
        else:
            self._overflow.end()
        self._dropped = dropped
