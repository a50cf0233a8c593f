"""What a unit measures, and the limits and periods that it takes, in the rules of devices.md.

§2.6 "Measurements" is :class:`TestMeasurements`; §2.3 and §2.4 are :class:`TestRegisters`.
"""

from typing import Literal

import pytest
from tests.unit.drivers.epc_wire import CC_1A, Wire, started


@pytest.fixture
def wire() -> Wire:
    return started()


class TestMeasurements:
    @pytest.mark.parametrize(
        ("order", "answer"),
        [
            ("voltage 3.7", (3699, -4, 8000)),
            ("voltage 0.5", (499, -4, 8000)),
            ("voltage 7", (6000, -4, 8000)),
            ("supply 12", (3699, -4, 12000)),
            ("supply 16", (3699, -4, 15000)),
        ],
    )
    def test_one_count_is_1_47_mv_or_3_66_mv_and_ends_at_full_scale(
        self, wire: Wire, order: str, answer: tuple[int, int, int]
    ) -> None:
        wire.break_down(order)
        found = next(one for one in wire.ask("001: 03") if one.startswith("00C"))
        data = bytes.fromhex(found[5:])
        assert (
            int.from_bytes(data[:2], "little"),
            int.from_bytes(data[2:4], "little", signed=True),
            int.from_bytes(data[4:], "little"),
        ) == answer

    def test_one_count_of_the_current_is_8_06_ma(self, wire: Wire) -> None:
        wire.ask(CC_1A)
        read = set()
        for milliamperes in range(1000, 1033):
            wire.break_down(f"current {milliamperes / 1000}")
            wire.wait(10)
            read.add(wire.ask("001: 03")[0][11:16])
        assert len(read) == 5

    @pytest.mark.parametrize(
        ("order", "tenths"),
        [("body 100", 1000), ("body 200", 1299), ("body -60", -450), ("body -5.01", -51)],
    )
    def test_the_body_sensor_tells_minus_45_to_129_9(self, order: str, tenths: int) -> None:
        wire = started(body_sensor=True, strictness="lenient")
        wire.break_down(order)
        wire.wait(1100)
        data = bytes.fromhex(wire.ask("001: 04")[0][5:])
        assert int.from_bytes(data[:2], "little", signed=True) == tenths

    @pytest.mark.parametrize(("degrees", "tenths"), [(100, 748), (32.1, 321), (-30, -171)])
    def test_a_thermistor_tells_minus_17_1_to_74_8(self, degrees: float, tenths: int) -> None:
        wire = started(ambient_sensor=True)
        wire.break_down(f"ambient {degrees}")
        wire.wait(1100)
        data = bytes.fromhex(wire.ask("001: 04")[0][5:])
        assert int.from_bytes(data[4:], "little", signed=True) == tenths

    def test_absent_sensors_tell_0(self, wire: Wire) -> None:
        wire.wait(1100)
        assert wire.ask("001: 04") == ["00D: 00 00 00 00 00 00"]


class TestRegisters:
    """§2.3 and §2.4: absolute ranges, order, and the periods of PERIODIC."""

    @pytest.mark.parametrize(
        ("register", "lowest", "highest"),
        [
            (2, 400, 5100),
            (3, -15500, 15500),
            (4, 5300, 14100),
            (5, -800, 800),
            (6, -200, 700),
        ],
    )
    def test_the_absolute_range_and_nothing_beyond(
        self, register: int, lowest: int, highest: int
    ) -> None:
        signed = lowest < 0

        def limits(low: int, high: int, order: Literal["big", "little"]) -> str:
            fields = [one.to_bytes(2, order, signed=signed) for one in (high, low)]
            return f"00{register}: {b''.join(fields).hex(' ').upper()}"

        wire = started()
        assert wire.ask(limits(lowest, highest, "big")) == [limits(lowest, highest, "little")]
        for low, high in ((lowest - 1, highest), (lowest, highest + 1), (highest, lowest)):
            if not (high < 0 < low):
                held = limits(lowest, highest, "little")
                assert wire.ask(limits(low, high, "big"))[0] == held

    def test_equal_limits_are_refused(self, wire: Wire) -> None:
        assert wire.ask("002: 0E 74 0E 74") == ["002: EC 13 90 01"]

    def test_periods_at_power_on(self, wire: Wire) -> None:
        assert wire.ask("007: 15 00 12 00 12 00")[0] == "007: 15 00 12 00 12 00"

    @pytest.mark.parametrize("frame", ["13 00 14 00 14 00", "14 00 14 00 13 00"])
    def test_an_enabled_period_below_10_units_is_refused(self, wire: Wire, frame: str) -> None:
        assert wire.ask(f"007: {frame}") == ["007: 14 00 14 00 14 00"]

    def test_requests_beyond_the_table_are_ignored(self, wire: Wire) -> None:
        for kind in (0x0B, 0x7F, 0xFF):
            assert wire.ask(f"001: {kind:02X}") == []

    def test_frames_for_others_pass_by(self, wire: Wire) -> None:
        for frame in ("013: 00", "7F1: 00", "101: 00"):
            assert wire.ask(frame) == []
