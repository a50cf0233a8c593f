"""The control loop: the only owner of the device, and what keeps the battery safe.

Each pass reads, judges, moves the experiment on, records, and commands. Whatever is wrong ends in
the same way: output off, verified, latched, recorded, until a person acknowledges.
"""

import logging
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import timedelta

from bem.domain.program import Setpoint
from bem.runtime.local import LocalReply, StationState
from bem.runtime.settings import StationDefinition
from bem.station.clock import StationClock
from bem.station.journal import Journal
from bem.station.orders import (
    AcknowledgeOrder,
    Order,
    Refused,
    StartOrder,
    StopOrder,
    safeguards,
)
from bem.station.power import PowerPath
from bem.station.run import Run
from bem.station.snapshot import RunView, Snapshot
from bem.station.supervisor import Cause, Judged, Supervisor, Trouble, stale_after_s
from bem_drivers.base import DeviceError, PowerDevice, Ratings

_LOGGER = logging.getLogger(__name__)


class ControlLoop:
    """Controls one station. :meth:`turn` is one pass; who calls it keeps the period.

    :meth:`submit` and :attr:`snapshot` may be used from any thread, everything else only from the
    one that turns the loop.
    """

    def __init__(
        self,
        definition: StationDefinition,
        device: PowerDevice,
        journal: Journal,
        clock: StationClock,
    ) -> None:
        self._definition = definition
        self._journal = journal
        self._clock = clock
        self._power = PowerPath(device, clock)
        self._supervisor = Supervisor(stale_after_s(definition.period_ms / 1000))
        self._orders: deque[tuple[Order, Future[LocalReply]]] = deque()
        self._ended = ""
        """Why the loop does not turn any more; empty while it does."""
        self._run: Run | None = None
        self._latch = journal.latch
        self._judged: Judged | None = None
        self._taken_ns = 0
        """Readings up to this instant belong to the past: taken already, or before a command."""
        self.snapshot = Snapshot()

    def recover(self) -> None:
        """Look for the device once, which makes it safe, and end runs that a crash left open."""
        safe = self._power.reopen_if_due()
        cause = "the station's process or its machine stopped without warning"
        for experiment in self._journal.close_interrupted_runs(cause, safe):
            _LOGGER.warning("experiment %s was interrupted by a crash or a power cut", experiment)
            # Nobody knows why, and nobody has seen the battery since: a person looks first.
            self._latch_fault(f"experiment {experiment} was interrupted: {cause}")

    @property
    def is_replaceable(self) -> bool:
        """Whether the process may end now for a newer one: nothing runs or waits to be executed,
        all is recorded, and no fault leaves the output in doubt.

        A latched fault is in the journal, so the next process has it too.
        """
        return (
            self._run is None
            and not self._orders
            and self._journal.trouble() is None
            and (self._latch is None or self._power.is_open)
        )

    def submit(self, order: Order) -> "Future[LocalReply]":
        """Hand an order over; the loop answers it at the latest after its next reading.

        A future that is cancelled before that is not executed.
        """
        future: Future[LocalReply] = Future()
        self._orders.append((order, future))
        if self._ended:
            self._refuse_all(self._ended)
        return future

    def serve_orders(self) -> None:
        """Execute what was submitted."""
        while self._orders:
            order, future = self._orders.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                reply = self._execute(order)
            except Exception as error:
                future.set_exception(error)
                raise
            self._publish()
            future.set_result(reply)

    def turn(self) -> None:
        """Make one pass."""
        self._judged = None
        if self._power.reopen_if_due():
            try:
                self._look()
                if self._power.is_open:
                    self._power.keep_alive()
            except DeviceError as error:
                self._device_lost(error)
        self.serve_orders()
        self._publish()

    def shut_down(self, reason: str) -> None:
        """Switch off and end what runs as interrupted; the loop does not turn after this."""
        verified = self._power.make_safe()
        if self._run is not None:
            self._end_run(self._run).end(
                "interrupted", reason, verified, self._clock.monotonic_ns()
            )
            self._power.release()
        self._refuse_all(reason)
        self._power.close()

    def crash(self, error: Exception) -> None:
        """Switch off after an error of this program; a run fails and its fault stays latched."""
        verified = self._power.make_safe()
        if self._run is not None:
            reason = f"error in the station's program: {type(error).__name__}: {error}"
            self._latch_fault(reason)
            self._end_run(self._run).fail(
                Cause.INTERNAL, reason, verified, self._clock.monotonic_ns()
            )
        self._refuse_all("the station's process ended by an error")
        self._power.close()

    # Passes

    def _look(self) -> None:
        """Read, judge, and act on it.

        Raises:
            DeviceError: the device does not answer, or does not obey.
        """
        reading = self._power.read()
        now_ns = self._clock.monotonic_ns()
        judged = self._supervisor.judge(reading, now_ns, self._power.commanded)
        self._judged = judged
        if self._run is not None:
            self._go_on(self._run, judged)
        elif judged.output_trouble is not None:
            self._fault((judged.output_trouble,))

    def _go_on(self, run: Run, judged: Judged) -> None:
        troubles = judged.troubles
        unrecorded = self._journal.trouble()
        if unrecorded is not None:
            troubles = (*troubles, Trouble(Cause.JOURNAL, unrecorded))
        if troubles:
            self._fault(troubles)
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
        outcome = run.take(judged.values, judged.at_ns)
        if outcome.finished:
            self._finish()
        else:
            self._hold(outcome.setpoint)

    def _hold(self, setpoint: Setpoint) -> None:
        """Command a set point. What was measured before it took effect is no reading of it."""
        try:
            if self._power.apply(setpoint):
                self._taken_ns = self._clock.monotonic_ns()
        except DeviceError as error:
            self._fault((Trouble(Cause.REFUSED, f"the device did not obey: {error}"),))

    def _finish(self) -> None:
        verified = self._power.make_safe()
        if not verified:
            reason = f"the output could not be verified off: {self._power.lost_reason}"
            self._fault((Trouble(Cause.DEVICE_LOST, reason),))
        elif self._run is not None:
            now_ns = self._clock.monotonic_ns()
            self._end_run(self._run).end("finished", "the program ended", verified, now_ns)
            self._power.release()

    def _device_lost(self, error: DeviceError) -> None:
        reason = f"the device is lost: {error}"
        if self._run is not None:
            self._fault((Trouble(Cause.DEVICE_LOST, reason),))
        if self._power.is_open:
            self._power.lose(str(error))
        self._judged = None

    # Ends

    def _fault(self, troubles: tuple[Trouble, ...]) -> None:
        """Output off first; then latch, and end the run as failed."""
        verified = self._power.make_safe()
        now_ns = self._clock.monotonic_ns()
        reason = "; ".join(trouble.reason for trouble in troubles)
        _LOGGER.error("fault, output %s: %s", "off" if verified else "NOT verified off", reason)
        self._latch_fault(reason)
        run, judged = self._run, self._judged
        if run is None:
            return
        self._end_run(run)
        if judged is not None and judged.at_ns is not None and judged.at_ns > self._taken_ns:
            run.take_last(judged.values, judged.at_ns)
        run.fail(troubles[0].cause, reason, verified, now_ns)
        self._power.release()

    def _latch_fault(self, reason: str) -> None:
        if self._latch is None:
            self._latch = reason
            self._journal.set_latch(reason)

    def _end_run(self, run: Run) -> Run:
        self._run = None
        self._supervisor.watch(None)
        return run

    def _refuse_all(self, reason: str) -> None:
        """Refuse what waits and what will come. May be called from any thread."""
        self._ended = reason
        while True:
            try:
                _, future = self._orders.popleft()
            except IndexError:
                return
            if future.set_running_or_notify_cancel():
                future.set_result(Refused(reason, retry=True).reply())

    # Orders

    def _execute(self, order: Order) -> LocalReply:
        try:
            match order:
                case StartOrder():
                    self._start(order)
                case StopOrder():
                    self._stop(order)
                case AcknowledgeOrder():
                    self._acknowledge()
        except Refused as refused:
            _LOGGER.info("refused: %s", refused)
            return refused.reply()
        return LocalReply(ok=True)

    def _start(self, order: StartOrder) -> None:
        values, ratings = self._ready(order)
        guards = safeguards(order.program, ratings, values, self._definition.silence_s)
        run = Run(
            order.experiment,
            order.program,
            self._power.channels,
            self._definition.time_scale,
            self._definition.period_ms / 1000,
            self._journal,
        )
        try:
            self._power.protect(guards.protection)
            self._power.apply(run.first_setpoint)
        except DeviceError as error:
            if not self._power.make_safe():
                self._latch_fault(f"the output could not be verified off after: {error}")
            raise Refused(f"the device does not take it: {error}") from error
        now_ns = self._clock.monotonic_ns()
        self._supervisor.watch(guards.limits, guards.required)
        self._taken_ns = now_ns
        self._run = run
        run.start(order.name, now_ns)
        _LOGGER.info("experiment %s began: %s", order.experiment, order.name)

    def _ready(self, order: StartOrder) -> tuple[Mapping[str, float], Ratings]:
        """Get what is measured and what the device can do, if it may start anything now.

        Raises:
            Refused: it may not.
        """
        if self._run is not None:
            raise Refused(f"experiment {self._run.experiment} is running", retry=True)
        if self._latch is not None:
            raise Refused(f"a fault waits to be acknowledged: {self._latch}", retry=True)
        if self._journal.has_run(order.experiment):
            raise Refused(f"experiment {order.experiment} has been run here before")
        unrecorded = self._journal.trouble()
        if unrecorded is not None:
            raise Refused(unrecorded, retry=True)
        judged, ratings = self._judged, self._power.ratings
        if judged is None or ratings is None or not self._power.is_open:
            raise Refused(f"the device is lost: {self._power.lost_reason}", retry=True)
        if judged.troubles or judged.at_ns is None:
            raise Refused(_first_reason(judged), retry=True)
        if (self._clock.monotonic_ns() - judged.at_ns) / 1e9 > self._supervisor.stale_s:
            raise Refused("the newest reading is too old; try again", retry=True)
        return judged.values, ratings

    def _stop(self, order: StopOrder) -> None:
        run = self._run
        if run is None or run.experiment != order.experiment:
            raise Refused(f"experiment {order.experiment} is not running here")
        verified = self._power.make_safe()
        self._end_run(run).end("stopped", order.sentence, verified, self._clock.monotonic_ns())
        self._power.release()
        if not verified:
            reason = f"the output could not be verified off: {self._power.lost_reason}"
            self._latch_fault(reason)
        _LOGGER.info("experiment %s %s", run.experiment, order.sentence)

    def _acknowledge(self) -> None:
        if self._run is not None:
            return
        if not self._power.make_safe():
            raise Refused(
                f"the output cannot be verified off: {self._power.lost_reason}", retry=True
            )
        if self._latch is not None:
            _LOGGER.info("acknowledged: %s", self._latch)
            self._latch = None
            self._journal.clear_latch()

    # What others see

    def _publish(self) -> None:
        judged, run, now_ns = self._judged, self._run, self._clock.monotonic_ns()
        state, reason = self._state(judged)
        power = self._power
        known = judged is not None and power.is_open
        measured_at = None
        if known and judged is not None and judged.at_ns is not None:
            age = timedelta(microseconds=(now_ns - judged.at_ns) // 1000)
            measured_at = self._clock.utc_now() - age
        self.snapshot = Snapshot(
            state=state,
            reason=reason,
            device=power.title,
            channels=power.channels,
            ratings=power.ratings,
            values=judged.values if known and judged is not None else {},
            measured_at=measured_at,
            output_on=judged.output_on if known and judged is not None else None,
            run=None
            if run is None
            else RunView(
                experiment=run.experiment,
                elapsed_us=run.elapsed_us(now_ns),
                step=run.step,
                step_elapsed_us=run.step_elapsed_us(now_ns),
                cycle=run.cycle,
            ),
        )

    def _state(self, judged: Judged | None) -> tuple[StationState, str]:
        if self._run is not None:
            return "running", ""
        if self._latch is not None:
            return "fault", self._latch
        if not self._power.is_open:
            return "lost", self._power.lost_reason
        unrecorded = self._journal.trouble()
        if unrecorded is not None:
            return "idle", unrecorded
        return "idle", "" if judged is None else _first_reason(judged)


def _first_reason(judged: Judged) -> str:
    return judged.troubles[0].reason if judged.troubles else ""
