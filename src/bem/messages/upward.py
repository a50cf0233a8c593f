"""Messages from a node to the server."""

import json
import math
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from bem.messages.base import Count, Instant, Message, Slug

MAX_BATCH = 5000
"""Most rows of one batch; nodes send up to 500."""
MAX_DEPTH = 20
"""Deepest nesting of an event's data."""
MAX_DEFINITION = 16_384
"""Longest definition, as JSON, that travels with each status: some dozen meters, or an instrument
that is described in it."""

MAX_DEVICES = 200
"""Most devices of a node that are told: all of its buses full are fewer."""

Number = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""What an unsigned 32-bit column holds on every database."""


def _storable(data: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON or a database column cannot hold, at any depth."""
    pending: list[tuple[object, int]] = [(data, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is no finite number")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ValueError("an integer has more than 64 bits")
        if isinstance(value, dict):
            pending.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            pending.extend((item, depth + 1) for item in value)
    return data


Data = Annotated[dict[str, Any], AfterValidator(_storable)]


class StationChannel(Message):
    """A channel beyond voltage, current and power: ``name``, SI ``unit``, ``title`` for people."""

    name: str = Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")
    unit: str = Field(max_length=16)
    title: str = Field(max_length=64)


Activity = Literal["running", "paused", "held", "waiting"]
"""What a run is doing: its steps; paused by a person, output off; held at its set point by a
person; waiting for a person, output off, because the program or an interruption asks for one."""


class StationLock(Message):
    """A person keeps anything from starting, for as long as hands are in."""

    by: str = Field(max_length=150)
    note: str = Field(max_length=500)
    at: Instant


class StationReport(Message):
    """One station as its node knows it, sent with every :class:`NodeStatus`.

    ``state``: ``down`` (its process does not answer), ``lost`` (its device does not answer),
    ``idle``, ``running``, ``fault`` (latched: output off until a person acknowledges).
    ``reason`` says why it is down, lost or in fault. ``experiment`` is the one running.
    ``unsent`` counts the rows (samples and events) of its journal that the server has not
    acknowledged. Ratings in V, A, W. ``definition`` is what its file says; ``None`` where the file
    cannot be used or is larger than :data:`MAX_DEFINITION`. ``activity`` is of the running
    experiment. ``warnings`` are conditions to see to while all goes on, such as a disk that fills.
    """

    id: Slug
    name: str = Field(max_length=64)
    state: Literal["down", "lost", "idle", "running", "fault"]
    reason: str = Field(default="", max_length=1000)
    experiment: UUID | None = None
    channels: tuple[StationChannel, ...] = ()
    device: str = Field(default="", max_length=200)
    voltage_min: float | None = None
    voltage_max: float | None = None
    current_min: float | None = None
    current_max: float | None = None
    power_min: float | None = None
    power_max: float | None = None
    period_ms: int = Field(ge=1, le=86_400_000)
    time_scale: float = Field(default=1.0, gt=0)
    unsent: Count = 0
    definition: Data | None = None
    activity: Activity | None = None
    waits_for: str = Field(default="", max_length=500)
    """What a person is to do, while the run is waiting."""
    lock: StationLock | None = None
    warnings: tuple[Annotated[str, Field(max_length=1000)], ...] = ()


class DriverReport(Message):
    """A driver that a node has. ``settings``: the JSON schema (2020-12) of those it takes.

    ``power``: whether its devices have a power path, or only measure; ``None`` where the driver
    does not tell, nor a node from before there was this.
    """

    name: str = Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str = Field(max_length=100)
    settings: Data
    power: bool | None = None


class DeviceReport(Message):
    """A device that a node has, or a place where something may be.

    ``place`` is one of its own, such as ``serial /dev/bem/ea-123``. ``state``: ``free``;
    ``reserved`` by the definition of ``station``, which does not run; ``used`` by ``station`` or by
    somebody else, ``by``; ``unknown``, where no driver knows what ``answered``. ``settings`` are
    what the driver takes. ``power``: whether it has a power path, or only measures; ``None`` where
    that is not known, as of a node from before there was this. ``title`` is who the device in use
    said it is. ``trouble`` says why no more is known.
    """

    place: str = Field(min_length=1, max_length=200)
    state: Literal["free", "reserved", "used", "unknown"]
    driver: str = Field(default="", max_length=64)
    settings: Data = Field(default_factory=dict)
    power: bool | None = None
    make: str = Field(default="", max_length=100)
    model: str = Field(default="", max_length=100)
    serial: str = Field(default="", max_length=100)
    firmware: str = Field(default="", max_length=100)
    title: str = Field(default="", max_length=200)
    station: Slug | None = None
    by: str = Field(default="", max_length=200)
    answered: str = Field(default="", max_length=80)
    trouble: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _bounded(self) -> "DeviceReport":
        if len(json.dumps(self.settings)) > MAX_DEFINITION:
            raise ValueError(f"settings have more than {MAX_DEFINITION} characters of JSON")
        return self


class NodeStatus(Message):
    """Registration and heartbeat in one: all that the manager needs to know of a node.

    ``session`` changes with every start of the agent. ``sent_at`` is the node's clock, from which
    the manager sees how far it is off. ``unsent_samples`` counts the samples that the server has
    not acknowledged. ``drivers`` are those it has, ``devices`` those it has found; ``None`` where
    they are as last told: they come along on connecting, once a minute, and devices when they
    change. A node that never looked for devices tells none.
    """

    type: Literal["node_status"] = "node_status"
    session: UUID
    sent_at: Instant
    version: str = Field(max_length=64)
    hostname: str = Field(max_length=255)
    stations: tuple[StationReport, ...] = ()
    unsent_samples: Count = 0
    drivers: tuple[DriverReport, ...] | None = None
    devices: tuple[DeviceReport, ...] | None = Field(default=None, max_length=MAX_DEVICES)


class NodeGone(Message):
    """The last will: the broker sends it when the connection to the agent breaks."""

    type: Literal["node_gone"] = "node_gone"
    session: UUID


class StationLive(Message):
    """The newest reading of a station. ``values`` by channel name, SI units; absent is unknown.

    ``elapsed_us``, ``step`` (number, from 1), ``step_title``, ``step_elapsed_us``, ``cycle`` belong
    to the running experiment and are ``None`` when there is none.
    """

    id: Slug
    state: Literal["down", "lost", "idle", "running", "fault"]
    measured_at: Instant | None = None
    values: dict[str, float] = Field(default_factory=dict)
    output_on: bool | None = None
    experiment: UUID | None = None
    elapsed_us: int | None = None
    step: int | None = None
    step_title: str | None = None
    step_elapsed_us: int | None = None
    cycle: int | None = None
    activity: Activity | None = None


class LiveMessage(Message):
    """The live view of a whole node; never stored, never repeated."""

    type: Literal["live"] = "live"
    stations: tuple[StationLive, ...]


class SampleColumns(Message):
    """Equally long columns of a batch. µs, V, A, W, Ah, Wh; counters since the start of the run.

    ``charge_in``/``energy_in`` count what went into the battery, ``charge_out``/``energy_out``
    what came out, both never decreasing. ``extra`` holds the further channels by name; ``null``
    where a channel gave no reading.
    """

    elapsed_us: tuple[Count, ...]
    step: tuple[Number, ...]
    cycle: tuple[Number, ...]
    voltage: tuple[float, ...]
    current: tuple[float, ...]
    power: tuple[float, ...]
    charge_in: tuple[float, ...]
    charge_out: tuple[float, ...]
    energy_in: tuple[float, ...]
    energy_out: tuple[float, ...]
    extra: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)


class SampleBatch(Message):
    """Samples ``first_seq``, ``first_seq + 1``, … of one experiment."""

    type: Literal["samples"] = "samples"
    experiment: UUID
    first_seq: Count
    columns: SampleColumns

    @model_validator(mode="after")
    def _rectangular(self) -> "SampleBatch":
        lengths = {name: len(column) for name, column in self.columns if name not in ("v", "extra")}
        lengths |= {f"extra.{name}": len(col) for name, col in self.columns.extra.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns differ in length: {lengths}")
        if not 1 <= self.size <= MAX_BATCH:
            raise ValueError(f"a batch has 1 to {MAX_BATCH} rows, not {self.size}")
        return self

    @property
    def size(self) -> int:
        """Rows in the batch."""
        return len(self.columns.elapsed_us)


class EventRow(Message):
    """Something that happened at an instant of a run. ``data`` depends on ``kind``.

    Kinds and their data are those of :mod:`bem.domain.happenings`.
    """

    elapsed_us: Count
    at: Instant
    kind: str = Field(max_length=32, pattern=r"^[a-z][a-z_]*$")
    severity: Literal["info", "warning", "error"] = "info"
    message: str = Field(max_length=1000)
    data: Data = Field(default_factory=dict)


class EventBatch(Message):
    """Events ``first_seq``, ``first_seq + 1``, … of one experiment."""

    type: Literal["events"] = "events"
    experiment: UUID
    first_seq: Count
    rows: tuple[EventRow, ...] = Field(min_length=1, max_length=MAX_BATCH)


class Outcome(StrEnum):
    """How a command ended at the node."""

    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"


class CommandAnswer(Message):
    """The final answer to a command. ``reason`` says why it was refused.

    ``retry``: refused for a passing cause (station busy, lost, in fault), not because the command
    itself is wrong.
    """

    type: Literal["answer"] = "answer"
    command: UUID
    outcome: Outcome
    reason: str = Field(default="", max_length=1000)
    retry: bool = False
    answered_at: Instant
