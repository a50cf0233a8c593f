"""How often a unit may be read when others share its bus."""

import logging

from bem_drivers.base import Clock
from bem_drivers.epc.bus_load import USABLE_SHARE, bus_load, least_period_s
from bem_drivers.epc.settings import EpcSettings

logger = logging.getLogger(__name__)

USUAL_PERIOD_S = 0.1
"""Control period of a station that sets none."""
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
        self._has_warned = False

    def wait(self) -> None:
        """Wait until another reading may begin; for a unit alone on its bus that is at once."""
        if self._begun_ns is not None:
            asked_s = (self._clock.monotonic_ns() - self._begun_ns) / 1e9
            if asked_s < self._least_s:
                self._note()
                self._clock.sleep(self._least_s - asked_s)
            else:
                self._early = 0
        self._begun_ns = self._clock.monotonic_ns()

    def _note(self) -> None:
        """Warn, once, of a period that is too short."""
        self._early += 1
        if self._early < EARLY_BEFORE_WARNING or self._has_warned:
            return
        self._has_warned = True
        logger.warning(
            "%s is asked more often than its bus can bear: %d EPCs on %s at %d bit/s can each be "
            "read every %.0f ms, and so it is (every %.0f ms would occupy %.0f %% of the bus, "
            "%.0f %% are for readings). Set the control period of each station on this bus to "
            "%.2f s at least, or share the units out to another bus",
            self._name,
            self._units,
            self._bus,
            self._bitrate,
            self._least_s * 1e3,
            USUAL_PERIOD_S * 1e3,
            bus_load(self._units, USUAL_PERIOD_S, self._bitrate).load * 100,
            USABLE_SHARE * 100,
            self._least_s,
        )
