"""What a person or the manager can order, carried out in the thread of the control loop.

Each order is checked against what the station is doing, done, and written into the record of the
run with who ordered it and why.
"""

import logging

from bem.domain.engine import NotNow
from bem.domain.happenings import Warned
from bem.runtime.local import LocalReply
from bem.station.clock import StationClock
from bem.station.conductor import Conductor
from bem.station.journal import Journal
from bem.station.orders import (
    AcknowledgeOrder,
    ChangeEndsOrder,
    HoldOrder,
    LockOrder,
    Order,
    PauseOrder,
    Refused,
    ResumeOrder,
    SkipOrder,
    StartOrder,
    StopOrder,
    UnlockOrder,
)
from bem.station.recovery import Recovery
from bem.station.run import Run
from bem.station.safeguards import check_ends
from bem.station.supervisor import Cause, Trouble
from bem_drivers.base import OFF

_LOGGER = logging.getLogger(__name__)


class Executor:
    """Carries orders out, one at a time."""

    def __init__(
        self, conductor: Conductor, recovery: Recovery, journal: Journal, clock: StationClock
    ) -> None:
        self._conductor = conductor
        self._recovery = recovery
        self._journal = journal
        self._clock = clock

    def execute(self, order: Order) -> LocalReply:
        """Carry an order out, or say why not."""
        try:
            self._carry_out(order)
        except (Refused, NotNow) as error:
            refused = error if isinstance(error, Refused) else Refused(str(error))
            _LOGGER.info("refused: %s", refused)
            return refused.reply()
        return LocalReply(ok=True)

    def _carry_out(self, order: Order) -> None:
        match order:
            case StartOrder():
                self._start(order)
            case StopOrder():
                self._stop(order)
            case AcknowledgeOrder():
                self._acknowledge(order)
            case LockOrder():
                self._lock(order)
            case UnlockOrder():
                self._unlock(order)
            case _:
                self._direct(order)

    def _direct(
        self, order: PauseOrder | HoldOrder | ResumeOrder | SkipOrder | ChangeEndsOrder
    ) -> None:
        """Carry out what concerns the course of a run."""
        run = self._run_of(order)
        match order:
            case PauseOrder():
                self._pause(run, order)
            case ResumeOrder():
                self._resume(run, order)
            case HoldOrder():
                self._refuse_while_suspended()
                run.hold(self._now_ns(), order.by, order.note)
            case SkipOrder():
                self._skip(run, order)
            case ChangeEndsOrder():
                self._refuse_while_suspended()
                _check_step(run, order.step)
                check_ends(order.ends, self._conductor.operating)
                run.change_ends(order.ends, self._now_ns(), order.by, order.note)
        _LOGGER.info("%s of experiment %s by %s", type(order).__name__, run.experiment, order.by)

    # Begin and end

    def _start(self, order: StartOrder) -> None:
        conductor = self._conductor
        if conductor.run is not None:
            raise Refused(f"experiment {conductor.run.experiment} is running", retry=True)
        if self._journal.has_run(order.experiment):
            raise Refused(f"experiment {order.experiment} has been run here before")
        guards = conductor.check(order.program, order.limits)
        channels = conductor.channels
        run = Run.begin(order, channels, conductor.pace, self._journal, self._clock)
        conductor.protect(guards)
        conductor.begin(run, guards)
        run.start(order, channels, self._now_ns())
        _LOGGER.info("experiment %s began: %s", order.experiment, order.name)

    def _stop(self, order: StopOrder) -> None:
        conductor = self._conductor
        run = self._run_of(order)
        verified = conductor.switch_off()
        conductor.end_run(run).end("stopped", order.sentence, verified, self._now_ns())
        conductor.power.release()
        if not verified:
            reason = f"the output could not be verified off: {conductor.power.lost_reason}"
            conductor.holds.latch_fault(reason)
        _LOGGER.info("experiment %s %s", run.experiment, order.sentence)

    # On the way

    def _pause(self, run: Run, order: PauseOrder) -> None:
        conductor = self._conductor
        if conductor.suspension is not None:
            self._recovery.pause(run, conductor.suspension, order.by, order.note)
            return
        # The output first; a run that is paused already says so, with its output off as before.
        if not run.is_off and not conductor.switch_off():
            reason = f"the output could not be verified off: {conductor.power.lost_reason}"
            conductor.fault((Trouble(Cause.DEVICE_LOST, reason),))
            raise Refused(f"{reason}; the run has failed")
        run.pause(self._now_ns(), order.by, order.note)

    def _resume(self, run: Run, order: ResumeOrder) -> None:
        conductor = self._conductor
        if conductor.suspension is not None:
            self._recovery.resume(run, conductor.suspension, order.by, order.note)
            self._refuse_if_failed(run)
            return
        reading = conductor.newest_reading(run)
        if run.is_off:
            conductor.protect(conductor.check(run.program, run.limits))
        conductor.follow(run.resume(reading, order.by, order.note))
        self._refuse_if_failed(run)

    def _skip(self, run: Run, order: SkipOrder) -> None:
        conductor = self._conductor
        self._refuse_while_suspended()
        _check_step(run, order.step)
        reading = conductor.newest_reading(run)
        if run.activity == "waiting":
            # What comes next may switch on.
            conductor.protect(conductor.check(run.program, run.limits))
        conductor.follow(run.skip(reading, order.by, order.note))
        self._refuse_if_failed(run)

    # The station itself

    def _acknowledge(self, order: AcknowledgeOrder) -> None:
        conductor = self._conductor
        run = conductor.run
        if run is not None and conductor.suspension is None and not run.is_off:
            return
        if not conductor.switch_off():
            raise Refused(
                f"the output cannot be verified off: {conductor.power.lost_reason}", retry=True
            )
        conductor.holds.acknowledge(order.by)

    def _lock(self, order: LockOrder) -> None:
        conductor = self._conductor
        lock = conductor.holds.lock
        if lock is not None:
            raise Refused(f"the station is locked already, by {lock.by or 'command'}: {lock.note}")
        run = conductor.run
        goes_on = run is not None and conductor.suspension is None and not run.is_off
        measured_on = conductor.judged is not None and conductor.judged.output_on is True
        if goes_on or measured_on or conductor.power.commanded != OFF:
            raise Refused("the output may be on: pause or stop the experiment first")
        conductor.holds.set_lock(order.by, order.note)
        self._tell_run("locked", order, over=False)

    def _unlock(self, order: UnlockOrder) -> None:
        if self._conductor.holds.lock is None:
            raise Refused("the station is not locked")
        self._conductor.holds.unlock(order.by)
        self._tell_run("locked, now unlocked", order, over=True)

    def _tell_run(self, what: str, order: LockOrder | UnlockOrder, *, over: bool) -> None:
        run = self._conductor.run
        if run is not None:
            said = f"{what} by {order.by or 'command'}"
            said = f"{said}: {order.note}" if order.note else said
            run.note(Warned(cause="lock", reason=said, cleared=over), self._now_ns())

    # Checks

    def _run_of(
        self,
        order: StopOrder | PauseOrder | HoldOrder | ResumeOrder | SkipOrder | ChangeEndsOrder,
    ) -> Run:
        run = self._conductor.run
        if run is None or run.experiment != order.experiment:
            raise Refused(f"experiment {order.experiment} is not running here")
        return run

    def _refuse_if_failed(self, run: Run) -> None:
        """Say no to who would think that the run goes on; a latched fault says why it does not."""
        latch = self._conductor.holds.latch
        if self._conductor.run is not run and latch is not None:
            raise Refused(f"the run has failed: {latch}")

    def _refuse_while_suspended(self) -> None:
        suspension = self._conductor.suspension
        if suspension is not None:
            raise Refused(
                f"the run was interrupted and does not go on yet ({suspension.sentence}): "
                "resume or stop it first"
            )

    def _now_ns(self) -> int:
        return self._clock.monotonic_ns()


def _check_step(run: Run, step: int) -> None:
    """Refuse what was meant for a step that is over.

    Raises:
        Refused: another step runs by now.
    """
    if run.step is None or run.step.number != step:
        now = "no step" if run.step is None else f"step {run.step.number}"
        raise Refused(f"{now} runs by now, not step {step}: look again")
