"""The program: a profile compiled for one battery at one station.

A flat list of operations. Loops are operations too and are never unrolled, so that a program of
65,535 cycles is as small as one of two. C-rates have become amperes, limits numbers, and the
direction of each end condition is resolved: the engine only compares.

Programs travel to the nodes as JSON and are kept in journals: only ever add to these types.
"""

from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bem.domain.limits import Compare, Limit, Limited, Limits

__all__ = [
    "REST",
    "Compare",
    "Course",
    "End",
    "Limit",
    "Limited",
    "LoopEnd",
    "LoopOp",
    "LoopQuantity",
    "Mode",
    "Operation",
    "Program",
    "Quantity",
    "RecordRule",
    "Setpoint",
    "StepOp",
    "Then",
    "check_ends",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Mode(StrEnum):
    """What the power path does in a step."""

    REST = "rest"
    CC = "cc"
    CV = "cv"
    CP = "cp"
    CR = "cr"


class Setpoint(_Frozen):
    """A mode and its value: A for CC, V for CV, W for CP, ohm for CR (which discharges), 0 for
    rest; positive charges.
    """

    mode: Mode
    value: float = 0.0


REST = Setpoint(mode=Mode.REST)


class Quantity(StrEnum):
    """What an end condition looks at, always over the current step."""

    DURATION = "duration"
    """Seconds since the step began."""
    VOLTAGE = "voltage"
    """V, as read."""
    CURRENT = "current"
    """A, magnitude of the reading."""
    CAPACITY = "capacity"
    """Ah, magnitude of the net charge moved in the step."""
    POWER = "power"
    """W, magnitude of the reading."""
    ENERGY = "energy"
    """Wh, magnitude of the net energy moved in the step."""
    TEMPERATURE = "temperature"
    """degC, the hottest temperature channel where the end is at or above, else the coldest."""
    VOLTAGE_DROP = "voltage_drop"
    """V, the highest voltage of the step minus the reading."""
    SLOPE = "slope"
    """V/s, magnitude of dV/dt over the window of the engine."""


class Then(StrEnum):
    """What follows when an end has ended its step."""

    NEXT = "next"
    GO_TO = "go_to"
    STOP = "stop"
    """The run ends, finished."""
    FAIL = "fail"
    """The run ends as failed."""


class End(_Frozen):
    """One end condition: it holds when the quantity is on the given side of the threshold.

    ``target``: the operation at which the run goes on, for ``then`` go to.
    """

    quantity: Quantity
    compare: Compare
    threshold: float
    then: Then = Then.NEXT
    target: int | None = Field(default=None, ge=0)

    def __str__(self) -> str:
        if self.quantity is Quantity.DURATION:
            return f"after {self.threshold:.10g} s"
        side = "at or above" if self.compare is Compare.AT_LEAST else "at or below"
        name = self.quantity.replace("_", " ")
        return f"{name} {side} {self.threshold:.10g} {_UNITS[self.quantity]}"


_UNITS = {
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.CAPACITY: "Ah",
    Quantity.POWER: "W",
    Quantity.ENERGY: "Wh",
    Quantity.TEMPERATURE: "degC",
    Quantity.VOLTAGE_DROP: "V",
    Quantity.SLOPE: "V/s",
}


class Course(_Frozen):
    """Values over time: ``values[i]`` holds from ``times_us[i]`` until the next, in each pass.

    A pass lasts ``pass_us``; after ``passes`` of them the step ends by itself. In A or W.

    Raises:
        pydantic.ValidationError: unequal lengths, times that do not ascend from 0 below the end of
            the pass.
    """

    mode: Literal[Mode.CC, Mode.CP]
    times_us: tuple[int, ...] = Field(min_length=1)
    values: tuple[float, ...] = Field(min_length=1)
    pass_us: int = Field(gt=0)
    passes: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _ascending(self) -> "Course":
        if len(self.times_us) != len(self.values):
            raise ValueError(f"{len(self.times_us)} times for {len(self.values)} values")
        if self.times_us[0] != 0 or self.times_us[-1] >= self.pass_us:
            raise ValueError("the times of a course begin at 0 and lie below the end of its pass")
        if any(after <= before for before, after in pairwise(self.times_us)):
            raise ValueError("the times of a course ascend")
        return self


class RecordRule(_Frozen):
    """When a reading becomes a sample: at any of these changes since the last sample of the step.

    ``every_s`` in s, ``voltage_change`` in V, ``current_change`` in A; ``None``: does not matter.
    The first and the last reading of a step are always recorded. No rule: every reading is.
    """

    every_s: float | None = Field(default=None, gt=0)
    voltage_change: float | None = Field(default=None, gt=0)
    current_change: float | None = Field(default=None, gt=0)


class StepOp(_Frozen):
    """Hold a set point until any of ``ends`` holds. ``number`` counts the steps from 1.

    With a ``course`` the set point changes over time, and ``setpoint`` is its first. With a
    ``message`` the step is a pause: it rests until a person says to go on, or an end holds.
    Only a course or a pause may have no ends.
    """

    op: Literal["step"] = "step"
    number: int = Field(ge=1)
    title: str
    setpoint: Setpoint
    ends: tuple[End, ...] = ()
    record: RecordRule | None = None
    line: int | None = None
    label: str | None = None
    limits: tuple[Limit, ...] = ()
    course: Course | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _comes_to_an_end(self) -> "StepOp":
        if not self.ends and self.course is None and self.message is None:
            raise ValueError(f"step {self.number} has no end")
        return self


class LoopQuantity(StrEnum):
    """What a pass of a loop moved."""

    CHARGE_IN = "charge_in"
    CHARGE_OUT = "charge_out"
    ENERGY_IN = "energy_in"
    ENERGY_OUT = "energy_out"


_MOVED = {
    LoopQuantity.CHARGE_IN: ("charged capacity", "Ah"),
    LoopQuantity.CHARGE_OUT: ("discharged capacity", "Ah"),
    LoopQuantity.ENERGY_IN: ("charged energy", "Wh"),
    LoopQuantity.ENERGY_OUT: ("discharged energy", "Wh"),
}


class LoopEnd(_Frozen):
    """Ends a loop after a pass that moved at least or at most ``threshold`` Ah or Wh.

    ``relative``: the threshold is a share of what the loop's first pass moved.
    """

    quantity: LoopQuantity
    compare: Compare
    threshold: float = Field(gt=0)
    relative: bool = False

    def in_words(self, first: float) -> str:
        """Say when it holds, for a loop whose first pass moved ``first`` Ah or Wh."""
        name, unit = _MOVED[self.quantity]
        side = "at or above" if self.compare is Compare.AT_LEAST else "at or below"
        if not self.relative:
            return f"{name} of a pass {side} {self.threshold:.6g} {unit}"
        share = f"{self.threshold * 100:.6g} % of the first"
        return f"{name} of a pass {side} {self.threshold * first:.6g} {unit}, {share}"


class LoopOp(_Frozen):
    """Run the operations from ``start`` up to this one again until ``passes`` are done.

    ``passes`` ``None``: without a number, until ``until`` holds, or for ever by declaration.
    ``counts_cycles``: each finished pass is a finished cycle.
    """

    op: Literal["loop"] = "loop"
    start: int = Field(ge=0)
    passes: int | None = Field(default=None, ge=1)
    counts_cycles: bool = False
    until: LoopEnd | None = None


Operation = Annotated[StepOp | LoopOp, Field(discriminator="op")]


def check_ends(number: int, ends: tuple[End, ...], operations: int) -> None:
    """Check where the ends of step ``number`` lead in a program of so many ``operations``.

    Raises:
        ValueError: going nowhere, or to an operation that does not exist.
    """
    for end in ends:
        if (end.then is Then.GO_TO) != (end.target is not None):
            raise ValueError(f"step {number}: 'go to' needs a target, and nothing else has one")
        if end.target is not None and end.target >= operations:
            raise ValueError(f"step {number}: there is no operation {end.target}")


class Program(_Frozen):
    """What a station runs. ``operating`` bounds every set point; all values in SI units.

    ``capacity`` (Ah) is what C-rates were taken of, ``capacity_source`` says whether it is nominal
    or was measured. ``limits`` hold during the whole run.

    Raises:
        pydantic.ValidationError: a loop that does not close over earlier operations, loops that
            cross, no step, a set point beyond the operating limits.
    """

    version: Literal[1] = 1
    name: str
    operations: tuple[Operation, ...] = Field(min_length=1)
    operating: Limits
    capacity: float | None = Field(default=None, gt=0)
    capacity_source: Literal["nominal", "measured"] = "nominal"
    limits: tuple[Limit, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Program":
        closed: list[tuple[int, int]] = []
        for index, operation in enumerate(self.operations):
            if isinstance(operation, LoopOp):
                if operation.start >= index:
                    raise ValueError(f"the loop at operation {index} has no body")
                for first, last in closed:
                    if first < operation.start <= last:
                        raise ValueError(f"the loop at operation {index} crosses another")
                closed.append((operation.start, index))
            else:
                self._check_setpoints(operation)
                check_ends(operation.number, operation.ends, len(self.operations))
        if not any(isinstance(operation, StepOp) for operation in self.operations):
            raise ValueError("a program needs at least one step")
        return self

    def _check_setpoints(self, step: StepOp) -> None:
        bounds = {Mode.CC: "current", Mode.CV: "voltage", Mode.CP: "power"}
        mode = step.setpoint.mode if step.course is None else step.course.mode
        quantity = bounds.get(mode)
        if quantity is None:
            return
        low = getattr(self.operating, f"{quantity}_min")
        high = getattr(self.operating, f"{quantity}_max")
        for value in (step.setpoint.value,) if step.course is None else step.course.values:
            if (low is not None and value < low) or (high is not None and value > high):
                raise ValueError(
                    f"step {step.number}: {quantity} {value:g} is outside {low} to {high}"
                )

    @cached_property
    def loops(self) -> tuple[tuple[int, LoopOp], ...]:
        """All loops with their operation index."""
        return tuple(
            (index, one) for index, one in enumerate(self.operations) if isinstance(one, LoopOp)
        )

    @property
    def steps(self) -> tuple[StepOp, ...]:
        """All steps in the order of the text."""
        return tuple(one for one in self.operations if isinstance(one, StepOp))
