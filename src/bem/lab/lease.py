"""Let one process of several do a task, by a row of the database that its holder keeps changing.

No clocks are compared. The holder may act until ``HOLD_S`` after it *began* its last successful
renewal; another may take over once it has *seen* the row unchanged for ``EXPIRE_S``, which begins
later and lasts longer. Each counts by its own clock, which also counts while a machine sleeps.
The database may be a cluster: taking over is a compare-and-set of the row, which only one of two
can commit, even if one of them reads what is out of date.
"""

import time
from collections.abc import Callable

from django.db.models import F
from django.db.models.functions import Now

from bem.lab.models import Lease

RENEW_S = 1.0
"""How often the holder changes the row, and how often others look at it."""
HOLD_S = 8.0
"""How long the holder may act on one renewal; longer than a cluster takes to drop a member."""
EXPIRE_S = 10.0
"""How long the row must be unchanged before another takes over."""


def boot_clock() -> float:
    """Seconds since boot, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseKeeper:
    """One process that wants a lease, or has it. For one thread.

    ``holder`` names the process and no other that may live at the same time: its predecessor's
    lease is taken at once. All methods but :meth:`held` raise :class:`django.db.Error`.
    """

    def __init__(self, name: str, holder: str, *, clock: Callable[[], float] = boot_clock) -> None:
        self._name = name
        self._clock = clock
        self._until = 0.0
        self._next_s = 0.0
        self._seen: tuple[str, int, int] | None = None
        self._seen_at = 0.0
        self.holder = holder
        self.epoch: int | None = None
        """Number of our lease; ``None`` if another has it, or nobody."""

    @property
    def other(self) -> str:
        """Who had the lease when we looked last; empty for nobody and for ourselves."""
        return self._seen[0] if self._seen is not None and self.epoch is None else ""

    @property
    def due(self) -> bool:
        """Whether it is time to renew, or to look again."""
        return self._clock() >= self._next_s

    def held(self) -> bool:
        """Whether we may act right now. Safe in any thread."""
        return self.epoch is not None and self._clock() < self._until

    def wait(self) -> None:
        """Neither look nor renew until the next time is due."""
        self._next_s = self._clock() + RENEW_S

    def renew(self) -> bool:
        """Show that we live; ``False`` if somebody else has taken over."""
        began = self._clock()
        self._next_s = began + RENEW_S
        if self.epoch is None:
            return False
        # An update whose answer was lost may have happened: the beat is not compared.
        kept = Lease.objects.filter(name=self._name, holder=self.holder, epoch=self.epoch).update(
            beat=F("beat") + 1, renewed_at=Now()
        )
        if kept:
            self._until = began + HOLD_S
            return True
        self._forget()
        return False

    def vacant(self) -> bool:
        """Look whether the lease can be taken: never given, given back, or not renewed."""
        now = self._clock()
        self._next_s = now + RENEW_S
        row = Lease.objects.filter(name=self._name).values_list("holder", "epoch", "beat").first()
        if row is None:
            Lease.objects.get_or_create(name=self._name)
            row = ("", 0, 0)
        if row != self._seen:
            self._seen, self._seen_at = row, now
        return row[0] in ("", self.holder) or now - self._seen_at >= EXPIRE_S

    def take(self) -> bool:
        """Take the lease as :meth:`vacant` saw it; ``False`` if somebody else was faster."""
        if self._seen is None:
            return False
        began = self._clock()
        holder, epoch, beat = self._seen
        taken = Lease.objects.filter(name=self._name, holder=holder, epoch=epoch, beat=beat).update(
            holder=self.holder, epoch=epoch + 1, beat=0, taken_at=Now(), renewed_at=Now()
        )
        if not taken:
            return False
        self.epoch = epoch + 1
        self._until = began + HOLD_S
        self._next_s = began + RENEW_S
        return True

    def give_back(self) -> None:
        """Let another take over at once, on the way out."""
        if self.epoch is not None:
            epoch = self.epoch
            self._forget()
            Lease.objects.filter(name=self._name, holder=self.holder, epoch=epoch).update(holder="")

    def _forget(self) -> None:
        self.epoch = None
        self._until = 0.0
        self._seen = None
