"""Errors in the further parts of the language: each at its place, with a remedy."""

import pytest

from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.text import parse_profile, read_profile

# text, then (line, column, end column, part of the message, suggestion) of each problem
CASES: list[tuple[str, list[tuple[int, int, int, str, str | None]]]] = [
    # units
    (
        "Rest until temperature above 318.15 K",
        [(1, 30, 38, "temperatures are in degC: write '45 degC'", "45 degC")],
    ),
    (
        "Rest until temperature above 113 F",
        [(1, 30, 35, "temperatures are in degC: write '45 degC'", "45 degC")],
    ),
    (
        "Rest until temperature above 45 C",
        [(1, 30, 34, "45 C is a C-rate; temperatures are written '45 degC'", "45 degC")],
    ),
    ("Discharge at 10 Mohm until 3 V", [(1, 17, 21, "did you mean 'mohm'", "mohm")]),
    # steps
    (
        "Charge at 10 ohm until 4 V",
        [(1, 11, 17, "a resistance only discharges: write 'Discharge at 10 ohm'", None)],
    ),
    ("Discharge at -1 ohm until 3 V", [(1, 14, 20, "write the value without a sign", "1 ohm")]),
    ("Discharge at 0 ohm until 3 V", [(1, 14, 19, "needs a value above 0", None)]),
    ("Pause", [(1, 6, 7, "expected a message in double quotes; the line ends", None)]),
    ("Pause for 1 h", [(1, 7, 10, "expected a message in double quotes; found 'for'", None)]),
    ('Pause "mend it', [(1, 7, 15, "this quote is never closed", '"mend it"')]),
    ('Pause " "', [(1, 7, 10, "a pause tells a person what to do", None)]),
    (f'Pause "{"a" * 501}"', [(1, 7, 510, "at most 500 characters; this one has 501", None)]),
    ('Pause "a\tb"', [(1, 7, 12, "cannot be printed", None)]),
    ("Rest 5 min", [(1, 6, 7, "expected 'for' before '5'", "for 5")]),
    ("Charge to 4.2 V at 1 A", [(1, 8, 10, "expected 'at'; found 'to'", None)]),
    # ends
    (
        "Rest until 45 degC or for 1 h",
        [(1, 12, 19, "write 'temperature above 45 degC' or 'temperature below 45 degC'", None)],
    ),
    ("Rest until voltage falls by 0 V", [(1, 29, 32, "above 0", None)]),
    ("Rest until voltage falls by -1 V", [(1, 29, 33, "above 0", "1 V")]),
    ("Rest until voltage falls 1 mV", [(1, 26, 27, "expected 'by' before '1'", "by 1")]),
    ("Rest until dV/dt below -1 mV/s", [(1, 24, 31, "magnitude: write 1 mV/s", "1 mV/s")]),
    ("Rest until dV/dt below 0 mV/s", [(1, 24, 30, "write a value above 0", None)]),
    ("Rest until power above -1 W", [(1, 24, 28, "magnitude: write 1 W", "1 W")]),
    ("Rest until -1 Wh", [(1, 12, 17, "an energy to be moved is above 0", None)]),
    ("Rest until energy below 1 Wh", [(1, 19, 24, "'below' goes with a voltage", None)]),
    ("Rest until temperature above 4 V", [(1, 30, 33, "expected a temperature", None)]),
    # actions and labels
    (
        "Rest for 1 h then jump",
        [(1, 19, 23, "expected 'next', 'go to' and a label, 'stop' or 'fail'", None)],
    ),
    ("Rest for 1 h then stopp", [(1, 19, 24, "did you mean 'stop'", "stop")]),
    ("Rest for 1 h then go to", [(1, 24, 25, "expected the label of a step or loop", None)]),
    ("Rest for 1 h then go to next", [(1, 19, 29, "write 'then next'", "next")]),
    ("Rest for 1 h then go to Repeat", [(1, 25, 31, "'repeat' is a word of the language", None)]),
    (
        "cycles: Rest for 1 h then go to cycle",
        [(1, 33, 38, "no step or loop has the label 'cycle'; there are cycles", "cycles")],
    ),
    ("Rest for 1 h then go to a", [(1, 25, 26, "write 'a:' in front of one", None)]),
    ("repeat: Rest for 1 h", [(1, 1, 7, "cannot be a name: choose another", None)]),
    (
        f"{'a' * 33}: Rest for 1 h",
        [(1, 1, 34, "a letter and then at most 31 letters a to z, digits and underscores", None)],
    ),
    ("\u00fcber: Rest for 1 h", [(1, 1, 5, "use a letter and then at most 31 letters", None)]),
    (
        "a: Rest for 1 h\nA: Rest for 1 h",
        [(2, 1, 2, "line 1 already has the label 'a'", None)],
    ),
    ("a: Limit voltage 4 V", [(1, 1, 21, "only steps and loops have a label", None)]),
    # limits and recording
    ("Rest for 1 s limit temprature 45 degC", [(1, 20, 30, "'temperature'", "temperature")]),
    ("Rest for 1 s limit charge below 3 Ah", [(1, 33, 37, "write 'limit charge 3 Ah'", None)]),
    ("Rest for 1 s limit duration 0 s", [(1, 29, 32, "is a most, above 0", None)]),
    ("Rest for 1 s limit current 2C", [(1, 28, 30, "limits are given in A", None)]),
    ("Rest for 1 s limit voltage 4 A", [(1, 28, 31, "expected a voltage such as 4.2 V", None)]),
    ("Rest for 1 s limit voltage 4 V for 2 V", [(1, 36, 39, "expected a duration", None)]),
    ("Rest for 1 s limit voltage 4 V for 2 days", [(1, 36, 42, "0 s to 1 day", None)]),
    ("Rest for 1 s limit dV/dt 2 mV/s", [(1, 20, 25, "found 'dV/dt'", None)]),
    (
        "Rest for 1 s record every 1 s limit voltage 4 V record every 2 s",
        [(1, 1, 65, "already has a rule of recording", None)],
    ),
    # the head of a profile
    (
        "Rest for 1 s\nLimit voltage 4 V",
        [(2, 1, 18, "stands above the first step; what holds for one step stands at the", None)],
    ),
    ("Rest for 1 s\nRecord every 1 s", [(2, 1, 17, "stands above the first step", None)]),
    ("Rest for 1 s\nParameter a = 1", [(2, 1, 16, "stands above the first step", None)]),
    ("Record every 1 s\nRecord every 2 s", [(2, 1, 17, "already has a rule of recording", None)]),
    ("Parameter a = 1\nParameter A = 2", [(2, 1, 16, "already a parameter 'a'", None)]),
    ("Parameter = C/2", [(1, 1, 10, "write for example 'Parameter rate = C/2'", None)]),
    ("Parameter stop = 1 A", [(1, 1, 15, "'stop' is a word of the language", None)]),
    ("Parameter a = 2 mV/s", [(1, 15, 21, "cannot be a parameter: write 2 mV/s where", None)]),
    ("Parameter a = 1 L/min", [(1, 15, 22, "a flow cannot be a parameter", None)]),
    ("Parameter a C/2", [(1, 13, 14, "expected '=' before 'C'", "= C")]),
    # parameters
    (
        "Parameter rate = C/2\nCharge at {rate for 1 h",
        [(2, 11, 16, "this brace is never closed", "{rate}")],
    ),
    (
        "Charge at {rate} for 1 h",
        [(1, 11, 17, "no parameter 'rate' above; there is none", None)],
    ),
    (
        "Parameter rate = C/2\nCharge at {rte} for 1 h",
        [(2, 11, 16, "there are rate", "{rate}")],
    ),
    (
        "Parameter rate = C/2\nHold at {rate} for 1 h",
        [(2, 9, 15, "expected a voltage such as 4.2 V; {rate} is a C-rate", None)],
    ),
    (
        "Parameter rate = -1C\nCharge at {rate} for 1 h",
        [(2, 11, 17, "write the value without a sign, or 'Discharge at {rate}'", None)],
    ),
    (
        "Parameter n = 5\nCharge at {n} for 1 h",
        [(2, 11, 14, "is a number without a unit: expected a current", None)],
    ),
    (
        "Parameter n = 2.5\nRepeat {n} times:\n  Rest for 1 s",
        [(2, 8, 11, "is no whole number without a unit", None)],
    ),
    (
        "Parameter rate = 1 Q\nCharge at {rate} for 1 h\nRepeat {rate}:\n  Rest for 1 s",
        [(1, 20, 21, "'Q' is not a unit", None)],
    ),
    # loops
    (
        "Repeat until capacity 80 %:\n  Rest for 1 s",
        [(1, 23, 25, "expected 'above' or 'below'; found '80'", None)],
    ),
    (
        "Repeat until capacity below 3 V:\n  Rest for 1 s",
        [(1, 29, 32, "expected a capacity such as 1.2 Ah or a share such as 80 %", None)],
    ),
    (
        "Repeat until energy below:\n  Rest for 1 s",
        [(1, 26, 27, "an energy such as 4 Wh or a share such as 80 % of the first cycle", None)],
    ),
    ("Repeat until energy below 0 %:\n  Rest for 1 s", [(1, 27, 28, "above 0 %", None)]),
    ("Repeat until energy below 0 Wh:\n  Rest for 1 s", [(1, 27, 31, "above 0", None)]),
    ("Repeat at most:\n  Rest for 1 s", [(1, 15, 16, "a number of times such as 500", None)]),
    ("Repeat forever", [(1, 1, 15, "this loop has no steps", None)]),
    # tables
    ("Drive:\n  0 1\n  1 2", [(1, 6, 7, "expected 'current', 'power' or 'C-rate'", None)]),
    ("Drive current:\nRest for 1 s", [(1, 1, 15, "this table has no rows", None)]),
    ("Drive current:\n  0 1", [(1, 1, 15, "a table has at least two rows", None)]),
    (
        "Drive current:\n  1 2\n  3 x\n  4 V 5\n  6 7 W\n  8 1\n  7 1\n  9 1e999",
        [
            (2, 3, 6, "the first time of a table is 0, not 1: take 1 s off", None),
            (3, 3, 6, "a time in s and a current in A, such as '10 -1.5'; found '3 x'", None),
            (4, 3, 8, "'V' is no unit of this column: write s", None),
            (5, 3, 8, "'W' is no unit of this column: write A", None),
            (7, 3, 6, "the times of a table ascend; 7 s follows 8 s", None),
            (8, 3, 10, "1e999 is too large", None),
        ],
    ),
    ("Drive C-rate 0 times:\n  0 1\n  1 2", [(1, 14, 15, "1 to 10,000,000 times", None)]),
    # pulse trains
    ("Pulse 3 times:", [(1, 1, 15, "this train has no pulses", None)]),
    (
        "Pulse 3 times:\n  Rest for 1 s or 3 V\n  Hold at 3 V for 1 s\n  Rest for 0 s",
        [
            (2, 3, 22, "a pulse has one duration and nothing else", None),
            (3, 3, 22, "a pulse has one duration and nothing else", None),
            (4, 3, 15, "a pulse has one duration and nothing else", None),
        ],
    ),
    (
        "Pulse 3 times:\n  Discharge at 1 A for 1 s\n  Charge at 1C for 1 s",
        [(3, 3, 23, "all of one kind: this one is a C-rate, others are a current", None)],
    ),
    (
        "Pulse:\n" + "  Charge at 1 A for 1 s\n" * 101,
        [(1, 1, 7, "at most 100 pulses; this one has 101", None)],
    ),
    # other languages
    ("Run US06 (A)", [(1, 1, 4, "write 'Drive current:' and, indented below it,", None)]),
    ("Run US06 (W) for 0.5 hours", [(1, 1, 4, "'Drive power:'", None)]),
    (
        "Charge at 1 C until 4.2 V at 25oC (1 minute period)",
        [(1, 27, 34, "a profile does not set the temperature", None)],
    ),
    (
        "Discharge at 1C for 0.5 hours at -5.1oC",
        [(1, 31, 40, "'limit temperature 45 degC'", None)],
    ),
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


def test_what_is_written_instead_can_be_read() -> None:
    for text, wanted in CASES:
        lines = text.split("\n")
        mended = [one for one in wanted if one[4] is not None]
        for line, start, end, _, fix in mended:
            code = lines[line - 1]
            lines[line - 1] = f"{code[: start - 1]}{fix}{code[end - 1 :]}"
        if len(mended) == len(wanted):
            assert read_profile("\n".join(lines))[1] == [], lines


def test_a_broken_block_is_the_only_problem() -> None:
    text = "Drive curent until:\n    0 1\n    1 2\nPulse times:\n    Rest for 1 s\nRest for 1 s"
    assert [one.line for one in read_profile(text)[1]] == [1, 1, 4]
