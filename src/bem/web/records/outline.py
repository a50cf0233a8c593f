"""A profile as a person overviews it: its steps, and the loops around them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bem.domain.compiling import describe
from bem.domain.profile.loops import direction
from bem.domain.profile.model import (
    ConstantVoltage,
    Item,
    Limited,
    LoopEnd,
    LoopQuantity,
    Pause,
    Profile,
    PulseTrain,
    Record,
    Repeat,
    Side,
    Step,
    Table,
)
from bem.domain.profile.model import Limit as ProfileLimit
from bem.domain.profile.printing import print_end, print_limit, print_loop, print_setpoint
from bem.domain.program import (
    Compare,
    Limit,
    LoopOp,
    Mode,
    Program,
    RecordRule,
    StepOp,
)
from bem.domain.units import Dimension, format_value

Kind = Literal["rest", "charge", "discharge", "hold", "drive", "pause"]


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step. ``number`` counts from 1 over the whole text, ``label`` is empty without one.

    ``kind``: a table or pulse train drives, a pause waits for a person. ``limits`` in words.
    """

    number: int
    kind: Kind
    title: str
    record: str
    label: str = ""
    limits: tuple[str, ...] = ()
    is_loop: Literal[False] = False


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """A loop around steps and further loops. ``title`` says how often: ``Repeat 500 times``.

    ``passes`` is ``None`` where it has no number.
    """

    passes: int | None
    title: str
    body: tuple["Line", ...]
    label: str = ""
    is_loop: Literal[True] = True


Line: TypeAlias = StepLine | LoopBlock


@dataclass(frozen=True, slots=True)
class Outline:
    """Steps and loops, and what they amount to. ``longest`` is in words, empty if open.

    ``step_runs`` and ``cycles`` are the most there can be, ``None`` if a loop has no number of
    passes. ``endless``: it goes on until a person stops it. ``limits`` of the whole run, in words.
    """

    lines: tuple[Line, ...]
    steps: int
    step_runs: int | None
    cycles: int | None
    longest: str
    endless: bool = False
    limits: tuple[str, ...] = ()


def outline_of_profile(profile: Profile) -> Outline:
    """Overview a profile before it is compiled: C-rates are still C-rates."""
    numbers = iter(range(1, 10**9))

    def lines(items: tuple[Item, ...]) -> tuple[Line, ...]:
        return tuple(
            _loop_of_profile(item, lines(item.body))
            if isinstance(item, Repeat)
            else _step_of_profile(next(numbers), item, profile.record)
            for item in items
        )

    limits = tuple(print_limit(limit) for limit in profile.limits)
    return _with_figures(profile, lines(profile.body), limits)


def outline_of_program(profile: Profile, program: Program) -> Outline:
    """Overview a profile as compiled for a battery and a station: in amperes."""
    limits = tuple(_limit_in_words(limit) for limit in program.limits)
    return _with_figures(profile, program_lines(program), limits)


def program_lines(program: Program) -> tuple[Line, ...]:
    """Nest the flat operations of a program again."""
    # (index of the first operation, line) of what no loop has closed over yet
    open_lines: list[tuple[int, Line]] = []
    for index, operation in enumerate(program.operations):
        if isinstance(operation, LoopOp):
            body = [line for first, line in open_lines if first >= operation.start]
            del open_lines[len(open_lines) - len(body) :]
            block = LoopBlock(operation.passes, _loop_title(operation), tuple(body))
            open_lines.append((operation.start, block))
        else:
            open_lines.append((index, _step_line(operation)))
    return tuple(line for _, line in open_lines)


def _with_figures(profile: Profile, lines: tuple[Line, ...], limits: tuple[str, ...]) -> Outline:
    figures = describe(profile)
    longest = "" if figures.longest is None else in_words(figures.longest)
    return Outline(
        lines=lines,
        steps=figures.steps,
        step_runs=figures.step_runs,
        cycles=figures.cycles,
        longest=longest,
        endless=figures.endless,
        limits=limits,
    )


def in_words(seconds: float) -> str:
    """A duration in its two largest units: ``2 d 4 h``."""
    rest = round(seconds)
    parts: list[str] = []
    for symbol, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {symbol}")
    return " ".join(parts[:2]) or f"{seconds:g} s"


def _step_line(step: StepOp) -> StepLine:
    return StepLine(
        step.number,
        _kind_of_operation(step),
        step.title,
        _record_rule(step.record),
        label=step.label or "",
        limits=tuple(_limit_in_words(limit) for limit in step.limits),
    )


def _kind_of_operation(step: StepOp) -> Kind:
    if step.message is not None:
        return "pause"
    if step.course is not None:
        return "drive"
    match step.setpoint.mode:
        case Mode.REST:
            return "rest"
        case Mode.CV:
            return "hold"
        case Mode.CR:
            return "discharge"
        case Mode.CC | Mode.CP:
            return "charge" if step.setpoint.value > 0 else "discharge"


def _loop_title(loop: LoopOp) -> str:
    """As the text of a profile says it."""
    until = loop.until
    end = None
    if until is not None:
        end = LoopEnd(
            quantity=LoopQuantity(until.quantity),
            side=Side.ABOVE if until.compare is Compare.AT_LEAST else Side.BELOW,
            value=until.threshold,
            relative=until.relative,
        )
    return print_loop(Repeat(times=loop.passes, until=end, body=(_ANY,))).removesuffix(":")


_ANY = Pause(message="any")
"""A body, which the title of a loop does not show."""


def _limit_in_words(limit: Limit) -> str:
    return print_limit(
        ProfileLimit(
            quantity=Limited(limit.quantity),
            side=Side.ABOVE if limit.compare is Compare.AT_LEAST else Side.BELOW,
            value=limit.threshold,
            delay_s=limit.delay_s,
        )
    )


def _loop_of_profile(loop: Repeat, body: tuple[Line, ...]) -> LoopBlock:
    title = print_loop(loop.model_copy(update={"label": None})).removesuffix(":")
    return LoopBlock(loop.times, title, body, label=loop.label or "")


def _step_of_profile(number: int, step: Step, record: Record | None) -> StepLine:
    return StepLine(
        number,
        _kind_of_step(step),
        _title(step),
        _record_in_words(step.record or record),
        label=step.label or "",
        limits=tuple(print_limit(limit) for limit in step.limits),
    )


def _kind_of_step(step: Step) -> Kind:
    if isinstance(step, Pause):
        return "pause"
    if isinstance(step, Table | PulseTrain):
        return "drive"
    if isinstance(step, ConstantVoltage):
        return "hold"
    towards = direction(step)
    if towards == 0:
        return "rest"
    return "charge" if towards > 0 else "discharge"


def _title(step: Step) -> str:
    ends = " or ".join(print_end(end) for end in step.ends)
    return f"{print_setpoint(step)} {ends}".rstrip()


def _record_in_words(record: Record | None) -> str:
    if record is None:
        return ""
    return _record_rule(
        RecordRule(
            every_s=record.every,
            voltage_change=record.voltage_change,
            current_change=record.current_change,
        )
    )


def _record_rule(rule: RecordRule | None) -> str:
    if rule is None:
        return ""
    values = (
        (rule.every_s, Dimension.DURATION),
        (rule.voltage_change, Dimension.VOLTAGE),
        (rule.current_change, Dimension.CURRENT),
    )
    return " or ".join(
        format_value(value, dimension) for value, dimension in values if value is not None
    )
