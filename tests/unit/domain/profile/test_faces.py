"""Text, YAML and JSON stand for the same model, without loss."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bem.domain.battery import BatterySpec, StationSpec, Technology
from bem.domain.compiling import check_text, compile_profile
from bem.domain.limits import Limits
from bem.domain.profile.document import from_yaml, to_yaml
from bem.domain.profile.model import (
    MAX_PASSES,
    Amperes,
    CapacityEnd,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    CRate,
    CurrentEnd,
    DurationEnd,
    Item,
    Profile,
    Record,
    Repeat,
    Rest,
    Side,
    VoltageEnd,
)
from bem.domain.profile.printing import print_profile
from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.text import parse_profile
from bem.domain.program import Mode

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
MAGNITUDE = st.floats(min_value=0, allow_infinity=False)
NONZERO = FINITE.filter(bool)
USUAL = st.sampled_from([0.05, 0.5, 1.0, 1.25, 2.5, 3.9, 4.2, 5.0, 10.0])
SIGNED = USUAL | USUAL.map(lambda value: -value) | NONZERO
SIDES = st.none() | st.sampled_from(Side)
CURRENT = st.builds(Amperes, value=SIGNED) | st.builds(CRate, value=SIGNED)
MAGNITUDES = st.builds(Amperes, value=USUAL | MAGNITUDE) | st.builds(CRate, value=USUAL | MAGNITUDE)
ENDS = st.lists(
    st.builds(DurationEnd, value=USUAL | MAGNITUDE | st.integers(0, 10**6).map(float))
    | st.builds(VoltageEnd, value=USUAL | FINITE, side=SIDES)
    | st.builds(CurrentEnd, value=MAGNITUDES, side=SIDES)
    | st.builds(CapacityEnd, value=USUAL | POSITIVE),
    max_size=3,
).map(tuple)
RECORD = st.builds(
    Record, every=POSITIVE, voltage_change=st.none() | POSITIVE, current_change=st.none() | POSITIVE
)
RECORDS = st.none() | RECORD
STEPS = (
    st.builds(Rest, ends=ENDS, record=RECORDS)
    | st.builds(ConstantCurrent, current=CURRENT, ends=ENDS, record=RECORDS)
    | st.builds(ConstantVoltage, voltage=USUAL | FINITE, ends=ENDS, record=RECORDS)
    | st.builds(ConstantPower, power=SIGNED, ends=ENDS, record=RECORDS)
)


def _loops(items: st.SearchStrategy[Item]) -> st.SearchStrategy[Item]:
    return st.builds(
        Repeat,
        times=st.integers(1, MAX_PASSES),
        body=st.lists(items, min_size=1, max_size=3).map(tuple),
    )


ITEMS: st.SearchStrategy[Item] = st.recursive(STEPS, _loops, max_leaves=6)
NAMES = st.none() | st.text(min_size=1, max_size=30).map(str.strip).filter(
    lambda name: name != "" and name.isprintable()
)
PROFILES = st.builds(Profile, name=NAMES, body=st.lists(ITEMS, max_size=4).map(tuple))

# Whole profiles take their time to make up; how fast they are read is judged in tests/bench.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

BATTERY = BatterySpec(
    name="X",
    technology=Technology.LITHIUM,
    capacity=3,
    limits=Limits(voltage_min=2.5, voltage_max=4.2, current_min=-5, current_max=0.3),
)
STATION = StationSpec(name="S", limits=Limits(current_min=-3, current_max=10, power_max=20))


@patient
@given(PROFILES)
def test_what_is_printed_parses_back_equal(profile: Profile) -> None:
    assert parse_profile(print_profile(profile)) == profile


@patient
@given(PROFILES)
def test_yaml_and_json_give_the_same_profile_again(profile: Profile) -> None:
    assert from_yaml(to_yaml(profile)) == profile
    assert Profile.model_validate_json(profile.model_dump_json()) == profile
    assert Profile.model_validate(profile.model_dump()) == profile


@patient
@given(PROFILES)
def test_no_program_commands_beyond_a_limit(profile: Profile) -> None:
    try:
        program = compile_profile(profile, BATTERY, STATION)
    except ProfileErrors as error:
        assert error.problems  # noqa: PT017 - refusing is the other right answer
        return
    for step in program.steps:
        value = step.setpoint.value
        match step.setpoint.mode:
            case Mode.CC:
                assert -3 <= value <= 0.3
            case Mode.CV:
                assert 2.5 <= value <= 4.2
            case Mode.CP:
                assert value <= 20
            case Mode.REST:
                assert value == 0


FRAGMENTS = (
    "Charge Discharge Hold Rest Repeat at until for or record every times: C/2 1C 4.2 V 1 A 5 W "
    "mV min 2 h Ah , CC WAIT TIME voltage above # Profile: ( period ) - € \u0663 1e999"
)
WORDS = st.sampled_from(FRAGMENTS.split())
NOISE = st.lists(WORDS | st.sampled_from([" ", "    ", "\t", "\n", "\n    "]), max_size=40)


@given(st.text() | NOISE.map(" ".join) | NOISE.map("".join))
def test_checking_never_raises(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in check_text(text, BATTERY, STATION):
        assert problem.line <= len(lines)
        assert problem.column <= problem.end_column <= len(lines[problem.line - 1]) + 2
    check_text(text)


@given(st.text())
def test_any_yaml_gives_a_profile_or_problems(text: str) -> None:
    try:
        from_yaml(text)
    except ProfileErrors as error:
        assert error.problems  # noqa: PT017 - refusing is the other right answer


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("body: [", 1, 8, "expected"),
        ("body:\n- kind: rest\n  ends:\n  - {kind: duration, value: -1}\n", 4, 29, "greater"),
        ("body:\n- kind: fry\n", 2, 3, "'fry'"),
        ("nmae: x\nbody: []\n", 1, 7, "nmae"),
        ("a: &a 1\nb: *a\n", 2, 4, "aliases"),
        ("[" * 5000, 1, 51, "at most 20 deep"),
        ("1", 1, 1, "valid dictionary"),
    ],
)
def test_yaml_errors_have_a_place(text: str, line: int, column: int, part: str) -> None:
    with pytest.raises(ProfileErrors) as caught:
        from_yaml(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (line, column), problem
    assert part in problem.message


def test_the_place_in_the_text_does_not_count_for_equality() -> None:
    here, there = parse_profile("Rest for 1 s"), parse_profile("\n\nRest   for 1 s")
    assert here == there
    assert hash(here) == hash(there)
    assert here != parse_profile("Rest for 2 s")


def test_a_model_deeper_than_the_language_is_refused() -> None:
    item: Item = Rest(ends=(DurationEnd(value=1),))
    for _ in range(21):
        item = Repeat(times=2, body=(item,))
    with pytest.raises(ValueError, match="at most 20 deep"):
        Profile(body=(item,))
