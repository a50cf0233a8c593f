"""The run of a station and the power path that carries it: all passes and orders act through here.

Whatever is wrong ends in the same way: output off, verified, latched, recorded, until a person
acknowledges.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from bem.domain.engine import Outcome, Reading
from bem.domain.happenings import Warned
from bem.domain.limits import Limits
from bem.domain.program import Limit, Program, Setpoint
from bem.runtime.settings import StationDefinition
from bem.station.bounds import RunLimits
from bem.station.clock import StationClock
from bem.station.holds import Holds
from bem.station.journal import Journal
from bem.station.meters import Meters
from bem.station.orders import Refused
from bem.station.power import PowerPath
from bem.station.run import Pace, Run
from bem.station.safeguards import Safeguards, safeguards
from bem.station.supervisor import Cause, Judged, Supervisor, Trouble, stale_after_s
from bem_drivers.base import OFF, Channel, ConfigurationRefused, DeviceError, PowerDevice, Ratings

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Suspension:
    """A run that was open when its station came up, and does not go on yet; its output is off.

    ``reason``: why it was interrupted. ``waits_for``: what a person is to do; empty while the run
    tries to go on by itself, until ``give_up_ns`` (monotonic), and ``hindrance`` says what hinders.
    """

    reason: str
    waits_for: str = ""
    give_up_ns: int = 0
    hindrance: str = ""

    @property
    def sentence(self) -> str:
        """What it waits for, in words."""
        return self.waits_for or f"it goes on by itself once it can: {self.hindrance}"


class Conductor:
    """``judged`` is the newest reading, ``None`` if there is none of this pass."""

    def __init__(
        self,
        definition: StationDefinition,
        device: PowerDevice,
        journal: Journal,
        clock: StationClock,
        meters: Meters,
    ) -> None:
        self._silence_s = definition.silence_s
        self._journal = journal
        self._clock = clock
        self.pace = Pace(definition.time_scale, definition.period_ms / 1000)
        self.power = PowerPath(device, clock)
        self._meters = meters
        self.supervisor = Supervisor(stale_after_s(definition.period_ms / 1000))
        self.holds = Holds(journal, clock)
        self.run: Run | None = None
        self.suspension: Suspension | None = None
        self.judged: Judged | None = None
        self.operating = Limits()
        """What bounds the set points of the run."""
        self._limits: RunLimits | None = None
        self._taken_ns = 0
        """Readings up to this instant belong to the past: taken already, or before a command."""
        self._warned = ""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Everything that the station measures: its power path, then its meters."""
        return self._meters.channels(self.power.channels)

    # Passes

    def look(self) -> None:
        """Read, judge, and act on it; what is suspended is left to who takes it up again.

        Raises:
            DeviceError: the device does not answer, or does not obey.
        """
        reading = self._meters.added_to(self.power.read(), self.power.channels)
        now_ns = self._clock.monotonic_ns()
        self.supervisor.ratings = self.power.ratings
        sensors = self._meters.sensors(self.power.channels)
        judged = self.supervisor.judge(reading, now_ns, self.power.commanded, sensors)
        of_meters = self._meters.troubles(self.power.channels)
        judged = replace(judged, troubles=(*judged.troubles, *of_meters))
        self.judged = judged
        if self.run is not None and self.suspension is None:
            self._go_on(self.run, judged)
        elif judged.output_trouble is not None:
            self.fault((judged.output_trouble,))

    def warn(self) -> None:
        """Put what a person should see to into the record of the run, and that it is over."""
        warning = self._journal.warning
        if warning == self._warned:
            return
        over = not warning
        event = Warned(cause="disk", reason=warning or self._warned, cleared=over)
        self._warned = warning
        if self.run is not None:
            self.run.note(event, self._clock.monotonic_ns())

    def _go_on(self, run: Run, judged: Judged) -> None:
        troubles = judged.troubles
        unrecorded = self._journal.trouble()
        if unrecorded is not None:
            troubles = (*troubles, Trouble(Cause.JOURNAL, unrecorded))
        if self._limits is not None and judged.at_ns is not None:
            beyond = self._limits.judge(run, judged.values, judged.at_ns)
            troubles = (*troubles, *(Trouble(Cause.LIMIT, reason) for reason in beyond))
        if troubles:
            self.fault(troubles)
            return
        # What was measured while the device did something else than it was told says nothing of
        # the step: a converter that gave up reads 0 A, as a battery does that is full, and the
        # next step would switch on what has just failed. The next reading tells which it was.
        if not judged.obeyed:
            return
        # A device may not have measured anew since the last pass: the same value twice would be
        # two samples of one measurement. How long that may last is the supervisor's business.
        if judged.at_ns is None or judged.at_ns <= self._taken_ns:
            return
        self._taken_ns = judged.at_ns
        self.follow(run.take(judged.values, judged.at_ns))

    def follow(self, outcome: Outcome) -> None:
        """Do what the engine wants after a reading or an order."""
        if outcome.ended == "failed":
            self.fault((Trouble(Cause.PROGRAM, outcome.reason or "the program says so"),))
        elif outcome.ended is not None:
            self._finish()
        else:
            self._hold(outcome.setpoint)

    def _hold(self, setpoint: Setpoint) -> None:
        """Command a set point. What was measured before it took effect is no reading of it."""
        try:
            if self.power.apply(setpoint, self._voltage(), self.operating):
                self._taken_ns = self._clock.monotonic_ns()
        except DeviceError as error:
            self.fault((Trouble(Cause.REFUSED, f"the device did not obey: {error}"),))

    def _voltage(self) -> float:
        """Get the newest voltage, V; 0 without one: no resistance draws a current then."""
        return 0.0 if self.judged is None else self.judged.values.get("voltage", 0.0)

    def _finish(self) -> None:
        verified = self.switch_off()
        if not verified:
            reason = f"the output could not be verified off: {self.power.lost_reason}"
            self.fault((Trouble(Cause.DEVICE_LOST, reason),))
        elif self.run is not None:
            self.end_run(self.run).end("finished", "the program ended", verified, self._now_ns())
            self.power.release()

    def device_lost(self, error: DeviceError) -> None:
        """Let go of a device that does not answer; a run under way fails."""
        reason = f"the device is lost: {error}"
        if self.run is not None and self.suspension is None:
            self.fault((Trouble(Cause.DEVICE_LOST, reason),))
        if self.power.is_open:
            self.power.lose(str(error))
        self.judged = None

    # Before an output goes on

    def newest(self) -> tuple[Judged, int, Ratings]:
        """Get the newest reading, its instant (ns), and what the device can do, if all is usable.

        Raises:
            Refused: the device is lost, or its readings are in doubt or too old.
        """
        judged, ratings = self.judged, self.power.ratings
        if judged is None or ratings is None or not self.power.is_open:
            raise Refused(f"the device is lost: {self.power.lost_reason}", retry=True)
        if judged.troubles or judged.at_ns is None:
            raise Refused(judged.first_reason, retry=True)
        if (self._now_ns() - judged.at_ns) / 1e9 > self.supervisor.stale_s:
            raise Refused("the newest reading is too old; try again", retry=True)
        return judged, judged.at_ns, ratings

    def newest_reading(self, run: Run) -> Reading:
        """Get the newest reading on the run's own time.

        Raises:
            Refused: as :meth:`newest`.
        """
        judged, at_ns, _ = self.newest()
        return run.reading(judged.values, at_ns)

    def check(
        self, program: Program, limits: Sequence[Limit], had: Collection[str] = ()
    ) -> Safeguards:
        """Make every check before an output goes on; nothing is done to the device.

        ``had``: channels that gave values when the run was interrupted.

        Raises:
            Refused: something forbids it.
        """
        held = self.holds.reason()
        if held:
            raise Refused(held, retry=True)
        unrecorded = self._journal.trouble()
        if unrecorded is not None:
            raise Refused(unrecorded, retry=True)
        judged, _, ratings = self.newest()
        sensors = self._meters.sensors(self.power.channels)
        return safeguards(program, ratings, judged.values, self._silence_s, limits, sensors, had)

    def protect(self, guards: Safeguards) -> None:
        """Have the device hold its own limits and watch over us; both are read back.

        Raises:
            Refused: it does not take them.
        """
        try:
            self.power.protect(guards.protection)
        except DeviceError as error:
            raise self._not_taken(error) from error

    def begin(self, run: Run, guards: Safeguards) -> None:
        """Switch a new run on, before which :meth:`protect` was called, and hold its limits.

        Raises:
            Refused: the device does not take the first set point.
        """
        try:
            self.power.apply(run.setpoint, self._voltage(), guards.operating)
        except DeviceError as error:
            raise self._not_taken(error) from error
        self.carry(run, guards)

    def carry(self, run: Run, guards: Safeguards) -> None:
        """Hold the limits of a run, and take readings for it from now on."""
        self.operating = guards.operating
        self.supervisor.watch(
            guards.limits,
            guards.required,
            capacity=run.program.capacity,
            time_scale=self.pace.time_scale,
        )
        self._limits = RunLimits(run)
        self._taken_ns = self._now_ns()
        self.run = run
        self.suspension = None

    def _not_taken(self, error: DeviceError) -> Refused:
        if not self.switch_off():
            self.holds.latch_fault(f"the output could not be verified off after: {error}")
        # What the device refuses it will refuse again; an answer that did not come may.
        passes = not isinstance(error, ConfigurationRefused)
        return Refused(f"the device does not take it: {error}", retry=passes)

    # Ends

    def switch_off(self) -> bool:
        """Switch the output off; whether the device confirmed it, as others then see at once."""
        verified = self.power.make_safe()
        if verified and self.judged is not None:
            self.judged = replace(self.judged, active=OFF)
        return verified

    def fault(self, troubles: tuple[Trouble, ...]) -> None:
        """Output off first; then latch, and end the run as failed."""
        verified = self.switch_off()
        now_ns = self._now_ns()
        reason = "; ".join(trouble.reason for trouble in troubles)
        _LOGGER.error("fault, output %s: %s", "off" if verified else "NOT verified off", reason)
        self.holds.latch_fault(reason)
        run, judged = self.run, self.judged
        if run is None:
            return
        was_suspended = self.suspension is not None
        self.end_run(run)
        if (
            judged is not None
            and judged.at_ns is not None
            and judged.at_ns > self._taken_ns
            and not was_suspended
        ):
            run.take_last(judged.values, judged.at_ns)
        run.fail(troubles[0].cause, reason, verified, now_ns)
        self.power.release()

    def end_run(self, run: Run) -> Run:
        """Have no run any more."""
        self.run = None
        self.suspension = None
        self._limits = None
        self.supervisor.watch(None)
        return run

    def _now_ns(self) -> int:
        return self._clock.monotonic_ns()
