"""What a loop does to a battery: whether it makes progress and whether a pass is a cycle."""

from collections.abc import Iterator, Sequence

from bem.domain.profile.model import (
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    DurationEnd,
    Item,
    Repeat,
    Step,
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
    """+1 for a step that charges, -1 for one that discharges, 0 for a rest or a hold."""
    match step:
        case ConstantCurrent():
            value = step.current.value
        case ConstantPower():
            value = step.power
        case _:
            return 0
    return 1 if value > 0 else -1


def is_endless_idle(loop: Repeat) -> bool:
    """Whether all passes after the first would be over before anything happened.

    So it is when no step lasts a given time or moves a given charge, and all of them head for
    the same voltage from the same side: once it is reached, each step ends at its first reading.
    """
    if loop.times == 1:
        return False
    steps = list(steps_of(loop.body))
    lasting = [step for step in steps if not _is_instant(step)]
    if any(isinstance(end, DurationEnd | CapacityEnd) for step in lasting for end in step.ends):
        return False
    if {direction(step) for step in lasting} >= {1, -1}:
        return False
    return len({target for step in lasting for target in _targets(step)}) <= 1


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
