"""What a simulated sensor makes of a true value: a scale, an offset, drift, noise."""

import random

from pydantic import BaseModel, ConfigDict, Field

NS_PER_HOUR = 3_600_000_000_000


class SensorSettings(BaseModel):
    """How far a sensor is off, in the unit of what it measures; by default not at all.

    The same ``seed`` gives the same noise again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    noise: float = Field(default=0.0, ge=0, title="Noise", description="standard deviation")
    offset: float = Field(default=0.0, title="Offset", description="added to the true value")
    gain: float = Field(default=1.0, gt=0, le=10, title="Gain", description="times the true value")
    seed: int = 0


class Sensor:
    """Reads true values. ``drift`` (per hour, from 0) may be set while it runs."""

    def __init__(self, settings: SensorSettings) -> None:
        self.settings = settings
        # Repeatable noise on a simulated sensor; nothing secret depends on it.
        self._random = random.Random(settings.seed)  # noqa: S311 - noise, not a secret
        self._drift_per_hour = 0.0
        self._drifts_since_ns = 0

    def drift(self, per_hour: float, now_ns: int) -> None:
        """Go astray by ``per_hour`` from ``now_ns`` on; 0 is right again at once."""
        self._drift_per_hour = per_hour
        self._drifts_since_ns = now_ns

    def read(self, true: float, now_ns: int) -> float:
        """Get what the sensor shows at ``now_ns``."""
        settings = self.settings
        shown = true * settings.gain + settings.offset
        if self._drift_per_hour:
            shown += self._drift_per_hour * (now_ns - self._drifts_since_ns) / NS_PER_HOUR
        if settings.noise:
            shown += self._random.gauss(0.0, settings.noise)
        return shown
