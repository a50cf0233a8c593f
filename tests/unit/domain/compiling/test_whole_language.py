"""The whole language as programs: resistances, tables, pulses, pauses, labels, limits, loops."""

from unittest.mock import ANY

import pytest

from bem.domain.battery import BatterySpec, Capacity, StationSpec
from bem.domain.compiling import Summary, check_profile, check_text, compile_text, describe
from bem.domain.limits import Limits
from bem.domain.profile.model import (
    Amperes,
    ConstantCurrent,
    DurationEnd,
    Profile,
    Rest,
    Then,
)
from bem.domain.profile.problems import Span
from bem.domain.profile.text import parse_profile
from bem.domain.program import (
    REST,
    Compare,
    Course,
    End,
    Limit,
    Limited,
    LoopEnd,
    LoopOp,
    LoopQuantity,
    Mode,
    Program,
    Quantity,
    RecordRule,
    Setpoint,
)
from bem.domain.program import Then as Goes

S = 1_000_000
BOTH = "    Charge at 1C until 4.2 V\n    Discharge at 1C until 2.5 V\n"


def loops_of(program: Program) -> list[LoopOp]:
    return [one for one in program.operations if isinstance(one, LoopOp)]


@pytest.mark.parametrize(
    ("line", "setpoint"),
    [
        ("Discharge at 10 ohm until 3 V", Setpoint(mode=Mode.CR, value=10)),
        ("Discharge at 0.84 ohm for 1 hour", Setpoint(mode=Mode.CR, value=0.84)),
        ('Pause "swap the fixture"', REST),
        ('Pause "swap the fixture" for 1 hour', REST),
    ],
)
def test_a_step_holds_this(
    line: str, setpoint: Setpoint, battery: BatterySpec, station: StationSpec
) -> None:
    (step,) = compile_text(line, battery, station).steps
    assert step.setpoint == setpoint
    assert step.title == line
    assert step.message == ("swap the fixture" if "Pause" in line else None)


@pytest.mark.parametrize(
    ("line", "quantity", "compare", "threshold"),
    [
        ("Discharge at 10 ohm until 0.3 A", "current", "<=", 0.3),
        ("Discharge at 10 ohm until 1 W", "power", "<=", 1),
        ("Discharge at 1 A until 4 W", "power", "<=", 4),
        ("Charge at 1 A until 4 W", "power", ">=", 4),
        ("Hold at 4.2 V until power below 1 W", "power", "<=", 1),
        ("Charge at 1 A until 5 Wh", "energy", ">=", 5),
        ("Rest until temperature below 30 degC or for 1 h", "temperature", "<=", 30),
        ("Charge at 1 A until temperature above 45 degC or 4.2 V", "temperature", ">=", 45),
        ("Charge at 1 A until voltage falls by 10 mV or for 4 h", "voltage_drop", ">=", 0.01),
        ("Discharge at 1 A until voltage falls by 100 mV", "voltage_drop", ">=", 0.1),
        ("Rest until dV/dt below 2 mV/min", "slope", "<=", 0.002 / 60),
        ("Charge at 1 A until dV/dt above 1 mV/s or for 1 h", "slope", ">=", 0.001),
    ],
)
def test_ends_look_at_this(
    line: str,
    quantity: str,
    compare: str,
    threshold: float,
    battery: BatterySpec,
    station: StationSpec,
) -> None:
    (step,) = compile_text(line, battery, station).steps
    assert step.ends[0] == End(
        quantity=Quantity(quantity), compare=Compare(compare), threshold=threshold
    )


def test_pulses_and_tables_are_courses_that_are_not_unrolled(
    battery: BatterySpec, station: StationSpec
) -> None:
    text = (
        "Pulse 1000000 times until 2.5 V:\n    Discharge at 2C for 10 s\n    Rest for 40 s\n"
        "Drive power 3 times:\n    0 5\n    0.1 0\n    2.5 -7.25\n"
    )
    pulses, table = compile_text(text, battery, station).steps
    assert pulses.course == Course(
        mode=Mode.CC,
        times_us=(0, 10 * S),
        values=(-5.0, 0.0),
        pass_us=50 * S,
        passes=1_000_000,
    )
    assert pulses.setpoint == Setpoint(mode=Mode.CC, value=-5.0)
    assert [str(end) for end in pulses.ends] == ["voltage at or below 2.5 V"]
    # the last value holds as long as the one before it
    assert table.course == Course(
        mode=Mode.CP,
        times_us=(0, 100_000, 2_500_000),
        values=(5.0, 0.0, -7.25),
        pass_us=4_900_000,
        passes=3,
    )
    assert table.ends == ()


