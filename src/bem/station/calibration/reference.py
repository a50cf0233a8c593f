"""The reference meter of a check, read in a thread of its own as a station's meters are."""

from collections.abc import Iterator
from contextlib import contextmanager

from bem.domain.calibration.course import Quantity
from bem.runtime.settings import StationDevice, StationMeter
from bem.station.calibration.path import Abandoned
from bem.station.calibration.taking import PASS_S
from bem.station.meters import Meter, Meters
from bem_drivers.base import Channel, Clock, Device, Identity, Measured

NAME = "reference"
STALE_S = 5.0


def channel_of(channels: tuple[Channel, ...], quantity: Quantity, wanted: str = "") -> Channel:
    """Choose the channel of a meter: the one named, else that of the quantity, else of its unit.

    Raises:
        Abandoned: there is none, or more than one could be meant.
    """
    there = ", ".join(f"{one.name} ({one.unit})" for one in channels) or "none"
    fitting = [one for one in channels if one.unit == quantity.unit]
    if wanted:
        fitting = [one for one in fitting if one.name == wanted]
    elif any(one.name == quantity.metered_as for one in fitting):
        fitting = [one for one in fitting if one.name == quantity.metered_as]
    if len(fitting) != 1:
        missing = "it has no such channel" if not fitting else "more than one channel fits"
        raise Abandoned(
            f"the reference meter shall measure {quantity.in_words} in {quantity.unit}, but "
            f"{missing}; it has: {there}. Name one by --meter-channel, or another "
            "quantity in its settings"
        )
    return fitting[0]


class Reference:
    """A meter's newest value of one channel."""

    def __init__(
        self, definition: StationDevice, channel: str, device: Device, clock: Clock
    ) -> None:
        self.meter = Meter(
            StationMeter(
                name=NAME,
                driver=definition.driver,
                settings=definition.settings,
                channels={channel: NAME},
                stale_s=STALE_S,
            ),
            device,
            clock,
        )
        self._device = device
        self._clock = clock

    def newest(self) -> Measured | None:
        """Get its newest value, if it has one."""
        return self.meter.state.values.get(NAME)

    def trouble(self) -> str:
        """Say why it cannot be relied on; empty if it can."""
        trouble = self.meter.trouble(self._clock.monotonic_ns())
        return "" if trouble is None else trouble.reason

    def identity(self) -> Identity:
        """Who it says it is."""
        return self._device.identity

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read it in a thread while entered."""
        with Meters((self.meter,), PASS_S, self._clock):
            yield
