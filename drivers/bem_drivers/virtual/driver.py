"""A power device whose battery is a model that lives by the driver's clock."""

import random
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.base import (
    OFF,
    Channel,
    Clock,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceFault,
    Identity,
    Measured,
    Mode,
    PowerDevice,
    Protection,
    Ratings,
    Reading,
)
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.model.regulator import regulated_current, substeps


class VirtualSettings(BaseModel):
    """A battery, how fast its time passes, and what the device can do."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    battery: BatteryModelSettings = BatteryModelSettings()
    speed: float = Field(default=1.0, gt=0, le=100_000, description="model time per clock time")
    voltage_max: float = Field(default=60.0, gt=0, description="highest voltage (V)")
    current_max: float = Field(default=20.0, gt=0, description="highest current (A), both ways")
    power_max: float = Field(default=400.0, gt=0, description="highest power (W), both ways")
    voltage_noise: float = Field(default=0.0, ge=0, description="standard deviation (V)")
    current_noise: float = Field(default=0.0, ge=0, description="standard deviation (A)")
    meter: bool = Field(default=False, description="measure voltage and current a second time")
    seed: int = 0


_METER = (
    Channel("meter_voltage", "V", "Meter voltage"),
    Channel("meter_current", "A", "Meter current"),
)


class VirtualDevice(PowerDevice):
    """Obeys, limits, trips and misses its keep-alive as a real device does.

    A trip switches the output off and names its cause in ``faults`` (``voltage``, ``current``,
    ``power``, ``temperature`` or ``watchdog``) until :meth:`make_safe`.
    """

    channels: tuple[Channel, ...] = (
        Channel("voltage", "V", "Voltage"),
        Channel("current", "A", "Current"),
        Channel("temperature_body", "degC", "Body temperature"),
    )

    def __init__(self, settings: VirtualSettings, clock: Clock) -> None:
        self.identity = Identity(make="BEM", model="virtual", serial=str(settings.seed))
        self.ratings = Ratings(
            voltage_min=0.0,
            voltage_max=settings.voltage_max,
            current_min=-settings.current_max,
            current_max=settings.current_max,
            power_min=-settings.power_max,
            power_max=settings.power_max,
        )
        if settings.meter:
            self.channels = (*self.channels, *_METER)
        self._settings = settings
        self._clock = clock
        self._battery = BatteryModel(settings.battery)
        # Repeatable noise on a simulated meter; nothing secret depends on it.
        self._random = random.Random(settings.seed)  # noqa: S311 - noise, not a secret
        self._is_open = False
        self._active = OFF
        self._fault: str | None = None
        self._bounds = _within(self.ratings, None)
        self._silence_ns: int | None = None
        self._alive_ns = 0
        self._advanced_ns = clock.monotonic_ns()

    @property
    def battery(self) -> BatteryModel:
        """The battery as it truly is, for tests to compare with what was measured."""
        return self._battery

    def open(self) -> None:
        self._is_open = True
        self._bounds = _within(self.ratings, None)
        self._silence_ns = None
        self.make_safe()

    def close(self) -> None:
        if self._is_open:
            self._advance()
            self._is_open = False

    def read(self) -> Reading:
        self._advance()
        now = self._clock.monotonic_ns()
        measured = {
            "voltage": self._battery.voltage
            + self._random.gauss(0.0, 1.0) * self._settings.voltage_noise,
            "current": self._battery.current
            + self._random.gauss(0.0, 1.0) * self._settings.current_noise,
            "temperature_body": self._battery.temperature,
        }
        if self._settings.meter:
            measured |= {
                "meter_voltage": self._battery.voltage,
                "meter_current": self._battery.current,
            }
        return Reading(
            values={name: Measured(value, now) for name, value in measured.items()},
            active=self._active,
            faults=() if self._fault is None else (self._fault,),
        )

    def protect(self, protection: Protection) -> Protection:
        self._advance()
        if self._active.mode is not Mode.OFF:
            raise ConfigurationRefused(
                f"limits cannot change while the output is on ({self._active.mode}); "
                "switch it off first"
            )
        self._bounds = _within(self.ratings, protection)
        silence_s = protection.silence_s
        self._silence_ns = None if silence_s is None else round(silence_s * 1e9)
        self._alive_ns = self._clock.monotonic_ns()
        return self._bounds

    def release(self) -> None:
        self._advance()
        ratings = self.ratings
        self._bounds = replace(
            self._bounds,
            voltage_min=ratings.voltage_min,
            voltage_max=ratings.voltage_max,
            current_min=ratings.current_min,
            current_max=ratings.current_max,
            power_min=ratings.power_min,
            power_max=ratings.power_max,
            temperature_min=None,
            temperature_max=None,
        )

    def keep_alive(self) -> None:
        self._advance()
        self._alive_ns = self._clock.monotonic_ns()

    def apply(self, command: Command) -> None:
        self._advance()
        if command.mode is Mode.OFF:
            self._switch_off()
            return
        if self._fault is not None:
            raise DeviceFault(f"the virtual device tripped on {self._fault}; make it safe first")
        quantity, low, high = {
            Mode.CC: ("current", self._bounds.current_min, self._bounds.current_max),
            Mode.CV: ("voltage", self._bounds.voltage_min, self._bounds.voltage_max),
            Mode.CP: ("power", self._bounds.power_min, self._bounds.power_max),
        }[command.mode]
        if (low is not None and command.setpoint < low) or (
            high is not None and command.setpoint > high
        ):
            raise ConfigurationRefused(
                f"{quantity} set point {command.setpoint:g} is outside of the device's limits "
                f"{low:g}..{high:g}"
            )
        self._active = command
        # What is read next shows the new current, as after the settling of a real device.
        self._battery.step(self._current(0.0), 0.0)

    def make_safe(self) -> None:
        self._advance()
        self._switch_off()
        self._fault = None

    def _advance(self) -> None:
        """Bring the battery to now; the watchdog may have switched it off on the way."""
        if not self._is_open:
            raise CommunicationLost("the virtual device is closed; open it first")
        now = self._clock.monotonic_ns()
        if self._silence_ns is not None:
            expiry = self._alive_ns + self._silence_ns
            if now > expiry:
                self._run_until(max(expiry, self._advanced_ns))
                if self._active.mode is not Mode.OFF:
                    self._trip("watchdog")
        self._run_until(now)

    def _run_until(self, now_ns: int) -> None:
        passed_s = (now_ns - self._advanced_ns) / 1e9 * self._settings.speed
        self._advanced_ns = now_ns
        if passed_s <= 0:
            return
        count, dt_s = substeps(passed_s)
        for _ in range(count):
            self._battery.step(self._current(dt_s), dt_s)
            self._judge()

    def _current(self, dt_s: float) -> float:
        bounds = self._bounds
        return regulated_current(
            self._battery, self._active, dt_s, bounds.current_min, bounds.current_max
        )

    def _judge(self) -> None:
        """Trip when a bound is broken while power flows."""
        if self._active.mode is Mode.OFF:
            return
        battery, bounds = self._battery, self._bounds
        power = battery.voltage * battery.current
        judged = (
            ("voltage", battery.voltage, bounds.voltage_min, bounds.voltage_max),
            ("current", battery.current, bounds.current_min, bounds.current_max),
            ("power", power, bounds.power_min, bounds.power_max),
            ("temperature", battery.temperature, bounds.temperature_min, bounds.temperature_max),
        )
        for quantity, value, low, high in judged:
            # A regulated value may miss its own bound by a rounding error.
            slack = 1e-6 * max(abs(value), 1.0)
            if (low is not None and value < low - slack) or (
                high is not None and value > high + slack
            ):
                self._trip(quantity)
                return

    def _trip(self, cause: str) -> None:
        self._fault = cause
        self._switch_off()

    def _switch_off(self) -> None:
        self._active = OFF
        self._battery.step(0.0, 0.0)


def _within(ratings: Ratings, protection: Protection | None) -> Protection:
    """Combine what was asked with what the device can do, the tighter of each."""
    if protection is None:
        return Protection(
            voltage_min=ratings.voltage_min,
            voltage_max=ratings.voltage_max,
            current_min=ratings.current_min,
            current_max=ratings.current_max,
            power_min=ratings.power_min,
            power_max=ratings.power_max,
        )

    def low(asked: float | None, rated: float) -> float:
        return rated if asked is None else max(asked, rated)

    def high(asked: float | None, rated: float) -> float:
        return rated if asked is None else min(asked, rated)

    return Protection(
        voltage_min=low(protection.voltage_min, ratings.voltage_min),
        voltage_max=high(protection.voltage_max, ratings.voltage_max),
        current_min=low(protection.current_min, ratings.current_min),
        current_max=high(protection.current_max, ratings.current_max),
        power_min=low(protection.power_min, ratings.power_min),
        power_max=high(protection.power_max, ratings.power_max),
        temperature_min=protection.temperature_min,
        temperature_max=protection.temperature_max,
        silence_s=protection.silence_s,
    )
