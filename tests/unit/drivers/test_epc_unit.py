"""The simulated EPC against frames recorded from firmware 1.0.0, and its traps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings

MS = 1_000_000
IDLE = "000: 08 00 00 00 00 00 00 00"
ERROR = "000: 0A 00 00 00 00 00 00 00"
BARE = {"device_id": 0, "body_sensor": False}


class Wire:
    """A host at one unit: sends frames, returns what comes back as text."""

    def __init__(self, **settings: object) -> None:
        self.now_ns = 0
        self.unit = EpcUnit(EpcUnitSettings.model_validate(BARE | settings), 0)

    def wait(self, ms: float) -> list[str]:
        """Let time pass; get the frames that the unit sent."""
        self.now_ns += round(ms * MS)
        return [
            f"{frame.can_id:03X}: {frame.data.hex(' ').upper()}"
            for frame in self.unit.advance(self.now_ns)
        ]

    def tell(self, text: str) -> None:
        """Put a frame on the bus, such as ``001: 03``."""
        can_id, _, data = text.partition(":")
        self.unit.receive(int(can_id, 16), bytes.fromhex(data), self.now_ns)

    def ask(self, text: str, ms: float = 10) -> list[str]:
        """Send a frame; get what came within ``ms``."""
        self.tell(text)
        return self.wait(ms)

    def silent(self) -> bool:
        """Whether the unit answers nothing any more."""
        return self.unit.dead and self.ask("001: 00", 50) == []


@pytest.fixture
def wire() -> Wire:
    """Get a unit that has started, at a cell of 3.7 V."""
    wire = Wire()
    wire.wait(5)
    return wire


def test_boot_all_ok() -> None:
    assert Wire().wait(0.4) == [IDLE]


def test_boot_without_cell() -> None:
    wire = Wire()
    wire.unit.stage.cell_connected = False
    assert wire.wait(10) == ["00B: 02 00 00 00", ERROR]


def test_boot_with_a_low_supply() -> None:
    assert Wire(supply_voltage=5.0).wait(10) == ["00B: 01 00 88 13", ERROR]


@pytest.mark.parametrize(
    ("frame", "answers"),
    [
        ("001: 00", ["00A: 40 00 00 01"]),
        ("001: 01", [IDLE]),
        ("001: 02", ["00B: 00 00 00 00"]),
        ("001: 03", ["00C: 73 0E FC FF 40 1F"]),
        ("001: 04", ["00D: 00 00 00 00 00 00"]),
        ("001: 05", []),
        ("001: 06", ["002: EC 13 90 01"]),
        ("001: 07", ["003: 8C 3C 74 C3"]),
        ("001: 08", ["004: 14 37 B4 14"]),
        ("001: 09", ["005: F4 01 0C FE"]),
        ("001: 0A", ["006: 94 02 60 FF"]),
        ("001: 0B", []),
        ("002: 12 5C 03 E8", ["002: 5C 12 E8 03"]),
        ("002: 5C 12 E8 03", ["002: EC 13 90 01"]),
        ("003: 11 94 E2 B4", ["003: 94 11 B4 E2"]),
        ("005: 01 90 FC E0", ["005: 90 01 E0 FC"]),
        ("006: 01 C2 FF 9C", ["006: C2 01 9C FF"]),
        ("000: 01 00 00 00 01 00 00 00", [IDLE]),
        ("000: 37 00 CE FF 00 00 00 00", [IDLE]),
        ("007: 14 00 14 00 14 00", ["007: 14 00 14 00 14 00"]),
        ("007: 14 00 0B 00 0B 00", ["007: 14 00 14 00 14 00"]),
        ("002: 12 5C 03", []),
        ("013: 00", []),
    ],
)
def test_recorded_answers(wire: Wire, frame: str, answers: list[str]) -> None:
    assert wire.ask(frame) == answers


def test_recorded_answer_of_another_id() -> None:
    wire = Wire(device_id=0x13)
    wire.wait(5)
    assert wire.ask("131: 00") == ["13A: 53 00 00 01"]


def test_recorded_step_with_a_time_limit(wire: Wire) -> None:
    step = "000: 05 00 E8 03 C8 00 00 00"
    assert wire.ask(step) == [step, step]
    assert wire.unit.output_on
    assert wire.wait(195) == []
    assert wire.wait(5) == [IDLE]
    assert not wire.unit.output_on


def test_recorded_disable_of_the_old_driver(wire: Wire) -> None:
    frame = "000: 00 00 00 00 01 00 00 00"
    assert wire.ask(frame) == [frame, frame]
    assert wire.wait(10) == [IDLE]


@pytest.mark.parametrize("frame", ["008: 00", "00F:", "000: 08 00 00 00", "001: 00 00"])
def test_a_malformed_frame_kills_it(wire: Wire, frame: str) -> None:
    assert wire.ask(frame) == ["00B: 28 00 01 00"]
    assert wire.silent()


def test_idle_with_enable_kills_it(wire: Wire) -> None:
    frame = "000: 09 00 00 00 00 00 00 00"
    assert wire.ask(frame) == [frame, "00B: 20 00 00 00"]
    assert wire.silent()


def test_inverted_signed_limits_are_taken_and_lock_it(wire: Wire) -> None:
    assert wire.ask("003: FC 18 03 E8")[0] == "003: 18 FC E8 03"
    assert wire.unit.output_on is False
    assert wire.ask("003: 3C 8C C3 74")[-1] == "003: 18 FC E8 03"


def test_power_clamp_counts_the_part_below_an_ampere_twice() -> None:
    wire = Wire(battery={"soc": 0.5, "resistance_ohm": 0.001, "polarisation_ohm": 0.001})
    wire.wait(5)
    wire.ask("005: 00 64 FF 9C")
    wire.ask("000: 05 00 10 27 FF FF FF 7F")
    clamp = 10.0 / 3.7
    assert wire.unit.stage.battery.current == pytest.approx(clamp + clamp % 1, abs=0.02)


def test_a_step_whose_limit_is_met_already_shows_its_echo_alone(wire: Wire) -> None:
    step = "000: 15 00 E8 03 B8 0B 00 00"
    assert wire.ask(step) == [step]
    assert wire.ask("001: 01") == [IDLE]


def test_the_same_frame_again_does_not_restart_the_step(wire: Wire) -> None:
    step = "000: 05 00 E8 03 C8 00 00 00"
    wire.ask(step)
    wire.wait(140)
    assert wire.ask(step) == [step]
    assert wire.wait(60)[-1] == IDLE
    assert wire.ask(step) == [step]
    assert not wire.unit.output_on


def test_a_step_without_enable_carries_no_power_and_ends(wire: Wire) -> None:
    step = "000: 04 00 E8 03 32 00 00 00"
    assert wire.ask(step) == [step, step]
    assert not wire.unit.output_on
    assert wire.wait(60) == [IDLE]


def test_current_limits_are_blind_for_their_first_100_ms(wire: Wire) -> None:
    # CV at 3.7 V (no current) until the current is below 1 A.
    wire.ask("000: 23 00 74 0E E8 03 00 00")
    assert wire.wait(80) == []
    assert wire.unit.output_on
    assert wire.wait(30) == [IDLE]


def test_references_beyond_the_present_limits_are_refused(wire: Wire) -> None:
    cp_60_w = "000: 07 00 58 02 FF FF 00 00"
    assert wire.ask(cp_60_w) == [IDLE]
    wire.ask("005: 03 20 FC E0")
    assert wire.ask(cp_60_w)[0] == cp_60_w


def test_over_current_leaves_no_status(wire: Wire) -> None:
    wire.ask("000: 05 00 E8 03 FF FF FF 00")
    assert wire.ask("003: 00 64 FF 9C", 25) == ["003: 64 00 9C FF", IDLE]
    status = wire.ask("001: 02")[0]
    assert status.startswith("00B: 00 00")
    assert status != "00B: 00 00 00 00"


def test_voltage_errors_go_when_the_voltage_comes_back(wire: Wire) -> None:
    wire.unit.stage.cell_connected = False
    assert wire.wait(100) == ["00B: 02 00 00 00", ERROR]
    assert wire.ask("000: 05 00 E8 03 C8 00 00 00") == [IDLE], "the consign of before"
    assert wire.ask("002: 12 5C 03 E8") == ["002: EC 13 90 01"], "limits are locked"
    wire.unit.stage.cell_connected = True
    assert wire.wait(100) == ["00B: 00 00 00 00", IDLE]


class TestSupervision:
    """The watchdog on the host's heartbeat, counted in 5 ms."""

    def test_it_trips_after_its_period(self, wire: Wire) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")  # 20 x 5 ms
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        assert wire.unit.output_on
        wire.wait(50)
        assert wire.unit.output_on
        assert [one[:7] for one in wire.wait(50)] == ["00B: 08", "000: 0A"]
        assert not wire.unit.output_on

    def test_heartbeats_hold_it_off(self, wire: Wire) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        for _ in range(50):
            wire.ask("001: 05", 50)
        assert wire.unit.output_on

    def test_enabling_it_late_trips_at_once(self, wire: Wire) -> None:
        wire.wait(500)
        answers = wire.ask("007: 29 00 14 00 14 00")
        assert [one[:7] for one in answers] == ["007: 29", "00B: 08", "000: 0A"]

    def test_the_command_that_ends_the_error_is_dropped(self, wire: Wire) -> None:
        self.test_enabling_it_late_trips_at_once(wire)
        step = "000: 05 00 E8 03 FF FF FF 7F"
        echo, status, mode = wire.ask(step)
        assert (echo, status[:7], mode) == (step, "00B: 00", IDLE)
        assert not wire.unit.output_on

    def test_a_request_ends_the_error(self, wire: Wire) -> None:
        self.test_enabling_it_late_trips_at_once(wire)
        assert wire.ask("001: 01")[-1] == IDLE
        step = "000: 05 00 E8 03 FF FF FF 7F"
        assert wire.ask(step)[0] == step
        assert wire.unit.output_on


