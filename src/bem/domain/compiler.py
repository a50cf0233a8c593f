"""From a profile to the program for one battery at one station, or to all that speaks against it.

C-rates become amperes and the direction of each end is resolved. Loops stay loops. Checks that
need a battery or a station are left out where it is not known yet, as in the editor.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from bem.domain import program as compiled
from bem.domain.battery import BatterySpec, StationSpec
from bem.domain.limits import Limits, tightest
from bem.domain.profile.bounds import Bounded, Bounds
from bem.domain.profile.loops import counts_cycles, direction, is_endless_idle, steps_of
from bem.domain.profile.model import (
    Amperes,
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CRate,
    CurrentEnd,
    DurationEnd,
    End,
    Item,
    Node,
    Profile,
    Record,
    Repeat,
    Rest,
    Side,
    Step,
    VoltageEnd,
)
from bem.domain.profile.printing import (
    print_current,
    print_end,
    print_profile,
    print_setpoint,
    print_step,
)
from bem.domain.profile.problems import Problem, ProfileErrors, Span, in_order
from bem.domain.profile.text import parse_profile, read_profile
from bem.domain.program import Compare, LoopOp, Mode, Operation, Program, Quantity, StepOp
from bem.domain.units import Dimension, format_value

LONGEST_DURATION = 10 * 365 * 86400.0
"""Longest duration (s) that can be meant: ten years."""
MOST_CAPACITY = 2.0
"""Multiple of a battery's capacity beyond which an end at a charge moved never comes."""
UNNAMED = "Unnamed profile"
"""Name of the program of a profile without one."""

_START = Span(line=1, column=1, end_column=1)


def compile_profile(profile: Profile, battery: BatterySpec, station: StationSpec) -> Program:
    """Compile for one battery at one station.

    Positions are those of the text that the profile was parsed from. A profile that comes from
    elsewhere (JSON, code) is printed first, and positions are those in ``print_profile(profile)``.

    Raises:
        ProfileErrors: with everything that cannot run or is unsafe.
    """
    compiler = _Compiler(battery, station)
    compiler.run(_positioned(profile))
    if compiler.problems:
        raise ProfileErrors(compiler.problems)
    return Program(
        name=profile.name or UNNAMED,
        operations=tuple(compiler.operations),
        operating=tightest(battery.limits, station.limits),
        capacity=battery.capacity,
    )


def check_profile(
    profile: Profile, battery: BatterySpec | None = None, station: StationSpec | None = None
) -> list[Problem]:
    """All that speaks against a profile, by position; what is not known is not checked."""
    compiler = _Compiler(battery, station)
    compiler.run(_positioned(profile))
    return in_order(compiler.problems)


def check_text(
    text: str, battery: BatterySpec | None = None, station: StationSpec | None = None
) -> list[Problem]:
    """All that is wrong with a text, by position, as somebody types it. Never raises."""
    profile, problems = read_profile(text)
    # Lines that could not be read are missing in the profile: it says nothing about the whole.
    compiler = _Compiler(battery, station, whole=not problems)
    compiler.run(profile)
    return in_order([*problems, *compiler.problems])


@dataclass(frozen=True, slots=True)
class Summary:
    """A profile in figures.

    ``steps`` as written, ``step_runs`` with all repeats, ``cycles``: finished passes of the loops
    that charge and discharge. ``longest`` in s is the time after which it is over at the latest,
    ``None`` if a step has no duration among its ends. Every profile ends: loops are counted.
    """

    steps: int
    step_runs: int
    cycles: int
    longest: float | None


def describe(profile: Profile) -> Summary:
    """Summarise a profile without running it."""
    runs, cycles, longest = _totals(profile.body)
    return Summary(
        steps=sum(1 for _ in steps_of(profile.body)),
        step_runs=runs,
        cycles=cycles,
        longest=longest,
    )


def _totals(items: tuple[Item, ...]) -> tuple[int, int, float | None]:
    runs, cycles = 0, 0
    longest: float | None = 0.0
    for item in items:
        if isinstance(item, Repeat):
            inner_runs, inner_cycles, inner_longest = _totals(item.body)
            runs += item.times * inner_runs
            cycles += item.times * (inner_cycles + counts_cycles(item))
            duration = None if inner_longest is None else item.times * inner_longest
        else:
            runs += 1
            durations = [end.value for end in item.ends if isinstance(end, DurationEnd)]
            duration = min(durations, default=None)
        longest = None if longest is None or duration is None else longest + duration
    return runs, cycles, longest


