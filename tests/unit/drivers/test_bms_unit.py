"""The simulated BMS on the wire, in the words of devices.md section 3."""

import struct

import pytest
from tests.unit.drivers.bms_bench import STACK

from bem_drivers.bms.simulator import BmsUnit, BmsUnitSettings
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.simulation.spec import UnitFrame

S = 1_000_000_000


@pytest.fixture
def unit() -> BmsUnit:
    battery = BatteryModel(BatteryModelSettings.model_validate(STACK))
    return BmsUnit(BmsUnitSettings(can_id=0x105), battery, 0)


def message(unit: BmsUnit, number: int = 1) -> list[bytes]:
    """Get the data of the frames that are sent for message ``number`` (from 1)."""
    unit.advance(number * S - 1)
    return [frame.data for frame in unit.advance(number * S + S // 2)]


def test_a_message_is_six_frames_of_its_identifier(unit: BmsUnit) -> None:
    assert unit.advance(S - 1) == []
    frames = unit.advance(2 * S - 1)
    assert {frame.can_id for frame in frames} == {0x105}
    assert [frame.data[0] for frame in frames] == [0x60, 0x61, 0x62, 0x63, 0x64, 0x65]
    assert [len(frame.data) for frame in frames] == [8, 8, 8, 8, 8, 4]


def test_frames_follow_each_other_as_a_bus_lets_them(unit: BmsUnit) -> None:
    assert [frame.data[0] for frame in unit.advance(S)] == [0x60]
    assert unit.next_due_ns() == S + 1_200_000
    assert [frame.data[0] for frame in unit.advance(unit.next_due_ns())] == [0x61]


def test_the_words_are_those_of_the_battery(unit: BmsUnit) -> None:
    data = b"".join(frame[1:] for frame in message(unit))
    words = struct.unpack("<12H H 4h 2H", data)
    battery = BatteryModel(BatteryModelSettings.model_validate(STACK))
    assert words[12] == pytest.approx(battery.voltage * 1000, abs=1)
    assert sum(words[:12]) / 12 == pytest.approx(battery.voltage * 1000 / 12, abs=3)
    assert len(set(words[:12])) > 1
    assert words[13:17] == (250, 250, 250, 250)
    assert words[17:] == (1013, 1014)


def test_frost_is_negative(unit: BmsUnit) -> None:
    unit.break_down("body -10.5", 0)
    data = b"".join(frame[1:] for frame in message(unit))
    assert struct.unpack_from("<h", data, 26) == (-105,)


def test_it_only_sends(unit: BmsUnit) -> None:
    unit.receive(0x105, b"\x00" * 8, 0)
    assert len(message(unit)) == 6


def test_an_error_takes_the_place_of_values(unit: BmsUnit) -> None:
    unit.break_down("error 0x21", 0)
    assert unit.advance(2 * S) == [UnitFrame(0x105, b"\x10ERROR\x00\x21")] * 2
    unit.break_down("error off", 2 * S)
    assert len(message(unit, 3)) == 6


@pytest.mark.parametrize(
    ("order", "indices"),
    [
        ("lost 2", [0, 1, 3, 4, 5]),
        ("repeat 2", [0, 1, 2, 2, 3, 4, 5]),
        ("swap 2", [0, 1, 3, 2, 4, 5]),
        ("silent on", []),
        ("words 18", [0, 1, 2, 3, 4, 5]),
        ("words 52", list(range(15))),
        ("words 0", [0]),
    ],
)
def test_faults_of_a_message(unit: BmsUnit, order: str, indices: list[int]) -> None:
    unit.break_down(order, 0)
    assert [frame[0] & 0xF for frame in message(unit)] == indices


@pytest.mark.parametrize("order", ["lost 2", "error_once 1", "short 1", "zeros on", "words 3"])
def test_what_spoils_a_message_spoils_one(unit: BmsUnit, order: str) -> None:
    good = [len(frame) for frame in message(unit)]
    unit.break_down(order, 2 * S - 1)
    spoiled = message(unit, 2)
    assert [len(frame) for frame in spoiled] != good or not any(spoiled[0][1:])
    assert [len(frame) for frame in message(unit, 3)] == good


def test_a_late_fragment_comes_after_all(unit: BmsUnit) -> None:
    unit.break_down("straggle 700", 0)
    assert len(unit.advance(S + S // 2)) == 5
    assert [frame.data[0] for frame in unit.advance(2 * S - 1)] == [0x65]


@pytest.mark.parametrize(
    "order", ["", "explode", "lost 6", "error 256", "silent maybe", "voltage nan", "straggle x"]
)
def test_an_order_that_is_none_is_refused(unit: BmsUnit, order: str) -> None:
    with pytest.raises(ValueError, match=r"fault|could not convert"):
        unit.break_down(order, 0)
