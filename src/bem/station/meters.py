"""The meters of a station: instruments beside the power path, each read in a thread of its own.

A multimeter may take a second for a reading; the control loop must not wait for it. The thread
leaves its newest reading, the loop takes what is there; every value keeps the instant at which it
was measured, so that its age shows.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from bem.runtime.log import Condition
from bem.runtime.settings import StationMeter
from bem.station.lock import DeviceHold, StationBusy
from bem.station.readings import reading_of, refuse_what_is_no_number
from bem.station.sources import SLOW_STALE_S, Sensors, Source
from bem.station.supervisor import Cause, Trouble
from bem_drivers.base import (
    Channel,
    Clock,
    Device,
    DeviceError,
    DeviceFault,
    DeviceNotFound,
    Measured,
    Reading,
)

_LOGGER = logging.getLogger(__name__)
RETRY_FIRST_S = 1.0
RETRY_LONGEST_S = 10.0
CLOSE_S = 2.0
"""How long all meters may take to end their last readings when the station stops."""
DOUBT_LOG_S = 60.0
"""How often (s) a reading that was tried again is told at most: a bad line has many a second."""
READS = 3
"""A meter is read at least so often until its values are too old."""
OF_THE_POWER_PATH = ("voltage", "current", "power")
"""Names that are the power path's own: a meter's carry its name in front."""


@dataclass(frozen=True, slots=True)
class MeterState:
    """What is known of a meter: its channels and values by the station's names for them.

    ``lost``: why it does not answer, or does not fit; empty while it does. ``heard_ns``: when it
    measured its newest value. ``faults``: what it reports, also before, until the loop has seen it.
    """

    channels: tuple[Channel, ...] = ()
    values: Mapping[str, Measured] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    lost: str = "it was not found yet"
    heard_ns: int = 0


class Meter:
    """One meter. :meth:`turn` finds or reads it once, and is for one thread; ``state`` for any.

    ``hold`` keeps others from it; while another process has it, it is lost.
    """

    def __init__(
        self,
        definition: StationMeter,
        device: Device,
        clock: Clock,
        hold: DeviceHold | None = None,
    ) -> None:
        self.definition = definition
        self.state = MeterState(heard_ns=clock.monotonic_ns())
        self._device = device
        self._clock = clock
        self._hold = hold
        self._absent = Condition(_LOGGER, f"meter {definition.name} is lost")
        self._unclosed = Condition(_LOGGER, f"meter {definition.name} cannot be closed")
        self._is_open = False
        self._doubted = False
        self._doubt_told_ns: int | None = None
        self._names: dict[str, str] = {}
        self._retry_s = RETRY_FIRST_S
        self._seen = self.state
        """The state that the control loop has judged last."""
        # Most drivers know their channels before they have found the device: then an experiment
        # that begins before that records them from the instant at which it comes. Whatever is
        # wrong with them is told by its first turn.
        with suppress(Exception):
            self._name_channels()

    def turn(self) -> float:
        """Open it or read it; returns how long (s) to wait before the next turn.

        One reading that fails is tried again at once over a new connection: a disturbed line is no
        reason to end an experiment of months. Meanwhile the values age.
        """
        try:
            if not self._is_open:
                self._open()
            self._take(reading_of(self._device.read(), self._clock.monotonic_ns()))
        except DeviceFault as error:
            # It answers: its word counts as that of a reading does.
            self._lose(str(error), reported=(str(error),))
            return self._back_off()
        except DeviceError as error:
            if not self._doubted and not self.state.lost:
                self._doubted = True
                self._tell_doubt(error)
                self.close()
                return 0.0
            self._lose(str(error))
            return self._back_off()
        except Exception as error:
            # A driver with a defect costs its meter, never the thread: nobody would read it again.
            reason = f"its driver failed: {type(error).__name__}: {error}"
            if reason != self.state.lost:
                _LOGGER.exception("meter %s: its driver failed", self.definition.name)
            self._lose(reason)
            return RETRY_LONGEST_S
        self._absent.end()
        self._retry_s = RETRY_FIRST_S
        self._doubted = False
        return 0.0

    def close(self) -> None:
        """Let go of it."""
        self._is_open = False
        try:
            self._device.close()
        except Exception as error:  # noqa: BLE001 - it must not, but then its thread goes on all the same
            self._unclosed.begin(f"{type(error).__name__}: {error}")
        else:
            self._unclosed.end()

    def leave(self) -> None:
        """Let go of it for good."""
        self.close()
        if self._hold is not None:
            self._hold.let_go()

    def is_silent(self, now_ns: int) -> bool:
        """Whether its newest value is too old at an instant."""
        return (now_ns - self.state.heard_ns) / 1e9 > self.definition.stale_s

    def trouble(self, now_ns: int) -> Trouble | None:
        """Get what is wrong with it at an instant: what it reports, or that it is not heard."""
        name, state = self.definition.name, self.state
        self._seen = state
        if state.faults:
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

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its channels as far as they are known: some drivers tell only once open."""
        has = tuple(channel.name for channel in self.state.channels)
        return has or tuple(self.definition.channels.values())

    def source(self, now_ns: int) -> Source:
        """Get what it is for those who judge its values at an instant."""
        return Source(f"meter {self.definition.name}", self.definition.stale_s, self._lack(now_ns))

    def _lack(self, now_ns: int) -> str:
        """Say why it gives no value, unless :meth:`trouble` does."""
        lost, silent = self.state.lost, self.is_silent(now_ns)
        if not lost and not silent:
            return "it answers without; look at the sensor and its wiring"
        if self.definition.required:
            return ""
        if lost:
            return f"it is lost: {lost}"
        return "it has given nothing for too long; is it powered and connected?"

    def _open(self) -> None:
        if self._hold is not None:
            try:
                self._hold.take()
            except StationBusy as busy:
                raise DeviceNotFound(str(busy)) from busy
            except OSError as error:
                raise DeviceNotFound(f"its lock cannot be taken: {error}") from error
        self._device.open()
        self._is_open = True
        self._name_channels()

    def _name_channels(self) -> None:
        has: tuple[Channel, ...] = getattr(self._device, "channels", ())
        self._names = _names(self.definition, has)
        channels = tuple(
            replace(channel, name=self._names[channel.name], title=self._title(channel))
            for channel in has
            if channel.name in self._names
        )
        self.state = replace(self.state, channels=channels)

    def _take(self, reading: Reading) -> None:
        refuse_what_is_no_number(reading, self._names)
        values = {
            self._names[name]: measured
            for name, measured in reading.values.items()
            if name in self._names
        }
        # A driver may answer with what it has had before: only a value proves that it measures.
        heard_ns = max((one.at_ns for one in values.values()), default=self.state.heard_ns)
        self.state = replace(
            self.state,
            values=values,
            faults=tuple(dict.fromkeys((*self._unseen_faults(), *reading.faults))),
            lost="",
            heard_ns=heard_ns,
        )

    def _unseen_faults(self) -> tuple[str, ...]:
        """Get what it reported that the loop has not judged: a driver may tell an error once."""
        return () if self._seen is self.state else self.state.faults

    def _tell_doubt(self, error: DeviceError) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._doubt_told_ns is None or now_ns - self._doubt_told_ns >= DOUBT_LOG_S * 1e9:
            self._doubt_told_ns = now_ns
            _LOGGER.info("meter %s: trying again after: %s", self.definition.name, error)

    def _title(self, channel: Channel) -> str:
        renamed = self._names[channel.name] != channel.name
        return f"{channel.title} ({self.definition.name})" if renamed else channel.title

    def _lose(self, reason: str, reported: tuple[str, ...] = ()) -> None:
        self._absent.begin(reason)
        faults = tuple(dict.fromkeys((*self._unseen_faults(), *reported)))
        # Before it is closed, which a dead line may hold up.
        self.state = replace(self.state, values={}, faults=faults, lost=reason)
        self.close()

    def _back_off(self) -> float:
        wait_s, self._retry_s = self._retry_s, min(2 * self._retry_s, RETRY_LONGEST_S)
        return wait_s


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
        deadline = time.monotonic() + CLOSE_S
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def channels(self, own: Sequence[Channel]) -> tuple[Channel, ...]:
        """Get all channels of the station; ``own`` are those of its power path."""
        found = {channel.name: channel for channel in own}
        for meter in self._meters:
            for channel in meter.state.channels:
                found.setdefault(channel.name, channel)
        return tuple(found.values())

    def added_to(self, reading: Reading, own: Sequence[Channel]) -> Reading:
        """Add what the meters have measured to a reading of the power path, which goes first.

        A name is of one instrument, whether or not it has a value now: those of two in one column
        would be no record of either.
        """
        if not self._meters:
            return reading
        now_ns = self._clock.monotonic_ns()
        values = dict(reading.values)
        taken = {channel.name for channel in own} | values.keys()
        for meter in self._meters:
            state = meter.state
            names = {channel.name for channel in state.channels} - taken
            taken |= names
            if not meter.is_silent(now_ns):
                values |= {name: one for name, one in state.values.items() if name in names}
        return replace(reading, values=values)

    def sensors(self, own: Sequence[Channel]) -> Sensors:
        """Get all that the station measures, and what of it is of meters, as of now."""
        of_power = tuple(channel.name for channel in own)
        if not self._meters:
            return Sensors(of_power)
        now_ns = self._clock.monotonic_ns()
        of_meters: dict[str, Source] = {}
        for meter in self._meters:
            source = meter.source(now_ns)
            for name in meter.names:
                if name not in of_power:
                    of_meters.setdefault(name, source)
        return Sensors(
            channels=(*of_power, *of_meters),
            of_meters=of_meters,
            unknown=tuple(one.definition.name for one in self._meters if not one.names),
        )

    def clash(self, own: Sequence[Channel]) -> str:
        """Say which channel two instruments of the station have, as far as known; empty if none."""
        named = [("the power path", own)]
        named += [(f"meter {one.definition.name}", one.state.channels) for one in self._meters]
        return _name_clash(named)

    def troubles(self, own: Sequence[Channel]) -> tuple[Trouble, ...]:
        """Get what is wrong with meters now that must not be while an experiment runs."""
        if not self._meters:
            return ()
        now_ns = self._clock.monotonic_ns()
        found = [meter.trouble(now_ns) for meter in self._meters]
        clash = self.clash(own)
        if clash:
            found.append(Trouble(Cause.INVALID, clash))
        return tuple(trouble for trouble in found if trouble is not None)

    def _run(self, meter: Meter) -> None:
        # With a period of many seconds its values would be too old at most passes of the loop.
        every_s = min(self._period_s, min(meter.definition.stale_s, SLOW_STALE_S) / READS)
        due_ns = self._clock.monotonic_ns()
        while not self._ended.is_set():
            wait_s = meter.turn()
            due_ns = max(due_ns + round(every_s * 1e9), self._clock.monotonic_ns())
            left_s = (due_ns - self._clock.monotonic_ns()) / 1e9
            self._ended.wait(max(wait_s, left_s))
        meter.leave()


def no_meters(clock: Clock) -> Meters:
    """Get the meters of a station that has none."""
    return Meters((), SLOW_STALE_S, clock)


def make_meters(
    definitions: Sequence[StationMeter],
    make: Callable[[StationMeter], Device],
    period_s: float,
    clock: Clock,
    hold: Callable[[StationMeter], DeviceHold | None] = lambda _meter: None,
) -> Meters:
    """Make the meters of a station; ``make`` gives each its unopened device, ``hold`` its locks."""
    meters = [Meter(one, make(one), clock, hold(one)) for one in definitions]
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


def _name_clash(named: Sequence[tuple[str, Sequence[Channel]]]) -> str:
    """Say which channel two instruments have, each with its name in words; empty if none."""
    owners: dict[str, str] = {}
    for who, channels in named:
        for channel in channels:
            owner = owners.setdefault(channel.name, who)
            if owner != who:
                return (
                    f"{owner} and {who} both have a channel {channel.name!r}: "
                    f"give that of {who} another name by its channels in the station's definition"
                )
    return ""
