"""Keep an eye on one station over its socket, in a thread of its own: none delays another."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from bem.messages import StationChannel, StationLive, StationReport
from bem.node.window import Clock
from bem.runtime.local import (
    Description,
    Live,
    LocalRequest,
    StationClient,
    StationUnreachable,
)
from bem.runtime.log import Condition
from bem.runtime.settings import StationDefinition

_LOGGER = logging.getLogger(__name__)
TIMEOUT_S = 2.0
"""A station that takes longer to say how it is does not answer."""
_REASON = 1000
_WAITS_FOR = 500


class StationWatch:
    """The newest state of one station, asked every ``live_s``, described every ``heartbeat_s``.

    ``on_change`` is called from the watch's thread when the manager must know of something: the
    state, the running experiment, what that does or waits for, a lock, a warning.
    """

    def __init__(
        self,
        definition: StationDefinition,
        socket: Path,
        *,
        live_s: float,
        heartbeat_s: float,
        on_change: Callable[[], None],
        clock: Clock = time.monotonic,
    ) -> None:
        self.definition = definition
        self._client = StationClient(socket, TIMEOUT_S)
        self._live_s = live_s
        self._heartbeat_s = heartbeat_s
        self._on_change = on_change
        self._clock = clock
        self._down = Condition(_LOGGER, f"station {definition.id} is down")
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._forgettable: dict[UUID, tuple[int, int]] = {}
        self._described_at: float | None = None
        self._revision = 0
        self._report = self._as_down("not yet asked")
        self._live = StationLive(id=definition.id, state="down")
        self.asked = threading.Event()
        """Set once the station has been asked for the first time, whatever it said."""
        self._thread = threading.Thread(
            target=self._run, name=f"watch-{definition.id}", daemon=True
        )

    @property
    def report(self) -> StationReport:
        """The station as last described."""
        with self._lock:
            return self._report

    @property
    def live(self) -> StationLive:
        """Its newest reading."""
        with self._lock:
            return self._live

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end; it does within the time-out."""
        self._stopping.set()

    def forget(self, experiment: UUID, next_sample: int, next_event: int) -> None:
        """Pass watermarks on with the next question; newer ones take the place of older ones."""
        with self._lock:
            self._forgettable[experiment] = (next_sample, next_event)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = self._clock()
            self._ask()
            self.asked.set()
            self._stopping.wait(max(self._live_s - (self._clock() - began), 0.0))
        self._client.close()

    def _ask(self) -> None:
        try:
            live = Live.model_validate(self._client.read(LocalRequest(request="live")))
            if self._needs_description(live):
                self._describe()
                self._revision = live.revision
            self._pass_watermarks()
            state = StationLive(id=self.definition.id, **live.model_dump(exclude={"revision"}))
        except (StationUnreachable, ValidationError) as error:
            self._described_at = None
            reason = str(error)[:_REASON]
            self._down.begin(reason)
            self._set(self._as_down(reason), StationLive(id=self.definition.id, state="down"))
        else:
            self._down.end()
            with self._lock:
                self._live = state

    def _needs_description(self, live: Live) -> bool:
        report = self.report
        return (
            self._described_at is None
            or self._clock() - self._described_at >= self._heartbeat_s
            or live.revision != self._revision
            or (live.state, live.experiment) != (report.state, report.experiment)
        )

    def _describe(self) -> None:
        body = Description.model_validate(self._client.read(LocalRequest(request="describe")))
        known = body.model_dump(exclude={"channels", "reason", "device", "waits_for"})
        report = StationReport(
            id=self.definition.id,
            name=self.definition.name,
            period_ms=self.definition.period_ms,
            time_scale=self.definition.time_scale,
            reason=body.reason[:_REASON],
            device=body.device[:200],
            waits_for=body.waits_for[:_WAITS_FOR],
            channels=tuple(
                StationChannel(name=channel.name, unit=channel.unit, title=channel.title)
                for channel in body.channels
            ),
            **known,
        )
        self._described_at = self._clock()
        self._set(report, None)

    def _pass_watermarks(self) -> None:
        with self._lock:
            waiting, self._forgettable = self._forgettable, {}
        for experiment, (next_sample, next_event) in waiting.items():
            self._client.ask(
                LocalRequest(
                    request="forget",
                    experiment=experiment,
                    next_sample=next_sample,
                    next_event=next_event,
                )
            )

    def _as_down(self, reason: str) -> StationReport:
        return StationReport(
            id=self.definition.id,
            name=self.definition.name,
            state="down",
            reason=reason,
            period_ms=self.definition.period_ms,
            time_scale=self.definition.time_scale,
        )

    def _set(self, report: StationReport, live: StationLive | None) -> None:
        with self._lock:
            before, self._report = self._report, report
            if live is not None:
                self._live = live
        if _told(before) != _told(report):
            self._on_change()


def _told(report: StationReport) -> tuple[object, ...]:
    """Get what the manager must know at once when it changes."""
    return (
        report.state,
        report.reason,
        report.experiment,
        report.activity,
        report.waits_for,
        report.lock,
        report.warnings,
    )
