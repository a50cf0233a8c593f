"""What the further parts of the language mean: steps, ends, labels, limits, loops, parameters."""

import pytest

from bem.domain.profile.model import (
    Amperes,
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    CRate,
    CurrentEnd,
    Driven,
    DurationEnd,
    End,
    EnergyEnd,
    Item,
    Limit,
    Limited,
    LoopEnd,
    LoopQuantity,
    Parameter,
    ParameterKind,
    Pause,
    PowerEnd,
    Profile,
    Pulse,
    PulseTrain,
    Record,
    Repeat,
    Rest,
    Side,
    SlopeEnd,
    Table,
    TemperatureEnd,
    Then,
    VoltageDropEnd,
    VoltageEnd,
)
from bem.domain.profile.printing import print_profile
from bem.domain.profile.text import parse_profile

SECOND = (DurationEnd(value=1),)
REST = "\n    Rest for 1 s"
RESTS = (Rest(ends=SECOND),)


def only(text: str) -> Item:
    """The one step or loop of a text, which prints as a text of the same meaning."""
    profile = parse_profile(text)
    assert parse_profile(print_profile(profile)) == profile
    (item,) = profile.body
    return item


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        ("until power below 1 W", PowerEnd(value=1, side=Side.BELOW)),
        ("until 5 W", PowerEnd(value=5)),
        ("until 2 Wh", EnergyEnd(value=2)),
        ("until energy above 500 mWh", EnergyEnd(value=0.5)),
        ("for 2 Wh", EnergyEnd(value=2)),
        ("until temperature above 45 degC", TemperatureEnd(value=45, side=Side.ABOVE)),
        ("until temperature below -10.5 \u00b0C", TemperatureEnd(value=-10.5, side=Side.BELOW)),
        ("until temperature > 45\u2103", TemperatureEnd(value=45, side=Side.ABOVE)),
        ("until voltage falls by 10 mV", VoltageDropEnd(value=0.01)),
        ("until voltage drops by 10 mV", VoltageDropEnd(value=0.01)),
        ("until dV/dt below 2 mV/min", SlopeEnd(value=0.002 / 60)),
        ("until 2 mV/min", SlopeEnd(value=0.002 / 60)),
        ("until slope above 0.1 V/s", SlopeEnd(value=0.1, side=Side.ABOVE)),
        ("until dv/dt below 3.6 V/h", SlopeEnd(value=0.001)),
        ("until 4 V then stop", VoltageEnd(value=4, then=Then.STOP)),
        ("until 4 V then fail", VoltageEnd(value=4, then=Then.FAIL)),
        ("until 4 V then next", VoltageEnd(value=4)),
        ("until C/20 then go to a", CurrentEnd(value=CRate(value=0.05), then="go_to", label="a")),
        ("for 1 h then GOTO A", DurationEnd(value=3600, then="go_to", label="a")),
    ],
)
def test_a_step_ends_at(end: str, wanted: End) -> None:
    step = only(f"a: Hold at 4 V {end}")
    assert step == ConstantVoltage(label="a", voltage=4, ends=(wanted,))


def test_each_end_has_an_action_of_its_own() -> None:
    profile = parse_profile(
        "Charge at 1 A until 4.2 V then go to pause_1 or for 3 h then fail or 2 Ah\n"
        "pause_1: Rest for 1 s"
    )
    first, second = profile.body
    assert isinstance(first, ConstantCurrent)
    assert first.ends == (
        VoltageEnd(value=4.2, then=Then.GO_TO, label="pause_1"),
        DurationEnd(value=10800, then=Then.FAIL),
        CapacityEnd(value=2),
    )
    assert second == Rest(label="pause_1", ends=SECOND)
    place = first.ends[0].source
    assert place is not None
    assert (place.column, place.end_column) == (15, 45)


def test_labels_are_the_same_in_any_case_and_stand_in_front_of_loops_too() -> None:
    loop = only("Main_Loop: Repeat 2 times:\n    Rest for 1 s then go to MAIN_LOOP\n")
    assert isinstance(loop, Repeat)
    assert loop.label == "main_loop"
    assert loop.source is not None
    assert (loop.source.column, loop.source.end_column) == (1, 27)
    end = DurationEnd(value=1, then=Then.GO_TO, label="main_loop")
    assert loop.body == (Rest(ends=(end,)),)


@pytest.mark.parametrize("unit", ["ohm", "Ohm", "ohms", "\u03a9", "\u2126"])
def test_a_resistance_discharges(unit: str) -> None:
    step = only(f"Discharge at 10 {unit} until 3.0 V")
    assert step == ConstantResistance(resistance=10, ends=(VoltageEnd(value=3),))


