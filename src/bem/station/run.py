"""One experiment on its way: the engine's state, and what of it goes into the journal."""

import json
from collections.abc import Mapping
from uuid import UUID

from bem.domain.engine import EngineState, Outcome, Reading, advance, begin, current_step
from bem.domain.happenings import Fault, Happening, RunEnded, RunOutcome
from bem.domain.program import Program, Setpoint, StepOp
from bem.domain.recording import is_due
from bem.station.journal import Journal, SampleRow
from bem_drivers.base import Channel

BASIC_CHANNELS = frozenset({"voltage", "current", "power"})
"""Channels with columns of their own; all others go into ``extra``."""


def further_channels(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Get the channels of a device besides voltage, current and power."""
    return tuple(channel for channel in channels if channel.name not in BASIC_CHANNELS)


class Run:
    """Carries a program out, reading by reading, and records it. Touches no device.

    ``time_scale``: how much faster than the clock the run's own time passes. ``period_s``: time (s)
    of the clock between readings.
    """

    def __init__(
        self,
        experiment: UUID,
        program: Program,
        channels: tuple[Channel, ...],
        time_scale: float,
        period_s: float,
        journal: Journal,
    ) -> None:
        self.experiment = experiment
        self._program = program
        self._channels = further_channels(channels)
        self._time_scale = time_scale
        self._slack_s = period_s * time_scale / 2
        self._journal = journal
        self._begun = begin(program)
        self._state: EngineState = self._begun.state
        self._step = current_step(program, self._state)
        self._started_ns = 0
        self._next_sample = 0
        self._next_event = 0
        self._last_sample: Reading | None = None
        """The newest sample of the current step."""
        self._recorded_us = -1
        """Elapsed time of the newest sample of the run."""

    @property
    def first_setpoint(self) -> Setpoint:
        """What the power path shall hold at the start."""
        return self._begun.setpoint

    @property
    def step(self) -> StepOp | None:
        """The step being run; ``None`` once the program has ended."""
        return self._step

    @property
    def cycle(self) -> int:
        """The number of the cycle being run, from 1."""
        return self._state.cycle

    def start(self, name: str, now_ns: int) -> None:
        """Begin the run's time at ``now_ns`` (monotonic ns) and its record."""
        self._started_ns = now_ns
        self._journal.start_run(
            self.experiment,
            name,
            self._program.model_dump_json(),
            [
                {"name": channel.name, "unit": channel.unit, "title": channel.title}
                for channel in self._channels
            ],
        )
        self._note(self._begun.events, 0)

    def elapsed_us(self, at_ns: int) -> int:
        """Get the run's own time (µs) at a monotonic instant (ns)."""
        return max(int((at_ns - self._started_ns) * self._time_scale) // 1000, 0)

    def step_elapsed_us(self, at_ns: int) -> int:
        """Get the run's own time (µs) since its step began."""
        return self._state.step_elapsed_us(self.elapsed_us(at_ns))

    def take(self, values: Mapping[str, float], at_ns: int) -> Outcome:
        """Take a judged reading: engine first, then what is to be recorded of it."""
        step, cycle, reading = self._step, self._state.cycle, self._reading(values, at_ns)
        outcome = advance(self._program, self._state, reading)
        self._state = outcome.state
        if step is not None and (
            outcome.events or is_due(step.record, self._last_sample, reading, self._slack_s)
        ):
            self._record(reading, step, cycle)
        if outcome.events:
            self._step = current_step(self._program, self._state)
            self._last_sample = None
            self._note(outcome.events, reading.elapsed_us)
        return outcome

    def take_last(self, values: Mapping[str, float], at_ns: int) -> None:
        """Record the reading that ends the run from outside, without moving on to another step."""
        step, cycle, reading = self._step, self._state.cycle, self._reading(values, at_ns)
        if step is None:
            return
        self._state = advance(self._program, self._state, reading).state
        self._record(reading, step, cycle)

    def fail(self, cause: str, reason: str, verified: bool, now_ns: int) -> None:
        """End the run for a fault."""
        self._record_pending()
        self._note((Fault(cause=cause, reason=reason),), self.elapsed_us(now_ns))
        self.end("failed", reason, verified, now_ns)

    def end(self, outcome: RunOutcome, reason: str, verified: bool, now_ns: int) -> None:
        """Write the last event of the run. ``verified``: the output is known to be off."""
        self._record_pending()
        ended = RunEnded(outcome=outcome, reason=reason, output_off_verified=verified)
        self._note((ended,), self.elapsed_us(now_ns))
        self._journal.end_run(self.experiment, outcome)

    def _reading(self, values: Mapping[str, float], at_ns: int) -> Reading:
        return Reading(
            elapsed_us=self.elapsed_us(at_ns),
            voltage=values["voltage"],
            current=values["current"],
            further=values,
        )

    def _record_pending(self) -> None:
        """Record the last reading of the step if its rule left it out."""
        last = self._state.last
        if last is not None and self._step is not None and last.elapsed_us > self._recorded_us:
            self._record(last, self._step, self._state.cycle)

    def _record(self, reading: Reading, step: StepOp, cycle: int) -> None:
        moved = self._state.moved
        further = [reading.further.get(channel.name) for channel in self._channels]
        self._journal.add_sample(
            SampleRow(
                experiment=str(self.experiment),
                seq=self._next_sample,
                elapsed_us=reading.elapsed_us,
                step=step.number,
                cycle=cycle,
                voltage=reading.voltage,
                current=reading.current,
                power=reading.power,
                charge_in=moved.charge_in,
                charge_out=moved.charge_out,
                energy_in=moved.energy_in,
                energy_out=moved.energy_out,
                extra=json.dumps(further),
            )
        )
        self._next_sample += 1
        self._last_sample = reading
        self._recorded_us = reading.elapsed_us

    def _note(self, events: tuple[Happening, ...], elapsed_us: int) -> None:
        for event in events:
            self._journal.add_event(self.experiment, self._next_event, elapsed_us, event)
            self._next_event += 1
