"""What the editor offers as somebody types."""

import pytest

from bem.domain.profile.completion import Completion, complete
from bem.domain.profile.text import read_profile

HEAD = "Parameter rate = C/2\nParameter top = 4.2 V\nParameter n = 3\nsoak: Rest for 1 h\n"


def offered(text: str) -> list[str]:
    """The texts offered where the bar stands."""
    before, _, after = text.partition("|")
    line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
    return [one.text for one in complete(before + after, line, column)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Charge at 1 A |", ["until ", "for ", "record every ", "limit "]),
        ("Charge at 1 A unt|", ["until "]),
        (
            "Charge at 1 A until 4.2 V |",
            ["until ", "for ", "or ", "then ", "record every ", "limit "],
        ),
        ("Charge at 1|", ["A", "mA", "C", "W", "mW", "kW"]),
        ("Discharge at 1 |", ["A", "mA", "C", "W", "mW", "kW", "ohm", "mohm", "kohm"]),
        ("Hold at 4.2 |", ["V", "mV"]),
        ("Rest for 10 m|", ["ms", "min"]),
        ("Rest until dV/dt below 2 |", ["V/s", "mV/s", "V/min", "mV/min", "V/h", "mV/h"]),
        ("Rest for 1 s limit temperature 45 |", ["degC"]),
        ("Rest for 1 s limit current 1 |", ["A", "mA"]),
        ("Rest for 1 s then |", ["go to soak", "next", "stop", "fail"]),
        ("Rest for 1 s then go to |", ["soak"]),
        ("Rest for 1 s then go to s|", ["soak"]),
        ("Rest for 1 s then go to x|", []),
        ("Charge at |", ["1.5 A", "C/2", "5 W", "{rate}"]),
        ("Charge at {|} until 4 V", ["{rate}"]),
        ("Hold at { T|", ["{top}"]),
        ("Repeat {|", ["{n}"]),
        ("Repeat |", ["500 times", "{n}", "at most ", "until ", "forever:"]),
        ("Repeat until capacity below 80 |", ["Ah", "mAh", "% of the first cycle"]),
        ("Drive |", ["current ", "power ", "C-rate "]),
        ("Drive current:\n    |", []),
        ("Pulse 3 times:\n    |", ["Charge at ", "Discharge at ", "Rest for "]),
        ("again: Cha|", ["Charge at "]),
        ("Rest # unt|", []),
        ('Pause "unt|', []),
        ("Chrage at |", []),
        ("Rest for 1 s record every 5 |", ["s", "ms", "min", "h", "day", "V", "mV", "A", "mA"]),
    ],
)
def test_what_fits_is_offered(text: str, wanted: list[str]) -> None:
    assert offered(HEAD + text) == wanted


def test_ends_are_offered_after_until() -> None:
    found = offered(f"{HEAD}Charge at 1 A until |")
    assert found[:9] == [
        "10 minutes", "4.2 V", "1.5 A", "C/2", "5 W", "4 Wh", "1.2 Ah", "{rate}", "{top}",
    ]  # fmt: skip
    assert {"voltage ", "power ", "temperature ", "dV/dt below "} < set(found)


def test_lines_of_the_head_are_offered_above_the_first_step_only() -> None:
    heads = ["Profile: ", "Parameter ", "Limit ", "Record every "]
    assert offered("|")[:4] == heads
    assert offered("Profile: x\n|")[:3] == heads[1:]
    assert offered("Rest for 1 s\n|")[0] == "Charge at "
    assert offered("Repeat 2 times:\n    |")[0] == "Charge at "


def test_a_completion_says_what_it_is_and_where_it_begins() -> None:
    assert complete("Rest for 1 h\nCharge at 1 A unt", 2, 18) == [
        Completion(text="until ", label="until", detail="end at a value", start=15)
    ]


def test_what_is_offered_after_a_complete_step_can_be_read_on() -> None:
    for line in ("Charge at 1 A until 4.2 V ", "Charge at ", "Rest until ", "Rest for 1 s limit "):
        for one in complete(line, 1, len(line) + 1):
            _, problems = read_profile(line[: one.start - 1] + one.text)
            assert all(problem.column > one.start for problem in problems), one


@pytest.mark.parametrize(("line", "column"), [(0, 1), (2, 1), (1, 0), (1, 14)])
def test_a_place_outside_the_text_has_nothing(line: int, column: int) -> None:
    assert complete("Rest for 1 s", line, column) == []
