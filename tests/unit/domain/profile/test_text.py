"""What texts mean: the language, the PyBaMM strings, the instructions of the predecessor."""

import pytest

from bem.domain.profile.model import (
    Amperes,
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CRate,
    CurrentEnd,
    DurationEnd,
    Profile,
    Record,
    Repeat,
    Rest,
    Side,
    Step,
    VoltageEnd,
)
from bem.domain.profile.printing import print_profile
from bem.domain.profile.text import parse_profile


def amperes(value: float, *ends: object, **more: object) -> Step:
    return ConstantCurrent.model_validate({"current": Amperes(value=value), "ends": ends, **more})


def rate(value: float, *ends: object, **more: object) -> Step:
    return ConstantCurrent.model_validate({"current": CRate(value=value), "ends": ends, **more})


def volts(value: float, side: Side | None = None) -> VoltageEnd:
    return VoltageEnd(value=value, side=side)


def seconds(value: float) -> DurationEnd:
    return DurationEnd(value=value)


def tail(value: float) -> CurrentEnd:
    return CurrentEnd(value=Amperes(value=value))


def tail_rate(value: float) -> CurrentEnd:
    return CurrentEnd(value=CRate(value=value))


def hold(value: float, *ends: object) -> Step:
    return ConstantVoltage.model_validate({"voltage": value, "ends": ends})


def power(value: float, *ends: object) -> Step:
    return ConstantPower.model_validate({"power": value, "ends": ends})


def rest(*ends: object) -> Step:
    return Rest.model_validate({"ends": ends})


LINES: list[tuple[str, Step]] = [
    ("Rest for 10 minutes", rest(seconds(600))),
    ("rest for 1 h 30 min", rest(seconds(5400))),
    ("REST FOR 90s", rest(seconds(90))),
    ("Wait for 5 min", rest(seconds(300))),
    ("Rest until voltage above 3.9 V", rest(volts(3.9, Side.ABOVE))),
    ("Rest until voltage <= 3.9 V or for 2 h", rest(volts(3.9, Side.BELOW), seconds(7200))),
    ("Charge at C/2 until 4.2 V", rate(0.5, volts(4.2))),
    ("Charge at c / 2 until 4.2V", rate(0.5, volts(4.2))),
    ("Charge at C until 4.2 V", rate(1, volts(4.2))),
    ("Discharge at 1C until 2.5 V", rate(-1, volts(2.5))),
    ("Discharge at 1 C until 2.5 V", rate(-1, volts(2.5))),
    ("Discharge at 0.5C until 2500 mV", rate(-0.5, volts(2.5))),
    ("Charge at 1.001 A until 4.2 V", amperes(1.001, volts(4.2))),
    ("Charge at 0.5 A for 30 minutes", amperes(0.5, seconds(1800))),
    ("Charge at 500mA for 3 h", amperes(0.5, seconds(10800))),
    ("Charge at 1 A until 4.1 V or 2 h", amperes(1, volts(4.1), seconds(7200))),
    ("Charge at 1 A until 4.1 V for 2 h", amperes(1, volts(4.1), seconds(7200))),
    ("Charge at 1 A until 1.2 Ah", amperes(1, CapacityEnd(value=1.2))),
    ("Charge at 1 A for 1200 mAh", amperes(1, CapacityEnd(value=1.2))),
    ("Charge at 1 A until capacity above 1 Ah", amperes(1, CapacityEnd(value=1.0))),
    (
        "Discharge at 5 W until 3.0 V or until 1.2 Ah",
        power(-5, volts(3.0), CapacityEnd(value=1.2)),
    ),
    ("Hold at 4.2 V until C/20 or for 2 hours", hold(4.2, tail_rate(0.05), seconds(7200))),
    (
        "Hold at 4.2 V until current below 50 mA",
        hold(4.2, CurrentEnd(value=Amperes(value=0.05), side=Side.BELOW)),
    ),
    ("Hold at \u22120.5 V for 1 s", hold(-0.5, seconds(1))),
    (
        "Charge at 1 A until 4.2 V   record every 10 s or 5 mV or 10 mA",
        amperes(
            1,
            volts(4.2),
            record=Record(every=10, voltage_change=0.005, current_change=0.01),
        ),
    ),
    ("Charge at 1 A", amperes(1)),
    ("Rest for 0 s", rest(seconds(0))),
    ("Rest for 100 days", rest(seconds(8640000))),
]

PYBAMM: list[tuple[str, Step]] = [
    ("Discharge at C/10 for 10 hours or until 3.3 V", rate(-0.1, seconds(36000), volts(3.3))),
    ("Charge at 1 A until 4.1 V", amperes(1, volts(4.1))),
    ("Hold at 4.1 V until 50 mA", hold(4.1, tail(0.05))),
    ("Hold at 3V until C/50", hold(3, tail_rate(0.02))),
    ("Rest for 1 hour", rest(seconds(3600))),
    ("Charge at 1C for 0.5 hours", rate(1, seconds(1800))),
    ("Discharge at C/20 for 0.5 hours", rate(-0.05, seconds(1800))),
    ("Charge at 0.5 C for 45 minutes", rate(0.5, seconds(2700))),
    ("Discharge at 1 A for 90 seconds", amperes(-1, seconds(90))),
    ("Discharge at 1 W for 0.5 hours", power(-1, seconds(1800))),
    ("Charge at 200 mW for 45 minutes", power(0.2, seconds(2700))),
    ("Discharge at 0.1 W for 10 seconds", power(-0.1, seconds(10))),
    ("Hold at 1 V for 20 seconds", hold(1, seconds(20))),
    ("Charge at 1 C until 4.1V", rate(1, volts(4.1))),
    ("Charge at 1 C for 1 hour or until 4.1 V", rate(1, seconds(3600), volts(4.1))),
    (
        "Charge at 200mA for 45 minutes (1 minute period)",
        amperes(0.2, seconds(2700), record=Record(every=60)),
    ),
    (
        "Rest for 10 minutes (5 minute period)",
        Rest(ends=(DurationEnd(value=600),), record=Record(every=300)),
    ),
]

