"""What steps and loops do to a battery: in which direction, and whether they make progress."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bem.domain.profile.model import (
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    DurationEnd,
    EnergyEnd,
    Item,
    Pause,
    PulseTrain,
    Repeat,
    SlopeEnd,
    Step,
    Table,
    VoltageDropEnd,
    VoltageEnd,
)


def steps_of(items: Sequence[Item]) -> Iterator[Step]:
    """All steps, those inside loops included, in the order of the text."""
    for item in items:
        if isinstance(item, Repeat):
            yield from steps_of(item.body)
        else:
            yield item


def direction(step: Step) -> int:
    """+1 for a step that charges, -1 for one that discharges, 0 for a rest or a hold.

    A table or a pulse train goes where it moves more.
    """
    match step:
        case ConstantCurrent():
            value = step.current.value
        case ConstantPower():
            value = step.power
        case ConstantResistance():
            value = -1.0
        case Table() | PulseTrain():
            value = sum(span * height for span, height in spans_of(step))
        case _:
            value = 0.0
    return (value > 0) - (value < 0)


def spans_of(step: Table | PulseTrain) -> Iterator[tuple[float, float]]:
    """The parts of one pass: how long each lasts (s), and its value."""
    if isinstance(step, PulseTrain):
        yield from ((pulse.duration, pulse.value) for pulse in step.pulses)
        return
    for (time, value), (after, _) in pairwise(step.points):
        yield after - time, value
    (before, _), (last, value) = step.points[-2:]
    yield last - before, value


def length_of(step: Table | PulseTrain) -> float:
    """How long all passes of a table or a pulse train last (s)."""
    return step.times * sum(span for span, _ in spans_of(step))


def is_endless_idle(loop: Repeat) -> bool:
    """Whether all passes after the first would be over before anything happened."""
    return loop.times != 1 and is_idle(list(steps_of(loop.body)))


def is_idle(steps: Sequence[Step]) -> bool:
    """Whether steps that are run again and again are over at once from the second time on.

    So it is when no step lasts a given time or moves a given charge, and all of them head for
    the same voltage from the same side: once it is reached, each step ends at its first reading.
    """
    lasting = [step for step in steps if not _is_instant(step)]
    if any(_takes_time(step) for step in lasting):
        return False
    if {direction(step) for step in lasting} >= {1, -1}:
        return False
    return len({target for step in lasting for target in _targets(step)}) <= 1


def _takes_time(step: Step) -> bool:
    if isinstance(step, Table | PulseTrain | Pause):
        return True
    lasting = DurationEnd | CapacityEnd | EnergyEnd | SlopeEnd | VoltageDropEnd
    return any(isinstance(end, lasting) for end in step.ends)


def _is_instant(step: Step) -> bool:
    return any(isinstance(end, DurationEnd) and end.value == 0 for end in step.ends)


def _targets(step: Step) -> Iterator[float]:
    if isinstance(step, ConstantVoltage):
        yield step.voltage
    for end in step.ends:
        if isinstance(end, VoltageEnd):
            yield end.value


def counts_cycles(loop: Repeat) -> bool:
    """Whether each pass is a cycle: it charges and discharges, and no loop inside it does both."""
    inner = [item for item in loop.body if isinstance(item, Repeat)]
    return _is_cycle(loop) and not any(_has_cycle(one) for one in inner)


def _has_cycle(loop: Repeat) -> bool:
    inner = [item for item in loop.body if isinstance(item, Repeat)]
    return _is_cycle(loop) or any(_has_cycle(one) for one in inner)


def _is_cycle(loop: Repeat) -> bool:
    steps = list(steps_of(loop.body))
    directions = {direction(step) for step in steps}
    if directions >= {1, -1}:
        return True
    # A battery may also be charged by nothing but a hold; the hold that completes a discharge
    # at its end voltage is none.
    holds = {step.voltage for step in steps if isinstance(step, ConstantVoltage)}
    reached = {target for step in steps if direction(step) < 0 for target in _targets(step)}
    return -1 in directions and bool(holds - reached)
