"""How fast the voltage changes, over a window that averages the noise of single readings."""

from dataclasses import dataclass, replace

SLOPE_WINDOW_US = 60_000_000
"""dV/dt is of the last 60 s; it is judged once the power has flown undisturbed for so long."""
_BUCKET_US = 5_000_000
"""Readings are averaged over 5 s each, so that a window is small enough to be kept in a journal."""
_LEAST_BUCKETS = 2


@dataclass(frozen=True, slots=True)
class Bucket:
    """The sum of some readings: times in µs after ``began_us``, voltages in V."""

    began_us: int
    count: int
    times_us: int
    voltages: float

    @property
    def mean_s(self) -> float:
        """Mean time after the beginning of the bucket, s."""
        return self.times_us / self.count / 1e6

    @property
    def mean_voltage(self) -> float:
        """V"""
        return self.voltages / self.count


@dataclass(frozen=True, slots=True)
class Slope:
    """The window: its buckets, oldest first, and since when (µs) readings have gone into it."""

    since_us: int
    buckets: tuple[Bucket, ...] = ()

    def taking(self, at_us: int, voltage: float) -> "Slope":
        """Add a reading, and forget what is older than the window."""
        newest = self.buckets[-1] if self.buckets else None
        if newest is not None and at_us - newest.began_us < _BUCKET_US:
            grown = replace(
                newest,
                count=newest.count + 1,
                times_us=newest.times_us + at_us - newest.began_us,
                voltages=newest.voltages + voltage,
            )
            return replace(self, buckets=(*self.buckets[:-1], grown))
        # Readings that are further apart than the window still need two of them.
        recent = [one for one in self.buckets if at_us - one.began_us <= SLOPE_WINDOW_US]
        kept = tuple(recent) if recent else self.buckets[-1:]
        return replace(self, buckets=(*kept, Bucket(at_us, 1, 0, voltage)))

    def at(self, now_us: int) -> float | None:
        """dV/dt (V/s) by least squares; ``None`` while the window is not full yet."""
        if now_us - self.since_us < SLOPE_WINDOW_US or len(self.buckets) < _LEAST_BUCKETS:
            return None
        start = self.buckets[0].began_us
        times = [(one.began_us - start) / 1e6 + one.mean_s for one in self.buckets]
        voltages = [one.mean_voltage for one in self.buckets]
        mean_time = sum(times) / len(times)
        mean_voltage = sum(voltages) / len(voltages)
        spread = sum((time - mean_time) ** 2 for time in times)
        along = sum(
            (time - mean_time) * (voltage - mean_voltage)
            for time, voltage in zip(times, voltages, strict=True)
        )
        return along / spread
