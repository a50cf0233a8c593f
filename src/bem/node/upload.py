"""Bring the journals of all stations to the server, exactly as they are, and forget nothing early.

One thread reads the journals and publishes; the watermarks that come back move the windows. What
has ended and is acknowledged in full is not looked at again.
"""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from bem.messages import Acknowledgement, EventBatch, SampleBatch
from bem.node.journal import BadRow, Journal, RunState
from bem.node.window import Clock, Window
from bem.runtime.log import Condition
from bem.runtime.settings import Settings

_LOGGER = logging.getLogger(__name__)

Publish = Callable[[SampleBatch | EventBatch], bool]
Forget = Callable[[str, UUID, int, int], None]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of one station's journal the server has not acknowledged, and why it may stay so."""

    samples: int = 0
    events: int = 0
    trouble: str = ""


@dataclass(slots=True)
class _Stream:
    window: Window
    bad: str = ""
    reported: bool = False


@dataclass(slots=True)
class _Run:
    state: RunState
    samples: _Stream
    events: _Stream
    unknown: bool = False
    """The server does not know the experiment; it is asked again after the next connect."""
    forget_at: float = 0.0

    @property
    def delivered(self) -> bool:
        return (
            self.samples.window.acknowledged >= self.state.samples
            and self.events.window.acknowledged >= self.state.events
        )

    @property
    def settled(self) -> bool:
        """Nothing is left to do: it ended, all is delivered, and the station knows."""
        return (
            self.state.ended
            and self.delivered
            and self.state.acked_samples >= self.state.samples
            and self.state.acked_events >= self.state.events
        )


@dataclass(slots=True)
class _Source:
    """One journal and its runs."""

    station: str
    path: Path
    trouble: Condition
    journal: Journal | None = None
    version: int | None = None
    runs: dict[UUID, _Run] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)