def test_a_pause_tells_a_person_what_to_do() -> None:
    assert only('Pause "swap the fixture"') == Pause(message="swap the fixture")
    step = only('Pause " fill up #2: {all} "  for 1 hour then fail # until someone comes')
    end = DurationEnd(value=3600, then=Then.FAIL)
    assert step == Pause(message="fill up #2: {all}", ends=(end,))


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        ("temperature 45 degC", Limit(quantity="temperature", side="above", value=45)),
        ("temperature below 5 degC", Limit(quantity="temperature", side="below", value=5)),
        (
            "voltage below 4.25 V for 2 s",
            Limit(quantity="voltage", side="below", value=4.25, delay_s=2),
        ),
        ("current above 5 A", Limit(quantity="current", side="above", value=5)),
        ("current below -5 A", Limit(quantity="current", side="below", value=-5)),
        ("power 20 W", Limit(quantity="power", side="above", value=20)),
        ("cell voltage above 4.3 V", Limit(quantity="cell_voltage", side="above", value=4.3)),
        ("charge 3 Ah", Limit(quantity="charge", side="above", value=3)),
        ("duration 5 h for 1 s", Limit(quantity="duration", side="above", value=18000, delay_s=1)),
        ("time 5 h", Limit(quantity="duration", side="above", value=18000)),
        ("flow below 500 mL/min", Limit(quantity="flow", side="below", value=0.5)),
        ("45 degC", Limit(quantity="temperature", side="above", value=45)),
    ],
)
def test_limits_hold_in_a_step_or_in_the_whole_profile(limit: str, wanted: Limit) -> None:
    assert only(f"Rest for 1 s limit {limit}") == Rest(ends=SECOND, limits=(wanted,))
    profile = parse_profile(f"Limit {limit}\nRest for 1 s")
    assert profile == Profile(limits=(wanted,), body=(Rest(ends=SECOND),))


def test_a_step_has_several_limits_beside_its_recording() -> None:
    wanted = Rest(
        ends=SECOND,
        record=Record(every=10),
        limits=(
            Limit(quantity=Limited.TEMPERATURE, side=Side.ABOVE, value=45, delay_s=10),
            Limit(quantity=Limited.VOLTAGE, side=Side.BELOW, value=2.5),
            Limit(quantity=Limited.VOLTAGE, side=Side.ABOVE, value=4.3),
        ),
    )
    limits = "limit temperature 45 degC for 10 s, voltage below 2.5 V limit voltage 4.3 V"
    assert only(f"Rest for 1 s record every 10 s {limits}") == wanted
    assert only(f"Rest for 1 s {limits} record every 10 s") == wanted


def test_the_head_says_what_holds_for_the_whole_profile() -> None:
    profile = parse_profile(
        "Profile: Whole\n"
        "Parameter rate = C/2\n"
        "parameter n = 3   # passes\n"
        "Limit temperature above 50 degC for 10 s, voltage below 2.4 V\n"
        "Limit charge 3 Ah\n"
        "Record every 10 s or 5 mV\n"
        "Rest for 1 s\n"
    )
    assert profile == Profile(
        name="Whole",
        parameters=(
            Parameter(name="rate", kind=ParameterKind.C_RATE, default=0.5),
            Parameter(name="n", kind=ParameterKind.NUMBER, default=3),
        ),
        limits=(
            Limit(quantity=Limited.TEMPERATURE, side=Side.ABOVE, value=50, delay_s=10),
            Limit(quantity=Limited.VOLTAGE, side=Side.BELOW, value=2.4),
            Limit(quantity=Limited.CHARGE, side=Side.ABOVE, value=3),
        ),
        record=Record(every=10, voltage_change=0.005),
        body=(Rest(ends=SECOND),),
    )


@pytest.mark.parametrize(
    ("head", "times", "until"),
    [
        ("Repeat 500 times:", 500, None),
        ("Repeat forever:", None, None),
        ("Repeat at most 9 times:", 9, None),
        (
            "Repeat until capacity below 80 % of the first cycle:",
            None,
            LoopEnd(quantity=LoopQuantity.CHARGE_OUT, side=Side.BELOW, value=0.8, relative=True),
        ),
        (
            "Repeat until charge energy above 107.5% of first pass:",
            None,
            LoopEnd(quantity=LoopQuantity.ENERGY_IN, side=Side.ABOVE, value=1.075, relative=True),
        ),
        (
            "Repeat at most 2000 times until energy below 3 Wh:",
            2000,
            LoopEnd(quantity=LoopQuantity.ENERGY_OUT, side=Side.BELOW, value=3),
        ),
        (
            "Repeat 2000 times until charge capacity below 900 mAh:",
            2000,
            LoopEnd(quantity=LoopQuantity.CHARGE_IN, side=Side.BELOW, value=0.9),
        ),
    ],
)
def test_a_loop_repeats(head: str, times: int | None, until: LoopEnd | None) -> None:
    assert only(head + REST) == Repeat(times=times, until=until, body=RESTS)


