"""The driver of an RS-KEL103 electronic load (devices.md §4.3); the README tells how it works."""

import contextlib

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
from bem_drivers.kel103 import codec
from bem_drivers.kel103.codec import Function, Measures, Upper
from bem_drivers.kel103.exchange import Exchange
from bem_drivers.kel103.settings import Kel103Settings
from bem_drivers.line.link import LineLink, line_link

SETTLE_NS = 500_000_000
"""How long the current may take to get where it was told to."""
POLL_S = 0.02
SWITCH_OFF_ATTEMPTS = 3
"""Orders to switch off that are not understood before it is called unverified."""
IDENTIFY_ATTEMPTS = 2
"""What a dead process left half sent may spoil the first question."""
MISS_SHARE = 0.02
MISS_FLOOR = {Mode.CC: 0.05, Mode.CV: 0.1, Mode.CP: 0.5}
"""How far (A, V, W) a measured value may be from a set point, or beyond a bound, and still be it:
2 % or this, whichever is more."""

_NOMINAL = Upper(voltage=120.0, current=30.0, power=300.0)
"""Before the load itself has said what it can."""
_QUANTITIES = {Mode.CC: ("current", "A"), Mode.CV: ("voltage", "V"), Mode.CP: ("power", "W")}


class Kel103Driver(PowerDevice):
    """One load. ``link`` replaces the address of the settings, for tests without a port.

    ``ratings`` are what the load itself says once it is open.
    """

    channels = (
        Channel("voltage", "V", "Voltage"),
        Channel("current", "A", "Current"),
        Channel("power", "W", "Power"),
    )

    def __init__(
        self, settings: Kel103Settings, clock: Clock, link: LineLink | None = None
    ) -> None:
        link = link or line_link(settings.address)
        self.identity = Identity(make="RS PRO", model="RS-KEL103")
        self.ratings = _ratings(_NOMINAL)
        self._settings = settings
        self._clock = clock
        self._name = f"RS-KEL103 at {link.name}"
        self._exchange = Exchange(link, self._name, clock, settings.reply_timeout_s)
        self._identified = False
        self._commanded = OFF
        self._upper = _NOMINAL
        self._bounds = _widest(self.ratings)

    def open(self) -> None:
        self._exchange.open()
        try:
            self._identify()
            self._exchange.tell(codec.LOCK)
            self.make_safe()
            self._upper, _ = self._exchange.ask(codec.UPPER, codec.parse_upper)
            self.ratings = _ratings(self._upper)
            self._bounds = _widest(self.ratings)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Switch off, give the front panel back, let go of the port.

        Unlike a device with a watchdog, a load that is left on stays on.
        """
        if self._identified:
            with contextlib.suppress(DeviceError):
                self._exchange.tell(*codec.SWITCH_OFF, codec.UNLOCK)
        self._identified = False
        self._commanded = OFF
        self._exchange.close()

    def read(self) -> Reading:
        measures, at_ns = self._measure()
        return Reading(
            values={
                "voltage": Measured(measures.voltage, at_ns),
                "current": Measured(measures.current, at_ns),
                "power": Measured(measures.power, at_ns),
            },
            active=self._active(measures),
        )

    def protect(self, protection: Protection) -> Protection:
        """Bound what this driver lets the load do: the load takes no bounds.

        Its own maxima are read again and must be those it had at :meth:`open`. ``silence_s`` and
        the temperatures come back as ``None``: it has neither watchdog nor sensor.
        """
        if self._commanded.mode is not Mode.OFF:
            raise ConfigurationRefused(
                f"{self._name}: limits only change while the output is off; switch it off first"
            )
        upper, _ = self._exchange.ask(codec.UPPER, codec.parse_upper)
        if upper != self._upper:
            raise ConfigurationRefused(
                f"{self._name} held {self._upper} when it was opened and holds {upper} now: "
                "somebody changed it; open it again"
            )
        ratings = self.ratings
        asked = {
            Mode.CC: (protection.current_min, protection.current_max),
            Mode.CV: (protection.voltage_min, protection.voltage_max),
            Mode.CP: (
                ratings.power_min if protection.power_min is None else protection.power_min,
                ratings.power_max if protection.power_max is None else protection.power_max,
            ),
        }
        self._bounds = {
            mode: self._within(mode, *asked[mode], *rated)
            for mode, rated in _widest(ratings).items()
        }
        return Protection(
            voltage_min=self._bounds[Mode.CV][0],
            voltage_max=self._bounds[Mode.CV][1],
            current_min=self._bounds[Mode.CC][0],
            current_max=self._bounds[Mode.CC][1],
            power_min=self._bounds[Mode.CP][0],
            power_max=self._bounds[Mode.CP][1],
            silence_s=None,
        )

    def release(self) -> None:
        self._bounds = _widest(self.ratings)

    def keep_alive(self) -> None:
        """Do nothing: a load has no watchdog."""

    def apply(self, command: Command) -> None:
        """Regulate, and see in what is measured that the load does.

        The input is off while the function changes, or else the load would regulate the new
        quantity with an old set point.

        Raises:
            ConfigurationRefused: a set point beyond the bounds, or one that the load did not take.
            DeviceFault: no current flows, or more than the bounds allow. The load is off then.
        """
        if command.mode is Mode.OFF:
            self.make_safe()
            return
        self._refuse_beyond(command)
        if command.mode is not self._commanded.mode:
            self.make_safe()
            self._tell_function(command)
        try:
            self._exchange.tell(codec.set_point(command), codec.INPUT_ON)
            self._commanded = command
            self._await_obedience(command)
        except DeviceError:
            with contextlib.suppress(DeviceError):
                self.make_safe()
            raise

    def make_safe(self) -> None:
        """Switch off and see that no current flows.

        There is no question for the input, so that two things are the evidence: the function is the
        one that the order to switch off chose, and the current is that of a load at rest.

        Raises:
            CommunicationLost: it could not be verified.
            DeviceFault: current flows on.
        """
        self._commanded = OFF
        deadline_ns = self._clock.monotonic_ns() + SETTLE_NS
        failures = 0
        while True:
            try:
                # Told before anything is asked: a question may first have to find its answer.
                self._exchange.tell(*codec.SWITCH_OFF)
                (current, function), _ = self._exchange.ask(codec.REST, codec.parse_rest)
            except (CommunicationLost, ProtocolViolated) as error:
                failures += 1
                if failures == SWITCH_OFF_ATTEMPTS:
                    raise CommunicationLost(
                        f"{self._name} was told {failures} times to switch off and that could not "
                        f"be verified, disconnect the battery: {error}"
                    ) from error
                continue
            if function is Function.CC and abs(current) <= self._settings.off_current:
                return
            if self._clock.monotonic_ns() >= deadline_ns:
                raise DeviceFault(
                    f"{self._name} does not switch off, it takes {abs(current):g} A in {function} "
                    f"(at most {self._settings.off_current:g} A in CC is off): disconnect the "
                    "battery"
                )
            self._clock.sleep(POLL_S)

    # Opening ---------------------------------------------------------------------------------

    def _identify(self) -> None:
        for attempt in range(1, IDENTIFY_ATTEMPTS + 1):
            try:
                identity = self._exchange.identify()
                break
            except CommunicationLost as error:
                if attempt == IDENTIFY_ATTEMPTS:
                    raise DeviceNotFound(f"nothing at the address: {error}") from error
            except WrongDevice:
                if attempt == IDENTIFY_ATTEMPTS:
                    raise
        if self._settings.serial_number not in (None, identity.serial):
            raise WrongDevice(
                f"{self._name} has the serial number {identity.serial}, "
                f"the settings name {self._settings.serial_number}"
            )
        self.identity = identity
        self._identified = True

    # Bounds ----------------------------------------------------------------------------------

    def _within(
        self, mode: Mode, low: float, high: float, rated_low: float, rated_high: float
    ) -> tuple[float, float]:
        quantity, unit = _QUANTITIES[mode]
        held = max(low, rated_low), min(high, rated_high)
        if held[0] > held[1]:
            raise ConfigurationRefused(
                f"{self._name}: {quantity} limits {low:g}..{high:g} {unit} leave nothing of the "
                f"{rated_low:g}..{rated_high:g} {unit} that it can do"
            )
        return held

    def _refuse_beyond(self, command: Command) -> None:
        quantity, unit = _QUANTITIES[command.mode]
        low, high = self._bounds[command.mode]
        if not low <= command.setpoint <= high:
            raise ConfigurationRefused(
                f"{self._name}: {quantity} set point {command.setpoint:g} {unit} is outside of the "
                f"limits {low:g}..{high:g} {unit} (a load only discharges, which is negative)"
            )

    # Conversation ----------------------------------------------------------------------------

    def _measure(self) -> tuple[Measures, int]:
        return self._exchange.ask(codec.MEASURE, codec.parse_measures)

    def _tell_function(self, command: Command) -> None:
        wanted = codec.FUNCTIONS[command.mode]
        told, _ = self._exchange.ask(
            (codec.FUNCTION,),
            codec.parse_function_alone,
            codec.set_function(command.mode),
            codec.set_point(command),
        )
        if told is not wanted:
            raise ConfigurationRefused(
                f"{self._name} refused a function: told {wanted}, it keeps {told}"
            )

    def _await_obedience(self, command: Command) -> None:
        deadline_ns = self._clock.monotonic_ns() + SETTLE_NS
        while True:
            measures, at_ns = self._measure()
            self._refuse_excess(command, measures)
            active = self._active(measures)
            if active == command:
                return
            if at_ns >= deadline_ns:
                break
            self._clock.sleep(POLL_S)
        if active.mode is Mode.OFF:
            raise DeviceFault(
                f"{self._name} was told {_said(command)} and takes no current: is the battery "
                "connected, the right way round, and above the load's least voltage?"
            )
        raise ConfigurationRefused(
            f"{self._name} was told {_said(command)} and does {_said(active)}"
        )

    def _refuse_excess(self, command: Command, measures: Measures) -> None:
        for mode, value in ((Mode.CC, measures.current), (Mode.CP, measures.power)):
            quantity, unit = _QUANTITIES[mode]
            low, _ = self._bounds[mode]
            if value < low - _miss(mode, low):
                raise DeviceFault(
                    f"{self._name} was told {_said(command)}: {quantity} {value:g} {unit} is "
                    f"beyond the limit {low:g} {unit}; it is switched off"
                )

    def _active(self, measures: Measures) -> Command:
        """Get what the load does, by its function and by what it measures."""
        commanded = self._commanded
        flowing = abs(measures.current) > self._settings.off_current
        if commanded.mode is Mode.OFF:
            return _observed(measures) if flowing else OFF
        if measures.function is codec.FUNCTIONS[commanded.mode]:
            if commanded.mode is Mode.CV:
                # A load holds nothing up: below its set point a battery gives no current.
                above = measures.voltage > commanded.setpoint + _miss(Mode.CV, commanded.setpoint)
                return commanded if flowing or not above else OFF
            value = measures.current if commanded.mode is Mode.CC else measures.power
            if abs(value - commanded.setpoint) <= _miss(commanded.mode, commanded.setpoint):
                return commanded
        return _observed(measures) if flowing else OFF


def _ratings(upper: Upper) -> Ratings:
    return Ratings(
        voltage_min=0.0,
        voltage_max=upper.voltage,
        current_min=-upper.current,
        current_max=0.0,
        power_min=-upper.power,
        power_max=0.0,
    )


def _widest(ratings: Ratings) -> dict[Mode, tuple[float, float]]:
    return {
        Mode.CC: (ratings.current_min, ratings.current_max),
        Mode.CV: (ratings.voltage_min, ratings.voltage_max),
        Mode.CP: (ratings.power_min, ratings.power_max),
    }


def _miss(mode: Mode, setpoint: float) -> float:
    return max(MISS_FLOOR[mode], MISS_SHARE * abs(setpoint))


def _observed(measures: Measures) -> Command:
    if measures.function is Function.CV:
        return Command(Mode.CV, measures.voltage)
    if measures.function is Function.CW:
        return Command(Mode.CP, measures.power)
    return Command(Mode.CC, measures.current)


def _said(command: Command) -> str:
    if command.mode is Mode.OFF:
        return "off"
    return f"{command.mode.upper()} {command.setpoint:g} {_QUANTITIES[command.mode][1]}"
