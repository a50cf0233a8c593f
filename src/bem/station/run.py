"""One experiment on its way: the engine's state, and what of it goes into the journal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from bem.domain import engine
from bem.domain.engine import Activity, EngineState, Outcome, Reading, current_step
from bem.domain.happenings import Fault, Happening, RunEnded, RunOutcome
from bem.domain.program import End, Limit, Program, StepOp
from bem.domain.recording import is_due
from bem.station.clock import StationClock
from bem.station.journal import Journal, Progress
from bem.station.journal_file import OpenRun, StoredProgress
from bem.station.orders import OnInterruption, StartOrder
from bem.station.recorder import Recorder
from bem_drivers.base import Channel

BASIC_CHANNELS = frozenset({"voltage", "current", "power"})
"""Channels with columns of their own; all others go into ``extra``."""
_LIMITS: TypeAdapter[tuple[Limit, ...]] = TypeAdapter(tuple[Limit, ...])
_INTERRUPTION: TypeAdapter[OnInterruption] = TypeAdapter(OnInterruption)


def further_channels(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Get the channels of a device besides voltage, current and power."""
    return tuple(channel for channel in channels if channel.name not in BASIC_CHANNELS)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the time of runs passes at a station.

    ``time_scale``: how much faster than the clock. ``period_s``: time (s) of the clock between
    readings.
    """

    time_scale: float
    period_s: float


class Run:
    """Carries a program out, reading by reading, and records it. Touches no device.

    Made by :meth:`begin` or, after its station was off, by :meth:`restore`.
    """

    def __init__(
        self,
        order: StartOrder,
        begun: Outcome,
        recorder: Recorder,
        pace: Pace,
        journal: Journal,
        clock: StationClock,
    ) -> None:
        self.experiment = order.experiment
        self.program = order.program
        self.limits = order.limits
        self.on_interruption = order.on_interruption
        self.setpoint = begun.setpoint
        """What the power path shall hold as of the newest reading."""
        self._state = begun.state
        self._begun = begun.events
        self._recorder = recorder
        self._pace = pace
        self._slack_s = pace.period_s * pace.time_scale / 2
        self._journal = journal
        self._clock = clock
        self._step = current_step(self.program, begun.state)
        self._base_ns = 0
        self._base_us = 0
        self._last_sample: Reading | None = None
        """The newest sample of the current step."""
        self._saved: datetime | None = None
        self.resumed_us: int | None = None
        """When the run last went on by itself after an interruption."""

    @classmethod
    def begin(
        cls,
        order: StartOrder,
        channels: tuple[Channel, ...],
        pace: Pace,
        journal: Journal,
        clock: StationClock,
    ) -> "Run":
        """Make a new run; nothing is recorded before :meth:`start`."""
        begun = engine.begin(order.program)
        names = [channel.name for channel in further_channels(channels)]
        recorder = Recorder(order.experiment, names, journal)
        return cls(order, begun, recorder, pace, journal, clock)

    @classmethod
    def restore(
        cls,
        stored: OpenRun,
        progress: StoredProgress,
        pace: Pace,
        journal: Journal,
        clock: StationClock,
    ) -> "Run":
        """Make a run that goes on from what its journal says; its time goes on from now.

        Raises:
            ValueError: the journal says it in a way that this release does not understand.
        """
        order = StartOrder(
            experiment=stored.experiment,
            name=stored.name,
            program=Program.model_validate_json(stored.program),
            limits=_LIMITS.validate_json(stored.limits),
            on_interruption=_INTERRUPTION.validate_python(stored.on_interruption),
        )
        state = EngineState.from_json(progress.state)
        names = [str(channel["name"]) for channel in json.loads(stored.channels)]
        recorder = Recorder(order.experiment, names, journal, stored.next_sample, stored.next_event)
        recorder.recorded_us = stored.sampled_us
        begun = Outcome(state, engine.expected_setpoint(order.program, state))
        run = cls(order, begun, recorder, pace, journal, clock)
        run.resumed_us = progress.resumed_us
        run._saved = datetime.fromisoformat(progress.at)
        # A clock that was set back, or that a small computer has lost, must not run time backward.
        off_s = max((clock.utc_now() - run._saved).total_seconds(), 0.0)
        now_us = progress.elapsed_us + round(off_s * pace.time_scale * 1e6)
        run._go_from(max(now_us, stored.elapsed_us), clock.monotonic_ns())
        return run

    @property
    def step(self) -> StepOp | None:
        """The step being run; ``None`` once the program has ended."""
        return self._step

    @property
    def state(self) -> EngineState:
        """Where the engine is."""
        return self._state

    @property
    def cycle(self) -> int:
        """The number of the cycle being run, from 1."""
        return self._state.cycle

    @property
    def activity(self) -> Activity:
        """What the run is doing."""
        return self._state.activity

    @property
    def had(self) -> frozenset[str]:
        """The channels that gave values at the newest reading."""
        last = self._state.last
        return frozenset() if last is None else frozenset(last.further)

    @property
    def is_off(self) -> bool:
        """Whether the output is off for a person, who must let it go on again."""
        return self._state.activity in ("paused", "waiting")

    @property
    def waits_for(self) -> str:
        """What a person is to do before the run goes on; empty if it waits for nobody."""
        if self._state.activity != "waiting" or self._step is None:
            return ""
        return self._step.message or ""

    def start(self, order: StartOrder, channels: tuple[Channel, ...], now_ns: int) -> None:
        """Begin the run's time at ``now_ns`` (monotonic ns) and its record."""
        self._go_from(0, now_ns)
        with self._journal.together():
            self._journal.start_run(
                self.experiment,
                order.name,
                self.program.model_dump_json(),
                [
                    {"name": channel.name, "unit": channel.unit, "title": channel.title}
                    for channel in further_channels(channels)
                ],
                battery=order.battery,
                limits=_LIMITS.dump_json(order.limits).decode(),
                on_interruption=order.on_interruption,
            )
            self._recorder.note(self._begun, 0)
            self._save()

    def elapsed_us(self, at_ns: int) -> int:
        """Get the run's own time (µs) at a monotonic instant (ns)."""
        passed_us = int((at_ns - self._base_ns) * self._pace.time_scale) // 1000
        return max(self._base_us + passed_us, 0)

    def step_elapsed_us(self, at_ns: int) -> int:
        """Get the run's own time (µs) since its step began, without what it was paused."""
        return self._state.step_elapsed_us(self.elapsed_us(at_ns))

    def take(self, values: Mapping[str, float], at_ns: int) -> Outcome:
        """Take a judged reading: engine first, then what is to be recorded of it."""
        step, cycle, reading = self._step, self._state.cycle, self.reading(values, at_ns)
        outcome = engine.advance(self.program, self._state, reading)
        with self._journal.together():
            self._state = outcome.state
            if step is not None and (
                outcome.events or is_due(step.record, self._last_sample, reading, self._slack_s)
            ):
                self._record(reading, step, cycle)
            self._follow(outcome, reading.elapsed_us)
        return outcome

    def take_last(self, values: Mapping[str, float], at_ns: int) -> None:
        """Record the reading that ends the run from outside, without moving on to another step."""
        step, cycle, reading = self._step, self._state.cycle, self.reading(values, at_ns)
        if step is None:
            return
        moved = engine.advance(self.program, self._state, reading).state.moved
        self._recorder.sample(reading, step.number, cycle, moved)

    # What a person orders; each as the function of the engine with its name, and recorded.

    def pause(self, now_ns: int, by: str, note: str) -> None:
        """Stop the step's clock; the output must be off already.

        Raises:
            NotNow: it is paused already, waits, or has ended.
        """
        at_us = self.elapsed_us(now_ns)
        self._obey(engine.pause(self.program, self._state, at_us, by, note), at_us)

    def hold(self, now_ns: int, by: str, note: str) -> None:
        """Keep the set point.

        Raises:
            NotNow: there is none to keep.
        """
        at_us = self.elapsed_us(now_ns)
        self._obey(engine.hold(self.program, self._state, at_us, by, note), at_us)

    def resume(self, reading: Reading, by: str, note: str) -> Outcome:
        """Go on.

        Raises:
            NotNow: it goes on already.
        """
        outcome = engine.resume(self.program, self._state, reading, by, note)
        return self._obey(outcome, reading.elapsed_us, reading)

    def skip(self, reading: Reading, by: str, note: str) -> Outcome:
        """End the step.

        Raises:
            NotNow: it has ended.
        """
        outcome = engine.skip(self.program, self._state, reading, by, note)
        return self._obey(outcome, reading.elapsed_us, reading)

    def change_ends(self, ends: tuple[End, ...], now_ns: int, by: str, note: str) -> None:
        """Give the step other ends for this pass.

        Raises:
            NotNow: it cannot have them.
        """
        outcome = engine.change_ends(self.program, self._state, ends, by, note)
        self._obey(outcome, self.elapsed_us(now_ns))

    def continue_after_gap(self, reading: Reading, reason: str) -> Outcome:
        """Go on after the station was off, with counters, cycle and step as they were."""
        last = self._state.last
        off_us = reading.elapsed_us - (self._state.at_us if last is None else last.elapsed_us)
        outcome = engine.continue_after_gap(
            self.program, self._state, reading, max(off_us, 0), reason
        )
        return self._obey(outcome, reading.elapsed_us)

    def note(self, event: Happening, now_ns: int) -> None:
        """Record something that happened to the run from outside."""
        self._recorder.note((event,), self.elapsed_us(now_ns))

    def interrupt(self, reason: str, waits_for: str = "") -> None:
        """Leave the run open for the next process of its station, or keep it waiting in this one.

        ``reason``: why its station ends. ``waits_for``: what a person is to do first. The instant
        that was saved stays: it is when the run last had a reading.
        """
        with self._journal.together():
            self._record_pending()
            self._save(stopped=reason, waits_for=waits_for, at=self._saved)

    def fail(self, cause: str, reason: str, verified: bool, now_ns: int) -> None:
        """End the run for a fault."""
        with self._journal.together():
            self._record_pending()
            self._recorder.note((Fault(cause=cause, reason=reason),), self.elapsed_us(now_ns))
            self.end("failed", reason, verified, now_ns)

    def end(self, outcome: RunOutcome, reason: str, verified: bool, now_ns: int) -> None:
        """Write the last event of the run. ``verified``: the output is known to be off."""
        with self._journal.together():
            self._record_pending()
            ended = RunEnded(outcome=outcome, reason=reason, output_off_verified=verified)
            self._recorder.note((ended,), self.elapsed_us(now_ns))
            self._journal.end_run(self.experiment, outcome)

    def reading(self, values: Mapping[str, float], at_ns: int) -> Reading:
        """Put judged values on the run's own time; never before what the engine has seen."""
        last = self._state.last
        earliest_us = 0 if last is None else last.elapsed_us
        return Reading(
            elapsed_us=max(self.elapsed_us(at_ns), earliest_us),
            voltage=values["voltage"],
            current=values["current"],
            further=values,
        )

    def _go_from(self, elapsed_us: int, now_ns: int) -> None:
        self._base_us, self._base_ns = elapsed_us, now_ns

    def _obey(self, outcome: Outcome, at_us: int, reading: Reading | None = None) -> Outcome:
        """Take over what an order led to; ``reading`` is recorded where it ends the step."""
        step, cycle = self._step, self._state.cycle
        with self._journal.together():
            self._state = outcome.state
            if reading is not None and step is not None:
                self._record(reading, step, cycle)
            self._follow(outcome, at_us)
        return outcome

    def _follow(self, outcome: Outcome, at_us: int) -> None:
        self.setpoint = outcome.setpoint
        if outcome.events:
            self._step = current_step(self.program, self._state)
            self._last_sample = None
            self._recorder.note(outcome.events, at_us)
        self._save()

    def _save(self, *, stopped: str = "", waits_for: str = "", at: datetime | None = None) -> None:
        self._saved = at or self._clock.utc_now()
        self._journal.save_progress(
            Progress(
                experiment=self.experiment,
                state=self._state,
                elapsed_us=self._state.at_us,
                at=self._saved,
                resumed_us=self.resumed_us,
                stopped=stopped,
                waits_for=waits_for,
            )
        )

    def _record_pending(self) -> None:
        """Record the last reading of the step if its rule left it out."""
        last = self._state.last
        if last is not None and self._step is not None:
            self._record(last, self._step, self._state.cycle)

    def _record(self, reading: Reading, step: StepOp, cycle: int) -> None:
        """Record a reading, once."""
        if reading.elapsed_us <= self._recorder.recorded_us:
            return
        self._recorder.sample(reading, step.number, cycle, self._state.moved)
        self._last_sample = reading
