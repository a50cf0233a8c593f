"""The text protocol of SLCAN adapters: a frame is what stands there, and noise is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fuzzing import fuzz

from bem_drivers.can import Frame
from bem_drivers.can.lawicel import parse, text

DATA = st.binary(max_size=8)
ALMOST = st.from_regex(rb"t[-+ _0-9A-Fa-f]{0,12}", fullmatch=True)


@given(st.integers(0, 0x7FF), DATA)
def test_a_frame_comes_back_as_it_was(frame_id: int, data: bytes) -> None:
    frame = Frame(frame_id, data)
    line = text(frame)
    assert line.endswith(b"\r")
    assert parse(line[:-1]) == frame
    assert parse(line[:-1].lower()) == frame


@pytest.mark.parametrize("timestamp", [b"E97F", b"0001E97F"])
def test_a_timestamp_behind_it_is_passed_over(timestamp: bytes) -> None:
    assert parse(b"t1312AB01" + timestamp) == Frame(0x131, b"\xab\x01")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"t",
        b"t131",
        b"t1313AB01",
        b"t1312AB0",
        b"t1312AB01E9",
        b"t8000",
        b"t1319" + b"00" * 9,
        b"t-010",
        b"t0_10",
        b"t1312A B0",
        b"T000001310",
        b"r1310",
        b"z",
        b"\xff\xfe",
    ],
)
def test_what_is_no_frame_is_lost(line: bytes) -> None:
    assert parse(line) is None


@fuzz
@given(st.binary(max_size=32) | ALMOST)
def test_noise_gives_no_frame_that_does_not_stand_there(line: bytes) -> None:
    frame = parse(line)
    if frame is not None:
        assert 0 <= frame.frame_id <= 0x7FF
        assert len(frame.data) <= 8
        assert line.upper().startswith(text(frame)[:-1].upper())
