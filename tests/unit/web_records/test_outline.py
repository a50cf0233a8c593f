"""The outline of a profile shows all that the language can say, before and after compiling."""

import pytest

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import compile_profile
from bem.domain.limits import Limits
from bem.domain.profile.text import parse_profile
from bem.web.records.outline import (
    LoopBlock,
    Outline,
    StepLine,
    outline_of_profile,
    outline_of_program,
)

TEXT = """Record every 1 min
Limit temperature 45 degC for 10 s
Pause "swap the fixture"
start: Repeat at most 9 times until capacity below 80 % of the first cycle:
    full: Charge at C/2 until 4.2 V then go to start or for 3 h    limit charge 3 Ah
    Discharge at 10 ohm until 3 V
Pulse 3 times:
    Discharge at 1C for 10 s
    Rest for 40 s
Drive power:
    0 1
    10 -5
Repeat forever:
    Hold at 4 V for 1 h
    Rest for 1 h
"""
LIMITS = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=5)
BATTERY = BatterySpec(name="X", technology=Technology.LITHIUM, capacity=2.5, limits=LIMITS)
STATION = StationSpec(name="S", limits=LIMITS)


def outlines() -> list[Outline]:
    profile = parse_profile(TEXT)
    program = compile_profile(profile, BATTERY, STATION)
    return [outline_of_profile(profile), outline_of_program(profile, program)]


@pytest.mark.parametrize("outline", outlines())
def test_all_kinds_of_steps_and_loops_are_shown(outline: Outline) -> None:
    pause, loop, pulse, drive, forever = outline.lines
    assert isinstance(pause, StepLine)
    assert (pause.kind, pause.title) == ("pause", 'Pause "swap the fixture"')
    assert isinstance(loop, LoopBlock)
    assert loop.passes == 9
    assert loop.title == "Repeat at most 9 times until capacity below 80 % of the first cycle"
    charge, discharge = loop.body
    assert isinstance(charge, StepLine)
    assert (charge.kind, charge.label, charge.limits) == ("charge", "full", ("charge 3 Ah",))
    assert charge.title.endswith("until 4.2 V then go to start or for 3 hours")
    assert isinstance(discharge, StepLine)
    assert (discharge.kind, discharge.title) == ("discharge", "Discharge at 10 ohm until 3 V")
    assert isinstance(pulse, StepLine)
    assert (pulse.kind, pulse.title) == ("drive", "Pulse 3 times")
    assert isinstance(drive, StepLine)
    assert (drive.kind, drive.number) == ("drive", 5)
    assert isinstance(forever, LoopBlock)
    assert (forever.passes, forever.title) == (None, "Repeat forever")
    hold, rest = forever.body
    assert isinstance(hold, StepLine)
    assert isinstance(rest, StepLine)
    assert (hold.kind, rest.kind) == ("hold", "rest")
    assert hold.record == "1 minute"


@pytest.mark.parametrize("outline", outlines())
def test_the_figures_say_what_is_open(outline: Outline) -> None:
    assert outline.steps == 7
    assert (outline.step_runs, outline.cycles, outline.longest) == (None, 9, "")
    assert outline.endless
    assert outline.limits == ("temperature 45 degC for 10 s",)