class TestMailboxesAndFifo:
    """Three frames in, three frames out, every 10 ms."""

    def test_the_newest_of_four_frames_overwrites(self, wire: Wire) -> None:
        for kind in ("00", "01", "02", "03"):
            wire.tell(f"001: {kind}")
        assert [one[:3] for one in wire.wait(10)] == ["00A", "000", "00C"]

    def test_a_fourth_answer_in_the_same_slot_kills_it(self, wire: Wire) -> None:
        for _ in range(3):
            wire.tell("001: 00")
        wire.now_ns = 10 * MS + 50_000  # between the two looks at the FIFO
        wire.tell("001: 00")
        assert [one[:3] for one in wire.wait(10)] == ["00A", "00A", "00A"]
        assert wire.silent()

    def test_three_answers_lose_the_news_of_a_step_end(self, wire: Wire) -> None:
        wire.ask("000: 05 00 E8 03 14 00 00 00")
        wire.wait(10)
        for _ in range(3):
            wire.tell("001: 02")
        assert [one[:3] for one in wire.wait(10)] == ["00B", "00B", "00B"]
        assert wire.wait(100) == []
        assert wire.ask("001: 01") == [IDLE]

    def test_three_answers_and_a_periodic_frame_end_the_step(self, wire: Wire) -> None:
        wire.ask("007: 14 00 15 00 14 00")  # electric each 100 ms
        wire.ask("000: 05 00 E8 03 FF FF FF 7F")
        assert wire.unit.output_on
        for _ in range(12):
            for _ in range(3):
                wire.tell("001: 02")
            wire.wait(10)
        assert not wire.unit.output_on