def test_a_table_of_rates_is_of_the_capacity(battery: BatterySpec, station: StationSpec) -> None:
    text = "Drive C-rate:\n    0 -1\n    10 0.5\n"
    (step,) = compile_text(text, battery, station).steps
    assert step.course is not None
    assert step.course.values == (-2.5, 1.25)


def test_rates_may_be_of_the_measured_capacity(battery: BatterySpec, station: StationSpec) -> None:
    measured = Capacity(value=2.0, source="measured")
    program = compile_text("Charge at C/2 until 4.2 V", battery, station, capacity=measured)
    assert (program.capacity, program.capacity_source) == (2.0, "measured")
    assert program.steps[0].title == "Charge at 1 A until 4.2 V"
    assert program.steps[0].setpoint.value == 1.0
    nominal = compile_text("Charge at C/2 until 4.2 V", battery, station)
    assert (nominal.capacity, nominal.capacity_source) == (2.5, "nominal")


def test_what_follows_an_end_leads_to_the_operation_with_the_label(
    battery: BatterySpec, station: StationSpec
) -> None:
    text = (
        "Charge at 1 A until 4.1 V then go to cool or for 3 h then fail "
        "or until 2 Ah then stop or until 12 W\n"
        "body: Repeat 5 times:\n"
        "    inner: Discharge at 1 A until 3 V then go to body or for 3 h\n"
        "    Charge at 1 A until 4 V\n"
        "cool: Rest for 1 h\n"
    )
    program = compile_text(text, battery, station)
    first, inner, *_ = program.steps
    assert [(one.then, one.target) for one in first.ends] == [
        (Goes.GO_TO, 4),
        (Goes.FAIL, None),
        (Goes.STOP, None),
        (Goes.NEXT, None),
    ]
    assert [(one.then, one.target) for one in inner.ends] == [(Goes.GO_TO, 1), (Goes.NEXT, None)]
    assert [one.label for one in program.steps] == [None, "inner", None, "cool"]


def test_limits_and_rules_of_the_head_are_of_the_run(
    battery: BatterySpec, station: StationSpec
) -> None:
    text = (
        "Record every 10 s\n"
        "Limit temperature above 50 degC for 10 s\n"
        "Limit voltage below 2.6 V\n"
        "Rest for 1 h\n"
        "Discharge at 1 A until 3 V   record every 1 s   limit charge 2 Ah, duration 3 h\n"
    )
    program = compile_text(text, battery, station)
    assert program.limits == (
        Limit(quantity=Limited.TEMPERATURE, compare=Compare.AT_LEAST, threshold=50, delay_s=10),
        Limit(quantity=Limited.VOLTAGE, compare=Compare.AT_MOST, threshold=2.6),
    )
    rest, discharge = program.steps
    assert rest.record == RecordRule(every_s=10)
    assert discharge.record == RecordRule(every_s=1)
    assert rest.limits == ()
    assert [(one.quantity, one.threshold, one.owner) for one in discharge.limits] == [
        ("charge", 2.0, "step 2"),
        ("duration", 10800.0, "step 2"),
    ]


@pytest.mark.parametrize(
    ("head", "passes", "until"),
    [
        ("Repeat forever:", None, None),
        (
            "Repeat until capacity below 80 % of the first cycle:",
            None,
            LoopEnd(
                quantity=LoopQuantity.CHARGE_OUT,
                compare=Compare.AT_MOST,
                threshold=0.8,
                relative=True,
            ),
        ),
        (
            "Repeat at most 2000 times until energy below 3 Wh:",
            2000,
            LoopEnd(quantity=LoopQuantity.ENERGY_OUT, compare=Compare.AT_MOST, threshold=3),
        ),
    ],
)
def test_loops_end_by_number_by_what_they_move_or_never(
    head: str,
    passes: int | None,
    until: LoopEnd | None,
    battery: BatterySpec,
    station: StationSpec,
) -> None:
    (loop,) = loops_of(compile_text(f"{head}\n{BOTH}", battery, station))
    assert (loop.passes, loop.until, loop.counts_cycles) == (passes, until, True)


