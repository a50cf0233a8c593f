"""What the engine knows: a reading, where a run is, and what came of the last call."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from bem.domain.engine.slope import Bucket, Slope
from bem.domain.happenings import Happening, Throughput
from bem.domain.limits import Progress
from bem.domain.program import End, Setpoint

Activity = Literal["running", "paused", "held", "waiting"]
"""``paused`` and ``held`` by a person, ``waiting`` for a person in a step that asks for one."""
Ended = Literal["finished", "failed"]


class NotNow(ValueError):
    """An order that cannot be followed in the present state; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured at one instant: V, A and further channels by name.

    Raises:
        ValueError: a voltage or current that is not finite; such a reading is a fault, no value.
    """

    elapsed_us: int
    voltage: float
    current: float
    further: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.voltage) and math.isfinite(self.current)):
            raise ValueError(f"voltage {self.voltage} and current {self.current} must be finite")

    @property
    def power(self) -> float:
        """W, positive when charging."""
        return self.voltage * self.current


@dataclass(frozen=True, slots=True)
class LoopState:
    """One loop around the present position: ``done`` passes, and the throughput when this began.

    ``first`` is what the first pass moved of the quantity that ends the loop; ``None`` before its
    end, and in loops that only count.
    """

    done: int = 0
    moved_before_pass: Throughput = field(default_factory=Throughput)
    first: float | None = None


class EngineState(NamedTuple):
    """Where a run is. Everything needed to go on; nothing else is kept anywhere.

    A tuple, because a new one is made for each reading, which costs a data class five times more.

    ``position`` is the operation being run, ``None`` once the program has ended: then ``ended``
    says how and ``reason`` why. ``loops`` has the loops around the position by their operation
    index, and no others: a loop that is left forgets its passes, one that is entered begins with
    its first.

    Counters: ``moved`` is the throughput since the run began and is never reset;
    ``moved_before_cycle`` and ``moved_before_step`` are its values when those began. ``step_us`` is
    the step's own time at ``at_us``, the instant of this state; neither it nor the step's
    throughput grows while the run is paused or its station is off.
    """

    position: int | None
    activity: Activity = "running"
    at_us: int = 0
    last: Reading | None = None
    cycle: int = 1
    cycle_started_us: int = 0
    step_started_us: int = 0
    step_us: int = 0
    step_readings: int = 0
    moved: Throughput = Throughput()
    moved_before_cycle: Throughput = Throughput()
    moved_before_step: Throughput = Throughput()
    loops: Mapping[int, LoopState] = MappingProxyType({})
    flowing_since_us: int = 0
    """When the set point of the step was last applied: at its beginning, or after a pause."""
    flow_readings: int = 0
    """Readings since then."""
    highest: float | None = None
    """Highest voltage since then, V; once the power path has settled."""
    slope: Slope | None = None
    stopped_us: int | None = None
    """When the present pause, hold or wait began."""
    held: Setpoint | None = None
    """What is kept while the run is held."""
    ends: tuple[End, ...] | None = None
    """What a person put in the place of the ends of this pass of the step."""
    idle_steps: int = 0
    """Steps in a row that were over at once."""
    ended: Ended | None = None
    reason: str = ""

    def step_elapsed_us(self, at_us: int) -> int:
        """Get the step's own time (µs) at an instant of the run that is not before this state's."""
        runs = self.activity != "paused" and self.position is not None
        return self.step_us + (max(at_us - self.at_us, 0) if runs else 0)

    def progress(self, at_us: int) -> Progress:
        """Get how far the run is, as its limits look at it, at an instant that is not before."""
        in_step = self.moved.since(self.moved_before_step)
        return Progress(
            elapsed_us=at_us,
            charge=self.moved.net_charge,
            step_started_us=self.step_started_us,
            step_us=self.step_elapsed_us(at_us),
            step_charge=in_step.net_charge,
        )

    def to_json(self) -> str:
        """Write it such that reading it gives the same state to the last bit."""
        return json.dumps(self._asdict(), default=_plain, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "EngineState":
        """Read what :meth:`to_json` wrote, also by an earlier version of this module.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls(**_read(json.loads(text)))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"this is no state of a run: {error}") from error


def _plain(value: object) -> object:
    """Turn what JSON does not know into what it does, one level deep."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    raise TypeError(f"a state holds no {type(value).__name__}")


def _read_slope(values: dict[str, Any]) -> Slope:
    return Slope(values["since_us"], tuple(Bucket(**bucket) for bucket in values["buckets"]))


# How the values that are not plain get their types back.
_READERS: dict[str, Callable[[Any], object]] = {
    "last": lambda values: Reading(**values),
    "moved": Throughput.model_validate,
    "moved_before_cycle": Throughput.model_validate,
    "moved_before_step": Throughput.model_validate,
    "loops": lambda loops: {int(index): _read_loop(one) for index, one in loops.items()},
    "slope": _read_slope,
    "held": Setpoint.model_validate,
    "ends": lambda ends: tuple(End.model_validate(end) for end in ends),
}


def _read(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _READERS[name](value) if name in _READERS and value is not None else value
        for name, value in values.items()
    }


def _read_loop(values: dict[str, Any]) -> LoopState:
    before = Throughput.model_validate(values["moved_before_pass"])
    return LoopState(**{**values, "moved_before_pass": before})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next state, what the power path shall do, and what happened at this reading."""

    state: EngineState
    setpoint: Setpoint
    events: tuple[Happening, ...] = ()

    @property
    def ended(self) -> Ended | None:
        """How the program has ended; ``None`` while it goes on."""
        return self.state.ended

    @property
    def reason(self) -> str:
        """Why it has ended, for people."""
        return self.state.reason

    @property
    def finished(self) -> bool:
        """Whether the program has ended, in one way or the other."""
        return self.state.position is None
