"""Numbers with units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem.domain.units import (
    Dimension,
    find_unit,
    format_percent,
    format_rate,
    format_value,
    in_celsius,
    si_unit,
    suggest_unit,
    symbols,
    to_share,
    to_si,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("number", "unit", "value", "dimension"),
    [
        ("4.2", "V", 4.2, Dimension.VOLTAGE),
        ("5", "mV", 0.005, Dimension.VOLTAGE),
        ("50", "ma", 0.05, Dimension.CURRENT),
        ("1.001", "A", 1.001, Dimension.CURRENT),
        ("3", "Amps", 3.0, Dimension.CURRENT),
        ("2", "kw", 2000.0, Dimension.POWER),
        ("2", "KW", 2000.0, Dimension.POWER),
        ("3", "mW", 0.003, Dimension.POWER),
        ("1200", "mAh", 1.2, Dimension.CAPACITY),
        ("4", "A.h", 4.0, Dimension.CAPACITY),
        ("2", "Wh", 2.0, Dimension.ENERGY),
        ("10", "s", 10.0, Dimension.DURATION),
        ("10", "Seconds", 10.0, Dimension.DURATION),
        ("1.1", "min", 66.0, Dimension.DURATION),
        ("0.5", "hours", 1800.0, Dimension.DURATION),
        ("3", "H", 10800.0, Dimension.DURATION),
        ("2", "days", 172800.0, Dimension.DURATION),
        ("250", "ms", 0.25, Dimension.DURATION),
        ("10", "Ohm", 10.0, Dimension.RESISTANCE),
        ("5", "m\u03a9", 0.005, Dimension.RESISTANCE),
        ("5", "k\u2126", 5000.0, Dimension.RESISTANCE),
        ("-10", "degC", -10.0, Dimension.TEMPERATURE),
        ("45", "\u00b0C", 45.0, Dimension.TEMPERATURE),
        ("45", "\u2103", 45.0, Dimension.TEMPERATURE),
        ("1", "V/s", 1.0, Dimension.SLOPE),
        ("6", "mV/min", 0.0001, Dimension.SLOPE),
        ("3600", "mv/H", 0.001, Dimension.SLOPE),
        ("500", "mL/min", 0.5, Dimension.FLOW),
    ],
)
def test_reads_what_people_write(
    number: str, unit: str, value: float, dimension: Dimension
) -> None:
    found = find_unit(unit)
    assert found is not None
    assert found.dimension is dimension
    assert to_si(number, found) == value


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("MV", "mV"),
        ("MA", "mA"),
        ("MAH", "mAh"),
        ("Mohm", "mohm"),
        ("MV/min", "mV/min"),
        ("ML/min", "mL/min"),
        ("m", "min"),
        ("minuts", "minutes"),
    ],
)
def test_capital_m_and_misspellings_are_no_units_but_suggested(word: str, meant: str) -> None:
    assert find_unit(word) is None
    assert suggest_unit(word) == meant


def test_a_number_no_double_can_hold_is_refused() -> None:
    hour = find_unit("h")
    assert hour is not None
    for digits in ("1e400", "1e308", "-1e400"):
        with pytest.raises(ValueError, match="too large"):
            to_si(digits, hour)


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (600.0, Dimension.DURATION, "10 minutes"),
        (3600.0, Dimension.DURATION, "1 hour"),
        (5400.0, Dimension.DURATION, "90 minutes"),
        (86400.0, Dimension.DURATION, "1 day"),
        (0.0, Dimension.DURATION, "0 s"),
        (61.5, Dimension.DURATION, "61.5 s"),
        (0.05, Dimension.CURRENT, "50 mA"),
        (0.5, Dimension.CURRENT, "0.5 A"),
        (0.005, Dimension.VOLTAGE, "5 mV"),
        (3.0, Dimension.VOLTAGE, "3 V"),
        (-0.0, Dimension.VOLTAGE, "0 V"),
        (0.05, Dimension.RESISTANCE, "50 mohm"),
        (0.002 / 60, Dimension.SLOPE, "2 mV/min"),
        (0.5, Dimension.FLOW, "0.5 L/min"),
        (45.0, Dimension.TEMPERATURE, "45 degC"),
    ],
)
def test_prints_the_unit_that_reads_best(value: float, dimension: Dimension, text: str) -> None:
    assert format_value(value, dimension) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.5, "C/2"), (1.0, "1C"), (2.0, "2C"), (1 / 3, "C/3"), (0.7, "0.7C")]
)
def test_prints_rates_as_people_say_them(rate: float, text: str) -> None:
    assert format_rate(rate) == text


@given(FINITE, st.sampled_from(Dimension))
def test_a_printed_value_reads_as_the_same_number(value: float, dimension: Dimension) -> None:
    number, _, symbol = format_value(value, dimension).partition(" ")
    unit = find_unit(symbol)
    assert unit is not None
    assert unit.dimension is dimension
    assert to_si(number, unit) == value


@pytest.mark.parametrize("dimension", Dimension)
def test_every_dimension_has_an_si_unit_and_an_example(dimension: Dimension) -> None:
    assert si_unit(dimension).factor == 1
    assert "such as" in dimension.example


@pytest.mark.parametrize(
    ("share", "text"), [(0.8, "80"), (1.075, "107.5"), (1.0, "100"), (1e-9, "1E-7")]
)
def test_prints_shares_in_percent(share: float, text: str) -> None:
    assert format_percent(share) == text


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_a_printed_share_reads_as_the_same_number(share: float) -> None:
    assert to_share(format_percent(share)) == share


@pytest.mark.parametrize(
    ("number", "word", "celsius"),
    [
        ("318.15", "K", "45 degC"),
        ("0", "kelvin", "-273.15 degC"),
        ("113", "F", "45 degC"),
        ("45", "V", None),
    ],
)
def test_other_scales_of_temperature_are_known_to_say_what_to_write(
    number: str, word: str, celsius: str | None
) -> None:
    assert in_celsius(number, word) == celsius


@pytest.mark.parametrize("dimension", Dimension)
def test_the_symbols_of_a_dimension_begin_with_the_unit_it_is_kept_in(dimension: Dimension) -> None:
    found = symbols(dimension)
    assert found[0] == si_unit(dimension).symbol
    assert len(set(found)) == len(found)
