"""Every kind of part there is: text and YAML stand for the same profile, and any text is judged."""

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.domain.profile.strategies import profiles

from bem.domain.profile import words
from bem.domain.profile.completion import complete
from bem.domain.profile.document import from_yaml, to_yaml
from bem.domain.profile.model import RESERVED, Driven, Profile
from bem.domain.profile.parameters import fill, inconsistencies
from bem.domain.profile.printing import print_parameter, print_profile
from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.table import read_table_csv
from bem.domain.profile.text import parse_profile, read_profile

SAMPLE = """Profile: Sample
Parameter rate = C/2
Parameter n = 3
Limit temperature 50 degC for 10 s, cell voltage above 4.25 V
Record every 10 s or 5 mV
start: Repeat at most {n} times until capacity below 80 % of the first cycle:
    Charge at {rate} until 4.2 V then go to start or for 3 h then fail limit current below -5 A
    Discharge at 10 ohm until voltage falls by 10 mV or until dV/dt below 2 mV/min or 2 Wh
    Pause "swap the fixture" for 1 hour then stop
    Pulse 3 times until temperature above 45 degC:
        Discharge at 2C for 10 s
        Rest for 40 s
    Drive C-rate {n} times:
        0 0.5
        10 s -1C
CC, 1.5, VOLTAGE, 4.2
Repeat forever:
    Rest until power below 1 W (1 minute period)
"""
PIECES = sorted(
    {*re.findall(r"\S+|\s+", SAMPLE), "€", "\u0663", '"', "{", "}", "1e999", "{x}", "45 K"}
)
NOISE = st.lists(st.sampled_from(PIECES), max_size=40)
# A whole profile takes its time to make up; how fast texts are read is judged in tests/bench.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
patient_few = settings(patient, max_examples=50)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """The sample with some stretches taken out, doubled or replaced."""
    text = SAMPLE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    return text


TEXTS = st.text() | NOISE.map("".join) | NOISE.map(" ".join) | mangled()


@patient
@given(profiles())
def test_what_is_printed_parses_back_equal(profile: Profile) -> None:
    text = print_profile(profile)
    assert parse_profile(text) == profile
    assert print_profile(parse_profile(text)) == text


@patient_few
@given(profiles())
def test_yaml_and_json_give_the_same_profile_again(profile: Profile) -> None:
    assert from_yaml(to_yaml(profile)) == profile
    assert Profile.model_validate_json(profile.model_dump_json()) == profile
    assert parse_profile(print_profile(from_yaml(to_yaml(profile)))) == profile


@patient
@given(profiles())
def test_filling_in_the_values_there_are_changes_nothing(profile: Profile) -> None:
    values = {one.name: print_parameter(one) for one in profile.parameters}
    assert fill(profile, values) == profile
    assert list(inconsistencies(profile)) == []


@patient
@given(TEXTS)
def test_any_text_gives_a_profile_or_problems_in_it(text: str) -> None:
    lines = re.split(r"\r\n|\r|\n", text)
    profile, problems = read_profile(text)
    for problem in problems:
        assert problem.line <= len(lines)
        assert problem.column <= problem.end_column <= len(lines[problem.line - 1]) + 2
    if not problems:
        assert parse_profile(print_profile(profile)) == profile


@patient
@given(TEXTS, st.data())
def test_any_place_in_any_text_can_be_completed(text: str, data: st.DataObject) -> None:
    lines = re.split(r"\r\n|\r|\n", text)
    line = data.draw(st.integers(1, len(lines)))
    column = data.draw(st.integers(1, len(lines[line - 1]) + 1))
    for one in complete(text, line, column):
        assert 1 <= one.start <= column


@patient
@given(st.text(alphabet='0123456789.,;-eE \t\n#"timecur/sA') | st.text(), st.sampled_from(Driven))
def test_any_file_gives_a_table_or_problems(text: str, drives: Driven) -> None:
    try:
        table = read_table_csv(text, drives)
    except ProfileErrors as error:
        assert error.problems  # noqa: PT017 - refusing is the other right answer
        return
    assert parse_profile(print_profile(Profile(body=(table,)))) == Profile(body=(table,))


def test_the_sample_has_no_problems_and_each_reserved_word_is_a_word() -> None:
    assert read_profile(SAMPLE)[1] == []
    for name in RESERVED:
        assert words.trouble_with_name(name) is not None
