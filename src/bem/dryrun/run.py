"""What is to be expected of a program before it is queued."""

import time
from collections import Counter
from collections.abc import Callable

from bem.domain.engine import Outcome, current_step
from bem.domain.happenings import CycleEnded, StepEnded, Throughput
from bem.domain.limits import Exceeded, Limit, Limits
from bem.domain.program import Mode, Program, Quantity, StepOp
from bem.dryrun.curve import Curve, Point
from bem.dryrun.results import (
    CycleRow,
    DryRun,
    Ending,
    Extremes,
    StepRow,
    StepSummary,
    Trip,
)
from bem.dryrun.simulation import Moment, Simulation
from bem.dryrun.trips import TEMPERATURE
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.model.ocv import OpenCircuitCurve

MOST_POINTS = 600
LONGEST_S = 10.0
MOST_CYCLES = 10_000
MOST_STEP_ROWS = 200
MOST_CYCLE_ROWS = 2_000
STUCK_S = 60 * 86_400.0
"""A step that has gone on for so long without a duration among its ends is taken never to end."""
_CHECK_EVERY = 64
"""Readings between two looks at the clock."""


def dry_run(
    program: Program,
    battery: BatteryModelSettings,
    *,
    most_points: int = MOST_POINTS,
    longest_s: float = LONGEST_S,
    most_cycles: int = MOST_CYCLES,
    assumed: tuple[str, ...] = (),
    clock: Callable[[], float] = time.perf_counter,
) -> DryRun:
    """Carry a program out on a model with the engine of the stations.

    The battery starts at the state of charge that its settings name; if they name none, empty
    where the program charges first, and full where it discharges first.

    It is calculated from the first to the last second, however often something repeats. After
    ``longest_s`` (s) of computing or ``most_cycles`` finished cycles it is cut off, and says so.
    The curve has at most ``most_points`` points. ``assumed`` goes into the result as it is.

    Raises:
        ValueError: fewer points than a curve needs.
    """
    soc, why = start_of(program, battery)
    battery = battery.model_copy(update={"soc": soc})
    model = BatteryModel(battery)
    simulation = Simulation(program, model, window(program.operating, battery))
    notes = _Notes(program, most_points)
    began = clock()
    cut_off = None
    for count, moment in enumerate(simulation.moments(), start=1):
        notes.take(moment)
        if count % _CHECK_EVERY == 0 and clock() - began > longest_s:
            cut_off = f"computing took longer than {longest_s:g} s"
        elif notes.cycles_run >= most_cycles and not simulation.outcome.finished:
            cut_off = f"{most_cycles} cycles were calculated"
        elif count % _CHECK_EVERY == 0:
            cut_off = _stuck(simulation)
        if cut_off is not None:
            cut_off += f"; the run itself goes on after {moment.reading.elapsed_us / 1e6:.10g} s"
            break
    ending, reason = _ending(simulation.outcome, notes, cut_off)
    return notes.result(
        program=program.name,
        battery=battery,
        assumed=assumed,
        start_soc=soc,
        start_reason=why,
        end_soc=model.state_of_charge,
        ending=ending,
        reason=reason,
        cut_off=cut_off,
        moved=simulation.outcome.state.moved,
        computing_s=clock() - began,
    )


def start_of(program: Program, battery: BatteryModelSettings) -> tuple[float, str]:
    """Choose the state of charge at the start, and say why."""
    if "soc" in battery.model_fields_set:
        return battery.soc, "as given"
    direction = next((one for step in program.steps if (one := _direction(step, battery))), 0)
    if direction > 0:
        return 0.0, "empty, because the program charges first"
    if direction < 0:
        return 1.0, "full, because the program discharges first"
    return battery.soc, "half full, because the program neither charges nor discharges"


def window(operating: Limits, battery: BatteryModelSettings) -> float:
    """Get how far (V) the voltage of a battery moves between empty and full."""
    curve = OpenCircuitCurve(
        battery.chemistry, battery.cells, battery.voltage_empty, battery.voltage_full
    )
    empty, full = curve.at(0.0)[0], curve.at(1.0)[0]
    low = empty if operating.voltage_min is None else max(operating.voltage_min, 0.5 * empty)
    high = full if operating.voltage_max is None else min(operating.voltage_max, 1.5 * full)
    return max(high - low, 0.1 * (full - empty))


def _direction(step: StepOp, battery: BatteryModelSettings) -> int:
    """Get whether a step charges (1) or discharges (-1) first; 0: neither."""
    if step.message is not None:
        return 0
    mode: Mode = step.setpoint.mode
    values: tuple[float, ...] = (step.setpoint.value,)
    if step.course is not None:
        mode, values = step.course.mode, step.course.values
    if mode is Mode.REST:
        return 0
    if mode is Mode.CR:
        return -1
    if mode is Mode.CV:
        curve = OpenCircuitCurve(
            battery.chemistry, battery.cells, battery.voltage_empty, battery.voltage_full
        )
        return 1 if values[0] >= curve.at(0.5)[0] else -1
    first = next((value for value in values if value), 0.0)
    return (first > 0) - (first < 0)


