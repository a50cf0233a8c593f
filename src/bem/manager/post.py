"""The post of the one manager that decides: who holds it, and since when."""

import logging
from collections.abc import Callable
from enum import Enum

from bem.lab.lease import LeaseKeeper
from bem.lab.schema import Tables, look
from bem.runtime.log import Condition

_LOGGER = logging.getLogger(__name__)


class Turn(Enum):
    """What this manager may do right now."""

    ACT = "act"
    """It decides."""
    WAIT = "wait"
    """It would decide, but could not show in time that it lives; perhaps another takes over."""
    STAND_BY = "stand by"
    """Another decides, or the tables are not those of this release."""


class Post:
    """Tends the lease, and tells when this manager begins to decide and when it has ceased to.

    ``take_up`` and ``lay_down`` are called at these moments; ``status`` takes a line for people.
    """

    def __init__(
        self,
        lease: LeaseKeeper,
        *,
        take_up: Callable[[], None],
        lay_down: Callable[[], None],
        status: Callable[[str], None],
        tables: Callable[[], Tables] = look,
    ) -> None:
        self._lease = lease
        self._take_up = take_up
        self._lay_down = lay_down
        self._status = status
        self._tables = tables
        self._unfit = Condition(_LOGGER, "the manager waits")
        self._looked = False
        self._on_duty = False
        self._named = ""
        self._text = "starting"

    def held(self) -> bool:
        """Whether this manager may act at this very moment. Safe in any thread."""
        return self._lease.held()

    def tend(self) -> Turn:
        """Renew or contend if it is time; gives what may be done now.

        Raises:
            django.db.Error: the database; :meth:`held` counts on.
        """
        if self._lease.due:
            if self._lease.epoch is not None:
                self._renew()
            elif self._may_take() and self._lease.take():
                self._begin()
            else:
                self._stand_by()
        self._status(self._text)
        if self._lease.epoch is None:
            return Turn.STAND_BY
        return Turn.ACT if self._lease.held() else Turn.WAIT

    def leave(self) -> None:
        """Cease, and let another take over at once.

        Raises:
            django.db.Error: the database; another takes over once the lease has expired.
        """
        self._cease()
        self._lease.give_back()

    def _renew(self) -> None:
        if self._lease.renew():
            return
        _LOGGER.warning("another manager has taken over; this one stands by")
        self._cease()

    def _may_take(self) -> bool:
        # Asked first of all, as the lease itself may not have its table yet, and once more before
        # it is taken: the tables may have become newer since.
        if not self._looked and not self._fits():
            self._lease.wait()
            return False
        self._looked = True
        return self._lease.vacant() and self._fits()

    def _fits(self) -> bool:
        problem = self._tables().problem
        if problem:
            self._unfit.begin(problem)
            self._text = f"waiting: {problem}"
            return False
        self._unfit.end()
        return True

    def _begin(self) -> None:
        _LOGGER.info("this manager decides (number %d)", self._lease.epoch)
        self._take_up()
        self._on_duty = True
        self._named = ""
        self._text = "active: this manager decides"

    def _cease(self) -> None:
        if self._on_duty:
            self._on_duty = False
            self._lay_down()

    def _stand_by(self) -> None:
        other = self._lease.other.partition("/")[0]
        if self._unfit.active or not other:
            return
        if other != self._named:
            _LOGGER.info("standing by: the manager of %s decides", other)
            self._named = other
        self._text = f"standing by: the manager of {other} decides"