class Uploader:
    """Publishes what the journals hold and follows the watermarks.

    ``connected``, ``take`` may be called from any thread; ``run`` is the thread's own loop.
    """

    def __init__(
        self, settings: Settings, *, publish: Publish, forget: Forget, clock: Clock = time.monotonic
    ) -> None:
        self._settings = settings
        self._publish = publish
        self._forget = forget
        self._clock = clock
        self._sources: dict[str, _Source] = {}
        self._owner: dict[UUID, _Source] = {}
        self._inbox: queue.SimpleQueue[Acknowledgement | None] = queue.SimpleQueue()
        self._reconnected = threading.Event()
        self._stopping = threading.Event()
        self._backlogs: Mapping[str, Backlog] = MappingProxyType({})
        self.looks = 0
        """How often all journals have been looked at."""

    @property
    def backlogs(self) -> Mapping[str, Backlog]:
        """What is left to deliver, by station, as of the last look."""
        return self._backlogs

    def connected(self) -> None:
        """Say that the wire is a new one: what was on its way may be lost."""
        self._reconnected.set()
        self._inbox.put(None)

    def take(self, acknowledgement: Acknowledgement) -> None:
        """Hand over a watermark."""
        self._inbox.put(acknowledgement)

    def stop(self) -> None:
        """Make :meth:`run` return."""
        self._stopping.set()
        self._inbox.put(None)

    def run(self) -> None:
        """Upload until stopped."""
        due = self._clock()
        while not self._stopping.is_set():
            wait_s = due - self._clock()
            if wait_s > 0:
                self._take_waiting(wait_s)
                continue
            self.look()
            due = max(due + self._settings.node.batch_s, self._clock())
        for source in self._sources.values():
            _close(source)

    def look(self) -> None:
        """Look once at every journal and send what is new."""
        if self._reconnected.is_set():
            self._reconnected.clear()
            self._restart_all()
        self._find_journals()
        for source in list(self._sources.values()):
            self._with_journal(source, self._look_at)
        self._backlogs = MappingProxyType(
            {station: _backlog(source) for station, source in self._sources.items()}
        )
        self.looks += 1

    def _take_waiting(self, wait_s: float) -> None:
        try:
            acknowledgement = self._inbox.get(timeout=wait_s)
        except queue.Empty:
            return
        if acknowledgement is not None:
            self.acknowledged(acknowledgement)

    def acknowledged(self, mark: Acknowledgement) -> None:
        """Move the windows of an experiment and send on if a backlog waits."""
        source = self._owner.get(mark.experiment)
        run = source.runs.get(mark.experiment) if source is not None else None
        if source is None or run is None:
            return
        if not mark.known:
            if not run.unknown:
                _LOGGER.warning(
                    "%s: the server does not know experiment %s; its rows are kept and offered "
                    "again after the next connect",
                    source.station,
                    mark.experiment,
                )
            run.unknown = True
            return
        now = self._clock()
        for stream, number in ((run.samples, mark.next_sample), (run.events, mark.next_event)):
            stream.window.take(number, now, rewind=mark.rewind)
        self._pass_on(source, mark.experiment, run)
        self._with_journal(
            source,
            lambda journal, it: self._send(journal, it, mark.experiment, run, full=True),
        )

    def _restart_all(self) -> None:
        for source in self._sources.values():
            for run in source.runs.values():
                run.unknown = False
                for stream, rows in (
                    (run.samples, run.state.samples),
                    (run.events, run.state.events),
                ):
                    stream.bad = ""
                    if run.state.ended and stream.window.acknowledged >= rows:
                        stream.window.step_back()
                    else:
                        stream.window.restart()
            source.version = None

    def _find_journals(self) -> None:
        folder = self._settings.station_files
        try:
            found = {path.parent.name: path for path in folder.glob("*/journal.sqlite3")}
        except OSError:
            found = {}
        for station in self._sources.keys() - found.keys():
            gone = self._sources.pop(station)
            _close(gone)
            for experiment in gone.runs:
                self._owner.pop(experiment, None)
        for station in found.keys() - self._sources.keys():
            condition = Condition(_LOGGER, f"{station}: its journal cannot be read")
            self._sources[station] = _Source(station, found[station], condition)

    def _with_journal(self, source: _Source, work: Callable[[Journal, _Source], None]) -> None:
        """Do something with a journal; what is wrong with one never touches another."""
        try:
            if source.journal is not None and not source.journal.is_current():
                _close(source)
            if source.journal is None:
                source.journal = Journal(source.path)
            work(source.journal, source)
        except sqlite3.Error as error:
            source.trouble.begin(error)
            _close(source)
        else:
            source.trouble.end()

    def _look_at(self, journal: Journal, source: _Source) -> None:
        version = journal.version()
        if version != source.version:
            self._refresh(journal, source)
            # Only now: a failed read shall be repeated.
            source.version = version
        now = self._clock()
        for experiment, run in source.runs.items():
            for stream in (run.samples, run.events):
                stream.window.check_overdue(now, self._settings.node.resend_s)
            self._pass_on(source, experiment, run)
            self._send(journal, source, experiment, run, full=False)

    def _refresh(self, journal: Journal, source: _Source) -> None:
        listed: set[UUID] = set()
        for text in journal.experiments():
            try:
                experiment = UUID(text)
            except ValueError:
                _report_unusable(source, text, "it is no UUID")
                continue
            listed.add(experiment)
            known = source.runs.get(experiment)
            if known is not None and known.settled:
                continue
            try:
                state = journal.run(text)
            except BadRow as error:
                _report_unusable(source, text, str(error))
                continue
            if state is None:
                continue
            if known is None:
                source.runs[experiment] = self._new_run(state)
                self._owner[experiment] = source
            else:
                known.state = state
        for experiment in source.runs.keys() - listed:
            del source.runs[experiment]
            self._owner.pop(experiment, None)

    def _new_run(self, state: RunState) -> _Run:
        window = self._settings.node.batches_in_flight
        run = _Run(
            state=state,
            samples=_Stream(Window(state.acked_samples, window)),
            events=_Stream(Window(state.acked_events, window)),
        )
        if run.settled:
            # Offer the last rows once: a server restored from a backup asks for the rest.
            run.samples.window.step_back()
            run.events.window.step_back()
        return run

    def _pass_on(self, source: _Source, experiment: UUID, run: _Run) -> None:
        """Tell the station what is safe, until its journal shows that it knows."""
        samples, events = run.samples.window.acknowledged, run.events.window.acknowledged
        if samples <= run.state.acked_samples and events <= run.state.acked_events:
            return
        now = self._clock()
        if now >= run.forget_at:
            run.forget_at = now + self._settings.node.batch_s
            self._forget(source.station, experiment, samples, events)

    def _send(
        self, journal: Journal, source: _Source, experiment: UUID, run: _Run, *, full: bool
    ) -> None:
        """Send what may go out; with ``full`` only full batches, so that small ones collect."""
        if run.unknown:
            return
        limit = self._settings.node.batch_rows
        state = run.state

        def samples(first: int) -> SampleBatch | None:
            return journal.samples(experiment, first, limit, state.channels)

        def events(first: int) -> EventBatch | None:
            return journal.events(experiment, first, limit)

        self._send_stream(source, experiment, run.events, state.events, events, full=full)
        self._send_stream(source, experiment, run.samples, state.samples, samples, full=full)

    def _send_stream(
        self,
        source: _Source,
        experiment: UUID,
        stream: _Stream,
        end: int,
        read: Callable[[int], SampleBatch | EventBatch | None],
        *,
        full: bool,
    ) -> None:
        window = stream.window
        at_least = self._settings.node.batch_rows if full else 1
        while not stream.bad and window.is_open and end - window.cursor >= at_least:
            try:
                batch = read(window.cursor)
            except BadRow as error:
                stream.bad = f"experiment {experiment}: {error}"
                if not stream.reported:
                    _LOGGER.critical(
                        "%s: %s; this and later rows stay in the journal",
                        source.station,
                        stream.bad,
                    )
                stream.reported = True
                return
            if batch is None or not self._publish(batch):
                return
            rows = batch.size if isinstance(batch, SampleBatch) else len(batch.rows)
            window.sent(rows, self._clock())


def _close(source: _Source) -> None:
    if source.journal is not None:
        source.journal.close()
    source.journal = None
    source.version = None


def _report_unusable(source: _Source, experiment: str, reason: str) -> None:
    if experiment not in source.unusable:
        _LOGGER.error(
            "%s: run %r of the journal cannot be sent: %s", source.station, experiment, reason
        )
    source.unusable[experiment] = f"run {experiment!r:.60}: {reason}"


def _backlog(source: _Source) -> Backlog:
    samples = sum(
        max(run.state.samples - run.samples.window.acknowledged, 0) for run in source.runs.values()
    )
    events = sum(
        max(run.state.events - run.events.window.acknowledged, 0) for run in source.runs.values()
    )
    troubles = [
        stream.bad
        for run in source.runs.values()
        for stream in (run.samples, run.events)
        if stream.bad
    ]
    troubles.extend(source.unusable.values())
    return Backlog(samples, events, troubles[0] if troubles else "")
