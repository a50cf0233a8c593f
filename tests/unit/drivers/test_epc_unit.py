"""The simulated EPC as a part of a bench: its battery, its faults on demand, its spoiled frames."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.drivers.epc_wire import IDLE, Wire


@pytest.fixture
def wire() -> Wire:
    """Get a unit that has started, at a cell of 3.7 V."""
    wire = Wire()
    wire.wait(5)
    return wire


def test_speed_is_the_batterys_alone() -> None:
    slow, fast = Wire(speed=1), Wire(speed=100)
    for wire in (slow, fast):
        wire.wait(5)
        wire.ask("000: 05 00 C4 09 88 13 00 00")  # CC 2.5 A for 5 s
        wire.wait(5100)
        assert not wire.unit.output_on
    charged = [wire.unit.stage.battery.state_of_charge - 0.5 for wire in (slow, fast)]
    assert charged == pytest.approx([5 / 3600, 500 / 3600], rel=0.01)


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=12))
def test_no_command_moves_the_battery_beyond_the_limits(commands: list[bytes]) -> None:
    wire = Wire()
    wire.wait(5)
    for data in commands:
        wire.ask(f"000: {data.hex()}", 20)
        assert -15.6 <= wire.unit.stage.battery.current <= 15.6
        assert wire.unit.output_on <= (not wire.unit.dead)


@pytest.mark.parametrize("advance", [1, 7, 50, 400])
def test_how_often_it_is_looked_at_changes_nothing(advance: int) -> None:
    wire = Wire()
    frames = wire.wait(5) + wire.ask("000: 05 00 E8 03 96 00 00 00", 0)
    passed = 0
    while passed < 800:
        frames += wire.wait(advance)
        passed += advance
    step = "000: 05 00 E8 03 96 00 00 00"
    assert frames == [IDLE, step, step, IDLE]
    assert wire.unit.stage.battery.state_of_charge == pytest.approx(0.5 + 0.15 / 9000, abs=1e-9)


class TestFaults:
    """Words that break a unit while it runs."""

    def test_noise_moves_readings_and_a_seed_repeats_it(self) -> None:
        def readings(seed: int) -> list[str]:
            wire = Wire(sensors={name: {"seed": seed} for name in ("voltage", "current")})
            wire.wait(5)
            wire.break_down("noise 0.01")
            return [wire.ask("001: 03")[0] for _ in range(20)]

        assert len(set(readings(1))) > 10
        assert readings(1) == readings(1) != readings(2)

    def test_drift_moves_the_voltage_and_off_brings_it_back(self, wire: Wire) -> None:
        wire.break_down("drift voltage 36")
        wire.wait(10_000)
        assert read_mv(wire) == pytest.approx(3800, abs=3)
        wire.break_down("drift off")
        wire.wait(100)
        assert read_mv(wire) == 3699

    def test_frozen_measures_stay_also_where_they_come_by_themselves(self, wire: Wire) -> None:
        before = wire.ask("001: 03")
        wire.break_down("frozen on")
        wire.ask("007: 14 00 15 00 14 00")
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        assert wire.ask("001: 03") == before
        assert set(wire.wait(1000)) == set(before)
        wire.break_down("frozen off")
        assert wire.ask("001: 03") != before

    def test_silence_is_about_measures_alone(self, wire: Wire) -> None:
        wire.break_down("silent on")
        assert wire.ask("001: 03") == []
        assert wire.ask("001: 01") == [IDLE]

    def test_a_lost_supply_switches_off_and_comes_back(self, wire: Wire) -> None:
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        wire.break_down("supply 0")
        assert wire.wait(20) == ["00B: 01 00 00 00", "000: 0A 00 00 00 00 00 00 00"]
        wire.break_down("supply off")
        assert wire.wait(20) == ["00B: 00 00 00 00", IDLE]

    def test_a_unit_without_power_forgets_everything(self, wire: Wire) -> None:
        wire.ask("002: 12 5C 03 E8")
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        wire.break_down("unpowered on")
        assert not wire.unit.output_on
        assert wire.ask("001: 01", 1000) == []
        wire.break_down("unpowered off")
        assert wire.wait(0.4) == [IDLE]
        assert wire.ask("001: 06") == ["002: EC 13 90 01"]

    @pytest.mark.parametrize(
        ("order", "answers"),
        [
            ("drop 1", [[], ["00A: 40 00 00 01"]]),
            ("double 1", [["00A: 40 00 00 01"] * 2, ["00A: 40 00 00 01"]]),
            ("half 1", [["00A: 40 00"], ["00A: 40 00 00 01"]]),
            ("wrong FFFF", [["00A: FF FF"], ["00A: 40 00 00 01"]]),
            ("wrong", [["00A: "], ["00A: 40 00 00 01"]]),
            ("late 8", [[], ["00A: 40 00 00 01"]]),
        ],
    )
    def test_spoiled_frames(self, wire: Wire, order: str, answers: list[list[str]]) -> None:
        wire.break_down(order)
        assert [wire.ask("001: 00") for _ in range(2)] == answers

    def test_garbage_is_as_long_as_what_it_replaces(self, wire: Wire) -> None:
        wire.break_down("garbage 1")
        garbage, truth = wire.ask("001: 03")[0], wire.ask("001: 03")[0]
        assert garbage != truth
        assert len(garbage) == len(truth)

    def test_off_ends_what_is_left(self, wire: Wire) -> None:
        for name in ("drop", "double", "garbage", "half", "late"):
            wire.break_down(f"{name} 100")
            wire.break_down(f"{name} off")
        wire.break_down("wrong 00")
        wire.break_down("wrong off")
        assert wire.ask("001: 00") == ["00A: 40 00 00 01"]

    @pytest.mark.parametrize(
        ("order", "says"),
        [
            ("fire on", "no fault 'fire' of an EPC; there are: voltage .*unplug.*noise.*late"),
            ("", "no fault ''"),
            ("voltage nan", "'voltage' takes a number or 'off', not 'nan'"),
            ("voltage high", "'voltage' takes a number or 'off', not 'high'"),
            ("frozen 1", "'frozen' is 'on' or 'off', not '1'"),
            ("drop -1", "'drop' takes a whole number .* not '-1'"),
            ("late 1.5", "'late' takes a whole number .* not '1.5'"),
            ("wrong 112233445566778899", "at most 8 bytes"),
            ("wrong xyz", "at most 8 bytes in hex"),
        ],
    )
    def test_what_is_no_fault_is_told(self, wire: Wire, order: str, says: str) -> None:
        with pytest.raises(ValueError, match=says):
            wire.break_down(order)
        assert wire.of_kind("fault") == []

    @given(st.text())
    def test_any_text_is_obeyed_or_refused(self, order: str) -> None:
        wire = Wire()
        with contextlib.suppress(ValueError):
            wire.break_down(order)
        wire.wait(10)


def read_mv(wire: Wire) -> int:
    return int.from_bytes(bytes.fromhex(wire.ask("001: 03")[0][5:10]), "little")
