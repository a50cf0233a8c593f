"""What becomes of a run after a power cut, a crash or a restart of its station.

By the setting of the run it ends, waits for a person, or goes on by itself; the output stays off
until every check before a start has passed again.
"""

import logging
from dataclasses import replace
from datetime import timedelta

from bem.domain.engine import Reading
from bem.domain.happenings import Paused, Warned
from bem.station.clock import StationClock
from bem.station.conductor import Conductor, Suspension
from bem.station.journal import Journal
from bem.station.journal_file import OpenRun
from bem.station.orders import Refused
from bem.station.run import Run

_LOGGER = logging.getLogger(__name__)
PATIENCE = timedelta(minutes=10)
"""So long a run that goes on by itself tries again after a check that may pass later: a device that
takes its time to boot, a node without its disk. Then it waits for a person."""
TRY_EVERY_S = 1.0
AGAIN_S = 60.0
"""A run that is interrupted again within this time (s) of going on by itself waits for a person: a
station that crashes whenever its output goes on would switch it on again and again."""
CRASHED = "the station's process or its machine stopped without warning"
A_PERSON = "look at the battery, then resume or stop the run"


class Recovery:
    """Takes up runs that were left open; acts while :attr:`Conductor.suspension` is set."""

    def __init__(self, conductor: Conductor, journal: Journal, clock: StationClock) -> None:
        self._conductor = conductor
        self._journal = journal
        self._clock = clock
        self._try_ns = 0

    def take_up(self, output_off_verified: bool) -> None:
        """Look for a run that was left open, and decide what becomes of it.

        Raises:
            JournalError: the journal cannot be read.
        """
        for stored in self._journal.open_runs():
            cause = CRASHED if stored.progress is None else stored.progress.stopped or CRASHED
            try:
                run = self._restored(stored)
            except ValueError as error:
                run = None
                cause = f"{cause}; it cannot go on: {error}"
            if run is not None and run.state.ended is not None:
                self._end(run, output_off_verified)
            elif run is not None and self._may_go_on(run):
                self._suspend(run, stored, cause)
            else:
                self._close(stored, cause, output_off_verified)

    def try_again(self) -> None:
        """Let a run that goes on by itself do so, if every check passes by now."""
        run, suspension = self._conductor.run, self._conductor.suspension
        now_ns = self._clock.monotonic_ns()
        if run is None or suspension is None or suspension.waits_for or now_ns < self._try_ns:
            return
        self._try_ns = now_ns + round(TRY_EVERY_S * 1e9)
        try:
            self._go_on(run, suspension.reason, by_itself=True)
        except Refused as refused:
            if refused.retry and now_ns < suspension.give_up_ns:
                self._conductor.suspension = replace(suspension, hindrance=str(refused))
            else:
                self._wait(run, suspension, f"{A_PERSON}: it could not go on by itself: {refused}")

    def resume(self, run: Run, suspension: Suspension, by: str, note: str) -> None:
        """Go on at the word of a person.

        Raises:
            Refused: a check before the output goes on does not pass.
        """
        who = f"resumed by {by}" if by else "resumed by command"
        said = f"{who}: {note}" if note else who
        reading = self._go_on(run, f"{suspension.reason}; {said}", by_itself=False)
        if self._conductor.run is run and run.is_off:
            self._conductor.follow(run.resume(reading, by, note))

    def pause(self, run: Run, suspension: Suspension, by: str, note: str) -> None:
        """Let a run wait for a person that would go on by itself.

        Raises:
            Refused: it waits for one already.
        """
        if suspension.waits_for:
            raise Refused(f"the run waits for a person already: {suspension.waits_for}")
        run.note(Paused(by=by, note=note), self._clock.monotonic_ns())
        self._wait(run, suspension, A_PERSON)

    def keep(self, run: Run, suspension: Suspension) -> None:
        """Leave the run to the next process of this station, as it was left to this one."""
        run.interrupt(suspension.reason, suspension.waits_for)

    def _restored(self, stored: OpenRun) -> Run | None:
        """Make the run again; ``None`` if its journal has no state of it.

        Raises:
            ValueError: its journal cannot be understood.
        """
        if stored.progress is None:
            return None
        return Run.restore(
            stored, stored.progress, self._conductor.pace, self._journal, self._clock
        )

    def _may_go_on(self, run: Run) -> bool:
        """Whether the run has not ended by its own setting or by a fault.

        One that was latched ended it, whether or not there was time to write that down.
        """
        conductor = self._conductor
        return (
            run.on_interruption != "end" and conductor.holds.latch is None and conductor.run is None
        )

    def _end(self, run: Run, output_off_verified: bool) -> None:
        """Write down the end of a program that had come to it when its station went off."""
        failed = run.state.ended == "failed"
        reason = run.state.reason or "the program ended"
        if failed:
            self._conductor.holds.latch_fault(reason)
        run.end("failed" if failed else "finished", reason, output_off_verified, self._now_ns())

    def _suspend(self, run: Run, stored: OpenRun, cause: str) -> None:
        waits_for = "" if stored.progress is None else stored.progress.waits_for
        if stored.on_interruption == "wait":
            waits_for = waits_for or A_PERSON
        elif not waits_for and self._was_interrupted_again(stored):
            waits_for = f"{A_PERSON}: it was interrupted soon after it had gone on by itself"
        now_ns = self._clock.monotonic_ns()
        suspension = Suspension(
            reason=cause,
            waits_for=waits_for,
            give_up_ns=now_ns + round(PATIENCE.total_seconds() * 1e9),
            hindrance="its checks have not been made yet",
        )
        self._conductor.run, self._conductor.suspension = run, suspension
        next_ = waits_for or "it goes on by itself when every check before a start passes"
        run.note(Warned(cause="interruption", reason=f"Interrupted: {cause}; {next_}"), now_ns)
        run.interrupt(cause, waits_for)
        _LOGGER.warning("experiment %s was interrupted: %s; %s", run.experiment, cause, next_)

    def _was_interrupted_again(self, stored: OpenRun) -> bool:
        progress = stored.progress
        if progress is None or progress.resumed_us is None:
            return False
        if progress.stopped not in ("", CRASHED):
            # A station that a person restarts twice is none that crashes.
            return False
        passed_us = progress.elapsed_us - progress.resumed_us
        return passed_us < AGAIN_S * self._conductor.pace.time_scale * 1e6

    def _go_on(self, run: Run, reason: str, *, by_itself: bool) -> Reading:
        """Make every check, then go on where the run was; get the reading with which it does.

        Raises:
            Refused: a check does not pass.
        """
        conductor = self._conductor
        # A person sees what is missing, and may go on without; the run by itself may not.
        guards = conductor.check(run.program, run.limits, run.had if by_itself else ())
        # Before the device is written to, which may take longer than a reading stays fresh.
        reading = conductor.newest_reading(run)
        conductor.protect(guards)
        conductor.carry(run, guards)
        if by_itself:
            run.resumed_us = reading.elapsed_us
        conductor.follow(run.continue_after_gap(reading, reason))
        _LOGGER.info("experiment %s goes on after: %s", run.experiment, reason)
        return reading

    def _wait(self, run: Run, suspension: Suspension, waits_for: str) -> None:
        self._conductor.suspension = replace(suspension, waits_for=waits_for)
        run.note(Warned(cause="interruption", reason=f"Waits: {waits_for}"), self._now_ns())
        run.interrupt(suspension.reason, waits_for)
        _LOGGER.warning("experiment %s waits: %s", run.experiment, waits_for)

    def _close(self, stored: OpenRun, reason: str, output_off_verified: bool) -> None:
        """End it. Nobody knows why it was interrupted, nor has seen the battery since: latch."""
        experiment = stored.experiment
        self._journal.close_run(stored, reason, output_off_verified)
        _LOGGER.warning("experiment %s was interrupted: %s", experiment, reason)
        self._conductor.holds.latch_fault(f"experiment {experiment} was interrupted: {reason}")

    def _now_ns(self) -> int:
        return self._clock.monotonic_ns()
