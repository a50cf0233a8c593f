"""A source and a load as one power path. Never both on.

Before one is switched on the other is switched off, asked whether it is off, and the dead time
waited from that answer. What is not known to be off counts as on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bem_drivers.base import (
    OFF,
    Channel,
    Clock,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    DeviceFault,
    DeviceNotFound,
    Identity,
    Measured,
    Mode,
    PowerDevice,
    Protection,
    ProtocolViolated,
    Ratings,
    Reading,
    WrongDevice,
)
from bem_drivers.pair.settings import Member, PairSettings
from bem_drivers.registry import make_device


@dataclass(slots=True)
class _Side:
    """One of the two. ``off_ns``: when it was last verified off, ``None`` since it may be on."""

    name: str
    device: PowerDevice
    off_ns: int | None = None


class PairDevice(PowerDevice):
    """A source and a load. ``source`` and ``load`` replace those of the settings, for tests."""

    def __init__(
        self,
        settings: PairSettings,
        clock: Clock,
        source: PowerDevice | None = None,
        load: PowerDevice | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._source = _Side("source", source or _made(settings.source, "source", clock))
        self._load = _Side("load", load or _made(settings.load, "load", clock))
        self._sides = (self._source, self._load)
        self._dead_ns = round(settings.dead_time_s * 1e9)
        self._describe()

    def open(self) -> None:
        """Open both; each makes itself safe, the second one also when the first one is missing.

        A process that died may have left either of them on.
        """
        try:
            self._each(self._open_side)
            self._check_direction()
        except BaseException:
            self.close()
            raise
        self._describe()

    def close(self) -> None:
        for side in self._sides:
            side.off_ns = None
            side.device.close()

    def read(self) -> Reading:
        """Read both, and switch both off when both say that they are on.

        The current of the path is the sum, as old as the older of the two.
        """
        readings = [(side, side.device.read()) for side in self._sides]
        values: dict[str, Measured] = {}
        faults: list[str] = []
        for side, reading in readings:
            values |= {f"{side.name}_{name}": one for name, one in reading.values.items()}
            faults += [f"{side.name}_{fault}" for fault in reading.faults]
        doing = [(side, reading.active or OFF) for side, reading in readings]
        on = [(side, command) for side, command in doing if command.mode is not Mode.OFF]
        for side, _ in on:
            side.off_ns = None
        if len(on) > 1:
            self._end_both(on)
        currents = [values[f"{side.name}_current"] for side in self._sides]
        values["voltage"] = values[f"{self._settings.voltage_from}_voltage"]
        values["current"] = Measured(
            sum(one.value for one in currents), min(one.at_ns for one in currents)
        )
        active = on[0][1] if on else OFF
        return Reading(values=values, active=active, faults=tuple(faults))

    def protect(self, protection: Protection) -> Protection:
        """Give each its share: charging bounds to the source, discharging bounds to the load.

        What comes back is the lower voltage of the load and the upper one of the source, since
        only those can take the battery there; and the longer silence of the two, or none.
        """
        source = self._source.device.protect(_charging(protection))
        load = self._load.device.protect(_discharging(protection))
        return Protection(
            voltage_min=load.voltage_min,
            voltage_max=source.voltage_max,
            current_min=load.current_min,
            current_max=source.current_max,
            power_min=load.power_min,
            power_max=source.power_max,
            temperature_min=_wider(min, source.temperature_min, load.temperature_min),
            temperature_max=_wider(max, source.temperature_max, load.temperature_max),
            silence_s=_wider(max, source.silence_s, load.silence_s),
        )

    def release(self) -> None:
        self._each(lambda side: side.device.release())

    def keep_alive(self) -> None:
        self._each(lambda side: side.device.keep_alive())

    def apply(self, command: Command) -> None:
        """Hand a command to the side whose it is.

        A constant current or power charges when positive and discharges when negative; zero stays
        with the side that is on, or else the source. A constant voltage above the measured one
        charges, one below it discharges; within the hysteresis it stays with the side that is on,
        or else the source. The choice holds until the next command.

        Takes the dead time longer when the side changes.
        """
        if command.mode is Mode.OFF:
            self.make_safe()
            return
        side = self._side_of(command)
        other = self._load if side is self._source else self._source
        # One that was verified off may have been switched on at its front panel since.
        if other.off_ns is None or (side.off_ns is not None and _is_on(other.device)):
            self._switch_off(other)
        self._wait_dead_time(other)
        # Its watchdog may have run out of patience in the dead time.
        side.device.keep_alive()
        # From here on it may be on, whatever becomes of the command.
        side.off_ns = None
        side.device.apply(command)

    def make_safe(self) -> None:
        """Switch both off, the second one also when the first one fails.

        Raises:
            CommunicationLost: one could not be verified. DeviceFault: one does not go off. The
                message tells what ails each.
        """
        # What may be on goes first; Python's sort keeps the order of equals.
        order = sorted(self._sides, key=lambda side: side.off_ns is not None)
        self._each(self._switch_off, order)

    # Sides -----------------------------------------------------------------------------------

    def _open_side(self, side: _Side) -> None:
        side.off_ns = None
        side.device.open()
        side.off_ns = self._clock.monotonic_ns()

    def _side_of(self, command: Command) -> _Side:
        on = [side for side in self._sides if side.off_ns is None]
        present = on[0] if len(on) == 1 else self._source
        over = command.setpoint
        near = 0.0
        if command.mode is Mode.CV:
            over -= self._measured_voltage()
            near = self._settings.hysteresis_v
        if abs(over) <= near:
            return present
        return self._source if over > 0 else self._load

    def _measured_voltage(self) -> float:
        """Read the battery's voltage now: the last reading may be of before the last command."""
        side = self._source if self._settings.voltage_from == "source" else self._load
        return side.device.read().values["voltage"].value

    def _switch_off(self, side: _Side) -> None:
        # Until the device has said so; a failure leaves it unknown.
        side.off_ns = None
        side.device.make_safe()
        side.off_ns = self._clock.monotonic_ns()

    def _wait_dead_time(self, other: _Side) -> None:
        while other.off_ns is not None:
            left_ns = other.off_ns + self._dead_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                return
            self._clock.sleep(left_ns / 1e9)

    def _end_both(self, on: list[tuple[_Side, Command]]) -> None:
        """Switch both off.

        Raises:
            DeviceFault: always.
        """
        said = " and ".join(f"{side.name} ({command.mode})" for side, command in on)
        fate = "both are off now"
        try:
            self.make_safe()
        except DeviceError as error:
            fate = f"they could not be verified off: {error}"
        raise DeviceFault(
            f"{said} were on at the same time, the load drew what the source gave; {fate}. "
            "Look for whoever switched one at its front panel"
        )

    def _each(self, do: Callable[[_Side], None], order: Iterable[_Side] | None = None) -> None:
        """Do something with both sides, the second one also when the first one fails."""
        failed: list[tuple[str, Exception]] = []
        for side in self._sides if order is None else order:
            try:
                do(side)
            except Exception as error:  # noqa: BLE001 - a defect of one driver must not keep the other on
                failed.append((side.name, error))
        if failed:
            raise _together(failed)

    # Both as one -----------------------------------------------------------------------------

    def _describe(self) -> None:
        source, load = self._source.device, self._load.device
        self.identity = Identity(
            make=_joined(source.identity.make, load.identity.make),
            model=_joined(source.identity.model, load.identity.model),
            serial=_joined(source.identity.serial, load.identity.serial),
            firmware=_joined(source.identity.firmware, load.identity.firmware),
        )
        self.ratings = _ratings(source.ratings, load.ratings)
        own = tuple(
            Channel(f"{side.name}_{one.name}", one.unit, f"{side.name.capitalize()}: {one.title}")
            for side in self._sides
            for one in side.device.channels
        )
        self.channels = (
            Channel("voltage", "V", "Voltage"),
            Channel("current", "A", "Current"),
            *own,
        )

    def _check_direction(self) -> None:
        if self._source.device.ratings.current_max <= 0:
            raise WrongDevice(
                f"{self._source.device.identity.model or 'what is named as source'} cannot charge; "
                "name a source there, or exchange source and load"
            )
        if self._load.device.ratings.current_min >= 0:
            raise WrongDevice(
                f"{self._load.device.identity.model or 'what is named as load'} cannot discharge; "
                "name a load there, or exchange source and load"
            )


