"""The station process from start to exit. Whatever way it ends, the output is off."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from types import FrameType
from typing import Literal

from pydantic import ValidationError

from bem.runtime.local import LocalReply, check_socket_path
from bem.runtime.log import reload_logging
from bem.runtime.notify import Notifier
from bem.runtime.settings import (
    Settings,
    SettingsError,
    StationDefinition,
    StationDevice,
    StationMeter,
    load_station,
)
from bem.station.calibration.store import CalibrationStore, Reminder
from bem.station.clock import StationClock, SystemStationClock
from bem.station.desk import CommandDesk
from bem.station.journal import Journal
from bem.station.journal_file import JournalError
from bem.station.lock import DeviceHold, DeviceLock, StationBusy, StationLock
from bem.station.loop import ControlLoop
from bem.station.meters import Meters, make_meters
from bem.station.orders import Order
from bem.station.pace import Pacer, Waker
from bem.station.renewal import LOOK_S, Renewal
from bem.station.server import StationServer
from bem_drivers.base import Clock, Device, DeviceError, PowerDevice
from bem_drivers.registry import device_places, make_device

_LOGGER = logging.getLogger(__name__)
_ENDED_IN_ORDER = ("success", "exec-condition")
"""systemd's words for a station that ended by itself, or was not started without a definition."""


