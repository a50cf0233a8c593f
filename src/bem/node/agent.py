"""The agent: ties definitions, stations, commands and upload to the broker."""

import json
import logging
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

from pydantic import TypeAdapter, ValidationError

import bem
from bem.messages import (
    MAX_DEFINITION,
    Acknowledgement,
    CommandAnswer,
    CommandOrder,
    DriverReport,
    EventBatch,
    LiveMessage,
    NodeGone,
    NodeStatus,
    SampleBatch,
    StationReport,
    Topic,
    topic,
)
from bem.messages.upward import Data
from bem.node.children import Children, StationArguments, station_arguments
from bem.node.commands import Relay
from bem.node.definitions import Definitions
from bem.node.editor import StationEditor
from bem.node.found import FoundDevices
from bem.node.locks import holder
from bem.node.orders import OrderStore
from bem.node.tools import ToolFailed, Tools
from bem.node.upload import Backlog, Uploader
from bem.node.watch import StationWatch
from bem.node.window import Clock
from bem.runtime.broker import BrokerLink, Will
from bem.runtime.inbox import Inbox
from bem.runtime.log import Condition
from bem.runtime.settings import Settings, StationDefinition, is_station_id

_LOGGER = logging.getLogger(__name__)
SCAN_S = 1.0
"""How often definitions and processes are looked at."""
FIRST_LOOK_S = 3.0
"""How long the first status waits for the stations to say how they are."""
STOP_S = 60.0
"""A station that needs longer than this to switch off and end is reported."""
LAST_ROWS_S = 4.0
"""How long an orderly end waits for the last rows to be acknowledged."""
DRIVERS_S = 60.0
"""How often the drivers are told again, for a server that lost them."""
DEVICES_S = 60.0
"""The same for devices."""
_LOOK_AGAIN_S = 0.1
_SENDABLE: TypeAdapter[dict[str, object]] = TypeAdapter(Data)
_MAX_MESSAGES = 1000