def test_a_drive_cycle_inside_a_cycle_is_no_cycle_of_its_own(
    battery: BatterySpec, station: StationSpec
) -> None:
    text = (
        "Repeat 9 times:\n  Charge at 1C until 4.2 V\n  Repeat 30 times:\n"
        "    Drive current:\n      0 -2\n      10 0.5\n"
    )
    loops = loops_of(compile_text(text, battery, station))
    assert [one.counts_cycles for one in loops] == [False, True]


def test_a_value_of_a_parameter_is_shown_as_a_value(
    battery: BatterySpec, station: StationSpec
) -> None:
    text = (
        "Parameter rate = C/2\nParameter top = 4.1 V\n"
        "Charge at {rate} until {top}\nHold at {top} until 0.1 A"
    )
    charge, hold = compile_text(text, battery, station).steps
    assert charge.title == "Charge at 1.25 A until 4.1 V"
    assert hold.title == "Hold at 4.1 V until 0.1 A"
    (problem,) = check_text(text.replace("C/2", "3C"), battery, station)
    assert "{rate} (7.5 A) is above 5 A" in problem.message


# text, then (line, column, part of the message, suggestion) of each problem
REFUSED: list[tuple[str, list[tuple[int, int, str, str | None]]]] = [
    (
        "Discharge at 0.5 ohm until 3 V",
        [(1, 14, "8.4 A, which 0.5 ohm draws at 4.2 V, is above 5 A, the most", "0.8404 ohm")],
    ),
    (
        "Discharge at 10 ohm until 0.2 A",
        [(1, 1, "may never end", "Discharge at 10 ohm until 0.2 A or until 2.5 V")],
    ),
    ('Pause "swap" until 4 V', [(1, 14, "waits for a person: it may end by a duration", None)]),
    (
        "Drive current until 2.6 V:\n    0 1\n    10 -2.5\n",
        [(1, 15, "write 'voltage above 2.6 V' or 'voltage below 2.6 V'", None)],
    ),
    (
        "Drive power:\n    0 90\n    10 -300\n    20 -10\n",
        [
            (1, 1, "row 1: 90 W is above 60 W, the most the station 'S' supplies", None),
            (1, 1, "row 2: 300 W is above 60 W, the most the station 'S' draws", None),
        ],
    ),
    ("Drive power:\n    0 0\n    10 40\n", [(1, 1, "40 W at 4.2 V is 9.524 A", "21 W")]),
    ("Drive current until 1 A:\n    0 1\n    10 2\n", [(1, 15, "is what it drives", None)]),
    (
        "Pulse 9 times:\n    Discharge at 1C for 1 s\n    Charge at 3C for 1 s\n",
        [(3, 5, "pulse 2: 3C (7.5 A) is above 5 A, the most the battery 'X' takes", None)],
    ),
    (
        "Pulse 10000000 times:\n    Discharge at 1C for 1 h\n",
        [(1, 1, "longer than ten years", None)],
    ),
    (
        "Pulse:\n    Rest for 1 s\n    Discharge at 1 A for 0.0000001 s\n",
        [(1, 1, "less than 1 us apart", None)],
    ),
    ("Rest until 1 Wh", [(1, 6, "a rest moves no energy", None)]),
    ("Rest until 1 W", [(1, 6, "no power flows in a rest", None)]),
    ("Charge at 5 W until 1 W", [(1, 15, "the power of this step is what it drives", None)]),
    ("Discharge at 1 A until 500 W or for 1 h", [(1, 18, "500 W is above 21 W", None)]),
    ("Charge at 1 A until temperature above 45 degC", [(1, 1, "may never end", ANY)]),
    ("Charge at 1 A until dV/dt below 2 mV/min", [(1, 1, "may never end", ANY)]),
    ("Hold at 4 V until voltage falls by 10 mV", [(1, 13, "which therefore never falls", None)]),
    ("Hold at 4 V until dV/dt below 1 mV/min", [(1, 13, "which therefore never changes", None)]),
    ("Discharge at 1 A until voltage falls by 3 V", [(1, 18, "more than all of the", None)]),
    # limits
    ("Limit voltage 4.3 V\nRest for 1 s", [(1, 7, "looser than 4.2 V, the limit of the b", None)]),
    (
        "Limit voltage 4 V\nRest for 1 s limit voltage 4.1 V",
        [(2, 20, "'voltage 4.1 V' is looser than 4 V, the limit of this profile", None)],
    ),
    ("Limit voltage below 4.2 V\nRest for 1 s", [(1, 7, "leaves nothing", None)]),
    ("Limit current -1 A\nRest for 1 s", [(1, 7, "does not even allow a rest", None)]),
    (
        "Limit voltage 4.1 V\nHold at 4.1 V for 1 h\nCharge at 1 A until 4.1 V",
        [
            (2, 9, "4.1 V is not below 4.1 V, the limit of this profile", None),
            (3, 15, "4.1 V is not below 4.1 V, the limit of this profile", None),
        ],
    ),
    (
        "Charge at 2 A until 4 V limit current 1.5 A",
        [(1, 11, "2 A is not below 1.5 A, the limit of this step", None)],
    ),
    # where a program gets
    (
        f"Repeat forever:\n{BOTH}Rest for 1 h\nRest for 2 h",
        [(4, 1, "steps 3 to 4 are never reached: the loop above repeats for ever", None)],
    ),
    ("Rest for 1 h then stop\nRest for 1 h", [(2, 1, "step 2 is never reached", None)]),
    (
        "Rest for 1 h then go to end\nRest for 2 h\nend: Rest for 1 h",
        [(2, 1, "step 2 is never reached: no end of step 1 goes on", None)],
    ),
    ("on: Rest for 1 h then go to on", [(1, 1, "from step 1 on the run never ends", None)]),
    (
        "up: Charge at 1 A until 4 V then go to up or 2 Ah\nDischarge at 1 A until 3 V",
        [],
    ),
    (
        "up: Hold at 4 V until 0.1 A then go to up or 1 A",
        [(1, 17, "going back to 'up' makes no progress", None)],
    ),
    (
        "Repeat until capacity below 80 % of the first cycle:\n    Charge at 1 A for 1 h\n",
        [(1, 8, "no step of this loop discharges", None)],
    ),
    ("Repeat forever:\n    Charge at 1 A until 4 V", [(1, 1, "makes no progress", None)]),
    (
        "Repeat until charge capacity below 1 Ah:\n    Charge at 1 A until 4 V",
        [(1, 1, "makes no progress", None)],
    ),
]


