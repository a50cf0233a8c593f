"""Columns for plots. What they cost depends on the points asked for, not on the length of a run."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bem.lab.models import Bucket, Experiment, Intake, Sample
from bem.lab.rollups import LEVELS, Stretch, width_us

MAX_POINTS = 10_000
_FINER = 5
"""Buckets read for each point drawn, at most: levels are ten apart, and joining some keeps detail
between them."""
_BASIC = (("voltage", "V", "Voltage"), ("current", "A", "Current"), ("power", "W", "Power"))


@dataclass(frozen=True, slots=True)
class ChannelSeries:
    """One channel over the points: ``mean`` is the value itself where points are samples, and
    ``min`` and ``max`` are ``None`` then. An entry is ``None`` without a reading.
    """

    name: str
    unit: str
    title: str
    mean: list[float | None]
    min: list[float | None] | None
    max: list[float | None] | None


@dataclass(frozen=True, slots=True)
class Series:
    """What a plot of a window of a run needs.

    ``bucket_s`` is the time that one point covers, 0 where points are samples. ``elapsed_s`` has
    the middle of each point's samples, in s since the run began.
    """

    start_us: int
    end_us: int
    bucket_s: float
    elapsed_s: list[float]
    channels: list[ChannelSeries]

    def as_json(self) -> dict[str, Any]:
        """Get it as plain types."""
        return asdict(self)


def series(experiment: Experiment, start_us: int | None, end_us: int | None, points: int) -> Series:
    """Get at most ``points`` points of a run between two elapsed times, both included.

    Args:
        experiment: The run.
        start_us: µs since the run began; ``None`` is the begin.
        end_us: µs since the run began; ``None`` is the newest sample.
        points: 1 to 10 000.

    Raises:
        ValueError: ``points`` is out of range.
    """
    if not 1 <= points <= MAX_POINTS:
        raise ValueError(f"points: {points} is not between 1 and {MAX_POINTS}")
    newest = _newest_us(experiment)
    start = max(start_us or 0, 0)
    end = newest if end_us is None else min(end_us, newest)
    ends = _outer_seqs(experiment, start, end)
    if ends is None:
        return _of_stretches(experiment, start, end, 0, [])
    if ends[1] - ends[0] < points:
        return _of_samples(experiment, start, end, *ends)
    level = _level(end - start, points * _FINER)
    stretches = _stretches(experiment, level, start, end)
    joined = _join(stretches, points)
    factor = -(-len(stretches) // max(len(joined), 1))
    return _of_stretches(experiment, start, end, factor * width_us(level), joined)


def _newest_us(experiment: Experiment) -> int:
    found = Intake.objects.filter(experiment=experiment).values_list("elapsed_us", flat=True)
    return found.first() or 0


def _outer_seqs(experiment: Experiment, start: int, end: int) -> tuple[int, int] | None:
    """Get the numbers of samples that enclose a window, by two steps into the finest roll-up."""
    inside = Bucket.objects.filter(
        experiment=experiment,
        level=LEVELS[0],
        number__range=(start // width_us(0), end // width_us(0)),
    )
    first = inside.order_by("number").values_list("first_seq", flat=True).first()
    last = inside.order_by("-number").values_list("last_seq", flat=True).first()
    return None if first is None or last is None else (first, last)


def _level(window_us: int, most: int) -> int:
    """Get the finest level that has at most so many buckets in a window."""
    for level in LEVELS:
        if window_us // width_us(level) + 2 <= most:
            return level
    return LEVELS[-1]


def _stretches(experiment: Experiment, level: int, start: int, end: int) -> list[Stretch]:
    rows = (
        Bucket.objects.filter(
            experiment=experiment,
            level=level,
            number__range=(start // width_us(level), end // width_us(level)),
        )
        .order_by("number")
        .values_list(
            "level",
            "number",
            "first_seq",
            "last_seq",
            "first_elapsed_us",
            "last_elapsed_us",
            "figures",
        )
    )
    return [Stretch(*row) for row in rows]


def _join(stretches: Sequence[Stretch], points: int) -> list[Stretch]:
    """Join neighbours until at most ``points`` are left."""
    factor = -(-len(stretches) // points)
    if factor <= 1:
        return list(stretches)
    joined: list[Stretch] = []
    for index, stretch in enumerate(stretches):
        if index % factor == 0:
            joined.append(stretch)
        else:
            joined[-1].absorb(stretch)
    return joined


def _of_stretches(
    experiment: Experiment, start: int, end: int, bucket_us: int, stretches: Sequence[Stretch]
) -> Series:
    return Series(
        start_us=start,
        end_us=end,
        bucket_s=bucket_us / 1e6,
        elapsed_s=[(it.first_elapsed_us + it.last_elapsed_us) / 2e6 for it in stretches],
        channels=[
            ChannelSeries(
                name,
                unit,
                title,
                mean=_figure(stretches, index, 4),
                min=_figure(stretches, index, 2),
                max=_figure(stretches, index, 3),
            )
            for index, (name, unit, title) in enumerate(_channels(experiment))
        ],
    )


def _figure(stretches: Sequence[Stretch], channel: int, which: int) -> list[float | None]:
    return [
        figures[which]
        if channel < len(it.figures) and (figures := it.figures[channel]) is not None
        else None
        for it in stretches
    ]


def _of_samples(experiment: Experiment, start: int, end: int, first: int, last: int) -> Series:
    rows = [
        row
        for row in Sample.objects.filter(experiment=experiment, seq__range=(first, last))
        .order_by("seq")
        .values_list("elapsed_us", "voltage", "current", "power", "extra")
        if start <= row[0] <= end
    ]
    channels = []
    for index, (name, unit, title) in enumerate(_channels(experiment)):
        column: Iterable[float | None]
        if index < len(_BASIC):
            column = (row[1 + index] for row in rows)
        else:
            further = index - len(_BASIC)
            # A channel that joined later has no place in earlier rows.
            column = (row[4][further] if further < len(row[4]) else None for row in rows)
        channels.append(ChannelSeries(name, unit, title, list(column), None, None))
    return Series(start, end, 0.0, [row[0] / 1e6 for row in rows], channels)


def _channels(experiment: Experiment) -> list[tuple[str, str, str]]:
    further = [(it["name"], it["unit"], it["title"]) for it in experiment.channels]
    return [*_BASIC, *further]
