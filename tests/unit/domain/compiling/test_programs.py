"""Programs for a battery at a station, and every reason why there is none."""

import pytest

from bem.domain.battery import BatterySpec, StationSpec
from bem.domain.compiling import (
    Summary,
    check_profile,
    check_text,
    compile_profile,
    describe,
)
from bem.domain.limits import Limits, tightest
from bem.domain.profile.model import (
    Amperes,
    ConstantCurrent,
    DurationEnd,
    Profile,
    Rest,
    VoltageEnd,
)
from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.text import parse_profile
from bem.domain.program import (
    REST,
    Compare,
    End,
    LoopOp,
    Mode,
    Program,
    Quantity,
    RecordRule,
    Setpoint,
    StepOp,
)

CYCLES = """Profile: Cycle life
Rest for 10 minutes
Repeat 500 times:
    Charge at C/2 until 4.2 V          record every 10 s or 5 mV
    Hold at 4.2 V until C/20 or for 2 hours
    Rest for 30 minutes
    Discharge at 1C until 2.5 V
Charge at 0.5 A for 30 minutes
Discharge at 5 W until 3.0 V or until 1.2 Ah
"""
BOTH = "    Charge at 1C until 4.2 V\n    Discharge at 1C until 2.5 V\n"
PULSE = "    Discharge at 1C for 6 min\n    Rest for 1 h\n"


def at_least(quantity: Quantity, threshold: float) -> End:
    return End(quantity=quantity, compare=Compare.AT_LEAST, threshold=threshold)


def at_most(quantity: Quantity, threshold: float) -> End:
    return End(quantity=quantity, compare=Compare.AT_MOST, threshold=threshold)