def _positioned(profile: Profile) -> Profile:
    return profile if profile.source is not None else parse_profile(print_profile(profile))


@dataclass(frozen=True, slots=True)
class _Resolved:
    """An end as the program has it, and whether the step can be relied upon to reach it."""

    end: compiled.End
    title: End
    reached: bool


class _Compiler:
    def __init__(
        self, battery: BatterySpec | None, station: StationSpec | None, *, whole: bool = True
    ) -> None:
        self.problems: list[Problem] = []
        self.operations: list[Operation] = []
        self._battery = battery
        self._station = station
        self._bounds = Bounds(battery, station)
        self._whole = whole
        self._number = 0

    def run(self, profile: Profile) -> None:
        """Compile all of it."""
        if self._limits() is None:
            return
        if self._whole and not profile.body:
            message = "the profile has no steps: write at least one, such as 'Rest for 10 minutes'"
            self._report(profile, message)
        self._items(profile.body)

    def _limits(self) -> Limits | None:
        if self._battery is None or self._station is None:
            return Limits()
        try:
            return tightest(self._battery.limits, self._station.limits)
        except ValidationError as error:
            reasons = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
            message = (
                f"the battery '{self._battery.name}' and the station '{self._station.name}' do not "
                f"go together: {reasons}. Choose another station"
            )
            self.problems.append(Problem.at(_START, message))
            return None

    def _report(
        self,
        node: Node | Span | None,
        message: str,
        *,
        expected: tuple[str, ...] = (),
        suggestion: str | None = None,
    ) -> None:
        span = node.source if isinstance(node, Node) else node
        self.problems.append(
            Problem.at(span or _START, message, expected=expected, suggestion=suggestion)
        )

    # -- structure

    def _items(self, items: tuple[Item, ...]) -> None:
        for item in items:
            if isinstance(item, Repeat):
                self._repeat(item)
            else:
                self._step(item)

    def _repeat(self, loop: Repeat) -> None:
        start = len(self.operations)
        self._items(loop.body)
        if self._whole and is_endless_idle(loop):
            self._report(
                loop,
                "this loop makes no progress: after the first pass every step ends at once. "
                "Add a rest, or a step in the other direction",
            )
        if len(self.operations) > start:
            self.operations.append(
                LoopOp(start=start, passes=loop.times, counts_cycles=counts_cycles(loop))
            )

    def _step(self, step: Step) -> None:
        self._number += 1
        before = len(self.problems)
        setpoint = self._setpoint(step)
        ends = [resolved for end in step.ends if (resolved := self._end(step, end)) is not None]
        all_resolved = len(ends) == len(step.ends)
        if all_resolved and len(self.problems) == before:
            self._check_reached(step, ends)
        if setpoint is None or not ends:
            return
        self.operations.append(
            StepOp(
                number=self._number,
                title=_title(step, setpoint, ends),
                setpoint=setpoint,
                ends=tuple(one.end for one in ends),
                record=_record(step.record),
                line=step.source.line if step.source is not None else None,
            )
        )

    # -- set points

    def _setpoint(self, step: Step) -> compiled.Setpoint | None:
        match step:
            case Rest():
                return compiled.REST
            case ConstantCurrent():
                value = self._amperes(step.current)
                return None if value is None else self._bounded(step, Mode.CC, value, "current")
            case ConstantVoltage():
                return self._bounded(step, Mode.CV, step.voltage, "voltage")
            case ConstantPower():
                return self._power(step)

    def _amperes(self, current: Amperes | CRate) -> float | None:
        if isinstance(current, Amperes):
            return current.value
        if self._battery is None:
            return None
        if self._battery.capacity is None:
            self._report(
                current,
                f"{print_current(current)} needs the capacity of the battery "
                f"'{self._battery.name}', which is not known: give the battery a capacity, or "
                "write the current in A",
                expected=("a current such as 1.5 A",),
            )
            return None
        return current.value * self._battery.capacity

    def _bounded(
        self, step: Step, mode: Mode, value: float, quantity: Bounded
    ) -> compiled.Setpoint | None:
        value = self._bounds.fit(value, quantity)
        breach = self._bounds.breach(value, quantity, _shown(step, value))
        if breach is None:
            return compiled.Setpoint(mode=mode, value=value)
        place = step.setpoint_source or step.source
        self._report(place, breach.message, suggestion=breach.suggestion)
        return None

    def _power(self, step: ConstantPower) -> compiled.Setpoint | None:
        setpoint = self._bounded(step, Mode.CP, step.power, "power")
        if setpoint is not None:
            self._check_current_of_power(step)
        return setpoint

    def _check_current_of_power(self, step: ConstantPower) -> None:
        """Refuse a power whose current is certain to pass its bound.

        The current is least at the highest voltage. A discharge that ends at a voltage certainly
        comes down to it, where its current is greatest.
        """
        charge = step.power > 0
        bound = self._bounds.highest("current") if charge else self._bounds.lowest("current")
        top = self._bounds.highest("voltage")
        ends = [end.value for end in step.ends if isinstance(end, VoltageEnd)]
        voltage = top.value if top is not None else None
        if not charge and len(ends) == len(step.ends) == 1:
            voltage = ends[0]
        if bound is None or voltage is None or voltage <= 0:
            return
        current = abs(step.power) / voltage
        if current <= abs(bound.value) * (1 + 1e-9):
            return
        power = format_value(abs(step.power), Dimension.POWER)
        self._report(
            step.setpoint_source or step.source,
            f"{power} at {format_value(voltage, Dimension.VOLTAGE)} is {current:.4g} A, above "
            f"{format_value(abs(bound.value), Dimension.CURRENT)}, the most {bound.owner} "
            f"{'takes' if charge else 'gives'}: lower the power"
            + ("" if charge else " or end at a higher voltage"),
            suggestion=f"{abs(bound.value) * voltage:.4g} W" if bound.value else None,
        )

    # -- ends

    def _end(self, step: Step, end: End) -> _Resolved | None:
        match end:
            case DurationEnd():
                return self._duration_end(end)
            case VoltageEnd():
                return self._voltage_end(step, end)
            case CurrentEnd():
                return self._current_end(step, end)
            case CapacityEnd():
                return self._capacity_end(step, end)

    def _duration_end(self, end: DurationEnd) -> _Resolved | None:
        if end.value > LONGEST_DURATION:
            self._report(
                end, f"'{print_end(end)}' is longer than ten years: check the number and its unit"
            )
            return None
        resolved = compiled.End(
            quantity=Quantity.DURATION, compare=Compare.AT_LEAST, threshold=end.value
        )
        return _Resolved(resolved, end, reached=True)

    def _voltage_end(self, step: Step, end: VoltageEnd) -> _Resolved | None:
        side = end.side or _natural_voltage_side(step)
        shown = format_value(end.value, Dimension.VOLTAGE)
        if side is None:
            why = (
                "a rest may reach it from either side"
                if isinstance(step, Rest)
                else "a hold keeps its own voltage; it usually ends at a current such as C/20"
            )
            self._report(
                end,
                f"{why}: write 'voltage above {shown}' or 'voltage below {shown}'",
                expected=(f"voltage above {shown}", f"voltage below {shown}"),
            )
            return None
        threshold = self._bounds.fit(end.value, "voltage")
        breach = self._bounds.breach(threshold, "voltage", shown)
        if breach is not None:
            suggestion = f"until {breach.suggestion}" if breach.suggestion else None
            self._report(
                end,
                f"this end lies beyond the limits: {breach.message}",
                suggestion=suggestion if end.side is None else None,
            )
            return None
        return _Resolved(
            compiled.End(quantity=Quantity.VOLTAGE, compare=_compare(side), threshold=threshold),
            end,
            reached=_voltage_is_reached(step, end.value, side),
        )

    def _current_end(self, step: Step, end: CurrentEnd) -> _Resolved | None:
        if isinstance(step, Rest):
            self._report(
                end,
                "no current flows in a rest: end it by a duration or a voltage",
                expected=(Dimension.DURATION.example, Dimension.VOLTAGE.example),
            )
            return None
        if isinstance(step, ConstantCurrent):
            self._report(
                end,
                "the current of this step is constant: end it by a duration, a voltage or a "
                "capacity, or hold a voltage until a current",
                expected=(
                    Dimension.DURATION.example,
                    Dimension.VOLTAGE.example,
                    Dimension.CAPACITY.example,
                ),
            )
            return None
        value = self._amperes(end.value)
        if value is None or self._is_beyond_current(end, value):
            return None
        natural = Side.ABOVE if direction(step) < 0 else Side.BELOW
        side = end.side or natural
        return _Resolved(
            compiled.End(quantity=Quantity.CURRENT, compare=_compare(side), threshold=value),
            end.model_copy(update={"value": Amperes(value=value)}),
            reached=side is natural and value > 0,
        )

    def _is_beyond_current(self, end: CurrentEnd, value: float) -> bool:
        bounds = (self._bounds.highest("current"), self._bounds.lowest("current"))
        known = [abs(bound.value) for bound in bounds if bound is not None]
        if len(known) < len(bounds) or value <= max(known) * (1 + 1e-9):
            return False
        self._report(
            end,
            f"{print_current(end.value)} is above {max(known):g} A, the highest current there "
            "will be, so this end makes no sense: check the number and its unit",
            expected=(f"a current below {max(known):g} A",),
        )
        return True

    def _capacity_end(self, step: Step, end: CapacityEnd) -> _Resolved | None:
        if isinstance(step, Rest):
            self._report(
                end,
                "a rest moves no charge: end it by a duration or a voltage",
                expected=(Dimension.DURATION.example, Dimension.VOLTAGE.example),
            )
            return None
        known = self._battery.capacity if self._battery is not None else None
        return _Resolved(
            compiled.End(quantity=Quantity.CAPACITY, compare=Compare.AT_LEAST, threshold=end.value),
            end,
            reached=known is None or end.value <= MOST_CAPACITY * known,
        )

    def _check_reached(self, step: Step, ends: list[_Resolved]) -> None:
        if any(one.reached for one in ends):
            return
        proposal = self._proposed_end(step)
        example = print_end(proposal)
        mended = print_step(step.model_copy(update={"ends": (*step.ends, proposal)}))
        if ends:
            shown = "' and '".join(print_end(one.title) for one in ends)
            message = (
                f"this step may never end: it cannot be relied upon to come to '{shown}'. "
                f"Add an end that is reached, such as '{example}'"
            )
        else:
            message = f"this step has no end: say until what or for how long, such as '{example}'"
        expected = (f"'until' and {Dimension.VOLTAGE.example}", "'for' and a duration")
        self._report(step, message, expected=expected, suggestion=mended)

    def _proposed_end(self, step: Step) -> End:
        """An end that makes sense for the step, to show in a message."""
        towards = direction(step)
        bound = None
        if towards > 0:
            bound = self._bounds.highest("voltage")
        elif towards < 0:
            bound = self._bounds.lowest("voltage")
        if bound is not None:
            return VoltageEnd(value=bound.value)
        return DurationEnd(value=1800.0 if isinstance(step, Rest) else 7200.0)