def _made(member: Member, side: str, clock: Clock) -> PowerDevice:
    device = make_device(member.driver, member.settings, clock)
    if not isinstance(device, PowerDevice):
        raise LookupError(
            f"{side}: driver {member.driver!r} makes no device with a power path; name another"
        )
    return device


def _is_on(device: PowerDevice) -> bool:
    return (device.read().active or OFF).mode is not Mode.OFF


def _charging(protection: Protection) -> Protection:
    return replace(
        protection,
        current_min=0.0,
        current_max=max(protection.current_max, 0.0),
        power_min=None if protection.power_min is None else 0.0,
        power_max=None if protection.power_max is None else max(protection.power_max, 0.0),
    )


def _discharging(protection: Protection) -> Protection:
    return replace(
        protection,
        current_min=min(protection.current_min, 0.0),
        current_max=0.0,
        power_min=None if protection.power_min is None else min(protection.power_min, 0.0),
        power_max=None if protection.power_max is None else 0.0,
    )


def _wider(
    pick: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    """Get what both of them hold; nothing where one holds nothing."""
    return None if one is None or other is None else pick(one, other)


def _ratings(source: Ratings, load: Ratings) -> Ratings:
    """Voltages that both can stand, since both are at the battery; each one's own current."""
    return Ratings(
        voltage_min=max(source.voltage_min, load.voltage_min),
        voltage_max=min(source.voltage_max, load.voltage_max),
        current_min=min(load.current_min, 0.0),
        current_max=max(source.current_max, 0.0),
        power_min=min(load.power_min, 0.0),
        power_max=max(source.power_max, 0.0),
    )


def _joined(source: str, load: str) -> str:
    if source == load:
        return source
    return f"{source or '-'} + {load or '-'}"


_BY_SERIOUSNESS = (
    CommunicationLost,
    DeviceFault,
    DeviceNotFound,
    WrongDevice,
    ConfigurationRefused,
    ProtocolViolated,
)


def _together(failed: list[tuple[str, Exception]]) -> Exception:
    """Make one error of those of both sides, with the most serious class.

    A defect of a driver comes out as it is, so that its trace is not lost.
    """
    for _, error in failed:
        if not isinstance(error, DeviceError):
            error.add_note("; ".join(f"{name}: {one}" for name, one in failed))
            return error
    message = "; ".join(f"{name}: {error}" for name, error in failed)
    for kind in _BY_SERIOUSNESS:
        if any(isinstance(error, kind) for _, error in failed):
            return kind(message)
    return DeviceError(message)
