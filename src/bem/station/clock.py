"""The time a station lives by."""

from datetime import UTC, datetime
from typing import Protocol

from bem_drivers.base import Clock, SystemClock


class StationClock(Clock, Protocol):
    """Monotonic time for durations, UTC for instants; tests turn their own."""

    def utc_now(self) -> datetime:
        """Get the present instant, aware, in UTC."""
        ...


class SystemStationClock(SystemClock):
    """The clock of the machine."""

    def utc_now(self) -> datetime:
        return datetime.now(UTC)


def instant_text(instant: datetime) -> str:
    """Write an instant as RFC 3339 with microseconds."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
