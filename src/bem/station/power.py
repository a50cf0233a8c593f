"""The power path of a station: finds its device again and again, and knows what it was told."""

import logging

from bem.domain.limits import Limits
from bem.domain.program import Mode as StepMode
from bem.domain.program import Setpoint
from bem.runtime.log import Condition
from bem.station.readings import reading_of
from bem_drivers.base import (
    OFF,
    Channel,
    Clock,
    Command,
    DeviceError,
    Identity,
    Mode,
    PowerDevice,
    Protection,
    Ratings,
    Reading,
)

_LOGGER = logging.getLogger(__name__)
RETRY_FIRST_S = 1.0
RETRY_LONGEST_S = 10.0

RESISTANCE_STEP_SHARE = 0.001
RESISTANCE_STEP_A = 0.001
"""At constant resistance the current follows the voltage in steps of 0.1 % or 1 mA, whichever is
more: smaller ones are noise, and each costs the bus a command."""

_MODES = {
    StepMode.REST: Mode.OFF,
    StepMode.CC: Mode.CC,
    StepMode.CV: Mode.CV,
    StepMode.CP: Mode.CP,
}


def command_of(setpoint: Setpoint, voltage: float, operating: Limits) -> Command:
    """Translate a set point of a program for the driver; a rest switches the output off.

    ``voltage`` (V) is the newest reading, from which a resistance makes a current, never more than
    ``operating`` allows.
    """
    if setpoint.mode is StepMode.CR:
        return Command(Mode.CC, _through(setpoint.value, voltage, operating))
    mode = _MODES[setpoint.mode]
    return OFF if mode is Mode.OFF else Command(mode, setpoint.value)


def _through(ohm: float, voltage: float, operating: Limits) -> float:
    """Get the discharge current (A, zero or negative) through a resistance."""
    wanted = -max(voltage, 0.0) / ohm
    if operating.current_min is not None:
        wanted = max(wanted, operating.current_min)
    if operating.power_min is not None and voltage > 0:
        wanted = max(wanted, operating.power_min / voltage)
    return min(wanted, 0.0)


def limits_of(ratings: Ratings) -> Limits:
    """Get the ratings of a device as limits."""
    return Limits(
        voltage_min=ratings.voltage_min,
        voltage_max=ratings.voltage_max,
        current_min=ratings.current_min,
        current_max=ratings.current_max,
        power_min=ratings.power_min,
        power_max=ratings.power_max,
    )


class PowerPath:
    """One device and the control loop's only way to it.

    ``commanded`` is what the device shall be doing. A device that does not answer is let go of
    (:meth:`lose`) and looked for again with growing pauses; opening it makes it safe.
    """

    def __init__(self, device: PowerDevice, clock: Clock) -> None:
        self._device = device
        self._clock = clock
        self._absent = Condition(_LOGGER, "the device is lost")
        self._retry_at_ns = clock.monotonic_ns()
        self._retry_s = RETRY_FIRST_S
        self._opened_ns = 0
        self.is_open = False
        self.lost_reason = "the device was not found yet"
        self.commanded = OFF
        self._held: Setpoint | None = None
        """The set point of the program that ``commanded`` carries out."""
        self.title = ""
        self.channels: tuple[Channel, ...] = ()
        self.ratings: Ratings | None = None

    def reopen_if_due(self) -> bool:
        """Look for the device unless it is too soon after the last try; whether it is there."""
        if self.is_open:
            return True
        if self._clock.monotonic_ns() < self._retry_at_ns:
            return False
        try:
            self._device.open()
        except DeviceError as error:
            self.lost_reason = str(error)
            self._absent.begin(error)
            self._device.close()
            self._back_off()
            return False
        self.title = _title(self._device.identity)
        self.channels = self._device.channels
        self.ratings = self._device.ratings
        self.commanded = OFF
        self._held = None
        self.is_open = True
        self._opened_ns = self._clock.monotonic_ns()
        self._absent.end()
        # A process that crashed may have left the limits of its run behind.
        self.release()
        return True

    def lose(self, reason: str) -> None:
        """Let go of a device that does not answer.

        It is looked for again at once, unless it had only just been found.
        """
        self._absent.begin(reason)
        self.lost_reason = reason
        self.is_open = False
        self.commanded = OFF
        self._held = None
        self._device.close()
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._opened_ns > RETRY_LONGEST_S * 1e9:
            self._retry_s = RETRY_FIRST_S
            self._retry_at_ns = now_ns
        else:
            self._back_off()

    def _back_off(self) -> None:
        self._retry_at_ns = self._clock.monotonic_ns() + round(self._retry_s * 1e9)
        self._retry_s = min(2 * self._retry_s, RETRY_LONGEST_S)

    def read(self) -> Reading:
        """Get a reading.

        Raises:
            DeviceError: as the driver says, or what it returns is no reading.
        """
        return reading_of(self._device.read(), self._clock.monotonic_ns())

    def keep_alive(self) -> None:
        """Feed the device's watchdog.

        Raises:
            DeviceError: as the driver says.
        """
        self._device.keep_alive()

    def protect(self, protection: Protection) -> None:
        """Have the device hold bounds of its own and watch over us.

        Raises:
            DeviceError: it does not take them.
        """
        held = self._device.protect(protection)
        self._device.keep_alive()
        _LOGGER.info("the device holds %s", held)

    def release(self) -> None:
        """Have the device give up the bounds of a run; one that does not is no danger."""
        if not self.is_open:
            return
        try:
            self._device.release()
        except DeviceError as error:
            _LOGGER.warning("the device keeps the limits of the last run: %s", error)

    def apply(self, setpoint: Setpoint, voltage: float, operating: Limits) -> bool:
        """Hold a set point; whether it is another than before: older readings are not of it then.

        ``voltage`` and ``operating`` as for :func:`command_of`.

        Raises:
            DeviceError: it does not obey.
        """
        command = command_of(setpoint, voltage, operating)
        again = setpoint == self._held
        if command == self.commanded or (again and _is_trifle(self.commanded, command)):
            self._held = setpoint
            return False
        self._device.apply(command)
        self.commanded = command
        self._held = setpoint
        return not again

    def make_safe(self) -> bool:
        """Switch off; whether the device confirmed it. One that does not is let go of.

        Its own watchdog then acts, and it is made safe as soon as it is found again.
        """
        if not self.is_open:
            return False
        self.commanded = OFF
        self._held = None
        try:
            self._device.make_safe()
        except Exception as error:
            # Not DeviceError alone: whatever ails the driver, the fault must still be latched and
            # the run ended by whoever asks, and the device's watchdog be left alone.
            _LOGGER.error(  # noqa: TRY400 - a driver's own sentence says all, a defect gets its trace
                "the output could not be verified off: %s",
                error,
                exc_info=not isinstance(error, DeviceError),
            )
            self.lose(str(error))
            return False
        return True

    def close(self) -> None:
        """Let go of the device for good."""
        self.is_open = False
        self._device.close()


def _is_trifle(before: Command, now: Command) -> bool:
    """Whether a change within constant resistance is too small to be worth a command."""
    step = max(RESISTANCE_STEP_A, RESISTANCE_STEP_SHARE * abs(before.setpoint))
    return before.mode is now.mode and abs(now.setpoint - before.setpoint) < step


def _title(identity: Identity) -> str:
    """Name a device for people, with what it tells of itself."""
    title = f"{identity.make} {identity.model}".strip()
    if identity.serial:
        title += f", serial number {identity.serial}"
    if identity.firmware:
        title += f", firmware {identity.firmware}"
    return title
