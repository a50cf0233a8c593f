"""Numbers the samples and events of one run, and hands them to the journal."""

import json
from collections.abc import Sequence
from uuid import UUID

from bem.domain.engine import Reading
from bem.domain.happenings import Happening, Throughput
from bem.station.journal import Journal, SampleRow


class Recorder:
    """``channels``: names of the further channels, in the order of the run's list."""

    def __init__(
        self,
        experiment: UUID,
        channels: Sequence[str],
        journal: Journal,
        next_sample: int = 0,
        next_event: int = 0,
    ) -> None:
        self._experiment = experiment
        self._channels = tuple(channels)
        self._journal = journal
        self._next_sample = next_sample
        self._next_event = next_event
        self.recorded_us = -1
        """Elapsed time (µs) of the newest sample; -1 before the first."""

    def sample(self, reading: Reading, step: int, cycle: int, moved: Throughput) -> None:
        """Append a sample."""
        further = [reading.further.get(name) for name in self._channels]
        self._journal.add_sample(
            SampleRow(
                experiment=str(self._experiment),
                seq=self._next_sample,
                elapsed_us=reading.elapsed_us,
                step=step,
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
        self.recorded_us = reading.elapsed_us

    def note(self, events: Sequence[Happening], elapsed_us: int) -> None:
        """Append events that happened ``elapsed_us`` after the run began."""
        for event in events:
            self._journal.add_event(self._experiment, self._next_event, elapsed_us, event)
            self._next_event += 1
