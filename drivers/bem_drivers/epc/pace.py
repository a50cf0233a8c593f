"""How often a unit may be read when others share its bus."""

import logging

from bem_drivers.base import Clock
from bem_drivers.epc.bus_load import USABLE_SHARE, bus_load, least_period_s
from bem_drivers.epc.settings import EpcSettings

logger = logging.getLogger(__name__)

EARLY_BEFORE_WARNING = 10
"""Readings in a row that had to wait: one by itself is no period."""


class ReadingPace:
    """Keeps readings of one unit so far apart that every unit on the bus gets the same share.

    Each driver does the same sum with the same ``units_on_bus``, so that none of them has to know
    of the others. Where too much is asked, the readings of all units get rarer alike.
    """

    def __init__(self, settings: EpcSettings, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._units = settings.units_on_bus
        self._bitrate = settings.bus.bitrate
        self._bus = f"{settings.bus.interface}:{settings.bus.channel}"
        self._least_s = least_period_s(self._units, self._bitrate)
        self._begun_ns: int | None = None
        self._early = 0
        self._asked_s = 0.0
        self._has_warned = False

    def wait(self) -> None:
        """Wait until another reading may begin; for a unit alone on its bus that is at once."""
        if self._begun_ns is not None:
            asked_s = (self._clock.monotonic_ns() - self._begun_ns) / 1e9
            if asked_s < self._least_s:
                self._note(asked_s)
                self._clock.sleep(self._least_s - asked_s)
            else:
                self._early, self._asked_s = 0, 0.0
        self._begun_ns = self._clock.monotonic_ns()

    def _note(self, asked_s: float) -> None:
        """Warn, once, of a period that is too short."""
        self._early += 1
        # Waiting shortens what is left until the next pass: the longest of a row is the period.
        self._asked_s = max(self._asked_s, asked_s)
        if self._early < EARLY_BEFORE_WARNING or self._has_warned:
            return
        self._has_warned = True
        logger.warning(
            "%s is read every %.0f ms; %d units on %s would so occupy %.0f %% of its %d bit/s, "
            "and %.0f %% are for readings. All are read every %.0f ms now: set the control period "
            "of each station on this bus to at least %.2f s, or use another bus",
            self._name,
            self._asked_s * 1e3,
            self._units,
            self._bus,
            bus_load(self._units, self._asked_s, self._bitrate).load * 100,
            self._bitrate,
            USABLE_SHARE * 100,
            self._least_s * 1e3,
            self._least_s,
        )
