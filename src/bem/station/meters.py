"""The meters of a station: instruments beside the power path, each read in a thread of its own.

A multimeter may take a second for a reading; the control loop must not wait for it. The thread
leaves its newest reading, the loop takes what is there; every value keeps the instant at which it
was measured, so that its age shows.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bem.runtime.log import Condition
from bem.runtime.settings import StationMeter
from bem.station.supervisor import SLOW_STALE_S, Cause, Trouble
from bem_drivers.base import Channel, Clock, Device, DeviceError, Measured, Reading

_LOGGER = logging.getLogger(__name__)
RETRY_FIRST_S = 1.0
RETRY_LONGEST_S = 10.0
CLOSE_S = 2.0
"""How long a meter may take to end its last reading when the station stops."""
OF_THE_POWER_PATH = ("voltage", "current", "power")
"""Names that are the power path's own: a meter's carry its name in front."""


@dataclass(frozen=True, slots=True)
class MeterState:
    """What is known of a meter: its channels and values by the station's names for them.

    ``lost``: why it does not answer, or does not fit; empty while it does. ``heard_ns``: when it
    last answered.
    """

    channels: tuple[Channel, ...] = ()
    values: Mapping[str, Measured] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    lost: str = "it was not found yet"
    heard_ns: int = 0


class Meter:
    """One meter. :meth:`turn` finds or reads it once, and is for one thread; ``state`` for any."""

    def __init__(self, definition: StationMeter, device: Device, clock: Clock) -> None:
        self.definition = definition
        self.state = MeterState(heard_ns=clock.monotonic_ns())
        self._device = device
        self._clock = clock
        self._absent = Condition(_LOGGER, f"meter {definition.name} is lost")
        self._is_open = False
        self._doubted = False
        self._names: dict[str, str] = {}
        self._retry_s = RETRY_FIRST_S

    def turn(self) -> float:
        """Open it or read it; returns how long (s) to wait before the next turn.

        One reading that fails is tried again at once over a new connection: a disturbed line is no
        reason to end an experiment of months. Meanwhile the values age.
        """
        try:
            if not self._is_open:
                self._open()
            reading = self._device.read()
        except DeviceError as error:
            if not self._doubted and not self.state.lost:
                self._doubted = True
                _LOGGER.info("meter %s: trying again after: %s", self.definition.name, error)
                self.close()
                return 0.0
            self._lose(str(error))
            wait_s, self._retry_s = self._retry_s, min(2 * self._retry_s, RETRY_LONGEST_S)
            return wait_s
        except Exception as error:
            # A driver with a defect costs its meter, never the thread: nobody would read it again.
            _LOGGER.exception("meter %s: its driver failed", self.definition.name)
            self._lose(f"its driver failed: {type(error).__name__}: {error}")
            return RETRY_LONGEST_S
        self._absent.end()
        self._retry_s = RETRY_FIRST_S
        self._doubted = False
        self.state = replace(
            self.state,
            values={
                self._names[name]: measured
                for name, measured in reading.values.items()
                if name in self._names
            },
            faults=reading.faults,
            lost="",
            heard_ns=self._clock.monotonic_ns(),
        )
        return 0.0

    def close(self) -> None:
        """Let go of it."""
        self._is_open = False
        self._device.close()

    def trouble(self, now_ns: int) -> Trouble | None:
        """Get what is wrong with it at an instant: what it reports, or that it is not heard."""
        name, state = self.definition.name, self.state
        if state.faults and not state.lost:
            said = ", ".join(state.faults)
            return Trouble(Cause.DEVICE_FAULT, f"meter {name} reports: {said}")
        if not self.definition.required:
            return None
        if state.lost:
            return Trouble(Cause.DEVICE_LOST, f"meter {name} is lost: {state.lost}")
        silent_s = (now_ns - state.heard_ns) / 1e9
        if silent_s > self.definition.stale_s:
            return Trouble(
                Cause.STALE,
                f"meter {name} has given nothing for {silent_s:.1f} s, "
                f"at most {self.definition.stale_s:g} s are allowed",
            )
        return None

    def _open(self) -> None:
        self._device.open()
        self._is_open = True
        self._names = _names(self.definition, self._device.channels)
        channels = tuple(
            replace(channel, name=self._names[channel.name], title=self._title(channel))
            for channel in self._device.channels
            if channel.name in self._names
        )
        self.state = replace(self.state, channels=channels)

    def _title(self, channel: Channel) -> str:
        renamed = self._names[channel.name] != channel.name
        return f"{channel.title} ({self.definition.name})" if renamed else channel.title

    def _lose(self, reason: str) -> None:
        self._absent.begin(reason)
        self.close()
        self.state = replace(self.state, values={}, faults=(), lost=reason)


class Meters:
    """All meters of a station.

    ``period_s``: no meter is read more often than the control loop turns. Used as a context: its
    threads live while it is entered.
    """

    def __init__(self, meters: Sequence[Meter], period_s: float, clock: Clock) -> None:
        self._meters = meters
        self._period_s = period_s
        self._clock = clock
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(meter,), name=f"meter {meter.definition.name}", daemon=True
            )
            for meter in meters
        ]

    def __enter__(self) -> "Meters":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(CLOSE_S)

    def channels(self, own: Sequence[Channel]) -> tuple[Channel, ...]:
        """Get all channels of the station; ``own`` are those of its power path."""
        found = {channel.name: channel for channel in own}
        for meter in self._meters:
            for channel in meter.state.channels:
                found.setdefault(channel.name, channel)
        return tuple(found.values())

    def added_to(self, reading: Reading) -> Reading:
        """Add what the meters have measured to a reading of the power path, which goes first."""
        if not self._meters:
            return reading
        values: dict[str, Measured] = {}
        for meter in reversed(self._meters):
            values |= meter.state.values
        return replace(reading, values=values | dict(reading.values))

    def troubles(self) -> tuple[Trouble, ...]:
        """Get what is wrong with meters now that must not be while an experiment runs."""
        now_ns = self._clock.monotonic_ns()
        found = (meter.trouble(now_ns) for meter in self._meters)
        return tuple(trouble for trouble in found if trouble is not None)

    def _run(self, meter: Meter) -> None:
        due_ns = self._clock.monotonic_ns()
        while not self._ended.is_set():
            wait_s = meter.turn()
            due_ns = max(due_ns + round(self._period_s * 1e9), self._clock.monotonic_ns())
            left_s = (due_ns - self._clock.monotonic_ns()) / 1e9
            self._ended.wait(max(wait_s, left_s))
        meter.close()


def no_meters(clock: Clock) -> Meters:
    """Get the meters of a station that has none."""
    return Meters((), SLOW_STALE_S, clock)


def make_meters(
    definitions: Sequence[StationMeter],
    make: Callable[[StationMeter], Device],
    period_s: float,
    clock: Clock,
) -> Meters:
    """Make the meters of a station; ``make`` gives the unopened device of each."""
    meters = [Meter(one, make(one), clock) for one in definitions]
    return Meters(meters, period_s, clock)


def _names(definition: StationMeter, channels: Sequence[Channel]) -> dict[str, str]:
    """Get the station's names of a meter's channels.

    Raises:
        DeviceError: the definition names a channel that the meter does not have.
    """
    has = [channel.name for channel in channels]
    unknown = [name for name in definition.channels if name not in has]
    if unknown:
        raise DeviceError(
            f"it has no channel {unknown[0]!r} to be called {definition.channels[unknown[0]]!r}; "
            f"it has {', '.join(has)}: mend channels of the meter in the station's definition"
        )
    if definition.channels:
        return dict(definition.channels)
    return {
        name: f"{definition.name}_{name}" if name in OF_THE_POWER_PATH else name for name in has
    }