def test_a_table_gives_values_over_time() -> None:
    text = (
        "city: Drive current 3 times until 2.5 V or for 1 h record every 1 s:\n"
        "    0      0\n"
        "    500 ms -1.5 A   # brake\n"
        "\n"
        "    1, 2\n"
        "    2 min; -500 mA\n"
        "Rest for 1 s"
    )
    table = Table(
        label="city",
        drives=Driven.CURRENT,
        points=((0, 0), (0.5, -1.5), (1, 2), (120, -0.5)),
        times=3,
        ends=(VoltageEnd(value=2.5), DurationEnd(value=3600)),
        record=Record(every=1),
    )
    assert parse_profile(text) == Profile(body=(table, Rest(ends=SECOND)))


def test_tables_drive_powers_and_rates_too() -> None:
    power, rate = parse_profile(
        "Drive power:\n  0 1\n  1 -2 kW\nDrive C-rate:\n  0 .5\n  1 -1C"
    ).body
    assert power == Table(drives=Driven.POWER, points=((0, 1), (1, -2000)))
    assert rate == Table(drives=Driven.C_RATE, points=((0, 0.5), (1, -1)))


def test_a_pulse_train_has_pulses_of_one_kind() -> None:
    text = (
        "Pulse 10 times until 2.5 V limit temperature 45 degC:\n"
        "    Discharge at 2C for 10 s\n"
        "    Rest for 40 s\n"
        "    Charge at 1.5C for 10 s\n"
    )
    assert only(text) == PulseTrain(
        drives=Driven.C_RATE,
        pulses=(
            Pulse(value=-2, duration=10),
            Pulse(value=0, duration=40),
            Pulse(value=1.5, duration=10),
        ),
        times=10,
        ends=(VoltageEnd(value=2.5),),
        limits=(Limit(quantity=Limited.TEMPERATURE, side=Side.ABOVE, value=45),),
    )
    powers = only("Pulse:\n  Charge at 5 W for 1 s\n  CP, -5, TIME, 1\n")
    assert isinstance(powers, PulseTrain)
    assert powers.drives is Driven.POWER
    assert [one.value for one in powers.pulses] == [5, -5]


def test_blocks_stand_in_loops_and_loops_nest() -> None:
    text = "".join(f"{'  ' * depth}Repeat {depth + 2} times:\n" for depth in range(20))
    lead = "  " * 20
    text += (
        f"{lead}Pulse:\n{lead}  Charge at 1 A for 1 s\n{lead}Drive power:\n{lead} 0 1\n{lead} 1 2\n"
    )
    profile = parse_profile(text)
    assert parse_profile(print_profile(profile)) == profile
    item = profile.body[0]
    for _ in range(19):
        assert isinstance(item, Repeat)
        (item,) = item.body
    assert isinstance(item, Repeat)
    assert [one.kind for one in item.body] == ["pulse_train", "table"]


def test_a_parameter_stands_wherever_a_value_does() -> None:
    profile = parse_profile(
        "Parameter rate = C/2\nParameter top = 4.2 V\nParameter n = 3\nParameter t = 1 h 30 min\n"
        "Parameter p = 5 W\n"
        "Limit voltage above {top} for { T }\n"
        "Repeat {n} times:\n"
        "    Discharge at {rate} until 3 V or for {t}\n"
        "    Hold at {top} until {rate} or power below {p} record every {t}\n"
        "    Pulse {n} times:\n"
        "        Charge at {p} for {t}\n"
    )
    assert parse_profile(print_profile(profile)) == profile
    rate = (("value", "rate"),)
    (loop,) = profile.body
    assert loop == Repeat(
        times=3,
        given_by=(("times", "n"),),
        body=(
            ConstantCurrent(
                current=CRate(value=-0.5, given_by=rate),
                ends=(VoltageEnd(value=3), DurationEnd(value=5400, given_by=(("value", "t"),))),
            ),
            ConstantVoltage(
                voltage=4.2,
                given_by=(("voltage", "top"),),
                ends=(
                    CurrentEnd(value=CRate(value=0.5, given_by=rate)),
                    PowerEnd(value=5, side=Side.BELOW, given_by=(("value", "p"),)),
                ),
                record=Record(every=5400, given_by=(("every", "t"),)),
            ),
            PulseTrain(
                drives=Driven.POWER,
                times=3,
                given_by=(("times", "n"),),
                pulses=(
                    Pulse(value=5, duration=5400, given_by=(("value", "p"), ("duration", "t"))),
                ),
            ),
        ),
    )
    (limit,) = profile.limits
    assert limit.given_by == (("delay_s", "t"), ("value", "top"))


