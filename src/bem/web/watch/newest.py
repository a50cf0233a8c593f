"""What the stations say right now: the newest of each, and a short memory for small curves."""

from collections import deque
from dataclasses import dataclass, field

from bem.messages import StationLive

MEMORY_S = 300.0
"""How far back the short memory goes."""
SPACING_S = 4.0
"""Time between two points of the memory, so that a station costs 75 points whatever it sends."""

Key = tuple[str, str]
"""Node id and station slug."""
Point = tuple[float, float | None, float | None]
"""Monotonic s, V, A."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest word of a station. ``at``: when it brought a new reading, in monotonic s.

    A station that repeats an old reading does not make it newer.
    """

    live: StationLive
    at: float


@dataclass(slots=True)
class _Memory:
    newest: Newest
    points: deque[Point] = field(default_factory=lambda: deque(maxlen=int(MEMORY_S / SPACING_S)))


class NewestBoard:
    """The newest word of every station of every node. Not locked; its owner does that.

    Stations that nobody asked to remember cannot fill it: at most ``most`` are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._stations: dict[Key, _Memory] = {}

    def put(self, node: str, live: StationLive, now: float) -> Newest | None:
        """Take in the word of a station; ``None`` if there is no room for another station."""
        key = (node, live.id)
        memory = self._stations.get(key)
        if memory is None:
            if len(self._stations) >= self._most:
                return None
            memory = self._stations[key] = _Memory(Newest(live, now))
        elif live.measured_at is None or live.measured_at != memory.newest.live.measured_at:
            memory.newest = Newest(live, now)
        else:
            memory.newest = Newest(live, memory.newest.at)
        self._remember(memory, now)
        return memory.newest

    def get(self, key: Key) -> Newest | None:
        """Get the newest word of a station, however old."""
        memory = self._stations.get(key)
        return None if memory is None else memory.newest

    def points(self, key: Key, now: float) -> list[Point]:
        """Get the short memory of a station, oldest first."""
        memory = self._stations.get(key)
        if memory is None:
            return []
        return [point for point in memory.points if now - point[0] <= MEMORY_S]

    def keys_of(self, node: str) -> list[Key]:
        """Get the stations of a node that were heard of."""
        return [key for key in self._stations if key[0] == node]

    @staticmethod
    def _remember(memory: _Memory, now: float) -> None:
        values = memory.newest.live.values
        if memory.newest.at != now or not values:
            return
        if memory.points and now - memory.points[-1][0] < SPACING_S:
            return
        memory.points.append((now, values.get("voltage"), values.get("current")))
