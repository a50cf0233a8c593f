"""Every recorded frame of devices.md §2.5, in its order and as it stands there."""

import pytest
from tests.unit.drivers.epc_wire import ERROR, IDLE, Wire

VECTORS = [
    # `001: 00` -> `00A: 40 00 00 01`
    ("001: 00", ["00A: 40 00 00 01"]),
    # `001: 01`
    ("001: 01", ["000: 08 00 00 00 00 00 00 00"]),
    # `001: 02`
    ("001: 02", ["00B: 00 00 00 00"]),
    # `001: 03` (3699 mV, -4 mA, 8000 mV)
    ("001: 03", ["00C: 73 0E FC FF 40 1F"]),
    # `001: 04`
    ("001: 04", ["00D: 00 00 00 00 00 00"]),
    # `001: 05` -> nothing
    ("001: 05", []),
    # `001: 06..0A`
    ("001: 06", ["002: EC 13 90 01"]),
    ("001: 07", ["003: 8C 3C 74 C3"]),
    ("001: 08", ["004: 14 37 B4 14"]),
    ("001: 09", ["005: F4 01 0C FE"]),
    ("001: 0A", ["006: 94 02 60 FF"]),
    # `002: 12 5C 03 E8` (4700/1000 BE) accepted
    ("002: 12 5C 03 E8", ["002: 5C 12 E8 03"]),
    # `002: 5C 12 E8 03` (a little-endian set) refused, unchanged
    ("002: 5C 12 E8 03", ["002: EC 13 90 01"]),
    # `003: 11 94 E2 B4` / `005: 01 90 FC E0` / `006: 01 C2 FF 9C`
    ("003: 11 94 E2 B4", ["003: 94 11 B4 E2"]),
    ("005: 01 90 FC E0", ["005: 90 01 E0 FC"]),
    ("006: 01 C2 FF 9C", ["006: C2 01 9C FF"]),
    # `000: 01 00 00 00 01 00 00 00` (WAIT with enable) -> echo of the old consign, refused
    ("000: 01 00 00 00 01 00 00 00", [IDLE]),
    # `000: 37 00 CE FF 00 00 00 00` (CP limited by power) refused
    ("000: 37 00 CE FF 00 00 00 00", [IDLE]),
    # `000: 09 00 ...` (IDLE with enable=1) -> echo, then dead (T-4)
    (
        "000: 09 00 00 00 00 00 00 00",
        ["000: 09 00 00 00 00 00 00 00", "00B: 20 00 00 00"],
    ),
    # `007: 14 00 0B 00 0B 00` (electric on, period 5) refused
    ("007: 14 00 0B 00 0B 00", ["007: 14 00 14 00 14 00"]),
    # `008: 00`, or MODE with DLC 4, or REQUEST with DLC 2 -> dead (T-1)
    ("008: 00", ["00B: 28 00 01 00"]),
    ("000: 05 00 E8 03", ["00B: 28 00 01 00"]),
    ("001: 00 00", ["00B: 28 00 01 00"]),
    # limits frame with DLC other than 4: ignored silently
    ("002: 12 5C 03", []),
    ("003: 11 94 E2 B4 00", []),
    ("004:", []),
    ("005: 01 90", []),
    ("006: 01 C2 FF 9C 00 00 00 00", []),
]


@pytest.fixture
def wire() -> Wire:
    """Get a unit that has started, at a cell of 3.7 V."""
    wire = Wire()
    wire.wait(5)
    return wire


@pytest.mark.parametrize(("frame", "answers"), VECTORS, ids=[frame for frame, _ in VECTORS])
def test_answer(wire: Wire, frame: str, answers: list[str]) -> None:
    assert wire.ask(frame) == answers


def test_boot_all_ok_within_0_4_ms() -> None:
    assert Wire().wait(0.4) == [IDLE]


def test_boot_without_cell_at_0_1_v() -> None:
    wire = Wire()
    wire.break_down("voltage 0.1")
    assert wire.wait(0.4) == ["00B: 02 00 63 00", ERROR]


def test_boot_with_5_v_on_the_high_side() -> None:
    assert Wire(supply_voltage=5.0).wait(0.4) == ["00B: 01 00 88 13", ERROR]


def test_info_of_id_0x13() -> None:
    wire = Wire(device_id=0x13)
    wire.wait(5)
    assert wire.ask("131: 00") == ["13A: 53 00 00 01"]


def test_cc_1_a_for_200_ms_echo_then_notification_then_idle(wire: Wire) -> None:
    step = "000: 05 00 E8 03 C8 00 00 00"
    assert wire.ask(step) == [step, step]
    assert wire.unit.output_on
    assert wire.wait(190) == []
    assert wire.wait(10) == [IDLE]
    assert not wire.unit.output_on


def test_disable_of_the_old_driver_idle_10_ms_later(wire: Wire) -> None:
    frame = "000: 00 00 00 00 01 00 00 00"
    assert wire.ask(frame) == [frame, frame]
    assert wire.wait(10) == [IDLE]
