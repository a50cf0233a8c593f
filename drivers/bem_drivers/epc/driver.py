"""The driver of an EPC. Facts of EPC firmware 1.0.0; the README tells how they are met."""

from bem_drivers.base import (
    OFF,
    Channel,
    Clock,
    Command,
    CommunicationLost,
    ConfigurationRefused,
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
from bem_drivers.can import FrameLink
from bem_drivers.can.link import CanLink
from bem_drivers.epc import frames
from bem_drivers.epc.exchange import Exchange
from bem_drivers.epc.frames import Control, Info, MessageId, Request, UnitMode
from bem_drivers.epc.limits import UnitLimits
from bem_drivers.epc.pace import ReadingPace
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.epc.watchdog import Watchdog

IDENTIFIER_MASK = 0x7F0
SLOW_NS = 1_000_000_000
"""Period of status and temperatures; the unit itself samples temperatures once a second."""
FIRST_TEMPERATURE_NS = 1_200_000_000
FIRST_TEMPERATURE_POLL_S = 0.1
LEAST_CURRENT_BOUND = 0.025
"""Nearest (A) that a current limit may be to zero: three counts, as no current reads -4 mA."""
LONGEST_STEP_MS = 0xFFFFFFFF
STEP_VARIANTS = 1000
RECOVERY_QUESTIONS = 5
SWITCH_OFF_ATTEMPTS = 3

_CONTROLLED = {
    Mode.CC: frames.LS_CURRENT,
    Mode.CV: frames.LS_VOLTAGE,
    Mode.CP: frames.LS_POWER,
}
_ELECTRIC_CHANNELS = (
    Channel("voltage", "V", "Voltage"),
    Channel("current", "A", "Current"),
    Channel("supply_voltage", "V", "Supply voltage"),
)


class EpcDriver(PowerDevice):
    """One EPC. ``link`` replaces the CAN bus of the settings, for tests without a bus."""

    ratings = Ratings(
        voltage_min=frames.LS_VOLTAGE.lowest,
        voltage_max=frames.LS_VOLTAGE.highest,
        current_min=frames.LS_CURRENT.lowest,
        current_max=frames.LS_CURRENT.highest,
        power_min=frames.LS_POWER.lowest,
        power_max=frames.LS_POWER.highest,
    )

    def __init__(self, settings: EpcSettings, clock: Clock, link: FrameLink | None = None) -> None:
        self.identity = Identity(make="Wattrex", model="EPC")
        self.channels = _ELECTRIC_CHANNELS
        self._settings = settings
        self._clock = clock
        self._name = f"EPC 0x{settings.device_id:02X}"
        self._exchange = Exchange(
            link or CanLink(settings.bus, [(settings.device_id << 4, IDENTIFIER_MASK)]),
            settings.device_id,
            clock,
            settings.reply_timeout_s,
            self._take_news,
        )
        self._pace = ReadingPace(settings, clock, self._name)
        self._limits = UnitLimits(self._exchange, self._name, self._ask_errors)
        self._watchdog = Watchdog(self._exchange, clock, self._name)
        self._control: Control | None = None
        self._faults: tuple[str, ...] = ()
        self._faults_since_read: set[str] = set()
        self._violation: ProtocolViolated | None = None
        self._temperatures: dict[str, Measured] = {}
        self._status_due_ns = 0
        self._temperatures_due_ns = 0
        self._steps = 0

    def open(self) -> None:
        self._exchange.open()
        try:
            self._identify()
            self.make_safe()
            # A watchdog left armed by a process that is no more would trip between readings.
            self._watchdog.arm(None)
            self._limits.ask()
            self._ask_first_temperatures()
        except BaseException:
            self._exchange.close()
            raise
        self._faults_since_read = set()
        self._violation = None
        self._status_due_ns = self._clock.monotonic_ns()

    def close(self) -> None:
        """Let go of the bus. The watchdog stays armed: it outlives whoever leaves the unit on."""
        self._exchange.close()

    def read(self) -> Reading:
        self._pace.wait()
        data, at_ns = self._exchange.ask(frames.request(Request.ELECTRIC), Request.ELECTRIC.answer)
        values = {
            name: Measured(value, at_ns) for name, value in frames.unpack_electric(data).items()
        }
        control = self._ask_control()
        now_ns = self._clock.monotonic_ns()
        # At most one slow question a pass keeps a pass short.
        if control.mode is UnitMode.ERROR or now_ns >= self._status_due_ns:
            self._ask_status()
            self._status_due_ns = now_ns + SLOW_NS
        elif now_ns >= self._temperatures_due_ns and self._sensors():
            self._ask_temperatures()
            self._temperatures_due_ns = now_ns + SLOW_NS
        violation, self._violation = self._violation, None
        if violation is not None:
            raise violation
        faults = self._faults_since_read.union(self._faults)
        if control.mode is UnitMode.ERROR and not faults:
            faults = {"unspecified"}
        self._faults_since_read = set()
        return Reading(
            values=values | self._temperatures,
            active=control.command,
            faults=tuple(sorted(faults)),
        )

    def protect(self, protection: Protection) -> Protection:
        """Write the unit's limits and arm its watchdog.

        A current limit nearer to zero than 25 mA is moved there: the unit reads no current as
        -4 mA and would trip at rest. A limit that the present reading already breaks is refused
        here, since the unit would go into an error in which it takes no other limit.
        """
        if self._ask_control().command is not OFF:
            raise ConfigurationRefused(f"{self._name}: limits only change while the output is off")
        period = self._watchdog.period(protection.silence_s)
        data, _ = self._exchange.ask(frames.request(Request.ELECTRIC), Request.ELECTRIC.answer)
        voltage = frames.unpack_electric(data)["voltage"]
        current_min = min(protection.current_min, -LEAST_CURRENT_BOUND)
        current_max = max(protection.current_max, LEAST_CURRENT_BOUND)
        self._limits.write(frames.LS_CURRENT, current_min, current_max)
        self._limits.write(
            frames.LS_POWER,
            _given(protection.power_min, frames.LS_POWER.lowest),
            _given(protection.power_max, frames.LS_POWER.highest),
        )
        has_temperature = self._protect_temperature(protection)
        self._limits.write(
            frames.LS_VOLTAGE,
            protection.voltage_min,
            protection.voltage_max,
            {"voltage": voltage},
        )
        self._watchdog.arm(period)
        limits = self._limits
        temperature = limits[frames.TEMPERATURE] if has_temperature else (None, None)
        return Protection(
            voltage_min=limits[frames.LS_VOLTAGE][0],
            voltage_max=limits[frames.LS_VOLTAGE][1],
            current_min=limits[frames.LS_CURRENT][0],
            current_max=limits[frames.LS_CURRENT][1],
            power_min=limits[frames.LS_POWER][0],
            power_max=limits[frames.LS_POWER][1],
            temperature_min=temperature[0],
            temperature_max=temperature[1],
            silence_s=period * frames.HEARTBEAT_UNIT_S,
        )

    def release(self) -> None:
        """Widen the limits: with another battery they would put the unit into an error in which it
        takes no others until somebody switches it off and on.
        """
        self._limits.widen()

    def keep_alive(self) -> None:
        """Send a heartbeat when a quarter of the silence that the unit tolerates has passed."""
        self._watchdog.keep_quiet()

    def apply(self, command: Command) -> None:
        """Start a step that lasts until the next command.

        The unit's own end conditions stay unused but for a time limit of 49 days: the host ends
        steps. That limit is one millisecond shorter for each command, because the unit ignores a
        frame that equals its last one, even when that step has ended meanwhile.
        """
        if command.mode is Mode.OFF:
            self.make_safe()
            return
        register = _CONTROLLED[command.mode]
        low, high = self._limits[register]
        if not low <= command.setpoint <= high:
            raise ConfigurationRefused(
                f"{self._name}: {register.title} set point {command.setpoint:g} {register.unit} "
                f"is outside of the limits {low:g}..{high:g} {register.unit} that it holds"
            )
        self._recover()
        self._steps = (self._steps + 1) % STEP_VARIANTS
        control = Control.of(command, LONGEST_STEP_MS - self._steps)
        packed = control.pack()
        data, _ = self._exchange.ask(packed, MessageId.MODE, expected=packed.data)
        if data != packed.data:
            raise ConfigurationRefused(
                f"{self._name} refused a command: sent {control}, it keeps "
                f"{Control.unpack(data)}; its errors: {self._ask_errors()}"
            )
        # An echo is no proof: the frame that ends a communication error is echoed and dropped.
        actual = self._ask_control()
        if actual.command != control.command:
            raise DeviceFault(
                f"{self._name} took {control} and dropped it at once, it is in {actual}; "
                f"its errors: {self._ask_errors()} (an over-current leaves no trace)"
            )

    def make_safe(self) -> None:
        """Switch off, whatever the unit does.

        The frame is WAIT for a millisecond, after which the unit is in IDLE. In an error the unit
        refuses or drops it, and its output is off by itself; either way its state is asked for.

        Raises:
            CommunicationLost: no answer, so that nothing is verified.
            DeviceFault: the unit says that its output is still on.
        """
        for _ in range(SWITCH_OFF_ATTEMPTS):
            self._exchange.ask(frames.SWITCH_OFF.pack(), MessageId.MODE)
            control = self._ask_control()
            if control.command is OFF:
                return
        raise DeviceFault(
            f"{self._name} does not switch off, it stays in {control}: disconnect the battery"
        )

    # Opening ---------------------------------------------------------------------------------

    def _identify(self) -> None:
        settings = self._settings
        try:
            data, _ = self._exchange.ask(frames.request(Request.INFO), Request.INFO.answer)
        except CommunicationLost as error:
            raise DeviceNotFound(f"nothing at the address: {error}") from error
        info = Info.unpack(data)
        if info.device_id != settings.device_id:
            raise WrongDevice(
                f"what answers for {self._name} says that its id is 0x{info.device_id:02X}"
            )
        if settings.serial_number not in (None, info.serial_number):
            raise WrongDevice(
                f"{self._name} has the serial number {info.serial_number}, "
                f"the settings name {settings.serial_number}"
            )
        self.identity = info.identity
        fitted = (
            ("body", info.body_sensor),
            ("anode", info.anode_sensor),
            ("ambient", info.ambient_sensor),
        )
        self.channels = _ELECTRIC_CHANNELS + tuple(
            Channel(f"temperature_{name}", "degC", f"{name.capitalize()} temperature")
            for name, is_fitted in fitted
            if is_fitted
        )

    def _sensors(self) -> set[str]:
        return {channel.name for channel in self.channels if channel.unit == "degC"}

    def _ask_first_temperatures(self) -> None:
        """Wait for temperatures that were measured: in its first second a unit answers 0.

        A true 0.0 degC costs that second and is taken then.
        """
        self._temperatures = {}
        if not self._sensors():
            return
        until_ns = self._clock.monotonic_ns() + FIRST_TEMPERATURE_NS
        while True:
            self._ask_temperatures()
            now_ns = self._clock.monotonic_ns()
            unmeasured = any(measured.value == 0.0 for measured in self._temperatures.values())
            if not unmeasured or now_ns >= until_ns:
                self._temperatures_due_ns = now_ns + SLOW_NS
                return
            self._clock.sleep(FIRST_TEMPERATURE_POLL_S)

    def _protect_temperature(self, protection: Protection) -> bool:
        """Write temperature limits where a sensor makes them mean something."""
        if not self._sensors() or (
            protection.temperature_min is None and protection.temperature_max is None
        ):
            return False
        self._ask_temperatures()
        low, high = self._limits[frames.TEMPERATURE]
        self._limits.write(
            frames.TEMPERATURE,
            _given(protection.temperature_min, low),
            _given(protection.temperature_max, high),
            {name: measured.value for name, measured in self._temperatures.items()},
        )
        return True

    # State -----------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Leave an error before a command: the frame that ends one must not be the command.

        Raises:
            DeviceFault: the error persists.
        """
        in_doubt = (
            self._control is None
            or self._control.mode is UnitMode.ERROR
            or self._watchdog.may_have_tripped
        )
        if not in_doubt:
            return
        for _ in range(RECOVERY_QUESTIONS):
            self._watchdog.beat()
            if self._ask_control().mode is not UnitMode.ERROR:
                return
        self._ask_status()
        raise DeviceFault(
            f"{self._name} is in error: {', '.join(self._faults) or 'unspecified'}; "
            "is the battery connected and the supply within 5.3..14.1 V?"
        )

    def _ask_control(self) -> Control:
        data, _ = self._exchange.ask(frames.request(Request.MODE), Request.MODE.answer)
        self._control = Control.unpack(data)
        return self._control

    def _ask_status(self) -> None:
        data, _ = self._exchange.ask(frames.request(Request.STATUS), Request.STATUS.answer)
        self._take_status(data)

    def _ask_errors(self) -> str:
        self._ask_status()
        return ", ".join(self._faults) or "none"

    def _ask_temperatures(self) -> None:
        data, at_ns = self._exchange.ask(
            frames.request(Request.TEMPERATURES), Request.TEMPERATURES.answer
        )
        self._take_temperatures(data, at_ns)

    def _take_news(self, message_id: int, data: bytes, at_ns: int) -> None:
        """Use what the unit sends by itself, or late; nothing depends on its coming.

        A frame that makes no sense is kept for the next reading: it must not keep a command to
        switch off from being sent.
        """
        try:
            if message_id == MessageId.MODE:
                self._control = Control.unpack(data)
            elif message_id == MessageId.STATUS:
                self._take_status(data)
            elif message_id == MessageId.TEMPERATURES:
                self._take_temperatures(data, at_ns)
            else:
                frames.decode(message_id, data)
        except ProtocolViolated as violation:
            self._violation = violation

    def _take_status(self, data: bytes) -> None:
        self._faults = frames.unpack_faults(data)
        # An error may come and go between two readings; it shall show in one of them.
        self._faults_since_read.update(self._faults)

    def _take_temperatures(self, data: bytes, at_ns: int) -> None:
        sensors = self._sensors()
        self._temperatures = {
            name: Measured(value, at_ns)
            for name, value in frames.unpack_temperatures(data).items()
            if name in sensors
        }


def _given(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