def test_periodic_measures_come_by_themselves(wire: Wire) -> None:
    wire.ask("007: 14 00 15 00 15 00")
    assert sorted({one[:3] for one in wire.wait(1000)}) == ["00C", "00D"]


def test_a_hot_body_kills_it_without_a_temperature_bit() -> None:
    wire = Wire(body_sensor=True, battery={"ambient_degc": 80.0})
    assert [one for one in wire.wait(1100) if one[:3] == "00B"] == ["00B: 20 00 00 00"]
    assert wire.unit.dead


def test_hot_surroundings_are_an_error_that_ends() -> None:
    wire = Wire(ambient_sensor=True, battery={"ambient_degc": 70.0})
    assert [one[:7] for one in wire.wait(1100)[-2:]] == ["00B: 10", "000: 0A"]
    assert not wire.unit.dead


def test_without_sensors_heat_does_nothing() -> None:
    wire = Wire(battery={"ambient_degc": 80.0})
    assert wire.wait(2000) == [IDLE]


def test_temperatures_are_zero_for_a_second_after_boot() -> None:
    wire = Wire(body_sensor=True)
    wire.wait(500)
    assert wire.ask("001: 04") == ["00D: 00 00 00 00 00 00"]
    wire.wait(600)
    assert wire.ask("001: 04") == ["00D: FA 00 00 00 00 00"]


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
