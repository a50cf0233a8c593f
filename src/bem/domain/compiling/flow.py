"""Where a program can get: steps that are never reached, and circles that lead nowhere."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from bem.domain.compiling.context import Context
from bem.domain.profile.loops import is_endless_idle, is_idle
from bem.domain.profile.model import (
    End,
    Item,
    Pause,
    PulseTrain,
    Repeat,
    Step,
    Table,
    Then,
)

_OUT = -1
"""Beyond the last operation: the run is over."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An operation: a step with its number, or the end of the loop that begins at ``start``."""

    item: Item
    start: int
    number: int


class Flow:
    """The operations of a profile, and the ways between them."""

    def __init__(self, items: tuple[Item, ...]) -> None:
        self._places: list[_Place] = []
        self.labels: dict[str, int] = {}
        """The operation that each label stands for; of a loop the first of its body."""
        self._twice: list[Item] = []
        self._steps = 0
        self._lay_out(items)

    def _lay_out(self, items: tuple[Item, ...]) -> None:
        for item in items:
            start = len(self._places)
            if item.label in self.labels:
                self._twice.append(item)
            elif item.label is not None:
                self.labels[item.label] = start
            if isinstance(item, Repeat):
                self._lay_out(item.body)
            else:
                self._steps += 1
            self._places.append(_Place(item, start, self._steps))

    def check(self, context: Context) -> None:
        """Report steps that are never reached, and circles without progress or without an end."""
        if not self._check_labels(context):
            return
        self._check_progress(context)
        reached = _spread({0}, self._ways)
        self._check_reached(context, reached)
        self._check_ends(context, reached)

    def _check_labels(self, context: Context) -> bool:
        """Report labels that are not there or there twice. A text is refused for that earlier."""
        for item in self._twice:
            context.report(item, f"the label '{item.label}' is there twice: choose another")
        unknown = [
            end
            for step, _ in self._numbered(range(len(self._places)))
            for end in step.ends
            if end.label is not None and end.label not in self.labels
        ]
        for end in unknown:
            close = difflib.get_close_matches(end.label or "", self.labels, n=1)
            context.report(
                end,
                f"no step or loop has the label '{end.label}'",
                expected=tuple(self.labels),
                suggestion=f"go to {close[0]}" if close else None,
            )
        return not self._twice and not unknown

    def _ways(self, index: int) -> Iterator[int]:
        """Get the operations that may follow one."""
        place = self._places[index]
        item = place.item
        after = index + 1 if index + 1 < len(self._places) else _OUT
        if isinstance(item, Repeat):
            if item.times != 1:
                yield place.start
            if item.times is not None or item.until is not None:
                yield after
            return
        if not item.ends or isinstance(item, Table | PulseTrain | Pause):
            yield after
        for end in item.ends:
            yield self._way_of(end, after)

    def _way_of(self, end: End, after: int) -> int:
        if end.then is Then.GO_TO:
            return self.labels.get(end.label or "", after)
        return after if end.then is Then.NEXT else _OUT

    def _check_progress(self, context: Context) -> None:
        for index, place in enumerate(self._places):
            if isinstance(place.item, Repeat):
                if is_endless_idle(place.item):
                    context.report(
                        place.item,
                        "this loop makes no progress: after the first pass every step ends at "
                        "once. Add a rest, or a step in the other direction",
                    )
                continue
            for end, start in self._back(place.item, index):
                if is_idle([step for step, _ in self._numbered(range(start, index + 1))]):
                    context.report(
                        end,
                        f"going back to '{end.label}' makes no progress: from the second time on "
                        "every step ends at once. Add a rest, or a step in the other direction",
                    )

    def _back(self, step: Step, index: int) -> Iterator[tuple[End, int]]:
        for end in step.ends:
            start = self.labels.get(end.label or "")
            if start is not None and start <= index:
                yield end, start

    def _numbered(self, indices: Iterable[int]) -> Iterator[tuple[Step, int]]:
        for index in indices:
            place = self._places[index]
            if not isinstance(place.item, Repeat):
                yield place.item, place.number

    def _check_reached(self, context: Context, reached: set[int]) -> None:
        for left_out, group in groupby(range(len(self._places)), lambda one: one not in reached):
            indices = list(group)
            steps = list(self._numbered(indices))
            if not left_out or not steps:
                continue
            (first, number), (_, last) = steps[0], steps[-1]
            named = f"step {number} is" if number == last else f"steps {number} to {last} are"
            context.report(first, f"{named} never reached: {self._why_not(indices[0])}")

    def _why_not(self, index: int) -> str:
        before = self._places[index - 1]
        if _is_for_ever(before.item):
            return (
                "the loop above repeats for ever, and nothing leads out of it. Give it a "
                "number of times, an 'until', or an end that goes to a label"
            )
        return (
            f"no end of step {before.number} goes on to the next step, and none goes to a label "
            "here. Take it out, or let one end go on"
        )

    def _check_ends(self, context: Context, reached: set[int]) -> None:
        """Refuse steps from which the run never ends, unless a loop is declared to be endless."""
        into: dict[int, list[int]] = {}
        for index, place in enumerate(self._places):
            ways = list(self._ways(index))
            for way in [*ways, _OUT] if _is_for_ever(place.item) else ways:
                into.setdefault(way, []).append(index)
        ending = _spread({_OUT}, lambda index: into.get(index, ()))
        for step, number in self._numbered(sorted(reached - ending - {_OUT})):
            context.report(
                step,
                f"from step {number} on the run never ends, as each way leads back. Let an end "
                "'then stop', or say 'Repeat forever:' if it is to go on until a person stops it",
            )
            return


def _is_for_ever(item: Item) -> bool:
    return isinstance(item, Repeat) and item.times is None and item.until is None


def _spread(found: set[int], ways: Callable[[int], Iterable[int]]) -> set[int]:
    """Get all that can be reached from some operations."""
    waiting = list(found)
    while waiting:
        new = [way for way in ways(waiting.pop()) if way not in found]
        found.update(new)
        waiting.extend(way for way in new if way != _OUT)
    return found
