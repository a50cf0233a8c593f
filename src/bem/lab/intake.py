"""Take in what nodes deliver, exactly once, whatever arrives twice, late or not at all.

Each call is one transaction: rows, roll-ups, results and watermark are kept together or not at
all. The watermark returned is what the node is told; a process that ends between keeping and
telling is told the same rows again and ignores them.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import connection, models, transaction
from django.utils import timezone
from pydantic import ValidationError

from bem.domain.happenings import (
    HAPPENING,
    CycleEnded,
    Gap,
    Happening,
    Held,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    StepEnded,
    sentence,
)
from bem.lab.alarms import run_ended
from bem.lab.models import (
    Bucket,
    CycleResult,
    Event,
    Experiment,
    Intake,
    Sample,
    StepResult,
)
from bem.lab.rollups import LEVELS, Stretch, roll_up

_LOGGER = logging.getLogger(__name__)
_CHUNK = 500
_MAX_NUMBER = 2**31 - 1
_MAX_COUNT = 2**63 - 1


class Columns(Protocol):
    """Equally long columns of samples, as nodes send them: µs, V, A, W, Ah, Wh."""

    @property
    def elapsed_us(self) -> Sequence[int]: ...
    @property
    def step(self) -> Sequence[int]: ...
    @property
    def cycle(self) -> Sequence[int]: ...
    @property
    def voltage(self) -> Sequence[float]: ...
    @property
    def current(self) -> Sequence[float]: ...
    @property
    def power(self) -> Sequence[float]: ...
    @property
    def charge_in(self) -> Sequence[float]: ...
    @property
    def charge_out(self) -> Sequence[float]: ...
    @property
    def energy_in(self) -> Sequence[float]: ...
    @property
    def energy_out(self) -> Sequence[float]: ...
    @property
    def extra(self) -> Mapping[str, Sequence[float | None]]: ...


class Row(Protocol):
    """An event, as nodes send it."""

    @property
    def elapsed_us(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def kind(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a batch: the watermarks, and ``gap`` if rows before it are missing."""

    next_sample: int
    next_event: int
    gap: bool = False


def take_samples(node: str, experiment: UUID, first_seq: int, columns: Columns) -> Taken | None:
    """Take in samples ``first_seq``, ``first_seq + 1``, …; ``None`` if this node has no such run.

    Raises:
        django.db.Error: nothing was kept.
    """
    with transaction.atomic():
        found = _locked(node, experiment)
        if found is None:
            return None
        run, intake = found
        size = len(columns.elapsed_us)
        if first_seq > intake.next_sample:
            return Taken(intake.next_sample, intake.next_event, gap=True)
        skip = intake.next_sample - first_seq
        if skip < size:
            _keep_samples(run, intake.next_sample, skip, columns)
            intake.next_sample = first_seq + size
            intake.elapsed_us = max(intake.elapsed_us, *columns.elapsed_us[skip:])
            intake.save()
        return Taken(intake.next_sample, intake.next_event)


def take_events(
    node: str,
    experiment: UUID,
    first_seq: int,
    rows: Sequence[Row],
    *,
    now: datetime | None = None,
) -> Taken | None:
    """Take in events ``first_seq``, ``first_seq + 1``, … and act on what they say.

    ``now`` is when alarms are raised, by the server's clock. ``None`` if this node has no such run.

    Raises:
        django.db.Error: nothing was kept.
    """
    with transaction.atomic():
        found = _locked(node, experiment)
        if found is None:
            return None
        run, intake = found
        if first_seq > intake.next_event:
            return Taken(intake.next_sample, intake.next_event, gap=True)
        new = rows[intake.next_event - first_seq :]
        if new:
            _keep_events(run, intake.next_event, new, now or timezone.now())
            intake.next_event += len(new)
            intake.save()
        return Taken(intake.next_sample, intake.next_event)


def _locked(node: str, experiment: UUID) -> tuple[Experiment, Intake] | None:
    """Get an experiment of a node and lock its intake, or ``None``."""
    run = (
        Experiment.objects.select_related("station")
        .defer("program", "profile_text", "description")
        .filter(uuid=experiment, station__node_id=node)
        .first()
    )
    if run is None:
        return None
    intake = Intake.objects.select_for_update().filter(experiment=run).first()
    if intake is None:
        # Queueing makes it, so hardly ever; two that both insert it would deadlock on MySQL.
        Experiment.objects.select_for_update().values_list("pk").get(pk=run.pk)
        intake, _ = Intake.objects.select_for_update().get_or_create(experiment=run)
    return run, intake


