"""What goes in comes out: names in any script, and numbers to the last bit."""

import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from bem.lab.intake import Taken, take_events, take_samples
from bem.lab.models import Battery, Bucket, Event, Experiment, Node, Profile, Sample
from bem.lab.operations.batteries import BatteryInput, add_battery
from bem.lab.operations.errors import OperationRefused
from bem.lab.operations.profiles import ProfileInput, add_profile
from bem.lab.series import series
from bem.messages import EventBatch, EventRow, SampleColumns
from bem.messages.upward import MAX_DEPTH

pytestmark = pytest.mark.django_db
FLOATS = [sys.float_info.max, -sys.float_info.max, sys.float_info.min, 5e-324, 0.1 + 0.2, -1e22]


def test_this_is_the_server() -> None:
    assert connection.vendor == "mysql"
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@sql_mode, @@tx_isolation, @@character_set_connection")
        assert cursor.fetchone() == (
            "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE",
            "READ-COMMITTED",
            "utf8mb4",
        )


@pytest.mark.parametrize("name", ["🔋" * 64, "电池 №1", "Zelle ±5 °C µ", "a\\'b\"c%s;--"])
def test_names_in_any_script_come_back(name: str, operator: User, cell: BatteryInput) -> None:
    kept = add_battery(operator, replace(cell, name=name, description=name * 20))
    kept.refresh_from_db()
    assert (kept.name, kept.description) == (name, name * 20)
    assert Battery.objects.get(name__icontains=name) == kept


def test_names_that_differ_in_an_emoji_are_two(operator: User) -> None:
    for name in ("Cell 🔋", "Cell 🪫"):
        add_profile(operator, ProfileInput(name=name, text="Rest for 1 s"))
    assert Profile.objects.count() == 2
    with pytest.raises(OperationRefused, match="already"):
        add_profile(operator, ProfileInput(name="Cell 🪫", text="Rest for 1 s"))


def test_search_does_not_mind_case(operator: User, cell: BatteryInput) -> None:
    add_battery(operator, replace(cell, name="Molicel P42A"))
    assert Battery.objects.filter(name__icontains="molicel p42").exists()


def test_numbers_come_back_to_the_last_bit(experiment: Experiment) -> None:
    size = len(FLOATS)
    columns = SampleColumns(
        elapsed_us=(*range(size - 1), 2**63 - 1),
        step=(0, *[2**31 - 1] * (size - 1)),
        cycle=(2**31 - 1,) * size,
        **dict.fromkeys(
            ("voltage", "current", "power", "charge_in", "charge_out", "energy_in", "energy_out"),
            tuple(FLOATS),
        ),
        extra={"temperature_body": (None, *FLOATS[1:])},
    )
    assert take_samples("node-a", experiment.uuid, 0, columns) == Taken(size, 0)
    rows = Sample.objects.order_by("seq").values_list("voltage", "energy_out", "elapsed_us", "step")
    assert [repr(row[0]) for row in rows] == [repr(value) for value in FLOATS]
    assert [repr(row[1]) for row in rows] == [repr(value) for value in FLOATS]
    assert [row[2] for row in rows] == list(columns.elapsed_us)
    assert [row[3] for row in rows] == list(columns.step)
    extras = Sample.objects.order_by("seq").values_list("extra", flat=True)
    assert list(extras) == [[None], *[[value] for value in FLOATS[1:]]]
    for bucket in Bucket.objects.filter(number=0):
        voltage = bucket.figures[0]
        assert (voltage[2], voltage[3]) == (min(FLOATS), max(FLOATS))


def test_an_event_as_large_as_the_wire_allows_is_kept(experiment: Experiment) -> None:
    deep: dict[str, Any] = {"end": ["🔋", None, True, 2**63 - 1, -(2**63) + 1, 5e-324]}
    for _ in range(MAX_DEPTH - 3):
        deep = {"in": deep}
    at = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    rows = tuple(
        EventRow(elapsed_us=2**63 - 1, at=moment, kind="k" * 32, message="🔋" * 1000, data=deep)
        for moment in (at, at.replace(year=1970), at.replace(year=9000))
    )
    given = EventBatch(experiment=experiment.uuid, first_seq=0, rows=rows)
    assert take_events("node-a", experiment.uuid, 0, given.rows) == Taken(0, 3)
    kept = list(Event.objects.order_by("seq"))
    assert [event.at for event in kept] == [row.at for row in rows]
    assert {event.message for event in kept} == {"🔋" * 1000}
    assert [event.data for event in kept] == [deep] * 3


def test_the_database_never_cuts_or_guesses(experiment: Experiment) -> None:
    with pytest.raises(DataError), transaction.atomic():
        Experiment.objects.filter(pk=experiment.pk).update(name="x" * 65)
    with pytest.raises(DataError), transaction.atomic():
        Sample.objects.bulk_create([_sample(experiment, step=-1)])


def test_a_plot_reads_by_the_primary_key_alone(experiment: Experiment) -> None:
    columns = _steady(range(6000), every_us=10_000_000)
    take_samples("node-a", experiment.uuid, 0, columns)
    with CaptureQueriesContext(connection) as queries:
        series(experiment, None, None, 100)
    with connection.cursor() as cursor:
        for query in queries:
            if "lab_bucket" in query["sql"]:
                cursor.execute(f"EXPLAIN {query['sql']}")
                assert [(row[3], row[5]) for row in cursor.fetchall()] == [("range", "PRIMARY")]


def test_a_node_reports_in_any_script() -> None:
    Node.objects.create(
        id="n", hostname="🖥" * 255, version="1", session=uuid.uuid4(), last_seen=datetime.now(UTC)
    )
    assert Node.objects.get().hostname == "🖥" * 255


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_intake_keeps_up_with_many_stations(
    experiment: Experiment, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """A hundred stations at ten samples a second come to 1000 rows/s."""
    batches, size = 40, 500
    given = [_steady(range(first, first + size)) for first in range(0, batches * size, size)]
    began = time.perf_counter()
    for number, columns in enumerate(given):
        take_samples("node-a", experiment.uuid, number * size, columns)
    rate = batches * size / (time.perf_counter() - began)
    assert Sample.objects.count() == batches * size
    record_testsuite_property("intake_rows_per_s", round(rate))
    assert rate > 1000


def _steady(seqs: range, every_us: int = 100_000) -> SampleColumns:
    ones = (1,) * len(seqs)
    column = tuple(3.0 + seq / 1e5 for seq in seqs)
    return SampleColumns(
        elapsed_us=tuple(seq * every_us for seq in seqs),
        step=ones,
        cycle=ones,
        voltage=column,
        current=column,
        power=column,
        charge_in=column,
        charge_out=column,
        energy_in=column,
        energy_out=column,
        extra={"temperature_body": column},
    )


def _sample(experiment: Experiment, step: int) -> Sample:
    return Sample(
        experiment=experiment,
        seq=0,
        elapsed_us=0,
        step=step,
        cycle=0,
        voltage=0,
        current=0,
        power=0,
        charge_in=0,
        charge_out=0,
        energy_in=0,
        energy_out=0,
    )