def test_a_cycle_life_test_compiles_to_this(battery: BatterySpec, station: StationSpec) -> None:
    program = compile_profile(parse_profile(CYCLES), battery, station)
    assert program == Program(
        name="Cycle life",
        capacity=2.5,
        operating=tightest(battery.limits, station.limits),
        operations=(
            StepOp(
                number=1,
                title="Rest for 10 minutes",
                setpoint=REST,
                ends=(at_least(Quantity.DURATION, 600),),
                line=2,
            ),
            StepOp(
                number=2,
                title="Charge at 1.25 A until 4.2 V",
                setpoint=Setpoint(mode=Mode.CC, value=1.25),
                ends=(at_least(Quantity.VOLTAGE, 4.2),),
                record=RecordRule(every_s=10, voltage_change=0.005),
                line=4,
            ),
            StepOp(
                number=3,
                title="Hold at 4.2 V until 0.125 A or for 2 hours",
                setpoint=Setpoint(mode=Mode.CV, value=4.2),
                ends=(at_most(Quantity.CURRENT, 0.125), at_least(Quantity.DURATION, 7200)),
                line=5,
            ),
            StepOp(
                number=4,
                title="Rest for 30 minutes",
                setpoint=REST,
                ends=(at_least(Quantity.DURATION, 1800),),
                line=6,
            ),
            StepOp(
                number=5,
                title="Discharge at 2.5 A until 2.5 V",
                setpoint=Setpoint(mode=Mode.CC, value=-2.5),
                ends=(at_most(Quantity.VOLTAGE, 2.5),),
                line=7,
            ),
            LoopOp(start=1, passes=500, counts_cycles=True),
            StepOp(
                number=6,
                title="Charge at 0.5 A for 30 minutes",
                setpoint=Setpoint(mode=Mode.CC, value=0.5),
                ends=(at_least(Quantity.DURATION, 1800),),
                line=8,
            ),
            StepOp(
                number=7,
                title="Discharge at 5 W until 3 V or until 1.2 Ah",
                setpoint=Setpoint(mode=Mode.CP, value=-5),
                ends=(at_most(Quantity.VOLTAGE, 3), at_least(Quantity.CAPACITY, 1.2)),
                line=9,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("Charge at 10 W until 4.1 V or for 1 h", at_least(Quantity.VOLTAGE, 4.1)),
        ("Charge at 10 W until 2.5 A or for 1 h", at_most(Quantity.CURRENT, 2.5)),
        ("Discharge at 10 W until 3 A or for 1 h", at_least(Quantity.CURRENT, 3)),
        ("Hold at 4.2 V until C/20", at_most(Quantity.CURRENT, 0.125)),
        ("Hold at 4.2 V until current above 4 A or for 1 h", at_least(Quantity.CURRENT, 4)),
        ("Hold at 4.2 V until voltage above 4.1 V", at_least(Quantity.VOLTAGE, 4.1)),
        ("Rest until voltage below 3.9 V", at_most(Quantity.VOLTAGE, 3.9)),
        ("Rest until voltage above 3.9 V", at_least(Quantity.VOLTAGE, 3.9)),
        ("Charge at 1 A until voltage below 3 V or for 1 h", at_most(Quantity.VOLTAGE, 3)),
        ("Discharge at 1 A until 2 Ah", at_least(Quantity.CAPACITY, 2)),
        ("WAIT, 0", at_least(Quantity.DURATION, 0)),
    ],
)
def test_ends_look_the_way_the_step_goes(
    line: str, end: End, battery: BatterySpec, station: StationSpec
) -> None:
    (step,) = compile_profile(parse_profile(line), battery, station).steps
    assert step.ends[0] == end


def test_loops_stay_loops_and_nest(battery: BatterySpec, station: StationSpec) -> None:
    text = "".join(f"{'  ' * depth}Repeat {depth + 2} times:\n" for depth in range(6))
    program = compile_profile(parse_profile(f"{text}{'  ' * 6}Rest for 1 s"), battery, station)
    assert [one.passes for one in program.operations if isinstance(one, LoopOp)] == [
        7, 6, 5, 4, 3, 2,
    ]  # fmt: skip
    assert len(program.operations) == 7
    large = "Repeat 65535 times:\n  Charge at 1C until 4.2 V\n  Discharge at 1C until 2.5 V"
    assert len(compile_profile(parse_profile(large), battery, station).operations) == 3


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # pulses inside a discharge: the outer loop charges and discharges
        (
            f"Repeat 3 times:\n  Charge at 1C until 4.2 V\n  Repeat 9 times:\n{PULSE}",
            [False, True],
        ),
        # cycles inside a block that is repeated: the inner loop does it all
        (
            f"Repeat 3 times:\n  Repeat 9 times:\n{BOTH}  Discharge at C/20 until 2.5 V",
            [True, False],
        ),
        ("Repeat 3 times:\n  Charge at 1C for 6 min\n  Rest for 1 h\n", [False]),
        ("Repeat 3 times:\n  Hold at 4.2 V for 6 h\n  Discharge at 1C until 2.5 V\n", [True]),
        ("Repeat 3 times:\n  Discharge at 1C until 3 V\n  Hold at 3 V for 6 h\n", [False]),
        ("Repeat 3 times:\n  Charge at 1C until 4 V\n  Hold at 4 V for 6 h\n", [False]),
    ],
)
def test_a_cycle_is_a_pass_of_the_innermost_loop_that_charges_and_discharges(
    text: str, wanted: list[bool], battery: BatterySpec, station: StationSpec
) -> None:
    program = compile_profile(parse_profile(text), battery, station)
    loops = [one for one in program.operations if isinstance(one, LoopOp)]
    assert [one.counts_cycles for one in loops] == wanted


