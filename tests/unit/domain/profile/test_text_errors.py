"""All errors of a text at once, each at its place, in the words of a battery person."""

import pytest

from bem.domain.profile.problems import Problem, ProfileErrors
from bem.domain.profile.text import parse_profile, read_profile

# text, then (line, column, end column, part of the message, suggestion) of each problem
CASES: list[tuple[str, list[tuple[int, int, int, str, str | None]]]] = [
    ("Chrage at 1 A until 4.2 V", [(1, 1, 7, "did you mean 'Charge'", "Charge")]),
    ("Charge at 1 A untill 4.2 V", [(1, 15, 21, "did you mean 'until'", "until")]),
    ("Charge at 1 A to 4.2 V", [(1, 15, 17, "did you mean 'until'", "until")]),
    ("Charge at 1 A until 4.2 MV", [(1, 25, 27, "'MV' is not a unit; did you mean 'mV'", "mV")]),
    ("Charge at 1 Q until 4.2 V", [(1, 13, 14, "'Q' is not a unit", None)]),
    ("Rest for 10 minuts", [(1, 13, 19, "did you mean 'minutes'", "minutes")]),
    ("Rest for 10 m", [(1, 13, 14, "did you mean 'min'", "min")]),
    ("Charge 1 A until 4.2 V", [(1, 8, 9, "expected 'at' before '1'", "at 1")]),
    (
        "Charge at 4.2 V for 1 h",
        [(1, 11, 16, "expected a current such as 1.5 A or C/2 or a power such as 5 W", None)],
    ),
    ("Hold at 4.2 A for 1 h", [(1, 9, 14, "expected a voltage such as 4.2 V; 4.2 A is a", None)]),
    ("Hold at 4.2 for 1 h", [(1, 9, 12, "4.2 has no unit: expected a voltage", "4.2 V")]),
    ("Charge at until 4.2 V", [(1, 11, 16, "expected a current such as 1.5 A or C/2", None)]),
    ("Charge at", [(1, 10, 11, "the line ends", None)]),
    ("Charge at 1 A until", [(1, 20, 21, "a capacity such as 1.2 Ah; the line ends", None)]),
    ("Charge at -1 A for 1 h", [(1, 11, 15, "'Discharge at 1 A'", "1 A")]),
    ("Charge at 0 A for 1 h", [(1, 11, 14, "write 'Rest'", None)]),
    ("Charge at C/0 for 1 h", [(1, 11, 14, "C/0 is no C-rate", None)]),
    ("Charge at 1e999 A for 1 h", [(1, 11, 16, "1e999 is too large", None)]),
    ("Charge at 1 A 2 A for 1 h", [(1, 11, 18, "found several", None)]),
    ("Charge at 1 A for 4.2 V", [(1, 15, 24, "write 'until 4.2 V'", "until 4.2 V")]),
    ("Charge at 1 A until 5 L/min", [(1, 21, 28, "5 L/min is a flow", None)]),
    ("Charge at 1 A until voltage 5 A", [(1, 29, 32, "expected a voltage", None)]),
    ("Rest until above 5 min", [(1, 12, 17, "'above' goes with a voltage or a current", None)]),
    ("Rest for -5 min", [(1, 10, 16, "a duration is 0 or more", None)]),
    ("Hold at 4 V until -0.1 A", [(1, 19, 25, "magnitude: write 0.1 A", "0.1 A")]),
    ("Charge at 1,5 A for 1 h", [(1, 11, 14, "'1,5' has a comma: write 1.5", "1.5")]),
    ("Rest for 1,000 s", [(1, 10, 15, "write 1.000 or 1000", None)]),
    ("Rest for 1,000,000 s", [(1, 10, 19, "write 1000000", "1000000")]),
    ("Rest for 5 s record every 3 Ah", [(1, 27, 31, "a voltage change such as 5 mV", None)]),
    ("Rest for 5 s record every 0 s", [(1, 27, 30, "above 0", None)]),
    ("Rest for 5 s record every 1 s or 2 s", [(1, 34, 37, "already has a duration", None)]),
    ("Fry the battery", [(1, 1, 4, "expected 'Rest', 'Charge', 'Discharge', 'Hold'", None)]),
    ("Rest for 1 s €", [(1, 14, 15, "found '€'", None)]),
    (
        "Chrage at 1 Q untill 4.2 MV or fro 10 minuts",
        [
            (1, 1, 7, "'Charge'", "Charge"),
            (1, 13, 14, "not a unit", None),
            (1, 15, 21, "'until'", "until"),
            (1, 26, 28, "'mV'", "mV"),
            (1, 32, 35, "'for'", "for"),
            (1, 39, 45, "'minutes'", "minutes"),
        ],
    ),
    (
        "Hold at 4.2 A until 3 ohm\n\nRest\nCharge at 1 V",
        [
            (1, 9, 14, "expected a voltage", None),
            (1, 21, 26, "3 ohm is a resistance", None),
            (4, 11, 14, "to hold a voltage write 'Hold at 1 V'", None),
        ],
    ),
    ("Repeat 0 times:\n  Rest for 1 s", [(1, 8, 9, "1 to 10,000,000 times", None)]),
    ("Repeat 10000001 times:\n  Rest for 1 s", [(1, 8, 16, "1 to 10,000,000 times", None)]),
    ("Repeat 2.5 times:\n  Rest for 1 s", [(1, 8, 11, "a whole number", None)]),
    (f"Repeat {'9' * 5000} times:\n  Rest for 1 s", [(1, 8, 5008, "a whole number", None)]),
    ("Repeat many times:\n  Rest for 1 s", [(1, 8, 12, "a number of times such as 500", None)]),
    ("Repeat 2 times:", [(1, 1, 16, "this loop has no steps", None)]),
    ("Repeat 2 times:\nRest for 1 s", [(1, 1, 16, "indent the lines to repeat below it", None)]),
    (
        "Repeat 2 times: Rest for 1 s",
        [(1, 17, 21, "steps of a loop stand on lines of their own", None)],
    ),
    ("Rest for 1 s\n  Rest for 2 s\n  Rest for 3 s", [(2, 1, 3, "expected 0", None)]),
    (
        "Repeat 2 times:\n    Rest for 1 s\n  Rest for 2 s",
        [(3, 1, 3, "indented by 2, which fits no line above it: expected 0", None)],
    ),
    (
        "Repeat 2 times:\n    Rest for 1 s\n\tRest for 2 s",
        [(3, 1, 2, "indented with tabs, line 2 with spaces", None)],
    ),
    ("Repeat 2 times:\n \tRest for 1 s", [(2, 1, 3, "a mixture of spaces", None)]),
    ("Rest for 1 s\nProfile: Late", [(2, 1, 14, "on the first line", None)]),
    ("Profile:\nRest for 1 s", [(1, 1, 9, "expected a name", None)]),
    ("Profile: a\x00b\nRest for 1 s", [(1, 1, 13, "cannot be printed", None)]),
    (f"Profile: {'a' * 201}", [(1, 1, 211, "at most 200 characters", None)]),
    ("CC, 1.5", [(1, 8, 9, "expected a comma", None)]),
    ("CC, 1.5, CURRENT, 3", [(1, 10, 17, "CC ends at TIME, VOLTAGE or POWER", None)]),
    ("CV, 4.2, VOLTAGE, 3", [(1, 10, 17, "CV ends at TIME, CURRENT or POWER", None)]),
    ("CC, x, TIME, 3", [(1, 5, 6, "expected a number", None)]),
    ("WAIT, -1", [(1, 7, 9, "a duration is 0 or more", None)]),
    ("CC, 0, VOLTAGE, 3.5", [(1, 1, 20, "'Rest until voltage above 3.5 V'", None)]),
]


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_each_error_has_its_place_and_a_remedy(
    text: str, wanted: list[tuple[int, int, int, str, str | None]]
) -> None:
    with pytest.raises(ProfileErrors) as caught:
        parse_profile(text)
    problems = caught.value.problems
    found = [(one.line, one.column, one.end_column, one.suggestion) for one in problems]
    assert found == [(line, start, end, fix) for line, start, end, _, fix in wanted], problems
    for problem, (_, _, _, part, _) in zip(problems, wanted, strict=True):
        assert part in problem.message