# -- samples


def _keep_samples(run: Experiment, first_seq: int, skip: int, columns: Columns) -> None:
    size = len(columns.elapsed_us) - skip
    names = _channel_names(run, columns.extra)
    nothing: list[float | None] = [None] * size
    further = [columns.extra[name][skip:] if name in columns.extra else nothing for name in names]
    extras = (json.dumps(row) for row in zip(*further, strict=True)) if further else ["[]"] * size
    rows = zip(
        [run.pk] * size,
        range(first_seq, first_seq + size),
        columns.elapsed_us[skip:],
        columns.step[skip:],
        columns.cycle[skip:],
        columns.voltage[skip:],
        columns.current[skip:],
        columns.power[skip:],
        columns.charge_in[skip:],
        columns.charge_out[skip:],
        columns.energy_in[skip:],
        columns.energy_out[skip:],
        extras,
        strict=True,
    )
    _write(
        "INSERT",
        Sample,
        (
            "experiment_id",
            "seq",
            "elapsed_us",
            "step",
            "cycle",
            "voltage",
            "current",
            "power",
            "charge_in",
            "charge_out",
            "energy_in",
            "energy_out",
            "extra",
        ),
        list(rows),
    )
    readings = [columns.voltage[skip:], columns.current[skip:], columns.power[skip:], *further]
    _keep_rollups(run, list(roll_up(first_seq, columns.elapsed_us[skip:], readings)))


def _channel_names(run: Experiment, named: Iterable[str]) -> list[str]:
    """Get the order of the further channels; a new name joins at the end, none ever moves."""
    channels: list[dict[str, str]] = list(run.channels)
    if not channels:
        channels = [dict(channel) for channel in run.station.channels]
    known = {channel["name"] for channel in channels}
    described = {channel["name"]: channel for channel in run.station.channels}
    for name in named:
        if name not in known:
            channels.append(described.get(name, {"name": name, "unit": "", "title": name}))
    if channels != run.channels:
        run.channels = channels
        run.save(update_fields=["channels"])
    return [channel["name"] for channel in channels]


def _keep_rollups(run: Experiment, stretches: list[Stretch]) -> None:
    """Join new stretches with the buckets that are there already."""
    touched = models.Q()
    for level in LEVELS:
        numbers = [stretch.number for stretch in stretches if stretch.level == level]
        touched |= models.Q(level=level, number__range=(min(numbers), max(numbers)))
    kept: dict[tuple[int, int], Stretch] = {}
    for row in Bucket.objects.filter(touched, experiment=run).values_list(
        "level",
        "number",
        "first_seq",
        "last_seq",
        "first_elapsed_us",
        "last_elapsed_us",
        "figures",
    ):
        stretch = Stretch(*row)
        kept[stretch.level, stretch.number] = stretch
    changed: dict[tuple[int, int], Stretch] = {}
    for stretch in stretches:
        key = (stretch.level, stretch.number)
        earlier = changed.get(key) or kept.get(key)
        if earlier is None:
            changed[key] = stretch
        else:
            earlier.absorb(stretch)
            changed[key] = earlier
    _write(
        "REPLACE",
        Bucket,
        (
            "experiment_id",
            "level",
            "number",
            "first_seq",
            "last_seq",
            "first_elapsed_us",
            "last_elapsed_us",
            "figures",
        ),
        [
            (
                run.pk,
                stretch.level,
                stretch.number,
                stretch.first_seq,
                stretch.last_seq,
                stretch.first_elapsed_us,
                stretch.last_elapsed_us,
                json.dumps(stretch.figures),
            )
            for stretch in changed.values()
        ],
    )