# text, then (line, column, end column, part of the message, suggestion) of each problem
REFUSED: list[tuple[str, list[tuple[int, int, int, str, str | None]]]] = [
    (
        "Charge at 999 A until 4.2 V",
        [(1, 11, 16, "999 A is above 5 A, the most the battery 'X' takes", "999 mA")],
    ),
    (
        "Discharge at 7 A until 3 V",
        [(1, 14, 17, "7 A is above 5 A, the most the battery 'X' gives", "5 A")],
    ),
    ("Charge at 3C until 4.2 V", [(1, 11, 13, "3C (7.5 A) is above 5 A", "5 A")]),
    (
        "Charge at 61 W until 4.2 V",
        [(1, 11, 15, "61 W is above 60 W, the most the station 'S' supplies", "60 W")],
    ),
    ("Charge at 22 W until 4.2 V", [(1, 11, 15, "22 W at 4.2 V is 5.238 A, above 5 A", "21 W")]),
    ("Discharge at 14 W until 2.5 V", [(1, 14, 18, "14 W at 2.5 V is 5.6 A", "12.5 W")]),
    ("Hold at 4.25 V for 1 h", [(1, 9, 15, "above 4.2 V, the highest voltage of", "4.2 V")]),
    ("Hold at 2 V for 1 h", [(1, 9, 12, "2 V is below 2.5 V, the lowest voltage of", "2.5 V")]),
    (
        "Charge at 1 A until 4.3 V",
        [(1, 15, 26, "beyond the limits: 4.3 V is above 4.2 V", "until 4.2 V")],
    ),
    ("Discharge at 1 A until 2 V", [(1, 18, 27, "2 V is below 2.5 V", "until 2.5 V")]),
    ("Charge at 1 A until 4200 V", [(1, 15, 27, "did you mean 4200 mV", "until 4200 mV")]),
    ("Charge at 1 A until 4.2 mV", [(1, 15, 27, "did you mean 4.2 V", "until 4.2 V")]),
    ("Rest until voltage above 4.5 V or for 1 h", [(1, 6, 31, "beyond the limits", None)]),
    ("Charge at 1 A", [(1, 1, 14, "this step has no end", "Charge at 1 A until 4.2 V")]),
    (
        "Discharge at 1 A record every 1 s",
        [(1, 1, 34, "no end", "Discharge at 1 A until 2.5 V    record every 1 s")],
    ),
    ("Hold at 4.2 V", [(1, 1, 14, "this step has no end", "Hold at 4.2 V for 2 hours")]),
    ("Rest", [(1, 1, 5, "this step has no end", "Rest for 30 minutes")]),
    (
        "Charge at 1 A until voltage below 3 V",
        [(1, 1, 38, "may never end", "Charge at 1 A until voltage below 3 V or until 4.2 V")],
    ),
    (
        "Charge at 1 A until 1200 Ah",
        [(1, 1, 28, "may never end", "Charge at 1 A until 1200 Ah or until 4.2 V")],
    ),
    (
        "CV, 4.2, CURRENT, 0",
        [(1, 1, 20, "may never end", "Hold at 4.2 V until 0 A or for 2 hours")],
    ),
    ("Charge at 1 A until C/20", [(1, 15, 25, "the current of this step is constant", None)]),
    ("Hold at 4.2 V until 4.1 V", [(1, 15, 26, "a hold keeps its own voltage", None)]),
    ("Hold at 4.2 V until 50 A", [(1, 15, 25, "50 A is above 5 A", None)]),
    ("Rest until 3.9 V", [(1, 6, 17, "write 'voltage above 3.9 V'", None)]),
    ("Rest until 1 Ah", [(1, 6, 16, "a rest moves no charge", None)]),
    ("Rest until 1 A", [(1, 6, 15, "no current flows in a rest", None)]),
    ("Rest for 4000 days", [(1, 6, 19, "longer than ten years", None)]),
    (
        "Repeat 5 times:\n  Discharge at 1 A until 2.5 V",
        [(1, 1, 16, "this loop makes no progress", None)],
    ),
    ("Repeat 5 times:\n  Rest for 0 s", [(1, 1, 16, "this loop makes no progress", None)]),
    ("# nothing", [(1, 1, 1, "the profile has no steps", None)]),
]


@pytest.mark.parametrize(("text", "wanted"), REFUSED)
def test_what_cannot_run_is_refused_with_its_place_and_a_remedy(
    text: str,
    wanted: list[tuple[int, int, int, str, str | None]],
    battery: BatterySpec,
    station: StationSpec,
) -> None:
    with pytest.raises(ProfileErrors) as caught:
        compile_profile(parse_profile(text), battery, station)
    problems = caught.value.problems
    found = [(one.line, one.column, one.end_column, one.suggestion) for one in problems]
    assert found == [(line, start, end, fix) for line, start, end, _, fix in wanted], problems
    for problem, (_, _, _, part, _) in zip(problems, wanted, strict=True):
        assert part in problem.message
    assert check_text(text, battery, station) == list(problems)


def test_all_that_is_wrong_is_said_at_once(battery: BatterySpec, station: StationSpec) -> None:
    text = "Charge at 9 A until 4.5 V\nRset for 1 s\nRepeat 2 times:\n  Hold at 5 V until 20 A\n"
    places = [(one.line, one.column) for one in check_text(text, battery, station)]
    assert places == [(1, 11), (1, 15), (2, 1), (4, 11), (4, 15)]


@pytest.mark.parametrize(
    "text",
    [
        "Repeat 9 times:\n  Discharge at 1C until 2.5 V\n  Rest for 1 h",
        "Repeat 9 times:\n  Charge at 1C for 6 min or until 4.2 V",
        "Repeat 9 times:\n  Hold at 4.2 V until C/20\n  Hold at 3 V until C/20",
        "Repeat 1 time:\n  Discharge at 1C until 2.5 V",
    ],
)
def test_loops_that_make_progress_are_not_refused(
    text: str, battery: BatterySpec, station: StationSpec
) -> None:
    assert check_text(text, battery, station) == []


