"""The driver of a BMS: listens, puts messages together, and never sends. devices.md section 3."""

from bem_drivers.base import (
    Channel,
    Clock,
    CommunicationLost,
    Device,
    DeviceFault,
    DeviceNotFound,
    Identity,
    ProtocolViolated,
    Reading,
)
from bem_drivers.bms import codec
from bem_drivers.bms.listener import Listener
from bem_drivers.bms.settings import BmsSettings
from bem_drivers.can import FrameLink

NS_PER_S = 1_000_000_000
MOST_FRAMES = 1000
"""Frames taken at a time, a second of the busiest bus: a flood must not hold up the loop."""
HELD_UP_NS = 2 * NS_PER_S
"""Nobody listened for as long as this, and the kernel may have had to throw frames away."""
REMEDY = (
    "Is it powered, is the bus the right one with the right bit rate and two terminating "
    "resistors, and is can_id right?"
)


class BmsDriver(Device):
    """One BMS at ``link``, which lets frames of its identifier through only.

    A frame that waited to be read came at an instant between the last look, when nothing waited,
    and this one. The earlier counts, so that a value is never taken for fresher than it is.
    """

    channels: tuple[Channel, ...] = codec.CHANNELS

    def __init__(self, settings: BmsSettings, clock: Clock, link: FrameLink) -> None:
        self.identity = Identity(make="Liftec", model="BMS")
        self._settings = settings
        self._clock = clock
        self._link = link
        self._name = f"BMS 0x{settings.can_id:03X}"
        self._looked_ns = clock.monotonic_ns()
        self._listener = self._new_listener()

    def open(self) -> None:
        """Connect and wait for the first complete message.

        Raises:
            DeviceNotFound: the bus cannot be opened, or no complete message came in time.
            DeviceFault: nothing but error frames came.
        """
        self._link.open()
        self._looked_ns = self._clock.monotonic_ns()
        # What an earlier connection brought is no longer true; that there was an error stays so.
        self._listener = self._new_listener(self._listener.untold_faults)
        try:
            self._await_message()
        except CommunicationLost as error:
            self.close()
            raise DeviceNotFound(f"{self._name}: {error}") from error
        except BaseException:
            self.close()
            raise

    def read(self) -> Reading:
        """Get the newest message and every error reported since the last reading.

        Returns at once, with the same values as before when no message came meanwhile.

        Raises:
            CommunicationLost: the bus has gone, or no complete message came for ``silence_s``.
            ProtocolViolated: what came is no message of a BMS; once for each reading it came
                before. Errors reported meanwhile come with the next reading, also over a new
                connection.
        """
        listener = self._listener
        self._catch_up()
        violation = listener.tell_violation()
        if violation:
            raise ProtocolViolated(
                f"{self._name} sent {violation}; does another device use this CAN identifier, or "
                "has the BMS another firmware?"
            )
        silent_s = (self._clock.monotonic_ns() - listener.complete_ns) / NS_PER_S
        if not listener.values or silent_s > self._settings.silence_s:
            raise CommunicationLost(
                f"{self._name} sent no complete message for {silent_s:.1f} s "
                f"(silence_s {self._settings.silence_s:g}); {listener.account()}. {REMEDY}"
            )
        return Reading(values=listener.values, faults=listener.tell_faults())

    def close(self) -> None:
        self._link.close()

    def _new_listener(self, untold_faults: frozenset[str] = frozenset()) -> Listener:
        settings = self._settings
        scale = codec.Scale(
            settings.volt_per_count, settings.degc_per_count, settings.pascal_per_count
        )
        return Listener(scale, self._looked_ns, untold_faults)

    # Listening -------------------------------------------------------------------------------

    def _await_message(self) -> None:
        timeout_s = self._settings.open_timeout_s
        deadline_ns = self._looked_ns + round(timeout_s * NS_PER_S)
        while not self._listener.values:
            left_ns = deadline_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                raise self._unheard(timeout_s)
            frame = self._link.receive(left_ns / NS_PER_S)
            self._looked_ns = self._clock.monotonic_ns()
            if frame is not None:
                self._listener.take(frame.data, self._looked_ns, self._looked_ns)

    def _unheard(self, timeout_s: float) -> DeviceNotFound | DeviceFault:
        listener = self._listener
        if listener.faults:
            return DeviceFault(
                f"{self._name} reports {', '.join(listener.tell_faults())} and sent no values "
                f"within {timeout_s:g} s; clear the error at the BMS"
            )
        violation = listener.tell_violation()
        seen = f"what came was {violation}" if violation else listener.account()
        return DeviceNotFound(
            f"{self._name} sent no complete message within {timeout_s:g} s; {seen}. {REMEDY}"
        )

    def _catch_up(self) -> None:
        """Take all frames that wait."""
        listener = self._listener
        held_up = self._clock.monotonic_ns() - self._looked_ns > HELD_UP_NS
        for _ in range(MOST_FRAMES):
            looked_ns = self._clock.monotonic_ns()
            frame = self._link.receive(0.0)
            if frame is None:
                self._looked_ns = looked_ns
                break
            listener.take(frame.data, self._looked_ns, self._clock.monotonic_ns())
        if held_up:
            listener.break_off("frames may have been lost while nobody listened")