def _write(
    verb: str,
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[int | float | str]],
) -> None:
    """Write many rows at once.

    ``INSERT`` and ``REPLACE`` mean the same on SQLite and MySQL, and their drivers turn
    ``executemany`` into few statements; the model layer would build an object for each row.
    """
    quote = connection.ops.quote_name
    names = ", ".join(quote(column) for column in columns)
    marks = ", ".join(["%s"] * len(columns))
    # Only names of our own models go into the text.
    table = quote(model._meta.db_table)  # noqa: SLF001 - public by Django's manual
    statement = f"{verb} INTO {table} ({names}) VALUES ({marks})"
    with connection.cursor() as cursor:
        for begin in range(0, len(rows), _CHUNK):
            cursor.executemany(statement, rows[begin : begin + _CHUNK])


# -- events


def _keep_events(run: Experiment, first_seq: int, rows: Sequence[Row], now: datetime) -> None:
    Event.objects.bulk_create(
        [
            Event(
                experiment=run,
                seq=seq,
                elapsed_us=row.elapsed_us,
                at=row.at,
                kind=row.kind,
                severity=row.severity,
                message=row.message,
                data=row.data,
            )
            for seq, row in enumerate(rows, first_seq)
        ],
        batch_size=_CHUNK,
    )
    for seq, row in enumerate(rows, first_seq):
        happening = _understood(run, seq, row)
        if happening is not None:
            _act(run, seq, row, happening)
            if isinstance(happening, RunEnded):
                _alarm(run, happening, now)


def _understood(run: Experiment, seq: int, row: Row) -> Happening | None:
    """Read the event's data; one of a kind not known here is kept as an event only."""
    try:
        return HAPPENING.validate_python({**row.data, "kind": row.kind})
    except ValidationError as error:
        _LOGGER.info(
            "event %d (%s) of %s is kept as it is: %s",
            seq,
            row.kind,
            run.uuid,
            error.errors(include_input=False, include_url=False)[0]["msg"],
        )
        return None


def _act(run: Experiment, seq: int, row: Row, happening: Happening) -> None:
    match happening:
        case RunStarted():
            _channel_names(run, ())
            run.status = Experiment.Status.RUNNING
            run.status_reason = ""
            run.started_at = row.at
            run.save(update_fields=["status", "status_reason", "started_at"])
        case Paused() | Held():
            _set_status(run, Experiment.Status.PAUSED, sentence(happening))
        case Resumed() | Gap():
            _set_status(run, Experiment.Status.RUNNING, "")
        case StepEnded():
            _keep_step(run, seq, row, happening)
        case CycleEnded():
            _keep_cycle(run, seq, happening)
        case RunEnded():
            run.status = Experiment.Status(happening.outcome)
            run.status_reason = happening.reason[:1000]
            run.ended_at = row.at
            run.save(update_fields=["status", "status_reason", "ended_at"])
        case _:
            return


def _alarm(run: Experiment, ended: RunEnded, now: datetime) -> None:
    off = ended.output_off_verified
    run_ended(run, ended.outcome, ended.reason, off=off, now=now)


def _set_status(run: Experiment, status: Experiment.Status, reason: str) -> None:
    run.status = status
    run.status_reason = reason[:1000]
    run.save(update_fields=["status", "status_reason"])


def _keep_step(run: Experiment, seq: int, row: Row, ended: StepEnded) -> None:
    if not _fits(run, seq, ended.step, ended.cycle, ended.duration_us):
        return
    StepResult.objects.create(
        experiment=run,
        event_seq=seq,
        step=ended.step,
        cycle=ended.cycle,
        title=ended.title[:200],
        end=ended.end[:200],
        ended_elapsed_us=row.elapsed_us,
        duration_us=ended.duration_us,
        voltage=ended.voltage,
        current=ended.current,
        **ended.moved.model_dump(),
    )


def _keep_cycle(run: Experiment, seq: int, ended: CycleEnded) -> None:
    if not _fits(run, seq, 0, ended.cycle, ended.duration_us):
        return
    CycleResult.objects.update_or_create(
        experiment=run,
        cycle=ended.cycle,
        defaults={"duration_us": ended.duration_us, **ended.moved.model_dump()},
    )


def _fits(run: Experiment, seq: int, step: int, cycle: int, duration_us: int) -> bool:
    """Whether the numbers fit their columns; otherwise the event alone is kept."""
    fits = 0 <= step <= _MAX_NUMBER and 0 <= cycle <= _MAX_NUMBER and 0 <= duration_us <= _MAX_COUNT
    if not fits:
        _LOGGER.warning("event %d of %s has numbers out of range; no result", seq, run.uuid)
    return fits
