"""The live hub: one broker link per process, fanned out to every page that watches.

A page that reads slowly costs nothing: for each station only the newest word waits for it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bem.messages import (
    LiveMessage,
    NodeGone,
    NodeStatus,
    StationLive,
    StationReport,
    Topic,
    node_filter,
)
from bem.runtime.broker import BrokerLink
from bem.runtime.inbox import Inbox
from bem.runtime.settings import BrokerSettings
from bem.web.watch.newest import Key, Newest, NewestBoard, Point

Clock = Callable[[], float]
MOST_STATIONS = 10_000
"""More are not remembered, whatever the broker brings."""


class HubFull(Exception):
    """As many pages watch as this process can serve."""


@dataclass(frozen=True, slots=True)
class News:
    """What a page has not yet seen: stations by primary key.

    ``changed``: stations whose records are about to change, so that the page should ask again.
    """

    live: Mapping[int, Newest]
    changed: frozenset[int]


@dataclass(slots=True, eq=False)
class Subscription:
    """One page. ``stations`` maps what it watches to primary keys."""

    stations: Mapping[Key, int]
    pending: dict[int, Newest] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)


class LiveHub:
    """Holds the newest word of every station and hands it on.

    ``most_subscribers`` leaves the process threads for ordinary requests.
    """

    def __init__(self, most_subscribers: int = 56, clock: Clock = time.monotonic) -> None:
        self._most_subscribers = most_subscribers
        self._clock = clock
        self._condition = threading.Condition()
        self._board = NewestBoard(MOST_STATIONS)
        self._states: dict[Key, tuple[object, ...]] = {}
        self._subscriptions: set[Subscription] = set()
        self._closed = False
        self._inbox = Inbox()
        self._link: BrokerLink | None = None

    @property
    def dropped(self) -> int:
        """How many messages were no messages."""
        return self._inbox.dropped.total()

    @property
    def subscribers(self) -> int:
        """How many pages watch."""
        return len(self._subscriptions)

    @property
    def closed(self) -> bool:
        """Whether the process is on its way out."""
        return self._closed

    def connect(self, settings: BrokerSettings, client_id: str) -> None:
        """Begin to listen to the broker, for ever.

        Raises:
            SettingsError: the broker's password file cannot be read.
        """
        self._link = BrokerLink(
            settings,
            client_id=client_id,
            subscriptions=[node_filter(Topic.LIVE), node_filter(Topic.STATUS)],
            on_message=self.take,
        )
        self._link.start()

    def close(self) -> None:
        """End every stream at once; may be called from a signal handler's thread of any kind."""
        self._closed = True
        # A signal may arrive while this very thread holds the lock: wake the others from a new one.
        threading.Thread(target=self._wake_all, daemon=True).start()

    def disconnect(self) -> None:
        """Leave the broker."""
        if self._link is not None:
            self._link.stop()
            self._link = None

    def take(self, topic: str, payload: bytes) -> None:
        """Take in what arrived from the broker; anything that is no message is dropped."""
        read = self._inbox.read(topic, payload, LiveMessage, NodeStatus, NodeGone)
        if read is None:
            return
        node, message = read
        if isinstance(message, LiveMessage):
            self._take_live(node, message)
        elif isinstance(message, NodeStatus):
            self._take_states({(node, one.id): _state_of(one) for one in message.stations})
        else:
            with self._condition:
                keys = self._board.keys_of(node)
            self._mark_changed(keys)

    def newest(self, key: Key) -> tuple[Newest, float] | None:
        """Get the newest word of a station and its age in s."""
        with self._condition:
            newest = self._board.get(key)
        return None if newest is None else (newest, self._clock() - newest.at)

    def points(self, key: Key) -> list[Point]:
        """Get the short memory of a station, oldest first; times as ages in s."""
        now = self._clock()
        with self._condition:
            points = self._board.points(key, now)
        return [(now - at, voltage, current) for at, voltage, current in points]

    def age(self, newest: Newest) -> float:
        """Get how old a reading is, in s."""
        return max(0.0, self._clock() - newest.at)

    def subscribe(self, stations: Mapping[Key, int]) -> Subscription:
        """Begin to watch some stations; what is known of them waits already.

        Raises:
            HubFull: too many pages watch.
        """
        subscription = Subscription(stations)
        with self._condition:
            if self._closed or len(self._subscriptions) >= self._most_subscribers:
                raise HubFull
            for key, station in stations.items():
                newest = self._board.get(key)
                if newest is not None:
                    subscription.pending[station] = newest
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop watching."""
        with self._condition:
            self._subscriptions.discard(subscription)

    def wait(self, subscription: Subscription, timeout_s: float) -> News | None:
        """Wait for something new; ``None`` when nothing came in time or the hub closed."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._closed or subscription.pending or subscription.changed, timeout_s
            )
            if self._closed or not (subscription.pending or subscription.changed):
                return None
            news = News(dict(subscription.pending), frozenset(subscription.changed))
            subscription.pending.clear()
            subscription.changed.clear()
            return news

    def _take_live(self, node: str, message: LiveMessage) -> None:
        now = self._clock()
        with self._condition:
            for live in message.stations:
                newest = self._board.put(node, live, now)
                if newest is not None:
                    self._hand_on((node, live.id), newest)
            self._condition.notify_all()

    def _hand_on(self, key: Key, newest: Newest) -> None:
        for subscription in self._subscriptions:
            station = subscription.stations.get(key)
            if station is not None:
                subscription.pending[station] = newest

    def _take_states(self, facts: Mapping[Key, tuple[object, ...]]) -> None:
        with self._condition:
            changed = [key for key, fact in facts.items() if self._states.get(key) != fact]
            if len(self._states) < MOST_STATIONS:
                self._states.update(facts)
        self._mark_changed(changed)

    def _mark_changed(self, keys: list[Key]) -> None:
        with self._condition:
            for subscription in self._subscriptions:
                subscription.changed.update(
                    subscription.stations[key] for key in keys if key in subscription.stations
                )
            self._condition.notify_all()

    def _wake_all(self) -> None:
        with self._condition:
            self._condition.notify_all()


def _state_of(report: StationReport) -> tuple[object, ...]:
    """What a page shows of a report that comes with no reading."""
    return (
        report.state,
        report.reason,
        report.experiment,
        report.activity,
        report.waits_for,
        report.lock,
        report.warnings,
    )


def describe(station: int, newest: Newest, age_s: float) -> dict[str, object]:
    """Write a reading for a page: SI units, ``measured_at`` in ISO 8601, ``age`` in s."""
    live: StationLive = newest.live
    return {
        "station": station,
        "state": live.state,
        "values": live.values,
        "measured_at": None if live.measured_at is None else live.measured_at.isoformat(),
        "age": round(age_s, 3),
        "output_on": live.output_on,
        "experiment": None if live.experiment is None else str(live.experiment),
        "elapsed_us": live.elapsed_us,
        "step": live.step,
        "step_title": live.step_title,
        "step_elapsed_us": live.step_elapsed_us,
        "cycle": live.cycle,
        "activity": live.activity,
    }