OLD: list[tuple[str, Step, str]] = [
    ("WAIT, 10", rest(seconds(10)), "Rest for 10 s"),
    ("WAIT,8341", rest(seconds(8341)), "Rest for 8341 s"),
    ("WAIT, 360000", rest(seconds(360000)), "Rest for 100 hours"),
    ("WAIT, 0", rest(seconds(0)), "Rest for 0 s"),
    ("CC, 1.5, VOLTAGE, 4.2", amperes(1.5, volts(4.2)), "Charge at 1.5 A until 4.2 V"),
    ("CC,-1.001,VOLTAGE,2.5", amperes(-1.001, volts(2.5)), "Discharge at 1.001 A until 2.5 V"),
    ("CC, 1.5, TIME, 3600", amperes(1.5, seconds(3600)), "Charge at 1.5 A for 1 hour"),
    ("CC, 0, TIME, 60", rest(seconds(60)), "Rest for 1 minute"),
    ("CC, -1, VOLTAGE, 0", amperes(-1, volts(0)), "Discharge at 1 A until 0 V"),
    ("CV, 4.2, TIME, 7200", hold(4.2, seconds(7200)), "Hold at 4.2 V for 2 hours"),
    ("CV, 4.2, CURRENT, 0.1", hold(4.2, tail(0.1)), "Hold at 4.2 V until 0.1 A"),
    ("CV, 2.5, CURRENT, -0.1", hold(2.5, tail(0.1)), "Hold at 2.5 V until 0.1 A"),
    ("CV, 4.2, CURRENT, 0", hold(4.2, tail(0)), "Hold at 4.2 V until 0 A"),
    ("CV, 0, TIME, 10", hold(0, seconds(10)), "Hold at 0 V for 10 s"),
    ("CP, 5, TIME, 60", power(5, seconds(60)), "Charge at 5 W for 1 minute"),
    ("CP, -5, VOLTAGE, 3", power(-5, volts(3)), "Discharge at 5 W until 3 V"),
    ("CP, 5, CURRENT, 1", power(5, tail(1)), "Charge at 5 W until 1 A"),
    ("cp, 0, time, 1", rest(seconds(1)), "Rest for 1 s"),
]


@pytest.mark.parametrize(("line", "step"), LINES + PYBAMM)
def test_a_line_means_what_it_says(line: str, step: Step) -> None:
    assert parse_profile(line) == Profile(body=(step,))


@pytest.mark.parametrize(("line", "step", "printed"), OLD)
def test_old_instructions_mean_the_same_and_print_as_text(
    line: str, step: Step, printed: str
) -> None:
    profile = parse_profile(line)
    assert profile == Profile(body=(step,))
    assert print_profile(profile) == f"{printed}\n"


def test_loops_nest_and_comments_do_not_count() -> None:
    profile = parse_profile(
        "Profile: Cell #4, 1C\n"
        "# formation\n"
        "\n"
        "Rest for 1 s   # settle\n"
        "Repeat 3 times:\n"
        "\n"
        "  Repeat 2:\n"
        "          Rest for 2 s\n"
        "# not indented, yet no end of the loop\n"
        "  Rest for 3 s\n"
        "Rest for 4 s"
    )
    inner = Repeat(times=2, body=(Rest(ends=(seconds(2),)),))
    outer = Repeat(times=3, body=(inner, Rest(ends=(seconds(3),))))
    assert profile == Profile(
        name="Cell #4, 1C",
        body=(Rest(ends=(seconds(1),)), outer, Rest(ends=(seconds(4),))),
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("lead", ["    ", "\t", "  "])
def test_any_line_ending_and_any_one_kind_of_indentation(ending: str, lead: str) -> None:
    text = ending.join(["\ufeffRepeat 2 times:", f"{lead}Rest for 1 s", f"{lead}Rest for 2 s", ""])
    body = (Rest(ends=(seconds(1),)), Rest(ends=(seconds(2),)))
    assert parse_profile(text) == Profile(body=(Repeat(times=2, body=body),))


def test_old_instructions_and_loops_mix() -> None:
    profile = parse_profile("Repeat 5 times:\n    CC, 1, VOLTAGE, 4.2\n    CC, -1, VOLTAGE, 3\n")
    (loop,) = profile.body
    assert isinstance(loop, Repeat)
    assert loop.body == (amperes(1, volts(4.2)), amperes(-1, volts(3)))


def test_every_part_knows_its_place() -> None:
    profile = parse_profile("Repeat 2 times:\n    Hold at 4.2 V until C/20 or for 2 hours\n")
    (loop,) = profile.body
    assert isinstance(loop, Repeat)
    (step,) = loop.body
    assert isinstance(step, ConstantVoltage)
    places = [loop.source, step.source, step.setpoint_source, *(end.source for end in step.ends)]
    assert [(one.line, one.column, one.end_column) for one in places if one is not None] == [
        (1, 1, 16),
        (2, 5, 44),
        (2, 13, 18),
        (2, 19, 29),
        (2, 33, 44),
    ]


def test_an_empty_text_is_an_empty_profile() -> None:
    assert parse_profile("") == Profile() == parse_profile("\n  # nothing\n")
