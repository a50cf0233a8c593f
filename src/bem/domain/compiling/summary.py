"""A profile in figures, without running it."""

from dataclasses import dataclass

from bem.domain.profile.loops import counts_cycles, length_of, steps_of
from bem.domain.profile.model import (
    DurationEnd,
    Item,
    Profile,
    PulseTrain,
    Repeat,
    Step,
    Table,
    Then,
)


@dataclass(frozen=True, slots=True)
class Summary:
    """A profile in figures.

    ``steps`` as written, ``step_runs`` with all repeats, ``cycles``: finished passes of the loops
    that charge and discharge; both are the most there can be where a loop may end early, and
    ``None`` where a loop has no number of passes. ``longest`` in s is the time after which it is
    over at the latest, ``None`` if that is open: a step has no duration among its ends, waits for
    a person, or leads back. ``endless``: a loop of it is declared to go on for ever.
    """

    steps: int
    step_runs: int | None
    cycles: int | None
    longest: float | None
    endless: bool = False


def describe(profile: Profile) -> Summary:
    """Summarise a profile without running it."""
    totals = _totals(profile.body)
    steps = list(steps_of(profile.body))
    jumps = any(end.then is Then.GO_TO for step in steps for end in step.ends)
    return Summary(
        steps=len(steps),
        step_runs=totals.runs,
        cycles=totals.cycles,
        longest=None if jumps else totals.longest,
        endless=_is_endless(profile.body),
    )


@dataclass(frozen=True, slots=True)
class _Totals:
    runs: int | None = 0
    cycles: int | None = 0
    longest: float | None = 0.0


def _totals(items: tuple[Item, ...]) -> _Totals:
    runs: int | None = 0
    cycles: int | None = 0
    longest: float | None = 0.0
    for item in items:
        one = _of_loop(item) if isinstance(item, Repeat) else _Totals(1, 0, _longest(item))
        runs = None if runs is None or one.runs is None else runs + one.runs
        cycles = None if cycles is None or one.cycles is None else cycles + one.cycles
        longest = None if longest is None or one.longest is None else longest + one.longest
    return _Totals(runs, cycles, longest)


def _of_loop(loop: Repeat) -> _Totals:
    inner = _totals(loop.body)
    cycles = None if inner.cycles is None else inner.cycles + counts_cycles(loop)
    if loop.times is None:
        return _Totals(None, 0 if cycles == 0 else None, None)
    return _Totals(
        None if inner.runs is None else loop.times * inner.runs,
        None if cycles is None else loop.times * cycles,
        None if inner.longest is None else loop.times * inner.longest,
    )


def _longest(step: Step) -> float | None:
    durations = [end.value for end in step.ends if isinstance(end, DurationEnd)]
    if isinstance(step, Table | PulseTrain):
        durations.append(length_of(step))
    return min(durations, default=None)


def _is_endless(items: tuple[Item, ...]) -> bool:
    return any(
        (item.times is None and item.until is None) or _is_endless(item.body)
        for item in items
        if isinstance(item, Repeat)
    )
