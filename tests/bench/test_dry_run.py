"""How much faster than real time dry runs are: 10,000 times at least, on a computer of any speed.

How fast the computer is at the moment is measured beside it, in rounds of a fixed loop. One that
does :data:`ROUNDS` of them a second (an idle core of a server of 2 GHz) must reach 10,000 times.
"""

import math
import time

import pytest

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import compile_profile
from bem.domain.limits import Compare, Limits
from bem.domain.profile.text import parse_profile
from bem.domain.program import Course, End, Mode, Program, Quantity, Setpoint, StepOp
from bem.dryrun import dry_run
from bem_drivers.model import BatteryModelSettings

LIMITS = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-10, current_max=10)
CELL = BatteryModelSettings(capacity_ah=2.5)
ROUNDS = 4_400_000
SPEED = 10_000

CYCLE_LIFE = """
Repeat 20 times:
    Charge at C/2 until 4.2 V
    Hold at 4.2 V until C/20 or for 2 hours
    Rest for 30 minutes
    Discharge at 1C until 2.5 V
    Rest for 30 minutes
"""
LONG_TAIL = "Charge at 1C until 4.2 V\nHold at 4.2 V for 48 hours\n"
PULSES = """
Repeat 9 times:
    Discharge at 1C for 6 minutes
    Rest for 1 hour
    Discharge at 2C for 10 s
    Rest for 40 s
    Charge at 1C for 10 s
"""


def compiled(text: str) -> Program:
    return compile_profile(
        parse_profile(text),
        BatterySpec(name="cell", technology=Technology.LITHIUM, capacity=2.5, limits=LIMITS),
        StationSpec(name="station", limits=LIMITS),
    )


def drive_cycle() -> Program:
    """Half an hour with a point each second, until the battery is empty."""
    seconds = 1800
    course = Course(
        mode=Mode.CC,
        times_us=tuple(second * 1_000_000 for second in range(seconds)),
        values=tuple(round(-1.0 + 2.0 * math.sin(second**2), 3) for second in range(seconds)),
        pass_us=seconds * 1_000_000,
        passes=2,
    )
    empty = End(quantity=Quantity.VOLTAGE, compare=Compare.AT_MOST, threshold=2.5)
    first = Setpoint(mode=Mode.CC, value=course.values[0])
    step = StepOp(number=1, title="drive", setpoint=first, ends=(empty,), course=course)
    return Program(name="drive", operations=(step,), operating=LIMITS)


def rounds_per_second() -> float:
    """What this computer does at the moment of what the interpreter is mostly busy with."""
    count = 200_000
    began = time.process_time()
    total = 0.0
    for number in range(count):
        total += math.exp(-number / count) if number & 1 else abs(total)
        total = min(total, 1e9)
    return count / (time.process_time() - began)


def relative_speed(program: Program) -> float:
    """Get run time per computing time on a computer that does ``ROUNDS`` a second."""
    speeds = []
    for _ in range(5):
        before = rounds_per_second()
        result = dry_run(program, CELL, clock=time.process_time)
        assert result.cut_off is None
        speeds.append(result.speed * ROUNDS / ((before + rounds_per_second()) / 2))
    return max(speeds)


@pytest.mark.parametrize(
    "program",
    [compiled(CYCLE_LIFE), compiled(LONG_TAIL), compiled(PULSES), drive_cycle()],
    ids=["cycle life", "long tail", "pulses", "drive cycle"],
)
def test_a_dry_run_is_ten_thousand_times_faster_than_the_run(program: Program) -> None:
    assert relative_speed(program) >= SPEED


def test_the_cost_grows_with_the_cycles_and_not_faster() -> None:
    def seconds(cycles: int) -> float:
        program = compiled(CYCLE_LIFE.replace("20 times", f"{cycles} times"))
        return min(dry_run(program, CELL, clock=time.process_time).computing_s for _ in range(3))

    assert seconds(50) < 20 * seconds(5)
