"""Profiles whose values are filled in per experiment."""

import pytest

from bem.domain.profile.document import from_yaml, to_yaml
from bem.domain.profile.model import Parameter, ParameterKind
from bem.domain.profile.parameters import fill, parameters_of
from bem.domain.profile.printing import print_profile
from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.text import parse_profile

TEXT = """Profile: Ageing
Parameter rate = C/2
Parameter top = 4.2 V
Parameter n = 500
Parameter soak = 30 minutes
Limit voltage {top}
Repeat {n} times:
    Charge at {rate} until {top} or for {soak}
    Discharge at {rate} until 2.5 V
    Pulse {n} times:
        Discharge at {rate} for {soak}
"""


def test_parameters_have_a_name_a_kind_and_a_value() -> None:
    assert parameters_of(parse_profile(TEXT)) == (
        Parameter(name="rate", kind=ParameterKind.C_RATE, default=0.5),
        Parameter(name="top", kind=ParameterKind.VOLTAGE, default=4.2),
        Parameter(name="n", kind=ParameterKind.NUMBER, default=500),
        Parameter(name="soak", kind=ParameterKind.DURATION, default=1800),
    )


def test_a_value_filled_in_stands_wherever_the_parameter_does() -> None:
    filled = fill(parse_profile(TEXT), {"rate": " 1 C ", "top": "4100 mV", "n": "7"})
    text = TEXT.replace("= C/2", "= 1C").replace("= 4.2 V", "= 4.1 V").replace("= 500", "= 7")
    assert print_profile(filled) == text
    assert filled == parse_profile(text)


def test_places_in_the_text_are_kept() -> None:
    before = parse_profile(TEXT)
    after = fill(before, {"rate": "1C", "n": "7", "soak": "1 h 30 min"})
    assert [item.source for item in after.body] == [item.source for item in before.body]
    assert after.source == before.source


@pytest.mark.parametrize(
    ("values", "line", "message"),
    [
        ({"rte": "1C"}, 1, "no parameter 'rte'; it has rate, top, n, soak"),
        ({"rate": "1 A"}, 2, "parameter 'rate': '1 A' is a current; expected a C-rate such as C/2"),
        ({"rate": "fast"}, 2, "parameter 'rate': 'fast' cannot be read"),
        ({"rate": ""}, 2, "parameter 'rate': '' cannot be read"),
        ({"rate": "1C\nRest for 1 s"}, 2, "cannot be read"),
        ({"rate": "-1C"}, 2, "write a value above 0"),
        ({"rate": "0C"}, 2, "parameter 'rate': 0C cannot be"),
        ({"top": "4"}, 3, "'4' has no unit; expected a voltage such as 4.2 V"),
        ({"n": "0"}, 4, "a number of times is whole, 1 to 10,000,000"),
        ({"n": "2.5"}, 4, "a number of times is whole"),
        ({"soak": "-1 s"}, 5, "parameter 'soak': -1 s cannot be"),
    ],
)
def test_a_value_that_cannot_be_names_its_parameter(
    values: dict[str, str], line: int, message: str
) -> None:
    with pytest.raises(ProfileErrors) as caught:
        fill(parse_profile(TEXT), values)
    first = caught.value.problems[0]
    assert first.line == line
    assert message in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ProfileErrors) as caught:
        fill(parse_profile(TEXT), {"rate": "1 A", "top": "4", "x": "1"})
    assert [one.line for one in caught.value.problems] == [1, 2, 3]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("default: 0.5", "default: 0.7", "has the value 0.7C, and this field another"),
        ("name: rate", "name: speed", "value: 'rate' is no parameter of the profile"),
        ("kind: c_rate", "kind: current", "is a current, and this field holds a C-rate"),
        ("- name: n\n", "- name: top\n", "there is already a parameter 'top'"),
        ("  - - value\n    - top", "  - - side\n    - top", "side: 'top' cannot give this field"),
        ("  - - value\n    - top", "  - - x\n    - top", "'x' is no field of this part"),
    ],
)
def test_a_document_that_no_text_could_say_is_refused(old: str, new: str, message: str) -> None:
    document = to_yaml(parse_profile(TEXT))
    assert old in document
    with pytest.raises(ProfileErrors) as caught:
        from_yaml(document.replace(old, new, 1))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("label", "target", "line", "message"),
    [
        ("a", "a", 5, "there is already a step or loop with the label 'a'"),
        ("b", "c", 4, "no step or loop has the label 'c'"),
        ("stop", "a", 5, "'stop' is a word of the language"),
    ],
)
def test_a_document_whose_labels_do_not_fit_is_refused_with_their_places(
    label: str, target: str, line: int, message: str
) -> None:
    document = (
        "body:\n"
        "- kind: rest\n"
        "  label: a\n"
        f"  ends: [{{kind: duration, value: 1, then: go_to, label: {target}}}]\n"
        f"- {{kind: rest, label: {label}, ends: [{{kind: duration, value: 1}}]}}\n"
    )
    with pytest.raises(ProfileErrors) as caught:
        from_yaml(document)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert message in problem.message