@pytest.mark.parametrize(("text", "wanted"), REFUSED)
def test_what_cannot_run_is_refused_with_its_place_and_a_remedy(
    text: str,
    wanted: list[tuple[int, int, str, str | None]],
    battery: BatterySpec,
    station: StationSpec,
) -> None:
    problems = check_text(text, battery, station)
    assert [(one.line, one.column) for one in problems] == [one[:2] for one in wanted], problems
    for problem, (_, _, part, suggestion) in zip(problems, wanted, strict=True):
        assert part in problem.message
        assert problem.suggestion == suggestion


@pytest.mark.parametrize(
    "text",
    [
        f"Repeat forever:\n{BOTH}",
        f"Repeat forever:\n{BOTH}    Rest for 9 h then go to x or 1 h\nx: Rest for 1 s",
        'Repeat forever:\n    Pause "turn it"',
        "Repeat 9 times:\n    Pulse:\n        Discharge at 1 A for 1 s\n",
        "again: Discharge at 1 A until 3 V then go to again or for 1 s",
        "Limit current 8 A for 2 s\nRest for 1 s",
        "Limit voltage 4.1 V\nCharge at 1 A until 4.05 V",
        "Limit temperature 45 degC, cell voltage 4.15 V, flow below 1 L/min\nRest for 1 s",
    ],
)
def test_what_can_run_is_not_refused(text: str, station: StationSpec) -> None:
    wide = BatterySpec(
        name="X",
        technology="lithium",
        capacity=2.5,
        limits=Limits(voltage_min=2.5, voltage_max=4.2, current_min=-10, current_max=10),
    )
    assert check_text(text, wide, station) == []


