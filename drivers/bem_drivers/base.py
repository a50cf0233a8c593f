"""The contract between a station and a device.

A driver turns one instrument into SI units and the sign convention of the product (current and
power are positive when charging). Everything here is synchronous and blocking: a station owns
its devices and calls them from one control loop, one call at a time.

The life of a device::

    device.open()              find it, identify it, make it safe
    device.protect(...)        write its own limits and watchdog, read them back
    loop:
        reading = device.read()
        device.keep_alive()    proves to the device that the control loop is alive
        device.apply(command)  only when the command changes
    device.make_safe()         output off, verified; may be called at any time, any number of times
    device.release()           after a run: bounds as wide as they can be, for the next battery
    device.close()
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class DeviceError(Exception):
    """Root of everything a driver raises. The message says what a person can do."""


class DeviceNotFound(DeviceError):
    """Nothing answers at the address, or the bus or port cannot be opened."""


class WrongDevice(DeviceError):
    """Something answers at the address, but it is not what the settings name."""


class ConfigurationRefused(DeviceError):
    """The device did not take a limit, a watchdog or a command; both values are in the message."""


class CommunicationLost(DeviceError):
    """A device that answered before does not answer in time."""


class ProtocolViolated(DeviceError):
    """The device answered something its protocol does not allow."""


class DeviceFault(DeviceError):
    """The device says that it is in error."""


class Clock(Protocol):
    """The time a driver lives by; tests and simulations turn their own."""

    def monotonic_ns(self) -> int:
        """Get nanoseconds since an arbitrary instant; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` (s, >= 0)."""
        ...


class SystemClock:
    """The clock of the machine."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the device says it is. An empty string is a fact the device does not tell."""

    make: str
    model: str
    serial: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Ratings:
    """What the device can do at its battery side: V, A, W; discharge is negative."""

    voltage_min: float
    voltage_max: float
    current_min: float
    current_max: float
    power_min: float
    power_max: float


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity the device measures. ``name`` is a lower-case identifier, ``unit`` is SI."""

    name: str
    unit: str
    title: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A value and the monotonic instant (ns) at which the device delivered it."""

    value: float
    at_ns: int

    def age_s(self, now_ns: int) -> float:
        """Get the age in seconds at ``now_ns``."""
        return (now_ns - self.at_ns) / 1e9


class Mode(StrEnum):
    """What a power path does."""

    OFF = "off"
    CC = "cc"
    CV = "cv"
    CP = "cp"


@dataclass(frozen=True, slots=True)
class Command:
    """A mode and its set point: A for CC, V for CV, W for CP, 0 for OFF; positive charges.

    Raises:
        ValueError: the set point is not finite, or OFF carries one.
    """

    mode: Mode
    setpoint: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.setpoint):
            raise ValueError(f"set point {self.setpoint} of mode {self.mode} is not a number")
        if self.mode is Mode.OFF and self.setpoint != 0.0:
            raise ValueError(f"mode off takes no set point, got {self.setpoint}")


OFF = Command(Mode.OFF)


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything known of a device after one pass of the loop.

    ``values`` maps channel names to what was measured; slow channels keep the instant of their
    last answer, so that age shows. ``active`` is what the device itself says it is doing (``None``
    for a device without power). ``faults`` are the device's own errors, by name, empty when fine.
    """

    values: Mapping[str, Measured]
    active: Command | None = None
    faults: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Protection:
    """Bounds the device itself shall hold, and how long it tolerates silence.

    V, A, W, degC, s; discharge is negative. ``None``: the device keeps its own bound; as
    ``silence_s`` of what a device holds, it has no watchdog of its own.
    """

    voltage_min: float
    voltage_max: float
    current_min: float
    current_max: float
    power_min: float | None = None
    power_max: float | None = None
    temperature_min: float | None = None
    temperature_max: float | None = None
    silence_s: float | None = 1.0


class Device(ABC):
    """Any instrument that measures.

    Class attributes ``identity``, ``channels`` are valid after :meth:`open`.
    """

    identity: Identity
    channels: tuple[Channel, ...]

    @abstractmethod
    def open(self) -> None:
        """Find and identify the device and bring it to its safe state.

        Raises:
            DeviceNotFound: nothing there. WrongDevice: something else is there.
            DeviceFault: it is there and dead until a person helps.
        """

    @abstractmethod
    def read(self) -> Reading:
        """Get a fresh reading.

        Raises:
            CommunicationLost: no answer in time. ProtocolViolated: an impossible answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the bus or port. Idempotent; never raises for a device that has gone."""


class PowerDevice(Device):
    """An instrument with a power path. ``voltage`` and ``current`` are among its channels."""

    ratings: Ratings

    @abstractmethod
    def protect(self, protection: Protection) -> Protection:
        """Set the device's own limits and watchdog and read them back.

        Returns what the device now holds: never wider than asked, apart from rounding outwards to
        the device's resolution; bounds that the device lacks come back as ``None``. Only called
        while the output is off.

        Raises:
            ConfigurationRefused: the device holds something else; both values in the message.
        """

    @abstractmethod
    def release(self) -> None:
        """Give up the bounds of :meth:`protect`, so that another battery may be connected.

        Called after a run, while the output is off; the watchdog stays as it is.

        Raises:
            ConfigurationRefused: the device holds on to them.
        """

    @abstractmethod
    def keep_alive(self) -> None:
        """Tell the device's watchdog, if any, that the loop lives. Called once each loop."""

    @abstractmethod
    def apply(self, command: Command) -> None:
        """Set what the power path does; returns once the device has confirmed it.

        Raises:
            ConfigurationRefused: the device did not take it. DeviceFault: it is in error.
        """

    @abstractmethod
    def make_safe(self) -> None:
        """Switch the output off and verify it. Idempotent, possible at any time after open.

        Raises:
            CommunicationLost: it could not be verified; the device's own watchdog will act.
        """
