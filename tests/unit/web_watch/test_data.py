"""Recorded data: columns for charts, and CSV to take away."""

import csv
import io
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from bem.lab.models import Experiment, Sample
from bem.web.watch.export import samples_as_csv

HEADER = [
    "Test Time / s",
    "Unix Time / s",
    "Step Index / 1",
    "Cycle Count / 1",
    "Voltage / V",
    "Current / A",
    "Power / W",
    "Charging Capacity / Ah",
    "Discharging Capacity / Ah",
    "Charging Energy / Wh",
    "Discharging Energy / Wh",
]
Record = Callable[..., None]
Series = Callable[..., dict[str, Any]]


def _csv(client: Client, experiment: Experiment) -> list[list[str]]:
    answer = client.get(f"/experiments/{experiment.pk}/samples.csv")
    assert answer.streaming
    text = answer.getvalue().decode()
    return list(csv.reader(io.StringIO(text)))


def test_csv_has_units_in_its_header_and_every_sample(
    viewer: Client, experiment: Experiment, record: Record
) -> None:
    record(4500)
    rows = _csv(viewer, experiment)
    assert rows[0] == [*HEADER, "Body temperature / degC"]
    assert len(rows) == 4501
    assert rows[1][:7] == ["0.000000", "1772366400.250000", "1", "1", "3.0", "-1.5", "-4.5"]
    assert rows[1][-1] == ""
    assert rows[4500][0] == "4499.000000"
    assert rows[4500][-1] == "25.0"


def test_what_is_exported_reads_back_as_every_sample_to_the_last_bit(
    viewer: Client, experiment: Experiment, record: Record
) -> None:
    record(3)
    Sample.objects.filter(seq=1).update(voltage=-0.1 - 0.2, current=1e-300 / 3, charge_out=1 / 3)
    Sample.objects.filter(seq=2).update(elapsed_us=2**53 + 1, power=-1e300 / 3)
    quantities = (
        *("voltage", "current", "power"),
        *("charge_in", "charge_out", "energy_in", "energy_out"),
    )
    read = [
        (
            int(Decimal(row[0]) * 1_000_000),
            *(int(text) for text in row[2:4]),
            *(float(text) for text in row[4:11]),
            *(float(text) if text else None for text in row[11:]),
        )
        for row in _csv(viewer, experiment)[1:]
    ]
    kept = Sample.objects.order_by("seq").values_list(
        "elapsed_us", "step", "cycle", *quantities, "extra"
    )
    assert read == [(*sample[:-1], *sample[-1]) for sample in kept]


def test_unix_time_runs_with_the_clock_when_the_run_is_in_time_lapse(
    viewer: Client, experiment: Experiment, record: Record
) -> None:
    Experiment.objects.update(time_scale=60.0)
    record(61)
    assert _csv(viewer, experiment)[61][:2] == ["60.000000", "1772366401.250000"]


def test_csv_of_a_run_without_samples_is_its_header(viewer: Client, experiment: Experiment) -> None:
    assert len(_csv(viewer, experiment)) == 1


def test_a_channel_name_is_no_formula(viewer: Client, experiment: Experiment) -> None:
    Experiment.objects.update(
        channels=[{"name": "x", "unit": "V", "title": '=HYPERLINK("http://x")'}]
    )
    assert _csv(viewer, experiment)[0][-1].startswith("'=")


def test_the_file_name_is_plain(viewer: Client, experiment: Experiment) -> None:
    Experiment.objects.update(name='../a"b\n=c')
    answer = viewer.get(f"/experiments/{experiment.pk}/samples.csv")
    name = f"{experiment.pk}-a-b-c.bdf.csv"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'


def test_csv_takes_constant_memory(experiment: Experiment, record: Record) -> None:
    record(5000)
    peaks = []
    for first in (5000, 10_000):
        tracemalloc.start()
        for _ in samples_as_csv(experiment):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        record(5000, first)
    assert peaks[1] < peaks[0] * 1.3


@pytest.fixture
def series(viewer: Client, experiment: Experiment) -> Series:
    def get(**query: float) -> dict[str, Any]:
        asked = {name: str(value) for name, value in query.items()}
        answer = viewer.get(f"/api/v1/experiments/{experiment.pk}/series", asked)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    return get


def test_a_series_comes_as_columns_and_no_more_than_asked(series: Series, record: Record) -> None:
    record(3000)
    got = series(points=300)
    assert [channel["name"] for channel in got["channels"]] == [
        "voltage",
        "current",
        "power",
        "temperature_body",
    ]
    assert 100 <= len(got["elapsed_s"]) <= 300
    assert all(len(channel["mean"]) == len(got["elapsed_s"]) for channel in got["channels"])
    assert got["bucket_s"] > 0


def test_a_short_window_is_the_samples_themselves(series: Series, record: Record) -> None:
    record(3000)
    got = series(**{"from": 100, "to": 110.5})
    assert got["elapsed_s"] == [float(second) for second in range(100, 111)]
    assert got["channels"][0]["mean"][0] == pytest.approx(3.01)
    assert got["bucket_s"] == 0


@pytest.mark.parametrize(
    "query", [{"points": 0}, {"points": 10**9}, {"from": "x"}, {"from": -1}, {"to": "nan"}]
)
def test_nonsense_is_refused_with_the_field(
    viewer: Client, experiment: Experiment, query: dict[str, str | int]
) -> None:
    answer = viewer.get(f"/api/v1/experiments/{experiment.pk}/series", query)
    assert answer.status_code == 422
    assert next(iter(query)) in answer.content.decode()


def test_a_missing_run_is_not_found(viewer: Client) -> None:
    assert viewer.get("/api/v1/experiments/999999/series").status_code == 404


def test_the_api_describes_itself_to_who_signed_in(client: Client, viewer: Client) -> None:
    assert viewer.get("/api/v1/openapi.json").status_code == 200
    client.logout()
    assert client.get("/api/v1/openapi.json").status_code == 401
