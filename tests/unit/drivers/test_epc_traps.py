"""The traps of devices.md §2.7: what the simulated unit does with each, strict and lenient."""

import pytest
from tests.unit.drivers.epc_wire import ERROR, IDLE, Wire

DEAD = "00B: 28 00 01 00"
INTERNAL = "00B: 20 00 00 00"
FRAME_TRAPS = [
    *(f"00{message_id:X}: 00" for message_id in (8, 9, *range(0xA, 0x10))),
    *(f"000:{' 00' * length}" for length in range(8)),
    *(f"001:{' 00' * length}" for length in (0, 2, 8)),
    *(f"007:{' 00' * length}" for length in (0, 5, 7, 8)),
]


def started(**unit: object) -> Wire:
    wire = Wire(**unit)
    wire.wait(5)
    return wire


def traps(wire: Wire) -> list[str]:
    return [one["trap"] for one in wire.of_kind("trap")]


def hot(wire: Wire) -> list[str]:
    """Let the unit sample its temperatures; get what it sent."""
    return wire.wait(1100)


@pytest.mark.parametrize("frame", FRAME_TRAPS)
class TestT1UnknownFrame:
    def test_strict(self, frame: str) -> None:
        wire = started()
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        assert wire.ask(frame) == [DEAD]
        assert not wire.unit.output_on
        assert wire.silent()
        assert traps(wire) == ["T-1"]

    def test_lenient(self, frame: str) -> None:
        wire = started(strictness="lenient")
        assert wire.ask(frame) == []
        assert wire.ask("001: 01") == [IDLE]
        assert traps(wire) == ["T-1"]


class TestT2BusyMailboxes:
    @staticmethod
    def flood(wire: Wire) -> list[str]:
        for _ in range(3):
            wire.tell("001: 00")
        wire.now_ns = 10_050_000
        wire.tell("001: 00")
        return wire.wait(10)

    def test_strict(self) -> None:
        wire = started()
        assert self.flood(wire) == ["00A: 40 00 00 01"] * 3, "no status tells it"
        assert wire.silent()
        assert traps(wire) == ["T-2"]

    def test_lenient(self) -> None:
        wire = started(strictness="lenient")
        assert self.flood(wire) == ["00A: 40 00 00 01"] * 3
        assert wire.ask("001: 01") == [IDLE]
        assert traps(wire) == ["T-2"]


class TestT3HeatWithoutATemperatureBit:
    @pytest.mark.parametrize("sensor", ["body", "anode"])
    @pytest.mark.parametrize("ambient", [True, False])
    def test_strict(self, sensor: str, ambient: bool) -> None:
        wire = started(**{f"{sensor}_sensor": True}, ambient_sensor=ambient)
        wire.break_down(f"{sensor} 70")
        assert [one for one in hot(wire) if one[:3] == "00B"] == [INTERNAL]
        assert wire.silent()
        assert traps(wire) == ["T-3"]

    @pytest.mark.parametrize("sensor", ["body", "anode"])
    def test_lenient(self, sensor: str) -> None:
        wire = started(**{f"{sensor}_sensor": True}, strictness="lenient")
        wire.break_down(f"{sensor} 70")
        assert hot(wire) == ["00B: 10 00 BC 02", ERROR]
        wire.break_down(f"{sensor} off")
        assert hot(wire) == ["00B: 00 00 BC 02", IDLE]
        assert traps(wire) == ["T-3"]

    def test_with_hot_surroundings_it_is_an_error_that_ends(self) -> None:
        wire = started(body_sensor=True, ambient_sensor=True)
        wire.break_down("body 70")
        wire.break_down("ambient 70")
        assert hot(wire) == ["00B: 10 00 BC 02", ERROR]
        wire.break_down("body off")
        wire.break_down("ambient off")
        assert hot(wire) == ["00B: 00 00 BC 02", IDLE]


