"""The program: a profile compiled for one battery at one station.

A flat list of operations. Loops are operations too and are never unrolled, so that a program of
65,535 cycles is as small as one of two. C-rates have become amperes, limits numbers, and the
direction of each end condition is resolved: the engine only compares.

Programs travel to the nodes as JSON and are kept in journals: only ever add to these types.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bem.domain.limits import Limits


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Mode(StrEnum):
    """What the power path does in a step."""

    REST = "rest"
    CC = "cc"
    CV = "cv"
    CP = "cp"


class Setpoint(_Frozen):
    """A mode and its value: A for CC, V for CV, W for CP, 0 for rest; positive charges."""

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


class Compare(StrEnum):
    """Which side of the threshold ends the step."""

    AT_LEAST = ">="
    AT_MOST = "<="


class End(_Frozen):
    """One end condition: it holds when the quantity is on the given side of the threshold."""

    quantity: Quantity
    compare: Compare
    threshold: float

    def __str__(self) -> str:
        if self.quantity is Quantity.DURATION:
            return f"after {self.threshold:.10g} s"
        unit = {"voltage": "V", "current": "A", "capacity": "Ah"}[self.quantity]
        side = "at or above" if self.compare is Compare.AT_LEAST else "at or below"
        return f"{self.quantity} {side} {self.threshold:.10g} {unit}"


class RecordRule(_Frozen):
    """When a reading becomes a sample: at any of these changes since the last sample of the step.

    ``every_s`` in s, ``voltage_change`` in V, ``current_change`` in A; ``None``: does not matter.
    The first and the last reading of a step are always recorded. No rule: every reading is.
    """

    every_s: float | None = Field(default=None, gt=0)
    voltage_change: float | None = Field(default=None, gt=0)
    current_change: float | None = Field(default=None, gt=0)


class StepOp(_Frozen):
    """Hold a set point until any of ``ends`` holds. ``number`` counts the steps from 1."""

    op: Literal["step"] = "step"
    number: int = Field(ge=1)
    title: str
    setpoint: Setpoint
    ends: tuple[End, ...] = Field(min_length=1)
    record: RecordRule | None = None
    line: int | None = None


class LoopOp(_Frozen):
    """Run the operations from ``start`` up to this one again until ``passes`` are done.

    ``counts_cycles``: each finished pass is a finished cycle.
    """

    op: Literal["loop"] = "loop"
    start: int = Field(ge=0)
    passes: int = Field(ge=1)
    counts_cycles: bool = False


Operation = Annotated[StepOp | LoopOp, Field(discriminator="op")]


class Program(_Frozen):
    """What a station runs. ``operating`` bounds every set point; all values in SI units.

    Raises:
        pydantic.ValidationError: a loop that does not close over earlier operations, loops that
            cross, no step, a set point beyond the operating limits.
    """

    version: Literal[1] = 1
    name: str
    operations: tuple[Operation, ...] = Field(min_length=1)
    operating: Limits
    capacity: float | None = Field(default=None, gt=0)

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
                self._check_setpoint(operation)
        if not any(isinstance(operation, StepOp) for operation in self.operations):
            raise ValueError("a program needs at least one step")
        return self

    def _check_setpoint(self, step: StepOp) -> None:
        bounds = {Mode.CC: "current", Mode.CV: "voltage", Mode.CP: "power"}
        quantity = bounds.get(step.setpoint.mode)
        if quantity is None:
            return
        low = getattr(self.operating, f"{quantity}_min")
        high = getattr(self.operating, f"{quantity}_max")
        value = step.setpoint.value
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(f"step {step.number}: {quantity} {value:g} is outside {low} to {high}")

    @property
    def steps(self) -> tuple[StepOp, ...]:
        """All steps in the order of the text."""
        return tuple(one for one in self.operations if isinstance(one, StepOp))
