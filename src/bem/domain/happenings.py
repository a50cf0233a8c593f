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


class Paused(_Happening):
    """The output went off at a person's word, or for a person: ``note`` says why or what to do.

    ``by`` is empty where the program asked for the pause.
    """

    kind: Literal["paused"] = "paused"
    by: str = ""
    note: str = ""


class Held(_Happening):
    """A person keeps the present set point: no end is judged until the run goes on."""

    kind: Literal["held"] = "held"
    by: str = ""
    note: str = ""


class Resumed(_Happening):
    """The run went on at the same point of its step, ``paused_us`` µs after it was paused or held.

    ``voltage`` is read just before the output goes on.
    """

    kind: Literal["resumed"] = "resumed"
    by: str = ""
    note: str = ""
    paused_us: int = 0
    voltage: float | None = None


class EndsChanged(_Happening):
    """A person changed the ends of the current step, for this pass of it alone."""

    kind: Literal["ends_changed"] = "ends_changed"
    by: str = ""
    note: str = ""
    step: int
    before: tuple[str, ...]
    after: tuple[str, ...]


class Gap(_Happening):
    """The run went on after its station had been off, with its counters and cycle as they were.

    ``off_us``: time (µs) without samples. ``voltage_before`` is of the last sample, ``_after`` of
    the first reading since; V.
    """

    kind: Literal["gap"] = "gap"
    reason: str
    off_us: int
    voltage_before: float | None = None
    voltage_after: float | None = None


class Warned(_Happening):
    """Something a person should see to while the run goes on: the disk fills, a bound is near."""

    kind: Literal["warned"] = "warned"
    cause: str
    reason: str
    cleared: bool = False


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
    RunStarted
    | StepStarted
    | StepEnded
    | Paused
    | Held
    | Resumed
    | EndsChanged
    | Gap
    | Warned
    | CycleEnded
    | Fault
    | RunEnded,
    Field(discriminator="kind"),
]
HAPPENING: TypeAdapter[Happening] = TypeAdapter(Happening)


def severity(event: Happening) -> Severity:
    """How much a person must care."""
    if isinstance(event, Fault):
        return "error"
    if isinstance(event, RunEnded) and event.outcome in ("failed", "interrupted"):
        return "error"
    if isinstance(event, Gap) or (isinstance(event, Warned) and not event.cleared):
        return "warning"
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
        case Paused():
            return _told("Paused", event.by, event.note)
        case Held():
            return _told("Held at its set point", event.by, event.note)
        case Resumed():
            return _told(f"Went on after {event.paused_us / 1e6:.4g} s", event.by, event.note)
        case EndsChanged():
            after = " or ".join(event.after)
            return _told(f"Step {event.step} now ends {after}", event.by, event.note)
        case Gap():
            return f"Went on after {event.off_us / 1e6:.4g} s without samples: {event.reason}"
        case Warned():
            return f"Over: {event.reason}" if event.cleared else event.reason
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


def _told(what: str, by: str, note: str) -> str:
    said = f"{what} by {by}" if by else what
    return f"{said}: {note}" if note else said
