"""Compiles a whole profile, or says all that speaks against it."""

from pydantic import ValidationError

from bem.domain import program as compiled
from bem.domain.battery import BatterySpec, Capacity, StationSpec
from bem.domain.compiling.context import START, Context
from bem.domain.compiling.flow import Flow
from bem.domain.compiling.limits import compile_limits
from bem.domain.compiling.resolved import compare_of
from bem.domain.compiling.steps import compile_step
from bem.domain.limits import tightest
from bem.domain.profile.bounds import Bounds
from bem.domain.profile.loops import counts_cycles, direction, spans_of, steps_of
from bem.domain.profile.model import (
    ConstantVoltage,
    Item,
    LoopEnd,
    LoopQuantity,
    Profile,
    PulseTrain,
    Repeat,
    Step,
    Table,
)
from bem.domain.profile.printing import print_profile
from bem.domain.profile.problems import Problem, ProfileErrors, in_order
from bem.domain.profile.text import parse_profile, read_profile
from bem.domain.program import LoopOp, Operation, Program

UNNAMED = "Unnamed profile"
"""Name of the program of a profile without one."""


def compile_profile(
    profile: Profile,
    battery: BatterySpec,
    station: StationSpec,
    *,
    capacity: Capacity | None = None,
) -> Program:
    """Compile for one battery at one station. C-rates are of ``capacity``, else the nominal one.

    Positions are those of the text that the profile was parsed from. A profile that comes from
    elsewhere (JSON, code) is printed first, and positions are those in ``print_profile(profile)``.

    Raises:
        ProfileErrors: with everything that cannot run or is unsafe.
    """
    compiler = _Compiler(battery, station, capacity)
    compiler.run(_positioned(profile))
    if compiler.problems:
        raise ProfileErrors(compiler.problems)
    used = compiler.capacity
    return Program(
        name=profile.name or UNNAMED,
        operations=tuple(compiler.operations),
        operating=tightest(battery.limits, station.limits),
        capacity=None if used is None else used.value,
        capacity_source="nominal" if used is None else used.source,
        limits=compiler.limits,
    )


def compile_text(
    text: str,
    battery: BatterySpec,
    station: StationSpec,
    *,
    capacity: Capacity | None = None,
) -> Program:
    """Parse a text and compile it, as :func:`compile_profile` does.

    Raises:
        ProfileErrors: with everything that cannot be read, cannot run or is unsafe.
    """
    return compile_profile(parse_profile(text), battery, station, capacity=capacity)


def check_profile(
    profile: Profile,
    battery: BatterySpec | None = None,
    station: StationSpec | None = None,
    *,
    capacity: Capacity | None = None,
) -> list[Problem]:
    """All that speaks against a profile, by position; what is not known is not checked."""
    compiler = _Compiler(battery, station, capacity)
    try:
        compiler.run(_positioned(profile))
    except ProfileErrors as error:
        return list(error.problems)
    return in_order(compiler.problems)


def check_text(
    text: str,
    battery: BatterySpec | None = None,
    station: StationSpec | None = None,
    *,
    capacity: Capacity | None = None,
) -> list[Problem]:
    """All that is wrong with a text, by position, as somebody types it. Never raises."""
    profile, problems = read_profile(text)
    # Lines that could not be read are missing in the profile: it says nothing about the whole.
    compiler = _Compiler(battery, station, capacity, whole=not problems)
    compiler.run(profile)
    return in_order([*problems, *compiler.problems])


def _positioned(profile: Profile) -> Profile:
    return profile if profile.source is not None else parse_profile(print_profile(profile))


class _Compiler:
    def __init__(
        self,
        battery: BatterySpec | None,
        station: StationSpec | None,
        capacity: Capacity | None,
        *,
        whole: bool = True,
    ) -> None:
        if capacity is None and battery is not None and battery.capacity is not None:
            capacity = Capacity(value=battery.capacity)
        self.capacity = capacity
        self.operations: list[Operation] = []
        self.limits: tuple[compiled.Limit, ...] = ()
        self._context = Context(battery, station, capacity, Bounds(battery, station))
        self._whole = whole
        self._number = 0

    @property
    def problems(self) -> list[Problem]:
        """All that was found so far."""
        return self._context.problems

    def run(self, profile: Profile) -> None:
        """Compile all of it."""
        if not self._go_together():
            return
        if self._whole and not profile.body:
            message = "the profile has no steps: write at least one, such as 'Rest for 10 minutes'"
            self._context.report(profile, message)
            return
        self.limits = compile_limits(self._context, profile.limits, "profile")
        self._context = self._context.within(profile.limits, "this profile")
        flow = Flow(profile.body)
        self._items(profile, flow, profile.body)
        if self._whole:
            flow.check(self._context)

    def _go_together(self) -> bool:
        battery, station = self._context.battery, self._context.station
        if battery is None or station is None:
            return True
        try:
            tightest(battery.limits, station.limits)
        except ValidationError as error:
            reasons = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
            message = (
                f"the battery '{battery.name}' and the station '{station.name}' do not "
                f"go together: {reasons}. Choose another station"
            )
            self._context.report(START, message)
            return False
        return True

    def _items(self, profile: Profile, flow: Flow, items: tuple[Item, ...]) -> None:
        for item in items:
            if isinstance(item, Repeat):
                self._repeat(profile, flow, item)
                continue
            self._number += 1
            operation = compile_step(self._context, item, self._number, profile.record, flow.labels)
            if operation is not None:
                self.operations.append(operation)

    def _repeat(self, profile: Profile, flow: Flow, loop: Repeat) -> None:
        start = len(self.operations)
        self._items(profile, flow, loop.body)
        if self._whole and loop.until is not None:
            self._check_moves(loop, loop.until)
        if len(self.operations) > start:
            self.operations.append(
                LoopOp(
                    start=start,
                    passes=loop.times,
                    counts_cycles=counts_cycles(loop),
                    until=None if loop.until is None else _loop_end(loop.until),
                )
            )

    def _check_moves(self, loop: Repeat, end: LoopEnd) -> None:
        charging = end.quantity in (LoopQuantity.CHARGE_IN, LoopQuantity.ENERGY_IN)
        if any(_may_move(step, 1 if charging else -1) for step in steps_of(loop.body)):
            return
        does = "charges" if charging else "discharges"
        self._context.report(
            end, f"no step of this loop {does}, so this never says anything about it"
        )


def _may_move(step: Step, towards: int) -> bool:
    if isinstance(step, Table | PulseTrain):
        return any(value * towards > 0 for _, value in spans_of(step))
    return isinstance(step, ConstantVoltage) or direction(step) == towards


def _loop_end(end: LoopEnd) -> compiled.LoopEnd:
    return compiled.LoopEnd(
        quantity=compiled.LoopQuantity(end.quantity),
        compare=compare_of(end.side),
        threshold=end.value,
        relative=end.relative,
    )
