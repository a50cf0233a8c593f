"""A profile as a person overviews it: its steps, and the loops around them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bem.domain.compiling import describe
from bem.domain.profile.model import Item, Profile, Repeat, Step
from bem.domain.profile.printing import print_end, print_setpoint
from bem.domain.program import LoopOp, Mode, Program, RecordRule, StepOp
from bem.domain.units import Dimension, format_value

Kind = Literal["rest", "charge", "discharge", "hold"]


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step. ``number`` counts from 1 over the whole text."""

    number: int
    kind: Kind
    title: str
    record: str
    is_loop: Literal[False] = False


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """A loop around steps and further loops."""

    passes: int
    body: tuple["Line", ...]
    is_loop: Literal[True] = True


Line: TypeAlias = StepLine | LoopBlock


@dataclass(frozen=True, slots=True)
class Outline:
    """Steps and loops, and what they amount to. ``longest`` is in words, empty if open."""

    lines: tuple[Line, ...]
    steps: int
    step_runs: int
    cycles: int
    longest: str


def outline_of_profile(profile: Profile) -> Outline:
    """Overview a profile before it is compiled: C-rates are still C-rates."""
    numbers = iter(range(1, 10**9))

    def lines(items: tuple[Item, ...]) -> tuple[Line, ...]:
        return tuple(
            LoopBlock(passes=item.times, body=lines(item.body))
            if isinstance(item, Repeat)
            else StepLine(next(numbers), _kind_of_step(item), _title(item), _record_of_step(item))
            for item in items
        )

    return _with_figures(profile, lines(profile.body))


def outline_of_program(profile: Profile, program: Program) -> Outline:
    """Overview a profile as compiled for a battery and a station: in amperes."""
    return _with_figures(profile, program_lines(program))


def program_lines(program: Program) -> tuple[Line, ...]:
    """Nest the flat operations of a program again."""
    # (index of the first operation, line) of what no loop has closed over yet
    open_lines: list[tuple[int, Line]] = []
    for index, operation in enumerate(program.operations):
        if isinstance(operation, LoopOp):
            body = [line for first, line in open_lines if first >= operation.start]
            del open_lines[len(open_lines) - len(body) :]
            open_lines.append(
                (operation.start, LoopBlock(passes=operation.passes, body=tuple(body)))
            )
        else:
            open_lines.append((index, _step_line(operation)))
    return tuple(line for _, line in open_lines)


def _with_figures(profile: Profile, lines: tuple[Line, ...]) -> Outline:
    figures = describe(profile)
    longest = "" if figures.longest is None else in_words(figures.longest)
    return Outline(
        lines=lines,
        steps=figures.steps,
        step_runs=figures.step_runs,
        cycles=figures.cycles,
        longest=longest,
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
    kind: Kind
    if step.setpoint.mode is Mode.REST:
        kind = "rest"
    elif step.setpoint.mode is Mode.CV:
        kind = "hold"
    else:
        kind = "charge" if step.setpoint.value > 0 else "discharge"
    return StepLine(step.number, kind, step.title, _record_rule(step.record))


def _kind_of_step(step: Step) -> Kind:
    match step.kind:
        case "rest":
            return "rest"
        case "constant_voltage":
            return "hold"
        case "constant_current":
            return "charge" if step.current.value > 0 else "discharge"
        case "constant_power":
            return "charge" if step.power > 0 else "discharge"


def _title(step: Step) -> str:
    ends = " or ".join(print_end(end) for end in step.ends)
    return f"{print_setpoint(step)} {ends}".rstrip()


def _record_of_step(step: Step) -> str:
    if step.record is None:
        return ""
    return _record_rule(
        RecordRule(
            every_s=step.record.every,
            voltage_change=step.record.voltage_change,
            current_change=step.record.current_change,
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