def test_what_the_station_does_not_read_cannot_end_or_limit_anything(
    battery: BatterySpec, station: StationSpec
) -> None:
    text = (
        "Limit flow below 1 L/min\nLimit cell voltage 4.15 V\n"
        "Rest until temperature below 30 degC or for 1 h   limit temperature 45 degC\n"
    )
    bare = station.model_copy(update={"channels": ("cell_voltage_1",)})
    problems = check_text(text, battery, bare)
    assert [(one.line, one.column) for one in problems] == [(1, 7), (3, 6), (3, 57)]
    assert "the station 'S' reads no flow" in problems[0].message
    full = station.model_copy(
        update={"channels": ("temperature_body", "cell_voltage_1", "flow_positive")}
    )
    assert check_text(text, battery, full) == []
    assert check_text(text, battery, station) == [], "nobody knows what it reads"


def test_temperatures_stay_inside_those_of_the_battery(
    battery: BatterySpec, station: StationSpec
) -> None:
    limits = battery.limits.model_copy(update={"temperature_max": 60.0, "temperature_min": 0.0})
    cool = battery.model_copy(update={"limits": limits})
    text = (
        "Limit temperature 70 degC\n"
        "Rest until temperature above 65 degC or for 1 h\n"
        "Rest until temperature below -5 degC or for 1 h\n"
    )
    hot, end, cold = check_text(text, cool, station)
    assert "looser than 60 degC, the limit of the battery 'X'" in hot.message
    assert "65 degC is above 60 degC, the most the battery 'X' may have" in end.message
    assert "-5 degC is below 0 degC, the least the battery 'X' may have" in cold.message


def test_labels_of_a_profile_made_by_code_are_checked(
    battery: BatterySpec, station: StationSpec
) -> None:
    here = Span(line=1, column=1, end_column=2)
    to_coll = DurationEnd(value=1, then=Then.GO_TO, label="coll", source=here)
    rest = Rest(label="cool", ends=(DurationEnd(value=1),), source=here)
    placed = Profile(body=(Rest(ends=(to_coll,)), rest), source=here)
    (problem,) = check_profile(placed, battery, station)
    assert "no step or loop has the label 'coll'" in problem.message
    assert (problem.expected, problem.suggestion) == (("cool",), "go to cool")
    (problem,) = check_profile(Profile(body=(rest, rest), source=here), battery, station)
    assert "the label 'cool' is there twice" in problem.message
    unplaced = Profile(body=(Rest(ends=(to_coll,)), rest))
    (problem,) = check_profile(unplaced, battery, station)
    assert "coll" in problem.message


def test_a_power_or_a_resistance_without_bounds_is_taken(battery: BatterySpec) -> None:
    open_ended = BatterySpec(name="Y", technology="lithium", limits=Limits())
    station = StationSpec(name="S", limits=Limits())
    program = compile_text("Discharge at 0.01 ohm for 1 s", open_ended, station)
    assert program.steps[0].setpoint == Setpoint(mode=Mode.CR, value=0.01)
    assert program.capacity is None
    source = StationSpec(name="Supply", limits=Limits(current_min=0, current_max=2))
    (problem,) = check_text("Discharge at 10 ohm for 1 s", battery, source)
    assert "the station 'Supply' cannot discharge" in problem.message
    assert problem.suggestion is None


def test_a_summary_counts_tables_and_says_what_is_open() -> None:
    def figures(text: str) -> Summary:
        return describe(parse_profile(text))

    assert figures(f"Repeat forever:\n{BOTH}") == Summary(
        steps=2, step_runs=None, cycles=None, longest=None, endless=True
    )
    until = "Repeat at most 9 times until capacity below 1 Ah:\n"
    assert figures(until + BOTH) == Summary(steps=2, step_runs=18, cycles=9, longest=None)
    assert figures("Repeat until capacity below 1 Ah:\n" + BOTH).endless is False
    assert figures("Drive current 3 times:\n    0 1\n    10 2\n").longest == 60
    assert figures("Pulse 4 times for 30 s:\n    Charge at 1 A for 10 s\n").longest == 30
    assert figures('Pause "swap"').longest is None
    assert figures("on: Rest for 1 s then go to on or for 2 s").longest is None


def test_a_profile_made_by_code_may_charge_by_amperes(
    battery: BatterySpec, station: StationSpec
) -> None:
    step = ConstantCurrent(current=Amperes(value=1), ends=(DurationEnd(value=9),), label="go")
    assert check_profile(Profile(body=(step,)), battery, station) == []
