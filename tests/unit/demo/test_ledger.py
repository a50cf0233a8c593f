"""Comparing samples with what a converter says it was asked."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.demo.ledger import Comparison, Ledger, Pair, compare, pair

ANSWERS: list[Pair] = [(3700, -4)] * 20 + [
    (3700 + number * 3 // 2, 1250 + number % 5) for number in range(200)
]


def test_the_same_is_exact() -> None:
    assert compare(ANSWERS, ANSWERS) == Comparison(220, 0, 0, 0)
    assert compare(ANSWERS[30:90], ANSWERS) == Comparison(60, 0, 0, 0)


def test_a_run_begins_among_equal_answers() -> None:
    assert compare(ANSWERS[15:], ANSWERS) == Comparison(205, 0, 0, 0)


@given(st.integers(40, 200), st.integers(1, 15))
def test_lost_ones_are_counted(start: int, count: int) -> None:
    count = min(count, 218 - start)
    samples = ANSWERS[20:start] + ANSWERS[start + count :]
    assert compare(samples, ANSWERS) == Comparison(200 - count, count, 0, 0)


@given(st.integers(25, 219))
def test_a_doubled_one_is_counted(place: int) -> None:
    samples = [*ANSWERS[20 : place + 1], ANSWERS[place], *ANSWERS[place + 1 :]]
    assert compare(samples, ANSWERS) == Comparison(200, 0, 1, 0)


@given(st.integers(25, 219))
def test_an_invented_one_is_counted(place: int) -> None:
    samples = [*ANSWERS[20:place], (1, 1), *ANSWERS[place:]]
    assert compare(samples, ANSWERS) == Comparison(200, 0, 0, 1)


def test_nothing_recorded_is_not_exact() -> None:
    assert not compare([], ANSWERS).exact
    assert not compare(ANSWERS, []).exact


@pytest.mark.parametrize(("volts", "amperes"), [(3.701, -0.004), (0.1 + 0.2, 1.25)])
def test_volts_and_amperes_become_what_was_sent(volts: float, amperes: float) -> None:
    assert pair(volts, amperes) == (round(volts * 1000), round(amperes * 1000))


def test_a_ledger_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    entries = [
        {"t_ns": 1, "kind": "output", "on": True},
        {"t_ns": 2, "kind": "answer", "ls_mv": 3700, "ls_ma": -4, "hs_mv": 8000},
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"t_ns": 3, "ki')
    ledger = Ledger.read(path)
    assert ledger.answers() == [(3700, -4)]
    assert ledger.output_on()
