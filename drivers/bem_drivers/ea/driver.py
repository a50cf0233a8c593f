"""The driver of an EA supply. Facts of devices.md §4.2; the README tells how they are met."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

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
from bem_drivers.ea import codec
from bem_drivers.ea.codec import Measures, Points
from bem_drivers.ea.exchange import EaExchange
from bem_drivers.ea.settings import EaSettings
from bem_drivers.ea.tolerance import Tolerance
from bem_drivers.line import Dialogue, LineLink, line_link

SWITCH_OFF_ATTEMPTS = 3
MOST_OLD_ERRORS = 20
"""Errors that the unit may have kept from before."""
ERROR_PERIOD_NS = 1_000_000_000
SETTLE_S = 0.5
"""How long a current may take to follow a set point, and to end."""
SETTLE_POLL_S = 0.02
ON_BY_ITSELF = "output on without a command"
_NOTHING = Points(0.0, 0.0, 0.0)


class EaDriver(PowerDevice):
    """One output of an EA supply. ``link`` replaces the line of the settings, for tests.

    ``ratings`` and ``identity`` are the unit's own after :meth:`open`.
    """

    ratings = Ratings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def __init__(self, settings: EaSettings, clock: Clock, link: LineLink | None = None) -> None:
        self.identity = Identity(make="EA", model="")
        self.channels = (Channel("voltage", "V", "Voltage"), Channel("current", "A", "Current"))
        self._settings = settings
        self._clock = clock
        name = "EA supply" if settings.output is None else f"EA supply output {settings.output}"
        dialogue = Dialogue(
            link or line_link(settings.address), name, clock, settings.reply_timeout_s
        )
        self._exchange = EaExchange(dialogue, settings.output)
        self._name = self._exchange.name
        self._controlling = False
        self._tolerance = Tolerance(self.ratings)
        self._bounds = _within(self.ratings, None)
        self._points = _NOTHING
        self._active = OFF
        self._errors_due_ns = 0

    # Life ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Find and identify the unit, take remote control and switch the output off.

        Raises:
            DeviceNotFound: nothing answers. WrongDevice: another device, serial number, or number
            of outputs. DeviceFault: no remote control, or the output stays on.
        """
        self._exchange.open()
        try:
            self.identity = self._identify()
            self._take_control()
            self.ratings = self._ask_ratings()
            self._tolerance = Tolerance(self.ratings)
            self._bounds = _within(self.ratings, None)
            self.make_safe()
            # From here on every set point is known; an output that came on would carry nothing.
            self._write(_NOTHING)
        except CommunicationLost as error:
            self.close()
            raise DeviceNotFound(f"nothing at the address: {error}") from error
        except BaseException:
            self.close()
            raise
        self._errors_due_ns = self._clock.monotonic_ns()

    def close(self) -> None:
        """Switch off, give remote control back, let go of the line."""
        if self._controlling:
            self._controlling = False
            # Whoever takes over must find the output off; at the panel it can be switched on again.
            with contextlib.suppress(DeviceError):
                self._exchange.tell(codec.OUTPUT_OFF)
                self._exchange.tell(codec.LOCK_OFF)
        self._active = OFF
        self._exchange.close()

    def read(self) -> Reading:
        """Ask for measures and for the state of the output; once a second for errors as well."""
        measures, at_ns = self._exchange.measures()
        is_on = self._exchange.is_on()
        now_ns = self._clock.monotonic_ns()
        faults: tuple[str, ...] = ()
        if is_on != (self._active is not OFF) or now_ns >= self._errors_due_ns:
            faults = self._exchange.take_errors()
            self._errors_due_ns = now_ns + ERROR_PERIOD_NS
        active = self._active if is_on else OFF
        if is_on and active is OFF:
            faults = (*faults, ON_BY_ITSELF)
            active = Command(Mode.CC, self._points.source)
        return Reading(
            values={
                "voltage": Measured(measures.voltage, at_ns),
                "current": Measured(measures.current, at_ns),
            },
            active=active,
            faults=faults,
        )

    # Bounds ----------------------------------------------------------------------------------

    def protect(self, protection: Protection) -> Protection:
        """Have the set points of voltage and current hold these bounds in every mode.

        They are written once, so that a unit that does not take them says so now. A supply cannot
        hold a power or a temperature, nor notice silence: these come back as ``None``. It holds
        ``voltage_min`` as far as it is the cause: a bidirectional unit stops sinking there.
        """
        if self._exchange.is_on():
            raise ConfigurationRefused(f"{self._name}: limits only change while the output is off")
        bounds = _within(self.ratings, protection)
        if not (bounds.voltage_min < bounds.voltage_max and bounds.voltage_max > 0):
            raise ConfigurationRefused(
                f"{self._name}: {protection.voltage_min:g} to {protection.voltage_max:g} V leave "
                f"nothing of its {self.ratings.voltage_min:g} to {self.ratings.voltage_max:g} V"
            )
        if not bounds.current_min <= 0 <= bounds.current_max:
            raise ConfigurationRefused(
                f"{self._name}: {protection.current_min:g} to {protection.current_max:g} A must "
                f"hold 0 A, as when it is off; it does {self.ratings.current_min:g} to "
                f"{self.ratings.current_max:g} A"
            )
        # A unit that was switched off and on has forgotten who controls it.
        self._take_control()
        held = Points(bounds.voltage_max, bounds.current_max, abs(bounds.current_min))
        self._write(held)
        self._write(replace(held, source=0.0, sink=0.0))
        self._bounds = bounds
        return bounds

    def release(self) -> None:
        """Bound set points by the ratings alone; those in the unit are 0 A until a command."""
        self._bounds = _within(self.ratings, None)

    def keep_alive(self) -> None:
        """Do nothing: a supply has no watchdog."""

    # Power -----------------------------------------------------------------------------------

    def apply(self, command: Command) -> None:
        """Regulate current with the voltage at its bound, or voltage with the current at its own.

        A failure after the first line has left ends with the output off.

        Raises:
            ConfigurationRefused: a set point beyond the bounds, constant power, or the unit does
            not take it. DeviceFault: the output went on or off by itself; make it safe first.
        """
        if command.mode is Mode.OFF:
            self.make_safe()
            return
        points = self._points_for(command)
        is_on = self._exchange.is_on()
        if is_on != (self._active is not OFF):
            raise DeviceFault(
                f"{self._name} switched its output {'on' if is_on else 'off'} by itself; its "
                f"errors: {', '.join(self._exchange.take_errors()) or 'none'}; make it safe first"
            )
        try:
            if is_on:
                self._write_in_order(points)
            else:
                self._write(points)
                self._switch_on(command)
            self._verify(command, points)
        except DeviceError:
            self._active = OFF
            with contextlib.suppress(DeviceError):
                self.make_safe()
            raise
        self._active = command

    def make_safe(self) -> None:
        """Switch the output off; verify it by what the unit says and by the current.

        Raises:
            CommunicationLost: no answer, so that nothing is verified.
            ProtocolViolated: answers that mean nothing, so that nothing is verified.
            DeviceFault: the output stays on, or current flows although it is off.
        """
        for _ in range(SWITCH_OFF_ATTEMPTS - 1):
            with contextlib.suppress(CommunicationLost, ProtocolViolated, DeviceFault):
                self._switch_off()
                return
            with contextlib.suppress(CommunicationLost):
                # Without remote control it takes no command.
                self._exchange.tell(codec.LOCK_ON)
        self._switch_off()

    # Opening ---------------------------------------------------------------------------------

    def _identify(self) -> Identity:
        settings = self._settings
        identity = self._exchange.identity()
        if settings.serial_number not in (None, identity.serial):
            raise WrongDevice(
                f"{self._name} is {identity.model} with the serial number {identity.serial}, "
                f"the settings name {settings.serial_number}"
            )
        if codec.is_dual(identity) and settings.output is None:
            raise WrongDevice(
                f"{self._name} is {identity.model} with two outputs: set 'output' to 1 or 2"
            )
        return identity

    def _take_control(self) -> None:
        """Take remote control with the output off; errors from before are none of ours."""
        self._controlling = True
        # Before any question that may fail: the unit may have been left with its output on.
        self._exchange.tell(codec.LOCK_ON)
        self._exchange.tell(codec.OUTPUT_OFF)
        self._exchange.take_errors(MOST_OLD_ERRORS)
        # Once more, as what it answers now shows whether it obeys.
        self._exchange.tell(codec.OUTPUT_OFF)
        errors = self._exchange.take_errors()
        if errors:
            raise DeviceFault(
                f"{self._name} does not give remote control: {', '.join(errors)}; "
                f"set it free at its panel{self._hint()}"
            )

    def _ask_ratings(self) -> Ratings:
        nominal = self._exchange.nominal
        return codec.ratings_of(
            nominal(codec.NOMINAL_VOLTAGE, "V"),
            nominal(codec.NOMINAL_CURRENT, "A"),
            nominal(codec.NOMINAL_POWER, "W"),
            bidirectional=codec.is_bidirectional(self.identity),
        )

    def _hint(self) -> str:
        output = self._settings.output
        if output is None or codec.is_dual(self.identity):
            return ""
        return f", and leave 'output' out if {self.identity.model} has only one"

    # Set points ------------------------------------------------------------------------------

    def _points_for(self, command: Command) -> Points:
        """Get the set points that carry out ``command`` within the bounds.

        One that charges lets the unit sink nothing and the other way round, so that no disagreement
        about a voltage turns a charge into a discharge.
        """
        bounds = self._bounds
        if command.mode is Mode.CP:
            raise ConfigurationRefused(
                f"{self._name} regulates no power ({command.setpoint:g} W asked for): "
                "use constant current or constant voltage"
            )
        quantity, unit, low, high = (
            ("current", "A", bounds.current_min, bounds.current_max)
            if command.mode is Mode.CC
            else ("voltage", "V", bounds.voltage_min, bounds.voltage_max)
        )
        if not low <= round(command.setpoint, 3) <= high:
            raise ConfigurationRefused(
                f"{self._name}: {quantity} set point {command.setpoint:g} {unit} is outside of "
                f"the limits {low:g}..{high:g} {unit} that it holds"
            )
        if command.mode is Mode.CV:
            points = Points(command.setpoint, bounds.current_max, abs(bounds.current_min))
        elif command.setpoint < 0:
            points = Points(bounds.voltage_min, 0.0, -command.setpoint)
        else:
            points = Points(bounds.voltage_max, command.setpoint, 0.0)
        return points.rounded()

    def _write_in_order(self, points: Points) -> None:
        """Change set points under power: currents down, then the voltage, then currents up."""
        before = self._points
        low = Points(
            before.voltage,
            min(before.source, points.source),
            min(before.sink, points.sink),
        )
        self._write(low, before)
        self._write(points, low)

    def _write(self, points: Points, before: Points | None = None) -> None:
        """Write set points, or only those that differ from ``before``.

        Raises:
            ConfigurationRefused: the unit reports an error; its words are in the message.
        """
        lines = []
        if before is None or points.voltage != before.voltage:
            lines.append(codec.set_voltage(points.voltage))
        if before is None or points.source != before.source:
            lines.append(codec.set_source(points.source))
        if self.ratings.current_min < 0 and (before is None or points.sink != before.sink):
            lines.append(codec.set_sink(points.sink))
        for line in lines:
            self._exchange.tell(line)
            self._expect_no_error(line)
        self._points = points

    def _switch_on(self, command: Command) -> None:
        self._exchange.tell(codec.OUTPUT_ON)
        self._expect_no_error(codec.OUTPUT_ON)
        if not self._exchange.is_on():
            raise ConfigurationRefused(
                f"{self._name}: {codec.OUTPUT_ON} for {command.mode} {command.setpoint:g} was not "
                f"taken, {codec.OUTPUT} gives OFF"
            )

    def _switch_off(self) -> None:
        self._exchange.tell(codec.OUTPUT_OFF)
        if self._exchange.is_on():
            raise DeviceFault(
                f"{self._name} does not switch off, {codec.OUTPUT} gives ON: disconnect the battery"
            )
        self._verify_no_current()
        self._active = OFF

    # Verifying -------------------------------------------------------------------------------

    def _verify(self, command: Command, points: Points) -> None:
        """Wait until what is measured is what ``points`` make, as set points cannot be asked for.

        Raises:
            ConfigurationRefused: it is something else.
        """
        measures = self._settled(lambda measures: self._tolerance.obeys(measures, points))
        if measures is not None:
            raise ConfigurationRefused(
                f"{self._name} does not obey {command.mode} {command.setpoint:g}: it was set to "
                f"{points.voltage:g} V, {points.source:g} A (sinking {points.sink:g} A) and "
                f"measures {measures.voltage:g} V, {measures.current:g} A"
            )

    def _verify_no_current(self) -> None:
        measures = self._settled(lambda measures: self._tolerance.is_zero(measures.current))
        if measures is not None:
            raise DeviceFault(
                f"{self._name} says that its output is off and measures {measures.current:g} A: "
                "disconnect the battery"
            )

    def _settled(self, wanted: Callable[[Measures], bool]) -> Measures | None:
        """Measure until ``wanted``; the last measures if that took too long."""
        deadline_ns = self._clock.monotonic_ns() + round(SETTLE_S * 1e9)
        while True:
            measures, at_ns = self._exchange.measures()
            if wanted(measures):
                return None
            if at_ns >= deadline_ns:
                return measures
            self._clock.sleep(SETTLE_POLL_S)

    def _expect_no_error(self, line: str) -> None:
        errors = self._exchange.take_errors()
        if errors:
            raise ConfigurationRefused(f"{self._name} refused {line!r}: {', '.join(errors)}")


def _within(ratings: Ratings, protection: Protection | None) -> Protection:
    """Get the tighter of what was asked and what the unit can do, in whole mV and mA."""
    low_v, high_v = ratings.voltage_min, ratings.voltage_max
    low_a, high_a = ratings.current_min, ratings.current_max
    if protection is not None:
        low_v, high_v = max(low_v, protection.voltage_min), min(high_v, protection.voltage_max)
        low_a, high_a = max(low_a, protection.current_min), min(high_a, protection.current_max)
    return Protection(
        voltage_min=round(low_v, 3),
        voltage_max=round(high_v, 3),
        current_min=round(low_a, 3),
        current_max=round(high_a, 3),
        silence_s=None,
    )
