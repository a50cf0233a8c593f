"""The control loop: the only owner of the device, and what keeps the battery safe.

Each pass reads, judges, moves the experiment on, records, and commands (:mod:`.conductor`); takes
up what an interruption left (:mod:`.recovery`); and carries orders out (:mod:`.commands`).
"""

from concurrent.futures import Future
from datetime import timedelta

from bem.runtime.local import LocalReply, StationState
from bem.runtime.settings import StationDefinition
from bem.station.clock import StationClock
from bem.station.commands import Executor
from bem.station.conductor import Conductor
from bem.station.inbox import OrderInbox
from bem.station.journal import Journal
from bem.station.meters import Meters, no_meters
from bem.station.orders import Order
from bem.station.recovery import Recovery
from bem.station.snapshot import RunView, Snapshot
from bem.station.supervisor import Cause, Judged
from bem_drivers.base import DeviceError, PowerDevice


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
        meters: Meters | None = None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._conductor = Conductor(
            definition, device, journal, clock, no_meters(clock) if meters is None else meters
        )
        self._recovery = Recovery(self._conductor, journal, clock)
        self._executor = Executor(self._conductor, self._recovery, journal, clock)
        self._inbox = OrderInbox()
        self._told: tuple[object, ...] = ()
        """What others are told of besides readings; a change of it is a new revision."""
        self._revision = 0
        self.snapshot = Snapshot()

    def recover(self) -> None:
        """Look for the device once, which makes it safe, and take up runs that were left open."""
        self._recovery.take_up(self._conductor.power.reopen_if_due())

    @property
    def is_replaceable(self) -> bool:
        """Whether the process may end now for a newer one: nothing runs or waits to be executed,
        all is recorded, and no fault leaves the output in doubt.

        A latched fault is in the journal, so the next process has it too.
        """
        conductor = self._conductor
        return (
            conductor.run is None
            and not self._inbox
            and self._journal.trouble() is None
            and (conductor.holds.latch is None or conductor.power.is_open)
        )

    def submit(self, order: Order) -> "Future[LocalReply]":
        """Hand an order over; the loop answers it at the latest after its next reading.

        A future that is cancelled before that is not executed.
        """
        return self._inbox.submit(order)

    def serve_orders(self) -> None:
        """Execute what was submitted."""
        self._inbox.serve(self._executor.execute, self._publish)

    def turn(self) -> None:
        """Make one pass."""
        conductor = self._conductor
        conductor.judged = None
        if conductor.power.reopen_if_due():
            try:
                conductor.look()
                if conductor.power.is_open:
                    conductor.power.keep_alive()
            except DeviceError as error:
                conductor.device_lost(error)
        self._recovery.try_again()
        conductor.warn()
        self.serve_orders()
        self._publish()

    def shut_down(self, reason: str) -> None:
        """Switch off. What runs is over or left for the next process, by its own setting.

        The loop does not turn after this.
        """
        conductor = self._conductor
        verified = conductor.switch_off()
        run, suspension = conductor.run, conductor.suspension
        if run is not None:
            conductor.end_run(run)
            if suspension is not None:
                self._recovery.keep(run, suspension)
            elif run.on_interruption == "end":
                run.end("interrupted", reason, verified, self._clock.monotonic_ns())
            else:
                run.interrupt(reason)
            conductor.power.release()
        self._inbox.refuse_all(reason)
        conductor.power.close()

    def crash(self, error: Exception) -> None:
        """Switch off after an error of this program; a run fails and its fault stays latched."""
        conductor = self._conductor
        verified = conductor.switch_off()
        run = conductor.run
        if run is not None:
            reason = f"error in the station's program: {type(error).__name__}: {error}"
            conductor.holds.latch_fault(reason)
            conductor.end_run(run).fail(
                Cause.INTERNAL, reason, verified, self._clock.monotonic_ns()
            )
        self._inbox.refuse_all("the station's process ended by an error")
        conductor.power.close()

    # What others see

    def _publish(self) -> None:
        conductor = self._conductor
        judged, power = conductor.judged, conductor.power
        state, reason = self._state(judged)
        known = judged if power.is_open else None
        warning = self._journal.warning
        measured_at = None
        if known is not None and known.at_ns is not None:
            age = timedelta(microseconds=(self._clock.monotonic_ns() - known.at_ns) // 1000)
            measured_at = self._clock.utc_now() - age
        run, lock = self._run_view(), conductor.holds.lock
        channels = conductor.channels
        told = (
            *(state, reason, power.title, channels),
            *(None if run is None else run.told, lock, warning),
        )
        if told != self._told:
            self._told = told
            self._revision += 1
        self.snapshot = Snapshot(
            state=state,
            reason=reason,
            device=power.title,
            channels=channels,
            ratings=power.ratings,
            values={} if known is None else known.values,
            measured_at=measured_at,
            output_on=None if known is None else known.output_on,
            run=run,
            lock=lock,
            warnings=(warning,) if warning else (),
            revision=self._revision,
        )

    def _run_view(self) -> RunView | None:
        run, suspension = self._conductor.run, self._conductor.suspension
        if run is None:
            return None
        now_ns = self._clock.monotonic_ns()
        return RunView(
            experiment=run.experiment,
            elapsed_us=run.elapsed_us(now_ns),
            step=run.step,
            step_elapsed_us=(
                run.step_elapsed_us(now_ns) if suspension is None else run.state.step_us
            ),
            cycle=run.cycle,
            activity=run.activity if suspension is None else "waiting",
            waits_for=run.waits_for if suspension is None else suspension.sentence,
        )

    def _state(self, judged: Judged | None) -> tuple[StationState, str]:
        conductor = self._conductor
        if conductor.run is not None:
            # One whose output is off for a person may have a fault that keeps it from going on.
            return "running", conductor.holds.latch or ""
        if conductor.holds.latch is not None:
            return "fault", conductor.holds.latch
        if not conductor.power.is_open:
            return "lost", conductor.power.lost_reason
        unrecorded = self._journal.trouble()
        if unrecorded is not None:
            return "idle", unrecorded
        return "idle", "" if judged is None else judged.first_reason
