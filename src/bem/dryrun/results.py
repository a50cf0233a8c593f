"""What a dry run found: frozen, and written to and read from JSON without loss."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from bem.domain.happenings import Throughput
from bem_drivers.model import BatteryModelSettings

Ending = Literal["finished", "failed", "tripped", "cut_off"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExpectedCurve(_Frozen):
    """Columns of equal length: s since the start, V, A, degC, and the number of the step.

    Thinned such that the highest and lowest of each column stay where they were.
    """

    elapsed_s: tuple[float, ...] = ()
    voltage: tuple[float, ...] = ()
    current: tuple[float, ...] = ()
    temperature: tuple[float, ...] = ()
    step: tuple[int, ...] = ()


class StepRow(_Frozen):
    """One pass of one step. Values at its end in V, A, degC; ``moved`` within it."""

    number: int
    title: str
    cycle: int
    started_s: float
    duration_s: float
    end: str
    voltage: float
    current: float
    temperature: float
    moved: Throughput


class StepSummary(_Frozen):
    """All passes of one step: how often each of its ends ended it, and how long it took in all."""

    number: int
    title: str
    runs: int
    duration_s: float
    ends: dict[str, int]
    moved: Throughput


class CycleRow(_Frozen):
    """One finished cycle."""

    cycle: int
    duration_s: float
    moved: Throughput


class Trip(_Frozen):
    """A limit that the run would meet: its station would switch off and latch."""

    elapsed_s: float
    step: int
    quantity: str
    value: float
    threshold: float
    owner: str
    message: str


class Extremes(_Frozen):
    """The lowest and the highest of each quantity over the whole of it; V, A, degC."""

    voltage: tuple[float, float]
    current: tuple[float, float]
    temperature: tuple[float, float]


class DryRun(_Frozen):
    """What is to be expected of a run.

    ``ending``: ``finished`` and ``failed`` as the program says; ``tripped`` by a limit;
    ``cut_off`` where the dry run gave up, for the reason in ``cut_off``: what follows was neither
    calculated nor guessed. ``reason`` says it in words.

    ``steps`` are the first passes of steps, ``steps_run`` all of them; so with cycles.
    ``summaries`` has every step that ran, with all its passes. ``waits`` counts the pauses for a
    person, who is taken to answer at once. ``start_soc`` is the state of charge at the start, for
    the reason ``start_reason``. ``assumed`` is what was not known of the battery.
    """

    version: Literal[1] = 1
    program: str
    battery: BatteryModelSettings
    assumed: tuple[str, ...] = ()
    start_soc: float
    start_reason: str
    end_soc: float
    ending: Ending
    reason: str
    cut_off: str | None = None
    duration_s: float
    moved: Throughput
    curve: ExpectedCurve
    extremes: Extremes
    steps_run: int
    steps: tuple[StepRow, ...]
    summaries: tuple[StepSummary, ...]
    cycles_run: int
    cycles: tuple[CycleRow, ...]
    trips: tuple[Trip, ...] = ()
    waits: int = 0
    readings: int
    computing_s: float

    @property
    def speed(self) -> float:
        """Times as fast as the run itself."""
        return self.duration_s / self.computing_s if self.computing_s else 0.0
