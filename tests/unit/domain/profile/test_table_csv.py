"""Drive cycles from CSV files."""

import pytest

from bem.domain.profile.model import MAX_POINTS, Driven, Table
from bem.domain.profile.problems import ProfileErrors
from bem.domain.profile.table import read_table_csv

POINTS = ((0.0, 0.0), (1.0, -1.5), (2.5, 0.5))


@pytest.mark.parametrize(
    "text",
    [
        "0,0\n1,-1.5\n2.5,0.5\n",
        "0;0\r\n1;-1,5\r\n2,5;0,5\r\n",
        "0\t0\n1\t-1.5\n2.5\t0.5",
        "0 0\n1   \u22121.5\n2.5 0.5",
        "\ufeff# US06, scaled\ntime,current\n0,0\n\n1,-1.5\n2.5,+.5\n",
        "Time / s,Voltage / V,Current / A\n0,3.7,0\n1,3.6,-1.5\n2.5,3.7,0.5\n",
        "current [mA];t [ms]\n0;0\n-1500;1000\n500;2500\n",
        '"Test Time (s)","I (A)"\n"0","0"\n"1","-1.5"\n"2.5","0.5"\n',
        "time_min,i_A\n0,0\n0.016666666666666666,-1.5\n0.041666666666666664,0.5\n",
    ],
)
def test_columns_are_found_by_name_or_place(text: str) -> None:
    assert read_table_csv(text, Driven.CURRENT) == Table(drives=Driven.CURRENT, points=POINTS)


@pytest.mark.parametrize(
    ("drives", "text", "values"),
    [
        (Driven.POWER, "t,current,power/kW\n0,9,0.5\n1,9,-1\n", [500, -1000]),
        (Driven.POWER, "time,P\n0,5\n1,-5\n", [5, -5]),
        (Driven.C_RATE, "time,C-rate\n0,0.5\n1,-1\n", [0.5, -1]),
        (Driven.C_RATE, "time [h],current rate [C]\n0,0.5\n1,-1\n", [0.5, -1]),
    ],
)
def test_powers_and_rates_too(drives: Driven, text: str, values: list[float]) -> None:
    assert [value for _, value in read_table_csv(text, drives).points] == values


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "time,current\n0,0\n1,x\n2\n,3\n3,nan\n3,1e999\n1,2\n0,1\n",
            [
                (3, 3, "row 3: expected a current in A; found 'x'"),
                (4, 1, "row 4 has 1 of at least 2 columns"),
                (5, 1, "row 5: expected a time; found nothing"),
                (6, 3, "row 6: expected a current in A; found 'nan'"),
                (7, 3, "row 7: expected a current in A; found '1e999'"),
                (9, 1, "the times of a table ascend; 0 s follows 1 s"),
            ],
        ),
        ("5,0\n6,1\n", [(1, 1, "the first time of a table is 0, not 5: take 5 s off every time")]),
        ("0,0\n", [(1, 1, "a table has at least two rows")]),
        ("", [(1, 1, "a table has at least two rows")]),
        ("0,1,2\n1,2,3\n", [(1, 1, "there is no header, and 3 columns")]),
        (
            "time,power\n0,1\n1,2\n",
            [(1, 1, "no column such as 'current / A'; the file has 'time', 'power'")],
        ),
        ("a,b\n0,1\n", [(1, 1, "'time / s'"), (1, 1, "'current / A'")]),
        ("time,current / V\n0,1\n", [(1, 6, "the unit of the column 'current / V' is not known")]),
    ],
)
def test_every_bad_row_is_named(text: str, wanted: list[tuple[int, int, str]]) -> None:
    with pytest.raises(ProfileErrors) as caught:
        read_table_csv(text, Driven.CURRENT)
    problems = caught.value.problems
    assert [(one.line, one.column) for one in problems] == [
        (line, column) for line, column, _ in wanted
    ], problems
    for problem, (_, _, part) in zip(problems, wanted, strict=True):
        assert part in problem.message


def test_a_table_too_long_says_so_once() -> None:
    text = "".join(f"{row},1\n" for row in range(MAX_POINTS + 2))
    with pytest.raises(ProfileErrors) as caught:
        read_table_csv(text, Driven.CURRENT)
    (problem,) = caught.value.problems
    assert problem.line == MAX_POINTS + 1
    assert "at most 100,000 rows" in problem.message