class Agent:
    """One node. :meth:`start` it, :meth:`step` it several times a second, then :meth:`stop` it.

    Raises:
        SettingsError: the broker's password cannot be read.
        sqlite3.Error: the store of commands cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        arguments: StationArguments = station_arguments,
        tools: Tools | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._tools = tools or Tools()
        self._settings = settings
        self._node = settings.node
        self._clock = clock
        self._session: UUID = uuid4()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._status_wanted = threading.Event()
        self._scan_wanted = threading.Event()
        self._drivers_wanted = threading.Event()
        self._devices_wanted = threading.Event()
        self._drivers: tuple[DriverReport, ...] = ()
        self._definitions = Definitions(settings.station_files)
        self._found = FoundDevices(settings.found_devices, settings.node.scan_s)
        self._watches: dict[str, StationWatch] = {}
        self._outgoing: dict[str, int | None] = {}
        self._children = (
            Children(settings, arguments, clock) if self._node.run_stations == "children" else None
        )
        self._store = OrderStore(settings.data_dir / "node.sqlite3")
        editor = StationEditor(settings, self, self._tools)
        self._relay = Relay(settings, self._store, self._publish_answer, editor)
        self._uploader = Uploader(
            settings, publish=self._publish_rows, forget=self._forget, clock=clock
        )
        self._received: queue.Queue[tuple[str, bytes]] = queue.Queue(_MAX_MESSAGES)
        self._inbox = Inbox()
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
            for name, work in (
                ("upload", self._uploader.run),
                ("receive", self._receive),
                ("drivers", self._list_drivers),
            )
        ]
        self._link = BrokerLink(
            settings.broker,
            # Who knew it could take our place at the broker; it lives as long as this process.
            client_id=f"bem-node-{self._node.id}_{secrets.token_hex(8)}",
            subscriptions=[self._topic(Topic.COMMANDS), self._topic(Topic.ACKNOWLEDGEMENTS)],
            on_message=self._arrived,
            on_connected=self._connected,
            will=Will(self._topic(Topic.STATUS), NodeGone(session=self._session)),
        )
        self._started_at = 0.0
        self._scan_at = 0.0
        self._status_at = 0.0
        self._live_at = 0.0
        self._drivers_at = 0.0
        self._devices_at = 0.0

    @property
    def failed(self) -> bool:
        """Whether a thread ended that must not; the process shall end and be started again."""
        return self._failed.is_set()

    def start(self) -> None:
        """Begin all work."""
        self._started_at = self._clock()
        self._scan()
        for thread in self._threads:
            thread.start()
        self._relay.resume()
        self._link.start()

    def step(self, wait_s: float) -> None:
        """Do what is due, after waiting up to ``wait_s`` for something to happen."""
        self._wake.wait(wait_s)
        self._wake.clear()
        now = self._clock()
        if self._scan_wanted.is_set() or now >= self._scan_at:
            self._scan_wanted.clear()
            self._scan_at = now + SCAN_S
            self._scan()
        if not self._link.connected:
            return
        if self._status_wanted.is_set() or now >= self._status_at:
            self._publish_status(now)
        if now >= self._live_at:
            self._live_at = max(self._live_at + self._node.live_s, now)
            self._publish_live()

    def wake(self) -> None:
        """Make a waiting :meth:`step` go on. Safe in a signal handler's thread."""
        self._wake.set()

    def stop(self) -> bool:
        """End all work, and the stations too if they are this agent's; ``False`` if one stayed."""
        left = self._children.end_all(STOP_S) if self._children is not None else []
        for station in left:
            _LOGGER.error("station %s has not ended within %g s", station, STOP_S)
        self._relay.stop()
        if self._children is not None:
            self._deliver_last()
        self._stopping.set()
        self._uploader.stop()
        for watch in self._watches.values():
            watch.stop()
        if self._link.connected:
            # An orderly end sends no will; say so ourselves.
            self._link.publish(self._topic(Topic.STATUS), NodeGone(session=self._session))
        self._link.stop()
        for thread in self._threads:
            thread.join(timeout=5.0)
        self._store.close()
        return not left

    def _deliver_last(self) -> None:
        """Give the rows that the stations wrote at their end a moment to get out.

        What does not make it is in the journals and goes out after the next start.
        """
        deadline = self._clock() + LAST_ROWS_S
        looked = self._uploader.looks
        while self._link.connected and self._clock() < deadline:
            fresh = self._uploader.looks > looked + 1
            if fresh and not any(
                it.samples or it.events for it in self._uploader.backlogs.values()
            ):
                return
            self._wake.wait(_LOOK_AGAIN_S)
            self._wake.clear()

    # -- stations

    def is_running(self, station: str) -> bool:
        """Whether an experiment runs at a station, as far as it says."""
        watch = self._watches.get(station)
        return watch is not None and watch.live.state == "running"

    def look_again(self) -> None:
        """Look at the definitions now. Safe in any thread."""
        self._scan_wanted.set()
        self._wake.set()

    def works_by(self, station: str, definition: StationDefinition | None) -> bool:
        """Whether the station runs by this definition; ``None``: is there no more."""
        watch = self._watches.get(station)
        if (None if watch is None else watch.definition) != definition:
            return False
        outgoing = self._outgoing.get(station)
        return outgoing is None or self._pid(station) != outgoing

    def _pid(self, station: str) -> int | None:
        return holder(self._settings.station_folder(station) / "lock")

    def _scan(self) -> None:
        if self._found.look():
            self._devices_wanted.set()
            self._want_status()
        self._definitions.scan()
        for station in list(self._watches):
            self._renew(station, self._definitions.good.get(station))
        for station, definition in self._definitions.good.items():
            if station not in self._watches:
                self._watch(definition)
            if self._children is not None and self._watches[station].definition == definition:
                self._children.keep(station)

    def _watch(self, definition: StationDefinition) -> None:
        watch = StationWatch(
            definition,
            self._settings.station_socket(definition.id),
            live_s=self._node.live_s,
            heartbeat_s=self._node.heartbeat_s,
            on_change=self._want_status,
            clock=self._clock,
        )
        self._watches[definition.id] = watch
        watch.start()
        self._want_status()

    def _renew(self, station: str, definition: StationDefinition | None) -> None:
        """Act on a definition that changed or has gone, but never while an experiment runs."""
        watch = self._watches[station]
        if watch.definition == definition or watch.live.state == "running":
            return
        if self._children is not None:
            if not self._children.end(station):
                return
        else:
            # It ends by itself, and systemd starts it anew if it still has a definition.
            self._outgoing[station] = self._pid(station)
        watch.stop()
        del self._watches[station]
        self._want_status()

    def _forget(self, station: str, experiment: UUID, next_sample: int, next_event: int) -> None:
        watch = self._watches.get(station)
        if watch is not None:
            watch.forget(experiment, next_sample, next_event)

    # -- upward

    def _topic(self, last: Topic) -> str:
        return topic(self._node.id, last)

    def _publish_rows(self, batch: SampleBatch | EventBatch) -> bool:
        last = Topic.SAMPLES if isinstance(batch, SampleBatch) else Topic.EVENTS
        return self._link.publish(self._topic(last), batch)

    def _publish_answer(self, answer: CommandAnswer) -> bool:
        return self._link.publish(self._topic(Topic.ANSWERS), answer)

    def _want_status(self) -> None:
        self._status_wanted.set()
        self._wake.set()

    def _publish_status(self, now: float) -> None:
        asked = all(watch.asked.is_set() for watch in self._watches.values())
        if not asked and now - self._started_at < FIRST_LOOK_S:
            return
        self._status_wanted.clear()
        self._status_at = now + self._node.heartbeat_s
        backlogs = self._uploader.backlogs
        tells_drivers = bool(self._drivers) and (
            self._drivers_wanted.is_set() or now >= self._drivers_at
        )
        if tells_drivers:
            self._drivers_wanted.clear()
            self._drivers_at = now + DRIVERS_S
        tells_devices = self._devices_wanted.is_set() or now >= self._devices_at
        if tells_devices:
            self._devices_wanted.clear()
            self._devices_at = now + DEVICES_S
        self._link.publish(
            self._topic(Topic.STATUS),
            NodeStatus(
                session=self._session,
                sent_at=datetime.now(UTC),
                version=bem.__version__,
                hostname=socket.gethostname(),
                stations=tuple(self._reports(backlogs)),
                unsent_samples=sum(backlog.samples for backlog in backlogs.values()),
                drivers=self._drivers if tells_drivers else None,
                devices=self._found.reports if tells_devices else None,
            ),
        )

    def _reports(self, backlogs: Mapping[str, Backlog]) -> list[StationReport]:
        reports = []
        for station, watch in sorted(self._watches.items()):
            backlog = backlogs.get(station, Backlog())
            report = watch.report
            reason = report.reason or (
                f"its journal cannot be sent in full: {backlog.trouble}"[:1000]
                if backlog.trouble
                else ""
            )
            unsent = backlog.samples + backlog.events
            known = {
                "reason": reason,
                "unsent": unsent,
                "definition": self._definition_of(station, watch),
            }
            reports.append(report.model_copy(update=known))
        for station, reason in sorted(self._definitions.broken.items()):
            if station not in self._watches and is_station_id(station):
                reports.append(
                    StationReport(
                        id=station,
                        name=station,
                        state="down",
                        reason=reason[:1000],
                        period_ms=1000,
                    )
                )
        return reports

    def _definition_of(self, station: str, watch: StationWatch) -> dict[str, object] | None:
        """What its file says, which a running experiment may keep from being in force yet."""
        if station in self._definitions.broken:
            return None
        definition = self._definitions.good.get(station, watch.definition).model_dump(mode="json")
        if len(json.dumps(definition)) > MAX_DEFINITION:
            return None
        try:
            return _SENDABLE.validate_python(definition)
        except ValidationError:
            # YAML can say more than a message carries; the station is reported all the same.
            return None

    def _publish_live(self) -> None:
        stations = tuple(watch.live for _, watch in sorted(self._watches.items()))
        self._link.publish(self._topic(Topic.LIVE), LiveMessage(stations=stations), qos=0)

    # -- downward

    def _arrived(self, name: str, payload: bytes) -> None:
        try:
            self._received.put_nowait((name, payload))
        except queue.Full:
            # All of it is sent again: orders until answered, watermarks after the next batch.
            return

    def _connected(self) -> None:
        self._uploader.connected()
        self._drivers_wanted.set()
        self._devices_wanted.set()
        self._want_status()

    def _receive(self) -> None:
        while not self._stopping.is_set():
            try:
                name, payload = self._received.get(timeout=0.5)
            except queue.Empty:
                continue
            read = self._inbox.read(name, payload, CommandOrder, Acknowledgement)
            if read is None:
                continue
            message = read[1]
            if isinstance(message, CommandOrder):
                self._relay.take(message)
            elif isinstance(message, Acknowledgement):
                self._uploader.take(message)

    def _list_drivers(self) -> None:
        """Find out once which drivers there are; a new release comes with a new agent."""
        trouble = Condition(_LOGGER, "the browser cannot offer this node's drivers")
        while not self._stopping.is_set():
            try:
                self._drivers = self._tools.list_drivers()
            except ToolFailed as error:
                trouble.begin(error)
                self._stopping.wait(DRIVERS_S)
            else:
                trouble.end()
                self._drivers_wanted.set()
                self._want_status()
                return

    def _guard(self, work: Callable[[], None]) -> None:
        """Run a thread's work; if it ends by an error the whole agent shall start anew."""
        try:
            work()
        except Exception:
            _LOGGER.exception("the agent's own error")
            self._failed.set()
            self._wake.set()
