"""Bytes to lines: however they are cut, no half line and no stale end of one is an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fuzzing import fuzz

from bem_drivers.base import ProtocolViolated
from bem_drivers.line.buffer import LONGEST_LINE, LineBuffer

TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)


def lines_of(buffer: LineBuffer) -> list[str]:
    """Take all lines; a refused one is lost alone."""
    found: list[str] = []
    while True:
        try:
            line = buffer.next_line("the port")
        except ProtocolViolated:
            continue
        if line is None:
            return found
        found.append(line)


@given(st.lists(TEXT), st.sampled_from(["\n", "\r\n"]), st.data())
def test_lines_arrive_whole_however_they_are_cut(
    lines: list[str], ending: str, data: st.DataObject
) -> None:
    sent = "".join(line + ending for line in lines).encode()
    buffer, found = LineBuffer(), []
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        buffer.feed(sent[:size])
        sent = sent[size:]
        found += lines_of(buffer)
    assert found == lines


@fuzz
@given(st.lists(st.binary(max_size=50)))
def test_noise_gives_nothing_but_text_that_was_in_it(pieces: list[bytes]) -> None:
    buffer, found = LineBuffer(), []
    for piece in pieces:
        buffer.feed(piece)
        found += lines_of(buffer)
    whole = b"".join(pieces)
    assert len(found) <= whole.count(b"\n")
    assert all(line.encode() in whole for line in found)


def test_half_a_line_is_no_line() -> None:
    buffer = LineBuffer()
    buffer.feed(b"12.0")
    assert buffer.next_line("the port") is None
    buffer.feed(b"0 V\r\n")
    assert buffer.next_line("the port") == "12.00 V"


def test_the_end_of_a_dropped_line_is_dropped_too() -> None:
    buffer = LineBuffer()
    buffer.feed(b"12.0")
    buffer.drop()
    buffer.feed(b"3 V\n4.00 V\n")
    assert lines_of(buffer) == ["4.00 V"]


def test_dropping_whole_lines_spares_the_next() -> None:
    buffer = LineBuffer()
    buffer.feed(b"old\n")
    buffer.drop()
    buffer.drop()
    buffer.feed(b"new\n")
    assert lines_of(buffer) == ["new"]


@pytest.mark.parametrize("in_one", [True, False])
def test_a_line_without_end_is_refused_once_and_the_next_is_heard(in_one: bool) -> None:
    buffer = LineBuffer()
    buffer.feed(b"x" * (LONGEST_LINE + 1))
    if in_one:
        buffer.feed(b"xyz\n12 V\n")
    with pytest.raises(ProtocolViolated, match="baud rate"):
        buffer.next_line("the port")
    if not in_one:
        buffer.feed(b"xyz\n12 V\n")
    assert lines_of(buffer) == ["12 V"]


def test_the_longest_line_is_still_one() -> None:
    buffer = LineBuffer()
    buffer.feed(b"x" * LONGEST_LINE + b"\n")
    assert lines_of(buffer) == ["x" * LONGEST_LINE]


def test_what_is_no_text_is_told_with_its_bytes() -> None:
    buffer = LineBuffer()
    buffer.feed(b"\xff\xfe12\n13\n")
    with pytest.raises(ProtocolViolated, match=r"the port.*xff.*parity"):
        buffer.next_line("the port")
    assert lines_of(buffer) == ["13"]