class TestT4IdleWithEnable:
    FRAME = "000: 09 00 00 00 00 00 00 00"

    def test_strict(self) -> None:
        wire = started()
        assert wire.ask(self.FRAME) == [self.FRAME, INTERNAL]
        assert wire.silent()
        assert traps(wire) == ["T-4"]

    def test_lenient(self) -> None:
        wire = started(strictness="lenient")
        assert wire.ask(self.FRAME)[0] == self.FRAME
        assert not wire.unit.output_on
        assert wire.ask("001: 00") == ["00A: 40 00 00 01"]
        assert traps(wire) == ["T-4"]


@pytest.mark.parametrize(
    ("inverted", "held", "normal"),
    [
        ("003: FC 18 03 E8", "003: 18 FC E8 03", "003: 3C 8C C3 74"),  # -1000 / +1000 mA
        ("005: FF 9C 00 64", "005: 9C FF 64 00", "005: 01 F4 FE 0C"),  # -10 / +10 W
        ("006: FF 9C 00 64", "006: 9C FF 64 00", "006: 02 94 FF 60"),  # -10 / +10 degC
    ],
)
class TestT5InvertedLimits:
    def test_strict(self, inverted: str, held: str, normal: str) -> None:
        wire = started(ambient_sensor=True)
        wire.wait(1100)
        assert wire.ask(inverted)[0] == held
        assert traps(wire) == ["T-5"]
        if inverted.startswith("005"):
            return  # Power limits raise no error (safe operating area).
        assert wire.ask(normal)[-1] == held, "locked"
        assert not wire.unit.dead
        wire.break_down("unpowered on")
        wire.break_down("unpowered off")
        assert wire.wait(1) == [IDLE]
        assert wire.ask(normal)[0] != held

    def test_lenient(self, inverted: str, held: str, normal: str) -> None:
        wire = started(ambient_sensor=True, strictness="lenient")
        wire.wait(1100)
        assert wire.ask(inverted) != [held]
        assert wire.ask("001: 01") == [IDLE]
        assert wire.ask(normal)[0] != held
        assert traps(wire) == ["T-5"]


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
@pytest.mark.parametrize("sign", [1, -1])
def test_t6_the_power_clamp_lets_up_to_999_ma_too_much_through(strictness: str, sign: int) -> None:
    battery = {"soc": 0.62, "resistance_ohm": 1e-4, "polarisation_ohm": 1e-4}
    wire = started(strictness=strictness, battery=battery)
    wire.ask("005: 00 64 FF 9C")  # 10 W
    wire.ask(f"000: 05 00 {(sign * 10_000).to_bytes(2, 'little', signed=True).hex()} FFFFFF7F")
    current = wire.unit.stage.battery.current
    assert wire.unit.stage.battery.voltage == pytest.approx(3.8, abs=0.005)
    assert sign * current == pytest.approx(3.26, abs=0.02)


class TestT7ShortErrors:
    def test_an_error_within_a_slot_is_never_reported_but_ends_the_step(self) -> None:
        wire = started()
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        wire.wait(2)
        wire.break_down("voltage 0.1")
        assert wire.wait(3) == []
        wire.break_down("voltage off")
        assert wire.wait(100) == [IDLE]
        assert wire.ask("001: 02") == ["00B: 00 00 63 00"], "the last value alone tells it"

    def test_a_lost_notification_is_never_retried(self) -> None:
        wire = started()
        wire.ask("000: 05 00 E8 03 14 00 00 00")
        wire.wait(10)
        for _ in range(3):
            wire.tell("001: 02")
        assert len(wire.wait(1000)) == 3
        assert wire.ask("001: 01") == [IDLE]


def test_t8_without_sensors_heat_does_nothing() -> None:
    wire = started(battery={"ambient_degc": 80.0})
    for sensor in ("body", "anode", "ambient"):
        wire.break_down(f"{sensor} 120")
    assert wire.wait(2000) == []
    wire.ask("000: 05 00 E8 03 FF FF FF 7F")
    assert wire.unit.output_on


def test_t9_limits_are_set_big_endian_and_read_back_little_endian() -> None:
    wire = started()
    assert wire.ask("002: 12 5C 03 E8") == ["002: 5C 12 E8 03"]
    assert wire.ask("001: 06") == ["002: 5C 12 E8 03"]