class StationUnusable(Exception):
    """The definition of a station cannot be used. The message says why.

    ``path``: which part of the definition it is of.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def run(settings: Settings, station_id: str) -> int:
    """Run a station until SIGTERM or SIGINT; returns the exit code of the process.

    0: stopped on request, or it did nothing and its definition or release is another by now (see
    :mod:`bem.station.renewal`). 1: it could not start, or an error ended it; the log says which.
    SIGHUP reads the log levels again. Logging is the caller's to set up. Call it from the main
    thread, because it handles signals.
    """
    clock = SystemStationClock()
    try:
        definition = load_station(settings.station_file(station_id))
        socket = _socket(settings, station_id)
        device = power_device(definition, clock)
        meters = station_meters(definition, clock, settings.device_locks)
        with (
            StationLock(settings.station_folder(station_id)),
            _device_locks(settings, definition.power),
            _Signals() as signals,
        ):
            try:
                with Journal(
                    settings.journal_file(station_id), settings.node.keep_days, clock
                ) as journal:
                    renewal = _renewal(settings, definition)
                    reminder = _reminder(settings)
                    return _Process(
                        definition, device, meters, journal, clock, signals, renewal, reminder
                    ).run(socket)
            except JournalError as error:
                _LOGGER.error("station %s cannot record: %s", station_id, error)  # noqa: TRY400 - the message names the remedy, a trace would bury it
                _switch_off(device, station_id)
                return 1
    except (SettingsError, StationBusy, StationUnusable, OSError) as error:
        _LOGGER.error("station %s cannot run: %s", station_id, error)  # noqa: TRY400 - as above
        return 1


def make_safe(settings: Settings, station_id: str) -> int:
    """Switch the output of a station off when its process has gone; returns an exit code.

    For ``ExecStopPost=``, so that a killed process leaves nothing on. 0: verified off, or another
    process runs the station or drives its device, which then is in charge of it, or the station
    ended in order because its definition was removed. 1: it could not be verified.
    """
    if (
        os.environ.get("SERVICE_RESULT") in _ENDED_IN_ORDER
        and not settings.station_file(station_id).exists()
    ):
        _LOGGER.info("station %s has no definition any more, and switched off itself", station_id)
        return 0
    return 1 if switch_off(settings, station_id) == "unverified" else 0


def switch_off(settings: Settings, station_id: str) -> Literal["off", "busy", "unverified"]:
    """Switch the output of a station off when no process has it.

    ``off``: verified. ``busy``: another process runs the station or drives its device, which then
    is in charge of it. ``unverified``: the log says why.
    """
    try:
        definition = load_station(settings.station_file(station_id))
        device = power_device(definition, SystemStationClock())
        with (
            StationLock(settings.station_folder(station_id)),
            _device_locks(settings, definition.power),
        ):
            return "off" if _switch_off(device, station_id) else "unverified"
    except StationBusy as busy:
        _LOGGER.info("%s", busy)
        return "busy"
    except (SettingsError, StationUnusable, OSError) as error:
        _LOGGER.error("cannot make station %s safe: %s", station_id, error)  # noqa: TRY400 - as above
        return "unverified"


def _switch_off(device: PowerDevice, station_id: str) -> bool:
    """Switch the output of a device off that nobody has opened; whether it confirmed that."""
    try:
        device.open()
        device.make_safe()
    except DeviceError as error:
        _LOGGER.error("the output of station %s could not be verified off: %s", station_id, error)  # noqa: TRY400 - as above
        return False
    finally:
        device.close()
    _LOGGER.info("the output of station %s is off", station_id)
    return True


def device_places_of(devices: Iterable[StationDevice]) -> list[str]:
    """Get what only one station of a machine may use of these devices."""
    return sorted({place for one in devices for place in device_places(one.driver, one.settings)})


@contextmanager
def _device_locks(settings: Settings, device: StationDevice) -> Iterator[None]:
    """Hold a device.

    Raises:
        StationBusy: another process has it.
    """
    with ExitStack() as locks:
        for place in device_places_of([device]):
            locks.enter_context(DeviceLock(settings.device_locks, place))
        yield


def _renewal(settings: Settings, definition: StationDefinition) -> Renewal | None:
    """Watch for a newer definition or release, unless the agent is the one who sees to that."""
    if settings.node.run_stations == "children":
        return None
    prefix = Path(os.path.realpath(sys.prefix))
    file = settings.station_file(definition.id)
    return Renewal(file, definition, settings.node.release_link, prefix)


def _reminder(settings: Settings) -> Reminder:
    """Read what was calibrated when, before the loop begins, which must not wait for a disk."""
    kept = CalibrationStore(settings.calibrations).read()
    for trouble in kept.unreadable:
        _LOGGER.warning("a calibration report cannot be read: %s", trouble)
    return Reminder(kept)


def _socket(settings: Settings, station_id: str) -> Path:
    path = settings.station_socket(station_id)
    try:
        check_socket_path(path)
    except ValueError as error:
        raise StationUnusable(str(error)) from error
    return path


def power_device(definition: StationDefinition, clock: Clock) -> PowerDevice:
    """Make the unopened power device of a station.

    Raises:
        StationUnusable: its driver or settings are wrong.
    """
    device = _device(definition.power, "power", clock)
    if not isinstance(device, PowerDevice):
        raise StationUnusable(
            f"power.driver {definition.power.driver!r} makes no device with a power path"
        )
    return device


def station_meters(
    definition: StationDefinition, clock: Clock, locks: Path | None = None
) -> Meters:
    """Make the meters of a station, unopened. ``locks``: the folder of the locks of devices.

    Raises:
        StationUnusable: a driver or its settings are wrong, or it has a power path.
    """

    def make(meter: StationMeter) -> Device:
        path = f"meters.{definition.meters.index(meter)}"
        device = _device(meter, path, clock)
        if isinstance(device, PowerDevice):
            raise StationUnusable(
                f"{path}.driver {meter.driver!r} drives current, which nobody would switch off at "
                "a meter: name a driver that only measures, or make it the power path of a station"
            )
        return device

    def hold(meter: StationMeter) -> DeviceHold | None:
        return None if locks is None else DeviceHold(locks, device_places_of([meter]))

    return make_meters(definition.meters, make, definition.period_ms / 1000, clock, hold)


def _device(device: StationDevice, path: str, clock: Clock) -> Device:
    try:
        return make_device(device.driver, device.settings, clock)
    except (LookupError, ValidationError) as error:
        said = f"{path}.driver {device.driver!r}: {error}"
        raise StationUnusable(said, path=f"{path}.settings") from error


class _Signals:
    """Turns signals into requests while entered: to stop, or to read the log levels again."""

    _HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self.waker = Waker()
        self.received: signal.Signals | None = None
        self._reload = False

    def take_reload(self) -> bool:
        """Whether the log levels were to be read again since the last call."""
        wanted, self._reload = self._reload, False
        return wanted

    def __enter__(self) -> "_Signals":
        self._before = {number: signal.signal(number, self._receive) for number in self._HANDLED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is Python's
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self.received = signal.Signals(number)
        self.waker.wake()


class _WakingLoop:
    """Hands orders to the loop and wakes it, so that a stop does not wait for the next period."""

    def __init__(self, loop: ControlLoop, waker: Waker) -> None:
        self._loop = loop
        self._waker = waker

    def submit(self, order: Order) -> "Future[LocalReply]":
        future = self._loop.submit(order)
        self._waker.wake()
        return future


class _Process:
    """Everything of a running station put together."""

    def __init__(
        self,
        definition: StationDefinition,
        device: PowerDevice,
        meters: Meters,
        journal: Journal,
        clock: StationClock,
        signals: _Signals,
        renewal: Renewal | None = None,
        reminder: Reminder | None = None,
    ) -> None:
        self._definition = definition
        self._device = device
        self._journal = journal
        self._clock = clock
        self._signals = signals
        self._renewal = renewal
        self._reminder: Reminder | None = reminder
        self._look_ns = clock.monotonic_ns()
        self._meters = meters
        self._loop = ControlLoop(definition, device, journal, clock, meters)
        self._notifier = Notifier()

    def run(self, socket: Path) -> int:
        loop = self._loop
        desk = CommandDesk(self._journal, _WakingLoop(loop, self._signals.waker))
        try:
            loop.recover()
            with self._meters, StationServer(socket, desk, self._journal, lambda: loop.snapshot):
                return self._control()
        except Exception as error:  # noqa: BLE001 - logged there, with its trace
            return self._crash(error)

    def _control(self) -> int:
        """Turn the loop to its end. An error switches off here: closing the socket takes time."""
        try:
            cause = self._turn_until_stopped()
            self._notifier.stopping()
            self._loop.shut_down(cause)
        except Exception as error:  # noqa: BLE001 - as above
            return self._crash(error)
        return 0

    def _crash(self, error: Exception) -> int:
        self._loop.crash(error)
        _LOGGER.error("an error ended the station; its output is off", exc_info=error)
        return 1

    def _turn_until_stopped(self) -> str:
        """Turn until told to stop or a newer process shall take over; gives the reason."""
        clock, signals = self._clock, self._signals
        pacer = Pacer(self._definition.period_ms * 1_000_000, clock.monotonic_ns())
        announced = ""
        # A long period must not look to systemd like a loop that hangs.
        longest_wait_s = (self._notifier.watchdog_s or inf) / 3
        renewed: str | None = None
        while signals.received is None and renewed is None:
            if signals.take_reload():
                # In a thread of its own, because it reads a file, which the loop must not wait for.
                threading.Thread(target=reload_logging, name="log levels", daemon=True).start()
            renewed = self._renewed()
            wait_s = pacer.wait_s(clock.monotonic_ns())
            if wait_s > 0:
                signals.waker.wait(min(wait_s, longest_wait_s))
                self._loop.serve_orders()
                self._notifier.alive()
                continue
            pacer.begin(clock.monotonic_ns())
            self._loop.turn()
            # Here too: passes that all take longer than the period leave no time to wait.
            self._notifier.alive()
            if pacer.lateness.passes == 1:
                self._notifier.ready()
            self._remind()
            status = f"{self._loop.snapshot.state} {self._loop.snapshot.reason}".strip()
            if status != announced:
                self._notifier.status(status)
                announced = status
        received = signals.received
        cause = f"on {received.name}" if received is not None else f"because {renewed}"
        late = pacer.lateness
        _LOGGER.info(
            "stopping %s, after %d passes, %d periods skipped; "
            "lateness 99.9 %%: %.1f ms, worst: %.1f ms",
            cause,
            late.passes,
            late.skipped,
            late.quantile_us(0.999) / 1000,
            late.worst_us / 1000,
        )
        return renewed or "the station was stopped"

    def _remind(self) -> None:
        """Say once what is overdue, as soon as the device has said who it is."""
        reminder = self._reminder
        if reminder is None or self._loop.snapshot.state == "lost":
            return
        self._reminder = None
        identity = self._device.identity
        key = (identity.make, identity.model, identity.serial)
        for overdue in reminder.due(key, self._clock.utc_now()):
            _LOGGER.warning("%s", overdue)

    def _renewed(self) -> str | None:
        """Look for a newer definition or release now and then, but only while nothing runs."""
        now_ns = self._clock.monotonic_ns()
        if self._renewal is None or now_ns < self._look_ns or not self._loop.is_replaceable:
            return None
        self._look_ns = now_ns + round(LOOK_S * 1e9)
        return self._renewal.reason()
