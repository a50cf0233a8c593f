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

    @property
    def net_charge(self) -> float:
        """Ah, positive when more went in than out."""
        return self.charge_in - self.charge_out

    @property
    def net_energy(self) -> float:
        """Wh, positive when more went in than out."""
        return self.energy_in - self.energy_out

    def since(self, start: "Throughput") -> "Throughput":
        """What was moved after ``start``."""
        return Throughput(
            charge_in=self.charge_in - start.charge_in,
            charge_out=self.charge_out - start.charge_out,
            energy_in=self.energy_in - start.energy_in,
            energy_out=self.energy_out - start.energy_out,
        )

    def plus(self, more: "Throughput") -> "Throughput":
        """The sum of both."""
        return Throughput(
            charge_in=self.charge_in + more.charge_in,
            charge_out=self.charge_out + more.charge_out,
            energy_in=self.energy_in + more.energy_in,
            energy_out=self.energy_out + more.energy_out,
        )


class RunStarted(_Happening):
    """The station took the program and switched to its first step."""

    kind: Literal["run_started"] = "run_started"
    program: str
    steps: int

    def in_words(self) -> str:
        """For a list a person reads."""
        return f"Started {self.program} ({self.steps} steps)"


class StepStarted(_Happening):
    """A step began; ``step`` is its number in the program, ``cycle`` the cycle it belongs to."""

    kind: Literal["step_started"] = "step_started"
    step: int
    cycle: int
    title: str

    def in_words(self) -> str:
        """For a list a person reads."""
        return f"Step {self.step} began: {self.title}"


class StepEnded(_Happening):
    """A step ended because ``end`` held; ``value`` is the reading that fired.

    A person who skipped the step left no such reading: ``value`` is then ``None``.
    """

    kind: Literal["step_ended"] = "step_ended"
    step: int
    cycle: int
    title: str
    end: str
    value: float | None
    duration_us: int
    voltage: float
    current: float
    moved: Throughput

    def in_words(self) -> str:
        """For a list a person reads."""
        read = "" if self.value is None else f", read {self.value:.6g}"
        return f"Step {self.step} ended: {self.end}{read}"


class Paused(_Happening):
    """The output went off at a person's word, or for a person: ``note`` says why or what to do.

    ``by`` is empty where the program asked for the pause.
    """

    kind: Literal["paused"] = "paused"
    by: str = ""
    note: str = ""

    def in_words(self) -> str:
        """For a list a person reads."""
        return _told("Paused", self.by, self.note)


class Held(_Happening):
    """A person keeps the present set point: no end is judged until the run goes on."""

    kind: Literal["held"] = "held"
    by: str = ""
    note: str = ""

    def in_words(self) -> str:
        """For a list a person reads."""
        return _told("Held at its set point", self.by, self.note)


class Resumed(_Happening):
    """The run went on at the same point of its step, ``paused_us`` µs after it was paused or held.

    ``voltage`` is read just before the output goes on.
    """

    kind: Literal["resumed"] = "resumed"
    by: str = ""
    note: str = ""
    paused_us: int = 0
    voltage: float | None = None

    def in_words(self) -> str:
        """For a list a person reads."""
        return _told(f"Went on after {self.paused_us / 1e6:.4g} s", self.by, self.note)


class EndsChanged(_Happening):
    """A person changed the ends of the current step, for this pass of it alone."""

    kind: Literal["ends_changed"] = "ends_changed"
    by: str = ""
    note: str = ""
    step: int
    before: tuple[str, ...]
    after: tuple[str, ...]

    def in_words(self) -> str:
        """For a list a person reads."""
        after = " or ".join(self.after)
        return _told(f"Step {self.step} now ends {after}", self.by, self.note)


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

    def in_words(self) -> str:
        """For a list a person reads."""
        return f"Went on after {self.off_us / 1e6:.4g} s without samples: {self.reason}"


class Warned(_Happening):
    """Something a person should see to while the run goes on: the disk fills, a bound is near."""

    kind: Literal["warned"] = "warned"
    cause: str
    reason: str
    cleared: bool = False

    def in_words(self) -> str:
        """For a list a person reads."""
        return f"Over: {self.reason}" if self.cleared else self.reason


class CycleEnded(_Happening):
    """A cycle ended; ``moved`` is its throughput."""

    kind: Literal["cycle_ended"] = "cycle_ended"
    cycle: int
    duration_us: int
    moved: Throughput

    def in_words(self) -> str:
        """For a list a person reads."""
        return (
            f"Cycle {self.cycle} ended: {self.moved.charge_in:.4g} Ah in, "
            f"{self.moved.charge_out:.4g} Ah out"
        )


class LoopEnded(_Happening):
    """A loop was left because its ``end`` held after a pass; ``value`` (Ah, Wh) is what that moved.

    One whose number of passes was through has no such event: the profile says how many they are.
    """

    kind: Literal["loop_ended"] = "loop_ended"
    first_step: int
    last_step: int
    passes: int
    end: str
    value: float

    def in_words(self) -> str:
        """For a list a person reads."""
        steps = (
            f"step {self.first_step}"
            if self.first_step == self.last_step
            else f"steps {self.first_step} to {self.last_step}"
        )
        passes = "1 pass" if self.passes == 1 else f"{self.passes} passes"
        return f"Repeat of {steps} ended after {passes}: {self.end}, it was {self.value:.6g}"


class Fault(_Happening):
    """Something made the station switch the output off and latch."""

    kind: Literal["fault"] = "fault"
    cause: str
    reason: str

    def in_words(self) -> str:
        """For a list a person reads."""
        return self.reason


class RunEnded(_Happening):
    """The last event of a run. ``output_off_verified``: the device confirmed that it is off."""

    kind: Literal["run_ended"] = "run_ended"
    outcome: RunOutcome
    reason: str
    output_off_verified: bool

    def in_words(self) -> str:
        """For a list a person reads."""
        return f"Run {self.outcome}: {self.reason}"


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
    | LoopEnded
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
    return event.in_words()


def _told(what: str, by: str, note: str) -> str:
    said = f"{what} by {by}" if by else what
    return f"{said}: {note}" if note else said