def _rate(value: float, *ends: End, record: Record | None = None) -> ConstantCurrent:
    return ConstantCurrent(current=CRate(value=value), ends=ends, record=record)


def _amperes(value: float, *ends: End) -> ConstantCurrent:
    return ConstantCurrent(current=Amperes(value=value), ends=ends)


HALF_HOUR, THREE_QUARTERS = DurationEnd(value=1800), DurationEnd(value=2700)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Discharge at 1C for 0.5 hours", _rate(-1, HALF_HOUR)),
        ("Discharge at C/20 for 0.5 hours", _rate(-0.05, HALF_HOUR)),
        ("Charge at 0.5 C for 45 minutes", _rate(0.5, THREE_QUARTERS)),
        ("Discharge at 1 A for 0.5 hours", _amperes(-1, HALF_HOUR)),
        ("Discharge at 1 A for 90 seconds", _amperes(-1, DurationEnd(value=90))),
        ("Charge at 200 mA for 45 minutes", _amperes(0.2, THREE_QUARTERS)),
        ("Discharge at 1W for 0.5 hours", ConstantPower(power=-1, ends=(HALF_HOUR,))),
        ("Discharge at 1 W for 0.5 hours", ConstantPower(power=-1, ends=(HALF_HOUR,))),
        ("Charge at 200mW for 45 minutes", ConstantPower(power=0.2, ends=(THREE_QUARTERS,))),
        ("Charge at 200 mW for 45 minutes", ConstantPower(power=0.2, ends=(THREE_QUARTERS,))),
        ("Rest for 10 minutes", Rest(ends=(DurationEnd(value=600),))),
        (
            "Rest for 10 minutes (5 minute period)",
            Rest(ends=(DurationEnd(value=600),), record=Record(every=300)),
        ),
        ("Hold at 1V for 20 seconds", ConstantVoltage(voltage=1, ends=(DurationEnd(value=20),))),
        ("Charge at 1 C until 4.1V", _rate(1, VoltageEnd(value=4.1))),
        (
            "Hold at 4.1 V until 50mA",
            ConstantVoltage(voltage=4.1, ends=(CurrentEnd(value=Amperes(value=0.05)),)),
        ),
        (
            "Hold at 3V until C/50",
            ConstantVoltage(voltage=3, ends=(CurrentEnd(value=CRate(value=0.02)),)),
        ),
        (
            "Discharge at C/3 for 2 hours or until 2.5 V",
            _rate(-1 / 3, DurationEnd(value=7200), VoltageEnd(value=2.5)),
        ),
        (
            "Charge at 1 C for 1 hour or until 4.2 V (1 minute period)",
            _rate(1, DurationEnd(value=3600), VoltageEnd(value=4.2), record=Record(every=60)),
        ),
    ],
)
def test_the_documented_strings_of_pybamm_mean_the_same(text: str, wanted: Item) -> None:
    """Save for the sign in the data: there discharging is positive, here charging."""
    assert only(text) == wanted


@pytest.mark.parametrize(
    ("line", "step", "printed"),
    [
        (
            "CP, 5, POWER, 1",
            ConstantPower(power=5, ends=(PowerEnd(value=1),)),
            "Charge at 5 W until 1 W",
        ),
        (
            "CV, 4.2, POWER, -0.5",
            ConstantVoltage(voltage=4.2, ends=(PowerEnd(value=0.5),)),
            "Hold at 4.2 V until 0.5 W",
        ),
        (
            "CC, -1.5, POWER, 3",
            ConstantCurrent(current=Amperes(value=-1.5), ends=(PowerEnd(value=3),)),
            "Discharge at 1.5 A until 3 W",
        ),
        (
            "end_1: CC, 1, TIME, 60",
            ConstantCurrent(label="end_1", current=Amperes(value=1), ends=(DurationEnd(value=60),)),
            "end_1: Charge at 1 A for 1 minute",
        ),
    ],
)
def test_old_instructions_know_their_unfinished_limit_of_power(
    line: str, step: Item, printed: str
) -> None:
    profile = parse_profile(line)
    assert profile == Profile(body=(step,))
    assert print_profile(profile) == f"{printed}\n"