def test_the_old_parser_gave_only_the_first_error_without_its_line() -> None:
    text = "WAIT, a\nCC, 1\nCV, 4.2, TIME, 10\nCP, 1, TIME, b\n"
    _, problems = read_profile(text)
    assert [one.line for one in problems] == [1, 2, 4]


def test_loops_nest_twenty_deep_and_no_deeper() -> None:
    def nested(depth: int) -> str:
        heads = [f"{' ' * level}Repeat 2 times:\n" for level in range(depth)]
        return "".join(heads) + " " * depth + "Rest for 1 s\n"

    assert parse_profile(nested(20)).body
    _, (problem,) = read_profile(nested(25))
    assert (problem.line, problem.column) == (21, 21)
    assert "at most 20 deep" in problem.message


def test_what_is_expected_is_a_list_of_words_for_the_editor() -> None:
    _, (problem,) = read_profile("Hold at")
    assert problem == Problem(
        line=1,
        column=8,
        end_column=9,
        message="expected a voltage such as 4.2 V; the line ends",
        expected=("a voltage such as 4.2 V",),
    )


def test_lines_that_can_be_read_are_read() -> None:
    profile, problems = read_profile("Rest for 1 s\nRset\nRest for 2 s")
    assert len(profile.body) == 2
    assert len(problems) == 1
