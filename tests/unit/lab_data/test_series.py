"""A plot shows the run, at a price that does not depend on its length."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bem.lab import intake
from bem.lab.models import Experiment
from bem.lab.series import ChannelSeries, Series, series

Make = Callable[..., Any]


def deliver(experiment: Experiment, batch: Make, count: int, step_us: int) -> list[float]:
    voltages = [3.0 + (index % 7) / 10 for index in range(count)]
    for first in range(0, count, 500):
        end = min(first + 500, count)
        piece = batch(
            [seq * step_us for seq in range(first, end)],
            voltages[first:end],
            {"temperature_body": [None if seq % 2 else float(seq) for seq in range(first, end)]},
            first_seq=first,
        )
        intake.take_samples("node-a", experiment.uuid, first, piece)
    experiment.refresh_from_db()
    return voltages


def named(found: Series, name: str) -> ChannelSeries:
    return next(channel for channel in found.channels if channel.name == name)


def measured(column: list[float | None] | None) -> list[float]:
    """Get a column that is there, and has a value at every point."""
    assert column is not None
    values = [value for value in column if value is not None]
    assert len(values) == len(column)
    return values


def test_few_samples_are_shown_as_they_are(experiment: Experiment, batch: Make) -> None:
    voltages = deliver(experiment, batch, 50, 100_000)
    found = series(experiment, None, None, 100)
    assert found.bucket_s == 0
    assert found.elapsed_s == [index / 10 for index in range(50)]
    assert named(found, "voltage").mean == voltages
    assert named(found, "voltage").min is None
    assert named(found, "temperature_body").mean[:3] == [0.0, None, 2.0]
    assert [channel.unit for channel in found.channels] == ["V", "A", "W", "degC"]


def test_a_window_has_nothing_from_outside(experiment: Experiment, batch: Make) -> None:
    deliver(experiment, batch, 50, 100_000)
    found = series(experiment, 1_250_000, 2_050_000, 100)
    assert found.elapsed_s == [1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]
    assert series(experiment, 4_600_000, 4_900_000, 100).elapsed_s == [4.6, 4.7, 4.8, 4.9]


@pytest.mark.parametrize("points", [1, 10, 100, 700])
def test_many_samples_become_points_that_cover_them_all(
    points: int,
    experiment: Experiment,
    batch: Make,
) -> None:
    voltages = deliver(experiment, batch, 3000, 1_300_000)
    found = series(experiment, None, None, points)
    assert 1 <= len(found.elapsed_s) <= points
    assert len(found.elapsed_s) > points / 3
    assert found.elapsed_s == sorted(found.elapsed_s)
    assert found.bucket_s > 0
    voltage = named(found, "voltage")
    lows, means, highs = map(measured, (voltage.min, voltage.mean, voltage.max))
    assert min(lows) == min(voltages)
    assert max(highs) == max(voltages)
    assert all(low <= mean <= high for low, mean, high in zip(lows, means, highs, strict=True))


def test_an_experiment_without_samples_is_empty(experiment: Experiment) -> None:
    found = series(experiment, None, None, 100)
    assert found.elapsed_s == []
    assert found.as_json()["channels"][0] == {
        "name": "voltage",
        "unit": "V",
        "title": "Voltage",
        "mean": [],
        "min": [],
        "max": [],
    }


@pytest.mark.parametrize("points", [0, -1, 10_001])
def test_points_out_of_range_are_refused(points: int, experiment: Experiment) -> None:
    with pytest.raises(ValueError, match="points"):
        series(experiment, None, None, points)


def test_the_cost_does_not_grow_with_the_run(experiment: Experiment, batch: Make) -> None:
    deliver(experiment, batch, 6000, 10_000_000)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = series(experiment, None, None, 100)
    assert len(queries) <= 4
    assert len(found.elapsed_s) <= 100
    assert found.bucket_s == 1000
    plans = [query["sql"] for query in queries if "lab_bucket" in query["sql"]]
    with connection.cursor() as cursor:
        for sql in plans:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            assert all("SCAN" not in row[3] for row in cursor.fetchall())
