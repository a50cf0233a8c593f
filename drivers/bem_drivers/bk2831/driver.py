"""The driver of a BK 2831E or 5491B multimeter (devices.md §4.4); the README tells how it works."""

from bem_drivers.base import (
    Clock,
    CommunicationLost,
    ConfigurationRefused,
    Device,
    DeviceNotFound,
    Identity,
    Measured,
    ProtocolViolated,
    Reading,
    WrongDevice,
)
from bem_drivers.bk2831 import codec
from bem_drivers.bk2831.settings import Bk2831Settings
from bem_drivers.line.dialogue import Dialogue
from bem_drivers.line.link import LineLink, line_link

IDENTIFY_ATTEMPTS = 2
"""What a dead process left half sent may spoil the first question."""
MOST_OLD_ERRORS = 20
OVER_RANGE = "over_range"
OTHER_FUNCTION = "function_changed"


class Bk2831Driver(Device):
    """One meter. ``link`` replaces the address of the settings, for tests without a port.

    Faults in a reading, each without a value: ``over_range``: more than can be measured;
    ``function_changed``: somebody chose another function at the front panel.
    """

    def __init__(
        self, settings: Bk2831Settings, clock: Clock, link: LineLink | None = None
    ) -> None:
        link = link or line_link(settings.address)
        self._function = codec.FUNCTIONS[settings.quantity]
        self.identity = Identity(make="BK Precision", model="2831E")
        self.channels = (self._function.channel,)
        self._settings = settings
        self._name = f"BK 2831E at {link.name}"
        self._clock = clock
        self._in_doubt = False
        self._dialogue = Dialogue(link, "BK 2831E", clock, settings.reply_timeout_s)

    def open(self) -> None:
        """Find the meter and have it measure what the settings name; read back that it does.

        Raises:
            DeviceNotFound: nothing there. WrongDevice: another device, or another meter.
            ConfigurationRefused: it did not take function, range or integration time.
        """
        self._dialogue.open()
        self._in_doubt = False
        try:
            self._identify()
            self._configure()
            # What it tells until then may be of the function that it had before.
            self._clock.sleep(2 * codec.integration_s(self._settings))
        except BaseException:
            self._dialogue.close()
            raise

    def close(self) -> None:
        self._dialogue.close()

    def read(self) -> Reading:
        """Get what the meter measured last, and see that it is what the settings name.

        The function is asked for after the value: one chosen in between shows.
        """
        if self._in_doubt:
            # Nothing else looks like the name, so what was still to come has come before it.
            self._ask_name()
        self._in_doubt = True
        text, at_ns = self._dialogue.ask(codec.FETCH, echo=True)
        told = self._ask_function()
        self._in_doubt = False
        if told != self._function.wire:
            return Reading(values={}, faults=(OTHER_FUNCTION,))
        try:
            value = codec.parse_value(text, self._settings)
        except ProtocolViolated as error:
            raise ProtocolViolated(f"{self._name}: {error}") from error
        if value is None:
            return Reading(values={}, faults=(OVER_RANGE,))
        return Reading(values={self._function.channel.name: Measured(value, at_ns)})

    def _identify(self) -> None:
        for attempt in range(1, IDENTIFY_ATTEMPTS + 1):
            try:
                line, _ = self._dialogue.ask(codec.IDENTIFY, echo=True)
                break
            except CommunicationLost as error:
                if attempt == IDENTIFY_ATTEMPTS:
                    raise DeviceNotFound(f"nothing at the address: {error}") from error
            except ProtocolViolated as error:
                if attempt == IDENTIFY_ATTEMPTS:
                    raise WrongDevice(f"no BK 2831E, which echoes: {error}") from error
        identity = self._named(line)
        if self._settings.serial_number not in (None, identity.serial):
            raise WrongDevice(
                f"{self._name} has the serial number {identity.serial}, "
                f"the settings name {self._settings.serial_number}"
            )
        self.identity = identity

    def _ask_name(self) -> None:
        line, _ = self._dialogue.ask(codec.IDENTIFY, echo=True)
        try:
            self._named(line)
        except WrongDevice as error:
            raise ProtocolViolated(f"{error}; it answered to its name before") from error

    def _named(self, line: str) -> Identity:
        try:
            return codec.parse_identity(line)
        except WrongDevice as error:
            raise WrongDevice(f"{self._name}: {error}") from error

    def _configure(self) -> None:
        self._forget_old_errors()
        lines = codec.configuration(self._settings)
        for line in lines:
            self._dialogue.tell(line, echo=True)
        told = self._ask_function()
        if told != self._function.wire:
            raise ConfigurationRefused(
                f"{self._name} refused a function: told {self._function.wire}, it keeps {told}"
            )
        error = self._ask_error()
        if error:
            raise ConfigurationRefused(
                f"{self._name} was told {', '.join(lines)} and says {error!r}: does this meter "
                "have that range?"
            )

    def _forget_old_errors(self) -> None:
        for _ in range(MOST_OLD_ERRORS):
            if not self._ask_error():
                return
        raise ConfigurationRefused(
            f"{self._name} says an error again and again; switch it off and on"
        )

    def _ask_function(self) -> str:
        line, _ = self._dialogue.ask(codec.FUNCTION, echo=True)
        try:
            return codec.parse_function(line)
        except ProtocolViolated as error:
            raise ProtocolViolated(f"{self._name}: {error}") from error

    def _ask_error(self) -> str:
        line, _ = self._dialogue.ask(codec.ERROR, echo=True)
        try:
            return codec.parse_error(line)
        except ProtocolViolated as error:
            raise ProtocolViolated(f"{self._name}: {error}") from error