def test_rates_need_a_capacity(battery: BatterySpec, station: StationSpec) -> None:
    stack = battery.model_copy(update={"capacity": None})
    problems = check_text("Charge at C/2 until 4.2 V\nHold at 4.2 V until C/20", stack, station)
    assert [(one.line, one.column) for one in problems] == [(1, 11), (2, 21)]
    assert "give the battery a capacity, or write the current in A" in problems[0].message
    assert check_text("Charge at 1 A until 4.2 V", stack, station) == []


def test_the_tighter_of_battery_and_station_is_named(battery: BatterySpec) -> None:
    source = StationSpec(
        name="Supply", limits=Limits(current_min=0, current_max=2, voltage_max=4.0)
    )
    text = "Charge at 3 A for 1 h\nHold at 4.1 V for 1 h\nDischarge at 1 A for 1 h"
    current, voltage, direction = check_text(text, battery, source)
    assert "3 A is above 2 A, the most the station 'Supply' supplies" in current.message
    assert "above 4 V, the highest voltage of the station 'Supply'" in voltage.message
    assert "the station 'Supply' cannot discharge" in direction.message


def test_a_battery_and_a_station_that_do_not_go_together(battery: BatterySpec) -> None:
    high = StationSpec(name="High", limits=Limits(voltage_min=10, voltage_max=60))
    (problem,) = check_text("Rest for 1 s", battery, high)
    assert "the battery 'X' and the station 'High' do not go together" in problem.message
    with pytest.raises(ProfileErrors):
        compile_profile(parse_profile("Rest for 1 s"), battery, high)


def test_rounding_of_a_rate_does_not_pass_the_limit(station: StationSpec) -> None:
    battery = BatterySpec(
        name="X", technology="lithium", capacity=3, limits=Limits(current_min=-0.3, current_max=0.3)
    )
    assert 0.1 * 3 > 0.3
    program = compile_profile(parse_profile("Charge at C/10 for 1 h"), battery, station)
    assert program.steps[0].setpoint.value == 0.3


def test_without_battery_and_station_the_rest_is_checked() -> None:
    assert check_text("Charge at 999 A until 99 V\nCharge at C/2 until 4.2 V") == []
    assert [one.line for one in check_text("Charge at 1 A\nRest for 1 s\nRest until 3 V")] == [1, 3]


def test_a_broken_line_in_a_loop_is_the_only_problem(
    battery: BatterySpec, station: StationSpec
) -> None:
    text = "Repeat 9 times:\n  Chrage at 1C until 4.2 V\n  Discharge at 1C until 2.5 V"
    (problem,) = check_text(text, battery, station)
    assert problem.line == 2


def test_a_profile_from_elsewhere_is_placed_in_its_printed_text(
    battery: BatterySpec, station: StationSpec
) -> None:
    fast = ConstantCurrent(current=Amperes(value=9), ends=(VoltageEnd(value=4.2),))
    profile = Profile(name="Made by code", body=(Rest(ends=(DurationEnd(value=1),)), fast))
    (problem,) = check_profile(profile, battery, station)
    assert (problem.line, problem.column, problem.end_column) == (3, 11, 14)
    good = Profile(body=(Rest(ends=(DurationEnd(value=1),)),))
    program = compile_profile(good, battery, station)
    assert [one.line for one in program.steps] == [1]
    assert program.name == "Unnamed profile"


def test_long_steps_and_many_digits_survive(battery: BatterySpec, station: StationSpec) -> None:
    text = "CC, 1.0010000000000001, TIME, 36000\nRest for 3000 days"
    first, second = compile_profile(parse_profile(text), battery, station).steps
    assert first.setpoint.value == 1.0010000000000001
    assert first.ends[0].threshold == 36000
    assert second.ends[0].threshold == 3000 * 86400


def test_a_program_travels_as_json(battery: BatterySpec, station: StationSpec) -> None:
    program = compile_profile(parse_profile(CYCLES), battery, station)
    assert Program.model_validate_json(program.model_dump_json()) == program


def test_a_summary_counts_what_will_run() -> None:
    assert describe(parse_profile(CYCLES)) == Summary(
        steps=7, step_runs=2003, cycles=500, longest=None
    )
    text = "Repeat 3 times:\n  Rest for 1 min\n  Repeat 2 times:\n    Rest for 1 h or 2 h\n"
    assert describe(parse_profile(text)) == Summary(
        steps=2, step_runs=9, cycles=0, longest=3 * (60 + 2 * 3600)
    )
    assert describe(Profile()) == Summary(steps=0, step_runs=0, cycles=0, longest=0)
