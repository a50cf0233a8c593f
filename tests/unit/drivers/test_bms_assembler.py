"""Fragments of a BMS: golden frames of devices.md, what is lost or wrong, and fuzzing."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fuzzing import fuzz

from bem_drivers.bms.assembler import (
    Assembler,
    Dropped,
    ErrorReport,
    Malformed,
    Message,
    Outcome,
)

WORDS = (*range(3300, 3312), 39666, 251, 252, 0xFFF6, 254, 1013, 1014)
FRAMES = tuple(
    bytes.fromhex(frame)
    for frame in (
        "60E40CE50CE60CE7",
        "610CE80CE90CEA0C",
        "62EB0CEC0CED0CEE",
        "630CEF0CF29AFB00",
        "64FC00F6FFFE00F5",
        "6503F603",
    )
)
"""First and last are recorded (devices.md section 3), those between are written by hand."""
ERROR = bytes.fromhex("104552524F520008")


def outcomes(*frames: bytes, assembler: Assembler | None = None) -> list[Outcome]:
    """Get what frames bring about, one after another."""
    assembler = assembler or Assembler()
    return [outcome for frame in frames for outcome in assembler.take(frame)]


def words_of(some: list[Outcome]) -> list[tuple[int, ...]]:
    return [one.words for one in some if isinstance(one, Message)]


def frames_of(data: bytes) -> list[bytes]:
    """Cut data into fragments as a BMS does."""
    parts = [data[at : at + 7] for at in range(0, len(data), 7)]
    return [bytes([len(parts) << 4 | index]) + part for index, part in enumerate(parts)]


def test_the_golden_frames_are_one_message() -> None:
    assert outcomes(*FRAMES) == [Message(WORDS)]


def test_nothing_is_told_before_the_last_fragment() -> None:
    assembler = Assembler()
    assert outcomes(*FRAMES[:-1], assembler=assembler) == []
    assert assembler.is_open
    assert outcomes(FRAMES[-1], assembler=assembler) == [Message(WORDS)]
    assert not assembler.is_open


def test_messages_follow_each_other() -> None:
    assert outcomes(*FRAMES * 3) == [Message(WORDS)] * 3


def test_who_comes_in_the_middle_waits_for_the_next_message() -> None:
    for joined in range(1, 6):
        assert outcomes(*FRAMES[joined:], *FRAMES) == [Message(WORDS)]


@pytest.mark.parametrize("lost", range(6))
def test_a_lost_fragment_costs_its_message_only(lost: int) -> None:
    result = outcomes(*FRAMES[:lost], *FRAMES[lost + 1 :], *FRAMES)
    assert words_of(result) == [WORDS]
    assert not any(isinstance(one, Malformed) for one in result)


@pytest.mark.parametrize("doubled", range(6))
def test_a_doubled_fragment_never_makes_a_value(doubled: int) -> None:
    result = outcomes(*FRAMES[: doubled + 1], *FRAMES[doubled:])
    # The first begins the message once more, and the last belongs to none.
    assert words_of(result) == ([WORDS] if doubled in (0, 5) else [])
    assert outcomes(*FRAMES[: doubled + 1], *FRAMES[doubled:], *FRAMES)[-1] == Message(WORDS)


def test_a_wrong_index_names_both() -> None:
    (dropped,) = outcomes(FRAMES[0], FRAMES[2])
    assert dropped == Dropped("fragment 2 of 6 came instead of fragment 1 of 6")


def test_a_new_beginning_drops_what_had_begun() -> None:
    assert outcomes(*FRAMES[:3], *FRAMES) == [
        Dropped("fragment 0 of 6 came instead of fragment 3 of 6"),
        Message(WORDS),
    ]


def test_fragments_of_another_count_do_not_mix() -> None:
    assert isinstance(outcomes(FRAMES[0], b"\x71" + FRAMES[1][1:])[0], Dropped)


@pytest.mark.parametrize("count", [1, 7, 17, 18, 20, 21, 52])
def test_a_wrong_number_of_words_is_an_error(count: int) -> None:
    (result,) = outcomes(*frames_of(struct.pack(f"<{count}H", *range(1, count + 1))))
    assert isinstance(result, Malformed)
    assert f"{2 * count} bytes" in result.reason


@pytest.mark.parametrize("short", range(6))
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_short_fragment_is_an_error(short: int, missing: int) -> None:
    frames = list(FRAMES)
    frames[short] = frames[short][:-missing]
    (result,) = outcomes(*frames)
    assert isinstance(result, Malformed)


def test_the_right_length_in_the_wrong_pieces_is_an_error() -> None:
    data = struct.pack("<19H", *WORDS)
    parts = [data[0:7], data[7:11], data[11:18], data[18:25], data[25:32], data[32:38]]
    (result,) = outcomes(*(bytes([0x60 | index]) + part for index, part in enumerate(parts)))
    assert result == Malformed(
        "a message whose fragments have 7, 4, 7, 7, 7, 6 bytes: only the last is short"
    )


def test_all_zeros_are_no_measurement() -> None:
    (result,) = outcomes(*frames_of(bytes(38)))
    assert isinstance(result, Malformed)


def test_an_error_frame_tells_its_code() -> None:
    assert outcomes(ERROR) == [ErrorReport(0x08)]


def test_an_error_within_a_message_drops_it() -> None:
    assert outcomes(*FRAMES[:2], ERROR, *FRAMES[2:]) == [
        Dropped("fragment 0 of 1 came instead of fragment 2 of 6"),
        ErrorReport(0x08),
    ]


@pytest.mark.parametrize(
    "frame", [ERROR[:-1], b"\x10ERRO\x00\x00\x08", b"\x10", b"\x00", b"\x00AB"]
)
def test_half_an_error_is_no_error_and_no_value(frame: bytes) -> None:
    (result,) = outcomes(frame)
    assert isinstance(result, Malformed)


def test_a_frame_without_data_drops_what_had_begun() -> None:
    assert outcomes(b"") == []
    assert outcomes(FRAMES[0], b"", *FRAMES[1:]) == [
        Dropped("a frame without data came instead of fragment 1 of 6")
    ]


a_fragment = st.builds(
    lambda count, index, data: bytes([count << 4 | index]) + data,
    st.sampled_from([6, 6, 6, 1, 5, 7]),
    st.integers(0, 6),
    st.one_of(st.binary(min_size=7, max_size=7), st.binary(min_size=3, max_size=3)),
)
a_message = st.binary(min_size=38, max_size=38).map(frames_of)
frames = st.lists(
    st.one_of(
        st.binary(max_size=8).map(lambda frame: [frame]),
        a_fragment.map(lambda frame: [frame]),
        a_message,
        a_message.map(lambda message: message[:3]),
        st.just([ERROR]),
    ),
    max_size=12,
).map(lambda parts: [frame for part in parts for frame in part])


@fuzz
@given(frames)
def test_whatever_comes_no_value_is_invented(frames: list[bytes]) -> None:
    """Each message that is told is 38 bytes which came in six frames in a row, unchanged."""
    assembler = Assembler()
    for position, frame in enumerate(frames):
        for outcome in assembler.take(frame):
            if isinstance(outcome, Message):
                last = frames[position - 5 : position + 1]
                data = struct.pack("<19H", *outcome.words)
                assert last == frames_of(data)
                assert any(data)
            elif isinstance(outcome, ErrorReport):
                assert frame == b"\x10ERROR" + frame[6:7] + bytes([outcome.code])


@fuzz
@given(st.binary(min_size=38, max_size=38).filter(any), frames)
def test_whatever_came_before_the_next_message_is_told(data: bytes, noise: list[bytes]) -> None:
    assembler = Assembler()
    outcomes(*noise, assembler=assembler)
    result = outcomes(*frames_of(data), assembler=assembler)
    assert result[-1] == Message(struct.unpack("<19H", data))