def _stuck(simulation: Simulation) -> str | None:
    step = current_step(simulation.program, simulation.outcome.state)
    if step is None or simulation.outcome.state.step_us < STUCK_S * 1e6:
        return None
    if step.course is not None or any(one.quantity is Quantity.DURATION for one in step.ends):
        return None
    ends = " or ".join(str(end) for end in step.ends)
    return f"step {step.number} has not ended within {STUCK_S / 86_400:g} days ({ends})"


def _ending(outcome: Outcome, notes: "_Notes", cut_off: str | None) -> tuple[Ending, str]:
    if notes.trips:
        return "tripped", notes.trips[0].message
    if cut_off is not None:
        return "cut_off", cut_off
    return outcome.ended or "finished", outcome.reason


class _Notes:
    """Writes down what happens, as much of it as is kept."""

    def __init__(self, program: Program, most_points: int) -> None:
        self.cycles_run = 0
        self.trips: list[Trip] = []
        self._titles = {step.number: step.title for step in program.steps}
        self._curve = Curve(most_points)
        self._steps: list[StepRow] = []
        self._cycles: list[CycleRow] = []
        self._runs: Counter[int] = Counter()
        self._durations_us: Counter[int] = Counter()
        self._ends: dict[int, Counter[str]] = {}
        self._moved: dict[int, Throughput] = {}
        self._readings = 0
        self._waits = 0
        self._elapsed_us = 0

    def take(self, moment: Moment) -> None:
        """Take the next moment of the run."""
        reading = moment.reading
        self._readings += 1
        self._elapsed_us = reading.elapsed_us
        temperature = reading.further[TEMPERATURE]
        self._curve.add(
            Point(
                reading.elapsed_us / 1e6,
                reading.voltage,
                reading.current,
                temperature,
                moment.step.number,
            )
        )
        for event in moment.events:
            if isinstance(event, StepEnded):
                self._step_ended(event, moment.step, reading.elapsed_us, temperature)
            elif isinstance(event, CycleEnded):
                self._cycle_ended(event)
        if moment.tripped is not None:
            self.trips.append(_trip(moment, *moment.tripped))

    def _step_ended(self, event: StepEnded, step: StepOp, at_us: int, temperature: float) -> None:
        number = event.step
        self._runs[number] += 1
        self._durations_us[number] += event.duration_us
        self._ends.setdefault(number, Counter())[event.end] += 1
        self._moved[number] = self._moved.get(number, Throughput()).plus(event.moved)
        self._waits += step.message is not None
        if len(self._steps) < MOST_STEP_ROWS:
            self._steps.append(
                StepRow(
                    number=number,
                    title=event.title,
                    cycle=event.cycle,
                    started_s=(at_us - event.duration_us) / 1e6,
                    duration_s=event.duration_us / 1e6,
                    end=event.end,
                    voltage=event.voltage,
                    current=event.current,
                    temperature=temperature,
                    moved=event.moved,
                )
            )

    def _cycle_ended(self, event: CycleEnded) -> None:
        self.cycles_run += 1
        if len(self._cycles) < MOST_CYCLE_ROWS:
            self._cycles.append(
                CycleRow(cycle=event.cycle, duration_s=event.duration_us / 1e6, moved=event.moved)
            )

    def result(
        self,
        *,
        program: str,
        battery: BatteryModelSettings,
        assumed: tuple[str, ...],
        start_soc: float,
        start_reason: str,
        end_soc: float,
        ending: Ending,
        reason: str,
        cut_off: str | None,
        moved: Throughput,
        computing_s: float,
    ) -> DryRun:
        """Put it together."""
        curve = self._curve.columns()
        return DryRun(
            program=program,
            battery=battery,
            assumed=assumed,
            start_soc=start_soc,
            start_reason=start_reason,
            end_soc=end_soc,
            ending=ending,
            reason=reason,
            cut_off=cut_off,
            duration_s=self._elapsed_us / 1e6,
            moved=moved,
            curve=curve,
            extremes=Extremes(
                voltage=(min(curve.voltage), max(curve.voltage)),
                current=(min(curve.current), max(curve.current)),
                temperature=(min(curve.temperature), max(curve.temperature)),
            ),
            steps_run=self._runs.total(),
            steps=tuple(self._steps),
            summaries=tuple(
                StepSummary(
                    number=number,
                    title=self._titles[number],
                    runs=self._runs[number],
                    duration_s=self._durations_us[number] / 1e6,
                    ends=dict(self._ends[number]),
                    moved=self._moved[number],
                )
                for number in sorted(self._runs)
            ),
            cycles_run=self.cycles_run,
            cycles=tuple(self._cycles),
            trips=tuple(self.trips),
            waits=self._waits,
            readings=self._readings,
            computing_s=computing_s,
        )


def _trip(moment: Moment, limit: Limit, value: float) -> Trip:
    elapsed_s = moment.reading.elapsed_us / 1e6
    said = Exceeded(limit=limit, channel=limit.quantity.value, value=value, for_s=limit.delay_s)
    return Trip(
        elapsed_s=elapsed_s,
        step=moment.step.number,
        quantity=limit.quantity,
        value=value,
        threshold=limit.threshold,
        owner=limit.owner,
        message=f"{elapsed_s:.6g} s after the start, in step {moment.step.number}: {said}",
    )
