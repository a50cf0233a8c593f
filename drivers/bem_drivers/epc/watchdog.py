"""The unit's watchdog: armed with a period, kept quiet by heartbeats (devices.md §2.6)."""

import math

from bem_drivers.base import Clock, ConfigurationRefused
from bem_drivers.epc import frames
from bem_drivers.epc.exchange import Exchange
from bem_drivers.epc.frames import MessageId, Request

HEARTBEATS_IN_SILENCE = 4
CERTAIN_NS = 20_000_000
"""One slot of the unit and one of the bus before it is certain that it has not tripped."""


class Watchdog:
    """Disarmed until :meth:`arm`. ``name`` is the unit's, for messages."""

    def __init__(self, exchange: Exchange, clock: Clock, name: str) -> None:
        self._exchange = exchange
        self._clock = clock
        self._name = name
        self._period_ns: int | None = None
        self._heartbeat_ns = 0

    def period(self, silence_s: float | None) -> int:
        """Get the period of the unit (in its own steps) that tolerates ``silence_s`` (s).

        Raises:
            ConfigurationRefused: it must be given, and may not be too short.
        """
        if silence_s is None:
            raise ConfigurationRefused(f"{self._name}: silence_s must be given, at least 0.05 s")
        period = math.floor(round(silence_s / frames.HEARTBEAT_UNIT_S, frames.NO_FREE_DIGITS))
        if period < frames.LEAST_PERIOD:
            raise ConfigurationRefused(
                f"{self._name}: silence_s {silence_s:g} is too short, the unit tolerates at least "
                f"{frames.LEAST_PERIOD * frames.HEARTBEAT_UNIT_S:g} s"
            )
        return min(period, frames.MOST_PERIOD)

    def arm(self, period: int | None) -> None:
        """Have the unit watch with this period; ``None``: not at all.

        Raises:
            ConfigurationRefused: it holds something else.
        """
        packed = frames.supervision(period)
        self._period_ns = None
        # The unit counts while unsupervised, too: enabling without this could trip at once.
        self._beat()
        data, _ = self._exchange.ask(packed, MessageId.PERIODIC, expected=packed.data)
        if data != packed.data:
            raise ConfigurationRefused(
                f"{self._name} refused its supervision: sent {packed.data.hex(' ')}, "
                f"it holds {data.hex(' ')}"
            )
        if period is not None:
            self._period_ns = round(period * frames.HEARTBEAT_UNIT_S * 1e9)

    def keep_quiet(self) -> None:
        """Send a heartbeat when a quarter of the silence that the unit tolerates has passed."""
        if self._period_ns is not None and self._silent_ns >= (
            self._period_ns // HEARTBEATS_IN_SILENCE
        ):
            self._beat()

    def beat(self) -> None:
        """Send a heartbeat if it is armed."""
        if self._period_ns is not None:
            self._beat()

    @property
    def may_have_tripped(self) -> bool:
        """Whether the unit may have switched off for lack of a heartbeat."""
        return self._period_ns is not None and self._silent_ns >= self._period_ns - CERTAIN_NS

    @property
    def _silent_ns(self) -> int:
        return self._clock.monotonic_ns() - self._heartbeat_ns

    def _beat(self) -> None:
        self._heartbeat_ns = self._exchange.tell(frames.request(Request.HEARTBEAT))
