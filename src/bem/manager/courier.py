"""Carries alarms to people, in a thread of its own: a mail server that hangs must hold up nothing.

What people send to try the ways to them takes the same road.
Each attempt is claimed in the database before it is made, so that of two managers one makes it, and
noted as sent at once after it succeeded, so that it is not made again.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from bem.lab.models import Delivery
from bem.manager.telling import NotTold, destination, tell
from bem.runtime.log import Condition
from bem.runtime.settings import NotifySettings

_LOGGER = logging.getLogger(__name__)
AGAIN_AFTER = timedelta(seconds=10)
AGAIN_AT_MOST = timedelta(minutes=15)
"""What could not be told is tried again after 10, 20, 40 … s, at most every 15 min."""
_CLOCK_WENT_BACK = timedelta(minutes=1)
_LOOK_S = 2.0
_AT_ONCE = 50
_MOST_DOUBLINGS = 10
_ERROR = 500


def _always() -> bool:
    return True


class Courier:
    """Tells people what is due. ``may_act`` says at any moment whether this manager decides."""

    def __init__(
        self,
        settings: NotifySettings,
        *,
        may_act: Callable[[], bool] = _always,
        now: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._settings = settings
        self._may_act = may_act
        self._now = now
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing: dict[str, Condition] = {}
        self._own = Condition(_LOGGER, "alarms cannot be carried to people")

    def start(self) -> None:
        """Begin to work, in a thread and with a connection to the database of its own."""
        # One that was told to stop may still be in its last attempt: it keeps its own word.
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._stopping,), name="courier", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing new. An attempt that is under way ends by itself, and is noted."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end of an attempt that is under way."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def turn(self, stopping: threading.Event | None = None) -> int:
        """Try all that is due once, oldest first; returns how many were told.

        Raises:
            django.db.Error: the database; the rest is tried at the next turn.
        """
        now = self._now()
        due = (
            Delivery.objects.filter(
                # Due much later than any is put off: the clock was put back meanwhile.
                Q(next_at__lte=now) | Q(next_at__gt=now + AGAIN_AT_MOST + _CLOCK_WENT_BACK),
                status=Delivery.Status.PENDING,
            )
            .select_related("alarm__experiment", "alarm__station", "alarm__node")
            .defer("alarm__experiment__program", "alarm__experiment__profile_text")
            .order_by("next_at", "pk")[:_AT_ONCE]
        )
        told = 0
        down: set[str] = set()
        for delivery in due:
            if (stopping is not None and stopping.is_set()) or not self._may_act():
                break
            where = destination(delivery)
            if where in down or not self._claim(delivery):
                continue
            if self._try(delivery, where):
                told += 1
            else:
                down.add(where)
        return told

    def _run(self, stopping: threading.Event) -> None:
        try:
            while not stopping.is_set():
                try:
                    self.turn(stopping)
                except DatabaseError as error:
                    self._own.begin(error)
                    # A broken connection is replaced only once it has been closed.
                    connection.close()
                # Nothing may end the thread; it is logged, and tried again.
                except Exception as error:
                    if not self._own.active:
                        _LOGGER.exception("a turn of the courier fails")
                    self._own.begin(error)
                else:
                    self._own.end()
                stopping.wait(_LOOK_S)
        finally:
            connection.close()

    def _claim(self, delivery: Delivery) -> bool:
        """Take one attempt for this process; ``False`` if another was faster, or its time is over.

        If the process ends in the midst of it, it is made again: better twice than never.
        """
        now = self._now()
        mine = Delivery.objects.filter(
            pk=delivery.pk, status=Delivery.Status.PENDING, attempts=delivery.attempts
        )
        if now - delivery.created_at > timedelta(hours=self._settings.give_up_h):
            mine.update(status=Delivery.Status.FAILED)
            return False
        doublings = min(delivery.attempts, _MOST_DOUBLINGS)
        pause = min(AGAIN_AFTER * 2**doublings, AGAIN_AT_MOST)
        return mine.update(attempts=delivery.attempts + 1, next_at=now + pause) > 0

    def _try(self, delivery: Delivery, where: str) -> bool:
        failing = self._failing.setdefault(where, Condition(_LOGGER, f"{where} takes no alarms"))
        mine = Delivery.objects.filter(pk=delivery.pk)
        try:
            tell(self._settings, delivery)
        except NotTold as error:
            failing.begin(error)
            mine.update(error=str(error)[:_ERROR])
            return False
        failing.end()
        mine.update(status=Delivery.Status.SENT, sent_at=self._now(), error="")
        return True
