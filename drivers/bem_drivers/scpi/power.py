"""The driver of a described source or load.

A source never sinks and a load never sources: a set point of the other sign is refused. Everything
that is set and has a query is read back and compared.
"""

from contextlib import suppress

from bem_drivers.base import (
    OFF,
    Clock,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    DeviceFault,
    Identity,
    Mode,
    PowerDevice,
    Protection,
    ProtocolViolated,
    Reading,
)
from bem_drivers.line import LineLink, line_link
from bem_drivers.scpi.bounds import Limits
from bem_drivers.scpi.codec import is_one_of
from bem_drivers.scpi.description import CONTROLLED, UNITS, ModeDescription, Register
from bem_drivers.scpi.instrument import Instrument
from bem_drivers.scpi.kept import ROUNDING, KeptNumbers
from bem_drivers.scpi.settings import LoadSettings, SourceSettings

SLOW_NS = 1_000_000_000
"""Period in which mode and set point of an output that is on are asked for."""
SWITCH_OFF_ATTEMPTS = 2


class ScpiPower(PowerDevice):
    """A source or a load. ``link`` replaces the line of the settings, for tests without a port."""

    def __init__(
        self, settings: SourceSettings | LoadSettings, clock: Clock, link: LineLink | None = None
    ) -> None:
        description = settings.described()
        self.identity = Identity(make="", model=description.title)
        self._charges = description.kind == "source"
        self._limits = Limits(description)
        self.ratings = self._limits.ratings()
        self._settings = settings
        self._description = description
        self._clock = clock
        self._instrument = Instrument(description, clock, link or line_link(settings.address))
        self.channels = self._instrument.channels
        self._modes = {Mode(name): mode for name, mode in description.modes.items()}
        self._kept = KeptNumbers(description, self._instrument)
        self._applied = OFF
        self._active = OFF
        self._slow_due_ns = 0
        self._faults: tuple[str, ...] = ()
        self._is_open = False
        self._may_be_on = True

    @property
    def name(self) -> str:
        """The instrument and its line, for messages."""
        return self._instrument.name

    def open(self) -> None:
        self._may_be_on = True
        try:
            self.identity = self._instrument.open(self._settings.serial_number)
            self._is_open = True
            self.make_safe()
            self._limits.present = self._limits.rated
            if self._instrument.faults():
                # What an earlier process left behind ends here, if it can.
                self.make_safe()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of it. Since it has no watchdog, an output that may be on is told to go off."""
        if self._is_open and self._may_be_on:
            with suppress(DeviceError):
                self._instrument.tell(self._description.output.switch_off)
        self._is_open = False
        self._instrument.close()

    def read(self) -> Reading:
        values = self._instrument.measure()
        if self._is_on():
            self._may_be_on = True
            self._look_at_active()
        else:
            self._active = OFF
        self._faults = self._instrument.faults()
        return Reading(values=values, active=self._active, faults=self._faults)

    def protect(self, protection: Protection) -> Protection:
        """Write the guards that are described, and keep set points within all bounds.

        An instrument has no temperature limit of the battery and no watchdog. A bound of voltage
        or current that nothing in the description holds comes back as the rating, which is what
        the instrument cannot exceed.
        """
        if self._is_on():
            raise ConfigurationRefused(
                f"{self.name}: limits only change while the output is off; switch it off first"
            )
        self._limits.present = self._limits.narrowed(protection)
        return self._limits.held(self._kept.write_guards(self._limits.present))

    def release(self) -> None:
        self._kept.write_guards(self._limits.rated)
        self._limits.present = self._limits.rated

    def keep_alive(self) -> None:
        """Do nothing: it has no watchdog."""

    def apply(self, command: Command) -> None:
        """Set bounds and set point, choose the mode, switch on; each is asked for afterwards.

        A mode that must be chosen is chosen with the output off. Under power what becomes smaller
        is set first, so that nothing overshoots.
        """
        if command.mode is Mode.OFF:
            self.make_safe()
            return
        mode = self._allowed_mode(command)
        if self._faults:
            raise DeviceFault(
                f"{self.name} is in error ({', '.join(self._faults)}): make it safe first"
            )
        is_on = self._is_on()
        if is_on and (self._applied.mode is Mode.OFF or self._must_select(command.mode)):
            self.make_safe()
            is_on = False
        self._applied = self._active = OFF
        targets = {one: self._limits.bound(self._register(one).quantity) for one in mode.bounds}
        targets[mode.sets] = abs(command.setpoint)
        if not is_on:
            self._select(command.mode, mode)
        self._kept.set_registers(targets)
        self._instrument.check_errors(f"{command.mode} {command.setpoint:g}")
        if not is_on:
            self._switch_on()
        self._applied = command
        self._active = command
        self._slow_due_ns = self._clock.monotonic_ns() + SLOW_NS

    def make_safe(self) -> None:
        """Switch off and ask whether it is; ends the instrument's own faults where described.

        Raises:
            CommunicationLost: no answer, so that nothing is verified.
            DeviceFault: the instrument says that its output is still on.
        """
        self._applied = OFF
        error: DeviceError | None = None
        for _ in range(SWITCH_OFF_ATTEMPTS):
            try:
                self._switch_off()
            except (CommunicationLost, ProtocolViolated) as lost:
                error = CommunicationLost(
                    f"{lost}; whether its output is off is not known: disconnect the battery"
                )
            except DeviceFault as fault:
                error = fault
            else:
                self._after_switch_off()
                return
        assert error is not None  # noqa: S101 - there is at least one attempt
        raise error

    # Output ----------------------------------------------------------------------------------

    def _is_on(self) -> bool:
        return self._instrument.asked(self._description.output.ask, self._output_state)[0]

    def _output_state(self, answer: str) -> bool:
        output = self._description.output
        if is_one_of(answer, output.answers_on):
            return True
        if is_one_of(answer, output.answers_off):
            return False
        raise ProtocolViolated(
            f"{answer.strip()!r} is neither on ({', '.join(output.answers_on)}) nor off "
            f"({', '.join(output.answers_off)}); correct 'output' in its description"
        )

    def _switch_on(self) -> None:
        output = self._description.output
        self._may_be_on = True
        self._instrument.tell(output.switch_on)
        if not self._instrument.settled(output.ask, self._output_state, bool):
            self._instrument.check_errors("to switch on")
            raise DeviceFault(
                f"{self.name} does not switch on: look at its display for a tripped protection"
            )

    def _switch_off(self) -> None:
        output = self._description.output
        self._instrument.tell(output.switch_off)
        if self._instrument.settled(output.ask, self._output_state, lambda is_on: not is_on):
            raise DeviceFault(
                f"{self.name} does not switch off, it says that it is on: disconnect the battery"
            )

    def _after_switch_off(self) -> None:
        self._may_be_on = False
        self._active = OFF
        self._faults = ()
        # The output is off, whatever becomes of the words about it.
        with suppress(DeviceError):
            self._instrument.clear_faults()
            self._instrument.forget_errors()

    # Mode and set point ----------------------------------------------------------------------

    def _allowed_mode(self, command: Command) -> ModeDescription:
        mode = self._modes.get(command.mode)
        if mode is None:
            raise ConfigurationRefused(
                f"{self.name} has no mode {command.mode}; its description has "
                f"{', '.join(self._modes)}"
            )
        quantity = CONTROLLED[command.mode]
        unit = UNITS[quantity]
        setpoint = command.setpoint
        low, high = self._limits.window(quantity)
        if not low - ROUNDING <= setpoint <= high + ROUNDING:
            what = "source only charges" if self._charges else "load only discharges"
            raise ConfigurationRefused(
                f"{self.name}: {quantity} set point {setpoint:g} {unit} is outside of the limits "
                f"{low:g}..{high:g} {unit} (a {what})"
            )
        return mode

    def _must_select(self, wanted: Mode) -> bool:
        return bool(self._modes[wanted].select) and self._applied.mode is not wanted

    def _select(self, name: Mode, mode: ModeDescription) -> None:
        self._instrument.tell(mode.select)
        if mode.ask is None:
            return
        answer = self._instrument.settled(
            mode.ask, str.strip, lambda said: is_one_of(said, mode.answers)
        )
        if not is_one_of(answer, mode.answers):
            self._instrument.check_errors(f"mode {name}")
            raise ConfigurationRefused(
                f"{self.name} was told mode {name}, it says {answer!r}, which is none of "
                f"{', '.join(mode.answers)}; correct 'modes.{name}' in its description"
            )

    def _register(self, name: str) -> Register:
        return self._description.registers[name]

    def _look_at_active(self) -> None:
        """Ask once a second what it does; at once if nobody here has switched it on."""
        now_ns = self._clock.monotonic_ns()
        if self._active.mode is not Mode.OFF and now_ns < self._slow_due_ns:
            return
        self._slow_due_ns = now_ns + SLOW_NS
        name = self._asked_mode()
        register = self._register(self._modes[name].sets)
        value = self._kept.present(register)
        known = self._applied.mode is name
        # A number is sent and read back to within the tolerance each.
        close = 2.0 * register.tolerance + ROUNDING
        if known and (value is None or abs(value - abs(self._applied.setpoint)) <= close):
            self._active = self._applied
            return
        against = not self._charges and name is not Mode.CV
        self._active = Command(name, (-1 if against else 1) * (value or 0.0) + 0.0)

    def _asked_mode(self) -> Mode:
        answers: dict[str, str] = {}
        for name, mode in self._modes.items():
            if mode.ask is None:
                continue
            if mode.ask not in answers:
                answers[mode.ask] = self._instrument.ask(mode.ask)[0].strip()
            if is_one_of(answers[mode.ask], mode.answers):
                return name
        if answers:
            raise ProtocolViolated(
                f"{self.name} is on in a mode that its description does not have: "
                f"{', '.join(answers.values())}; switch it back at its front panel"
            )
        if self._applied.mode is not Mode.OFF:
            return self._applied.mode
        return next(iter(self._modes))