def _natural_voltage_side(step: Step) -> Side | None:
    towards = direction(step)
    if towards == 0:
        return None
    return Side.ABOVE if towards > 0 else Side.BELOW


def _voltage_is_reached(step: Step, value: float, side: Side) -> bool:
    if isinstance(step, Rest):
        return True
    if isinstance(step, ConstantVoltage):
        return value <= step.voltage if side is Side.ABOVE else value >= step.voltage
    return side is _natural_voltage_side(step)


def _compare(side: Side) -> Compare:
    return Compare.AT_LEAST if side is Side.ABOVE else Compare.AT_MOST


def _record(record: Record | None) -> compiled.RecordRule | None:
    if record is None:
        return None
    return compiled.RecordRule(
        every_s=record.every,
        voltage_change=record.voltage_change,
        current_change=record.current_change,
    )


def _shown(step: Step, value: float) -> str:
    """The set point as written, with its amperes if it is a C-rate: ``2C (5 A)``."""
    match step:
        case ConstantCurrent(current=CRate()):
            amperes = format_value(_rounded(abs(value)), Dimension.CURRENT)
            return f"{print_current(step.current)} ({amperes})"
        case ConstantCurrent():
            return print_current(step.current)
        case ConstantPower():
            return format_value(abs(value), Dimension.POWER)
        case _:
            return format_value(value, Dimension.VOLTAGE)


def _title(step: Step, setpoint: compiled.Setpoint, ends: list[_Resolved]) -> str:
    shown = step
    if isinstance(step, ConstantCurrent):
        shown = step.model_copy(update={"current": Amperes(value=_rounded(setpoint.value))})
    titles = [_rounded_end(one.title) for one in ends]
    return " ".join([print_setpoint(shown), " or ".join(print_end(one) for one in titles)])


def _rounded_end(end: End) -> End:
    if isinstance(end, CurrentEnd):
        return end.model_copy(update={"value": Amperes(value=_rounded(end.value.value))})
    return end


def _rounded(value: float) -> float:
    """To what a person reads; the program keeps the exact value."""
    return float(f"{value:.6g}")
