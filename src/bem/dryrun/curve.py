"""Thins a curve while it grows, without losing what it reached."""

from operator import attrgetter
from typing import NamedTuple

from bem.dryrun.results import ExpectedCurve

_BUFFER = 8
"""Points are thinned when there are this many times as many as may be in the end."""
_KEPT = (attrgetter("voltage"), attrgetter("current"), attrgetter("temperature"))
_POINTS_A_BUCKET = 2 * len(_KEPT)
FEWEST_POINTS = 2 + _POINTS_A_BUCKET


class Point(NamedTuple):
    """s, V, A, degC, number of the step."""

    elapsed_s: float
    voltage: float
    current: float
    temperature: float
    step: int


class Curve:
    """Takes any number of points in order of time and keeps at most ``most`` of them.

    Time is divided into equal parts; of each the points with the highest and lowest voltage,
    current and temperature stay. The first and the last of all stay too.

    Raises:
        ValueError: fewer than 8 points are to be kept.
    """

    def __init__(self, most: int) -> None:
        if most < FEWEST_POINTS:
            raise ValueError(
                f"a curve of {most} points shows nothing; keep {FEWEST_POINTS} or more"
            )
        self._most = most
        self._points: list[Point] = []

    def add(self, point: Point) -> None:
        """Take a point that is not before the last."""
        self._points.append(point)
        if len(self._points) >= self._most * _BUFFER:
            self._points = _thinned(self._points, self._most)

    def columns(self) -> ExpectedCurve:
        """Get what is left, as columns."""
        points = _thinned(self._points, self._most)
        return ExpectedCurve(
            elapsed_s=tuple(one.elapsed_s for one in points),
            voltage=tuple(one.voltage for one in points),
            current=tuple(one.current for one in points),
            temperature=tuple(one.temperature for one in points),
            step=tuple(one.step for one in points),
        )


def _thinned(points: list[Point], most: int) -> list[Point]:
    if len(points) <= most:
        return points
    buckets = (most - 2) // _POINTS_A_BUCKET
    start, length = points[0].elapsed_s, points[-1].elapsed_s - points[0].elapsed_s
    kept = {0, len(points) - 1}
    first = 0
    for bucket in range(1, buckets + 1):
        until = start + length * bucket / buckets
        last = first
        while last < len(points) and (points[last].elapsed_s <= until or bucket == buckets):
            last += 1
        if last > first:
            kept.update(_extremes(points, range(first, last)))
        first = last
    return [points[index] for index in sorted(kept)]


def _extremes(points: list[Point], indices: range) -> set[int]:
    found: set[int] = set()
    for quantity in _KEPT:
        values = [quantity(points[index]) for index in indices]
        found.add(indices[values.index(min(values))])
        found.add(indices[values.index(max(values))])
    return found
