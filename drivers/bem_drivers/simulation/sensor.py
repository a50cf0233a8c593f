"""What a simulated unit makes of true values: a scale, an offset, drift and noise."""

import random
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.simulation.faults import number

NS_PER_HOUR = 3_600_000_000_000
_Quantity = TypeVar("_Quantity", bound=str)


class SensorSettings(BaseModel):
    """How far a sensor is off, in the unit of what it measures; by default not at all.

    The same ``seed`` gives the same noise again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    noise: float = Field(default=0.0, ge=0, title="Noise", description="standard deviation")
    offset: float = Field(default=0.0, title="Offset", description="added to the true value")
    gain: float = Field(default=1.0, gt=0, le=10, title="Gain", description="times the true value")
    seed: int = 0


PERFECT = SensorSettings()


class Sensor:
    """Reads true values. Sensors of other names have other noise with the same seed."""

    def __init__(self, settings: SensorSettings, name: str = "") -> None:
        self.settings = settings
        # Repeatable noise on a simulated sensor; nothing secret depends on it.
        self._random = random.Random(f"{settings.seed} {name}")  # noqa: S311 - noise, not a secret
        self._noise = settings.noise
        self._drift_per_hour = 0.0
        self._drifts_since_ns = 0
        self._sort_out()

    def noise(self, deviation: float | None) -> None:
        """Have this noise (standard deviation) from now on; ``None``: that of the settings."""
        self._noise = self.settings.noise if deviation is None else deviation
        self._sort_out()

    def drift(self, per_hour: float, now_ns: int) -> None:
        """Go astray by ``per_hour`` from ``now_ns`` on; 0 is right again at once."""
        self._drift_per_hour = per_hour
        self._drifts_since_ns = now_ns
        self._sort_out()

    def read(self, true: float, now_ns: int) -> float:
        """Get what the sensor shows at ``now_ns``."""
        if self._perfect:
            return true
        settings = self.settings
        shown = true * settings.gain + settings.offset
        shown += self._drift_per_hour * (now_ns - self._drifts_since_ns) / NS_PER_HOUR
        if self._noise:
            shown += self._random.gauss(0.0, self._noise)
        return shown

    def _sort_out(self) -> None:
        # A simulated EPC reads its converters several thousand times in a second of time-lapse.
        settings = self.settings
        exact = (settings.gain, settings.offset) == (1.0, 0.0)
        self._perfect = exact and not self._noise and not self._drift_per_hour


class Sensors(Generic[_Quantity]):
    """The sensors of one unit by quantity; those that ``settings`` leave out are perfect.

    Values are those of the product, SI and positive charging, whatever the unit makes of them
    afterwards. Orders:
    ``noise [QUANTITY] NUMBER|off`` and ``drift [QUANTITY] NUMBER|off`` (per hour of the unit's
    time), of all quantities where none is named.
    """

    WORDS = ("noise", "drift")

    def __init__(
        self, quantities: Iterable[_Quantity], settings: Mapping[_Quantity, SensorSettings]
    ) -> None:
        self._sensors = {name: Sensor(settings.get(name, PERFECT), name) for name in quantities}

    def read(self, quantity: _Quantity, true: float, now_ns: int) -> float:
        """Get what is shown of ``true`` at ``now_ns``."""
        return self._sensors[quantity].read(true, now_ns)

    def obey(self, order: str, now_ns: int) -> None:
        """Have noise or drift from ``now_ns`` on, or those of the settings again.

        Raises:
            ValueError: it is no such order; the message says which there are.
        """
        name, *words = order.split()
        *named, value = words or [""]
        chosen = {quantity: one for quantity, one in self._sensors.items() if [quantity] == named}
        if not named:
            chosen = self._sensors
        if not chosen:
            raise ValueError(
                f"no fault {order.strip()!r}; there is: {name} [QUANTITY] NUMBER|off, of "
                f"{', '.join(self._sensors)}"
            )
        wanted = None if value == "off" else number(name, value)
        if name == "noise" and wanted is not None and wanted < 0:
            raise ValueError(f"fault {name!r} takes a number from 0 on or 'off', not {value!r}")
        for sensor in chosen.values():
            if name == "noise":
                sensor.noise(wanted)
            else:
                sensor.drift(wanted or 0.0, now_ns)


def sensor_orders(quantities: Iterable[str]) -> dict[str, str]:
    """Get the orders that :class:`Sensors` of these quantities take, with explanations."""
    named = "|".join(quantities)
    return {
        f"noise [{named}] NUMBER|off": "standard deviation of what it reads, in its unit",
        f"drift [{named}] NUMBER|off": "what it reads goes astray by this in an hour",
    }
