"""What can happen in a run: the events that are kept with its samples.

``kind`` names the type; the fields are the event's data. Instants are kept beside them. Charge in
Ah, energy in Wh, durations in µs of the run's own time.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Severity = Literal["info", "warning", "error"]
RunOutcome = Literal["finished", "stopped", "failed", "interrupted"]


class _Happening(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Throughput(BaseModel):
    """Charge (Ah) and energy (Wh) into and out of the battery; none is ever negative."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charge_in: float = 0.0
    charge_out: float = 0.0
    energy_in: float = 0.0
    energy_out: float = 0.0

    def since(self, start: "Throughput") -> "Throughput":
        """What was moved after ``start``."""
        return Throughput(
            charge_in=self.charge_in - start.charge_in,
            charge_out=self.charge_out - start.charge_out,
            energy_in=self.energy_in - start.energy_in,
            energy_out=self.energy_out - start.energy_out,
        )


class RunStarted(_Happening):
    """The station took the program and switched to its first step."""

    kind: Literal["run_started"] = "run_started"
    program: str
    steps: int


class StepStarted(_Happening):
    """A step began; ``step`` is its number in the program, ``cycle`` the cycle it belongs to."""

    kind: Literal["step_started"] = "step_started"
    step: int
    cycle: int
    title: str


class StepEnded(_Happening):
    """A step ended because ``end`` held; ``value`` is the reading that fired."""

    kind: Literal["step_ended"] = "step_ended"
    step: int
    cycle: int
    title: str
    end: str
    value: float
    duration_us: int
    voltage: float
    current: float
    moved: Throughput


class CycleEnded(_Happening):
    """A cycle ended; ``moved`` is its throughput."""

    kind: Literal["cycle_ended"] = "cycle_ended"
    cycle: int
    duration_us: int
    moved: Throughput


class Fault(_Happening):
    """Something made the station switch the output off and latch."""

    kind: Literal["fault"] = "fault"
    cause: str
    reason: str


class RunEnded(_Happening):
    """The last event of a run. ``output_off_verified``: the device confirmed that it is off."""

    kind: Literal["run_ended"] = "run_ended"
    outcome: RunOutcome
    reason: str
    output_off_verified: bool


Happening = Annotated[
    RunStarted | StepStarted | StepEnded | CycleEnded | Fault | RunEnded,
    Field(discriminator="kind"),
]
HAPPENING: TypeAdapter[Happening] = TypeAdapter(Happening)


def severity(event: Happening) -> Severity:
    """How much a person must care."""
    if isinstance(event, Fault):
        return "error"
    if isinstance(event, RunEnded) and event.outcome in ("failed", "interrupted"):
        return "error"
    return "info"


def sentence(event: Happening) -> str:
    """Say the event in words, for a list a person reads."""
    match event:
        case RunStarted():
            return f"Started {event.program} ({event.steps} steps)"
        case StepStarted():
            return f"Step {event.step} began: {event.title}"
        case StepEnded():
            return f"Step {event.step} ended: {event.end}, read {event.value:.6g}"
        case CycleEnded():
            moved = event.moved
            return (
                f"Cycle {event.cycle} ended: {moved.charge_in:.4g} Ah in, "
                f"{moved.charge_out:.4g} Ah out"
            )
        case Fault():
            return event.reason
        case RunEnded():
            return f"Run {event.outcome}: {event.reason}"
