"""Numbers of devices: every form that occurs is read, nothing else is a number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fuzzing import fuzz

from bem_drivers.base import ProtocolViolated
from bem_drivers.scpi.numbers import number, numbers


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("12.00 V", "V", 12.0),
        ("30.000A", "A", 30.0),
        ("160.0 W", "W", 160.0),
        ("-1.5e-01", None, -0.15),
        ("1.2345e+00", None, 1.2345),
        ("1.234", "V", 1.234),
        ("+5", None, 5.0),
        ("5.", None, 5.0),
        (".5E1", None, 5.0),
        (" 0.50\tA\r\n", "A", 0.5),
    ],
)
def test_what_devices_send_is_read(text: str, unit: str | None, value: float) -> None:
    assert number(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "V", "nan", "NaN V", "inf", "-inf", "Infinity", "1e999", "9.91E37 9.91E37",
        "1 2 V", "1,2 V", "1.2.3 V", "12.00 A", "12.00 VV", "12.00 V V", "12.00 v", "--1 V",
        "1e V", "0x10 V", "1_000 V", "١٢ V", "12\n.00 V", "12.00 V\x00", "ON", ". V", "e5",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ProtocolViolated):
        number(text, "V")


def test_a_unit_nobody_expects_is_refused() -> None:
    with pytest.raises(ProtocolViolated, match="a number alone"):
        number("12 V")


def test_several_are_read_in_their_order() -> None:
    assert numbers("12.00 V, 0.50 A, 6.0 W", "VAW") == (12.0, 0.5, 6.0)
    assert numbers("-1,2", ("V", "A")) == (-1.0, 2.0)


@pytest.mark.parametrize(
    "text",
    ["", "12.00 V", "12.00 V, 0.50 A", "12.00 V, 0.50 A, 6.0 W, 1", "0.50 A, 12.00 V, 6.0 W",
     "12.00 V, , 6.0 W", "12.00 V; 0.50 A; 6.0 W", "12.00 V, nan A, 6.0 W"],
)  # fmt: skip
def test_another_count_or_order_is_refused(text: str) -> None:
    with pytest.raises(ProtocolViolated):
        numbers(text, ("V", "A", "W"))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", " ", "\t"]))
def test_a_number_comes_back_as_it_was(value: float, blank: str) -> None:
    assert number(f"{value!r}{blank}V", "V") == value
    assert number(f"{value!r}") == value


@fuzz
@given(st.text() | st.from_regex(r"[0-9+\-.eE VAnif]{0,12}"))
def test_no_text_gives_an_invented_value(text: str) -> None:
    try:
        value = number(text, "V")
    except ProtocolViolated:
        return
    assert math.isfinite(value)
    assert value == float(text.replace("V", "").strip())
