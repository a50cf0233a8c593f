"""Blocks of lines and what they become when they are over: loops, tables, pulse trains."""

from dataclasses import dataclass, field

from bem.domain.profile.amounts import Given
from bem.domain.profile.heads import Count, Head
from bem.domain.profile.model import (
    MAX_PULSES,
    ConstantCurrent,
    ConstantPower,
    CRate,
    Driven,
    DurationEnd,
    Item,
    Pulse,
    PulseTrain,
    Repeat,
    Rest,
    Table,
    Then,
)
from bem.domain.profile.problems import Problem
from bem.domain.profile.table import Rows
from bem.domain.profile.words import Opens

_PULSE = "a pulse such as 'Discharge at 2C for 10 s' or 'Rest for 40 s'"
_MISSING = {
    Opens.LOOP: (
        "this loop has no steps: indent the lines to repeat below it",
        "an indented line below",
    ),
    Opens.TABLE: (
        "this table has no rows: indent lines such as '10 -1.5' below it, a time in s and a value",
        "an indented row below",
    ),
    Opens.PULSES: (
        f"this train has no pulses: indent below it {_PULSE}",
        "an indented line below",
    ),
}


@dataclass
class Block:
    """Lines of one indentation. ``tolerated``: wrong indentations that were reported once.

    The lines of a table are ``rows``, those of any other block ``items``.
    """

    indent: int
    head: Head | None = None
    items: list[Item] = field(default_factory=list)
    tolerated: set[int] = field(default_factory=set)
    rows: Rows | None = None

    def __post_init__(self) -> None:
        if self.head is not None and self.head.opens is Opens.TABLE:
            self.rows = Rows(self.head.drives or Driven.CURRENT)


def is_loop(block: Block) -> bool:
    """Whether the block is the body of a loop."""
    return block.head is not None and block.head.opens is Opens.LOOP


def without_lines(head: Head) -> list[Problem]:
    """What to say of a head with nothing below it."""
    if head.is_broken:
        return []  # the head itself has to be mended first
    message, expected = _MISSING[head.opens]
    return [Problem.at(head.source, message, expected=(expected,))]


def close(block: Block) -> tuple[Item | None, list[Problem]]:
    """What a block with a head means, or ``None`` if it, or a line of it, has to be mended."""
    head = block.head
    if head is None or head.is_broken:
        return None, []
    match head.opens:
        case Opens.LOOP:
            return _loop(head, block.items), []
        case Opens.TABLE:
            return _table(head, block.rows or Rows(Driven.CURRENT))
        case Opens.PULSES:
            return _pulses(head, block.items)


def _loop(head: Head, items: list[Item]) -> Repeat | None:
    if not items:
        return None  # reported where it went wrong
    return Repeat(
        label=head.label,
        times=head.times.value if head.times is not None else None,
        until=head.until,
        body=tuple(items),
        source=head.source,
        given_by=head.times.given if head.times is not None else (),
    )


def _table(head: Head, rows: Rows) -> tuple[Table | None, list[Problem]]:
    rows.check_length(head.source)
    if rows.problems:
        return None, rows.problems
    times = head.times or Count(1)
    table = Table(
        label=head.label,
        drives=rows.drives,
        points=tuple(rows.points),
        times=times.value,
        ends=head.after.ends,
        record=head.after.record,
        limits=head.after.limits,
        source=head.source,
        given_by=times.given,
    )
    return table, []


def _pulses(head: Head, items: list[Item]) -> tuple[PulseTrain | None, list[Problem]]:
    problems: list[Problem] = []
    pulses: list[Pulse] = []
    drives = head.drives
    for item in items:
        pulse, what = _pulse(item)
        if pulse is None:
            message = f"a pulse has one duration and nothing else: expected {_PULSE}"
        elif what not in (None, drives) and drives is not None:
            message = f"the pulses of a train are all of one kind: this one is a {_named(what)}, "
            message += f"others are a {_named(drives)}"
        else:
            drives = drives or what
            pulses.append(pulse)
            continue
        place = item.source or head.source
        problems.append(Problem.at(place, message, expected=(_PULSE,)))
    if len(items) > MAX_PULSES:
        message = f"a train has at most {MAX_PULSES} pulses; this one has {len(items)}"
        problems.append(Problem.at(head.source, message))
    if problems or not pulses:
        return None, problems
    times = head.times or Count(1)
    train = PulseTrain(
        label=head.label,
        drives=drives or Driven.CURRENT,
        pulses=tuple(pulses),
        times=times.value,
        ends=head.after.ends,
        record=head.after.record,
        limits=head.after.limits,
        source=head.source,
        given_by=times.given,
    )
    return train, []


def _named(drives: Driven | None) -> str:
    return "C-rate" if drives is Driven.C_RATE else str(drives)


def _pulse(item: Item) -> tuple[Pulse | None, Driven | None]:
    """A step as a pulse, and what it drives; a rest drives nothing of its own."""
    given: Given
    match item:
        case Rest():
            value, given, drives = 0.0, (), None
        case ConstantCurrent(current=current):
            value, given = current.value, current.given_by
            drives = Driven.C_RATE if isinstance(current, CRate) else Driven.CURRENT
        case ConstantPower():
            value, drives = item.power, Driven.POWER
            given = tuple(("value", name) for _, name in item.given_by)
        case _:
            return None, None
    if item.label is not None or item.limits or item.record is not None or len(item.ends) != 1:
        return None, drives
    (end,) = item.ends
    if not isinstance(end, DurationEnd) or end.then is not Then.NEXT or end.value <= 0:
        return None, drives
    given = (*given, *(("duration", name) for _, name in end.given_by))
    pulse = Pulse(value=value, duration=end.value, source=item.source, given_by=given)
    return pulse, drives
