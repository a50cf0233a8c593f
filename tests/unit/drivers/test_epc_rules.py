"""Every rule of devices.md §2.3, §2.4 and §2.6 that shows on the wire, paragraph by paragraph.

| paragraph of §2.6 | tests |
|---|---|
| Scheduling | :class:`TestScheduling` |
| Measurements | :class:`TestMeasurements` |
| MODE command acceptance | :class:`TestAcceptance` |
| Step limit semantics | :class:`TestStepLimits` |
| Safe operating area, Control | :class:`TestSafeOperatingArea` |
| Errors | :class:`TestErrors` |
| Heartbeat supervision | :class:`TestHeartbeat` |
| CAN loss | :class:`TestCanLoss` |
| Host pacing constraints | :class:`TestPacing` |
| A step whose limit is already met | :class:`TestStepLimits` |

§2.3 and §2.4 (registers, periods) are in :class:`TestRegisters`. Not simulated, for it does not
show on the wire or happens only by accident: LEDs, the watchdog of the processor, the median
filter (faster than a slot), the rise of the current within a few ms, a slot skipped by an overrun.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.drivers.epc_wire import ERROR, IDLE, MS, Wire

FOREVER = "FF FF FF FF"
CC_1A = f"000: 05 00 E8 03 {FOREVER}"


def started(**unit: object) -> Wire:
    """Get a unit that has started, at a cell of 3.7 V."""
    wire = Wire(**unit)
    wire.wait(5)
    return wire


@pytest.fixture
def wire() -> Wire:
    return started()


def mode(first: int, reference: int, limit: int) -> str:
    """Write a MODE frame from its first byte, its reference and its limit."""
    data = bytes([first, 0]) + reference.to_bytes(2, "little", signed=True)
    return f"000: {(data + (limit & 0xFFFFFFFF).to_bytes(4, 'little')).hex(' ').upper()}"


def ids(frames: list[str]) -> list[str]:
    return [frame[:3] for frame in frames]


class TestScheduling:
    @pytest.mark.parametrize("phase_ms", [0.0, 0.05, 0.15, 0.3, 1.0, 5.0, 9.5, 9.99])
    def test_an_answer_takes_0_to_10_ms(self, wire: Wire, phase_ms: float) -> None:
        wire.wait(15 + phase_ms)
        wire.tell("001: 00")
        assert wire.wait(10.4) == ["00A: 40 00 00 01"]

    def test_both_polls_of_a_slot_take_all_that_is_there(self, wire: Wire) -> None:
        wire.tell("001: 00")
        wire.now_ns = 10 * MS + 50_000
        wire.tell("001: 02")
        assert ids(wire.wait(1)) == ["00A", "00B"]

    def test_a_frame_behind_the_polls_waits_for_the_next_slot(self, wire: Wire) -> None:
        wire.wait(5.15)
        assert wire.ask("001: 00", 9) == []
        assert ids(wire.wait(1.25)) == ["00A"]

    def test_status_on_change_comes_before_the_mode_within_10_ms(self, wire: Wire) -> None:
        wire.break_down("supply 5")
        assert wire.wait(10.4) == ["00B: 01 00 88 13", ERROR]

    def test_temperatures_are_sampled_each_second_from_1_s_on(self) -> None:
        wire = started(body_sensor=True)
        wire.wait(900)
        assert wire.ask("001: 04") == ["00D: 00 00 00 00 00 00"]
        wire.wait(200)
        assert wire.ask("001: 04") == ["00D: FA 00 00 00 00 00"]
        wire.break_down("body 30")
        assert wire.ask("001: 04") == ["00D: FA 00 00 00 00 00"]
        wire.wait(1000)
        assert wire.ask("001: 04") == ["00D: 2C 01 00 00 00 00"]

    def test_periodic_measures_come_by_themselves(self, wire: Wire) -> None:
        wire.ask("007: 14 00 15 00 29 00")  # electric each 100 ms, temperatures each 200 ms
        sent = ids(wire.wait(1000))
        assert (sent.count("00C"), sent.count("00D")) == (10, 5)

    @settings(max_examples=30)
    @given(st.lists(st.integers(1, 200), max_size=10))
    def test_how_often_it_is_looked_at_changes_nothing(self, steps: list[int]) -> None:
        def live(parts: list[int]) -> list[str]:
            wire = started()
            wire.tell(mode(0x05, 1000, 150))
            return [frame for part in parts for frame in wire.wait(part)]

        assert live(steps) == live([sum(steps)])


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


ACCEPTED = [
    ("WAIT/TIME", mode(0x00, 0, 1000)),
    ("WAIT with a limit of voltage (1.0.0)", mode(0x10, 0, 4000)),
    ("CV/TIME", mode(0x03, 4000, 1000)),
    ("CV/CURR", mode(0x23, 4000, 100)),
    ("CV/PWR", mode(0x33, 4000, 10)),
    ("CC/TIME", mode(0x05, 1000, 1000)),
    ("CC/VOLT", mode(0x15, 1000, 4200)),
    ("CC/PWR", mode(0x35, 1000, 400)),
    ("CP/TIME", mode(0x07, 40, 1000)),
    ("CP/VOLT", mode(0x17, 40, 4200)),
    ("CP/CURR", mode(0x27, 40, 100)),
    ("IDLE", mode(0x08, 0, 1)),
    ("CC at its highest reference", mode(0x05, 15500, 1000)),
    ("CC at its lowest reference", mode(0x05, -15500, 1000)),
    ("CP at its power-on limit", mode(0x07, -500, 1000)),
    ("enable=0 with CC", mode(0x04, 1000, 1000)),
    ("enable=0 with CV", mode(0x02, 4000, 1000)),
    ("enable=0 with CP", mode(0x06, 40, 1000)),
]
REFUSED = [
    ("mode 5", mode(0x0A, 0, 1000)),
    ("mode 6", mode(0x0C, 0, 1000)),
    ("mode 7", mode(0x0E, 0, 1000)),
    ("WAIT with enable", mode(0x01, 0, 1000)),
    ("CC above its limit", mode(0x05, 15501, 1000)),
    ("CC below its limit", mode(0x05, -15501, 1000)),
    ("CV above its limit", mode(0x03, 5101, 1000)),
    ("CV below its limit", mode(0x03, 399, 1000)),
    ("CP above its power-on limit", mode(0x07, 501, 1000)),
    ("CV limited by voltage", mode(0x13, 4000, 4000)),
    ("CC limited by current", mode(0x25, 1000, 1000)),
    ("CP limited by power", mode(0x37, 40, 40)),
    ("limit reference beyond voltage limits", mode(0x15, 1000, 5101)),
    ("limit reference beyond current limits", mode(0x23, 4000, 15501)),
    ("limit reference beyond power limits", mode(0x33, 4000, -501)),
    *((f"limit type {kind}", mode(kind << 4 | 5, 1000, 1000)) for kind in range(4, 8)),
]


class TestAcceptance:
    @pytest.mark.parametrize("frame", [one for _, one in ACCEPTED], ids=[n for n, _ in ACCEPTED])
    def test_taken_and_echoed(self, wire: Wire, frame: str) -> None:
        assert wire.ask(frame)[0] == frame
        assert wire.of_kind("command")[-1]["accepted"]

    @pytest.mark.parametrize("frame", [one for _, one in REFUSED], ids=[n for n, _ in REFUSED])
    def test_refused_with_the_consign_of_before(self, wire: Wire, frame: str) -> None:
        before = mode(0x05, 500, 60_000)
        wire.ask(before)
        assert wire.ask(frame) == [before]
        assert not wire.of_kind("command")[-1]["accepted"]
        assert wire.unit.output_on

    @pytest.mark.parametrize("order", ["supply 5", "voltage 0.1"])
    def test_refused_in_an_error_of_voltage(self, wire: Wire, order: str) -> None:
        wire.break_down(order)
        wire.wait(20)
        assert wire.ask(CC_1A) == [IDLE]

    def test_refused_in_an_error_of_temperature(self) -> None:
        wire = started(ambient_sensor=True)
        wire.break_down("ambient 70")
        wire.wait(1100)
        assert wire.ask(CC_1A) == [IDLE]

    def test_refused_in_an_error_of_current(self, wire: Wire) -> None:
        wire.ask("003: FC 18 03 E8")  # inverted limits keep it in this error (T-5)
        assert wire.ask("001: 02")[0].startswith("00B: 04")
        assert wire.ask(CC_1A) == [IDLE]

    def test_wait_that_no_time_ends_never_ends_in_1_0_0(self, wire: Wire) -> None:
        wait = mode(0x10, 0, 4000)
        assert wire.ask(wait) == [wait, wait]
        assert wire.wait(20_000) == []
        assert wire.ask("001: 01") == [wait]

    @pytest.mark.parametrize("kind", [1, 2, 3])
    def test_wait_that_no_time_ends_is_refused_in_1_0_1(self, kind: int) -> None:
        wire = started(firmware="1.0.1")
        assert wire.ask(mode(kind << 4, 0, 400)) == [IDLE]
        taken = mode(0x00, 0, 1000)
        assert wire.ask(taken)[0] == taken

    def test_an_identical_frame_does_not_restart_the_step(self, wire: Wire) -> None:
        step = mode(0x05, 1000, 200)
        wire.ask(step)
        wire.wait(140)
        assert wire.ask(step) == [step]
        assert wire.wait(60)[-1] == IDLE
        assert wire.ask(step) == [step]
        assert not wire.unit.output_on

    def test_a_differing_frame_restarts_the_step(self, wire: Wire) -> None:
        wire.ask(mode(0x05, 1000, 200))
        wire.wait(140)
        wire.ask(mode(0x05, 1000, 201))
        assert wire.wait(180) == []
        assert wire.wait(30) == [IDLE]

    def test_without_enable_the_mode_shows_no_power_flows_and_the_limit_counts(
        self, wire: Wire
    ) -> None:
        step = mode(0x04, 1000, 50)
        assert wire.ask(step) == [step, step]
        assert not wire.unit.output_on
        assert wire.ask("001: 01") == [step]
        assert wire.wait(60) == [IDLE]

    def test_references_are_checked_against_the_present_limits(self, wire: Wire) -> None:
        cp_60_w = mode(0x07, 600, 1000)
        assert wire.ask(cp_60_w) == [IDLE]
        wire.ask("005: 03 20 FC E0")
        assert wire.ask(cp_60_w)[0] == cp_60_w

    def test_a_time_limit_is_unsigned(self, wire: Wire) -> None:
        wire.ask(CC_1A)
        assert wire.wait(20_000) == []
        assert wire.unit.output_on


# Mode frame, (readings that leave it running), (readings that end it): V and A at the low side.
STEP_LIMITS = [
    ("CC charge VOLTAGE", mode(0x15, 1000, 4000), (3.7, 1.0), (4.01, 1.0)),
    ("CC charge POWER", mode(0x35, 1000, 50), (3.7, 1.0), (3.7, 1.5)),
    ("CC discharge VOLTAGE", mode(0x15, -1000, 3000), (3.7, -1.0), (2.99, -1.0)),
    ("CC discharge POWER", mode(0x35, -1000, -20), (3.7, -1.0), (3.7, -0.5)),
    ("CV charge CURRENT", mode(0x23, 4000, 500), (3.7, 1.0), (3.7, 0.4)),
    ("CV charge POWER", mode(0x33, 4000, 20), (3.7, 1.0), (3.7, 0.4)),
    ("CV discharge CURRENT", mode(0x23, 3000, -500), (3.7, -1.0), (3.7, -0.4)),
    ("CV discharge POWER", mode(0x33, 3000, -20), (3.7, -1.0), (3.7, -0.4)),
    ("CP charge VOLTAGE", mode(0x17, 40, 4000), (3.7, 1.0), (4.01, 1.0)),
    ("CP charge CURRENT", mode(0x27, 40, 500), (3.7, 1.0), (3.7, 0.4)),
    ("CP discharge VOLTAGE", mode(0x17, -40, 3000), (3.7, -1.0), (2.99, -1.0)),
    ("CP discharge CURRENT", mode(0x27, -40, -1500), (3.7, -1.0), (3.7, -1.6)),
]
TIMED = [
    ("CC charge", mode(0x05, 1000, 203)),
    ("CC discharge", mode(0x05, -1000, 203)),
    ("CV charge", mode(0x03, 4000, 203)),
    ("CV discharge", mode(0x03, 3000, 203)),
    ("CP charge", mode(0x07, 40, 203)),
    ("CP discharge", mode(0x07, -40, 203)),
    ("WAIT", mode(0x00, 0, 203)),
]


class TestStepLimits:
    @pytest.mark.parametrize(
        ("frame", "running", "ending"),
        [row[1:] for row in STEP_LIMITS],
        ids=[row[0] for row in STEP_LIMITS],
    )
    def test_limit(
        self,
        wire: Wire,
        frame: str,
        running: tuple[float, float],
        ending: tuple[float, float],
    ) -> None:
        wire.break_down(f"current {running[1]}")
        wire.ask(frame)
        wire.wait(300)
        assert wire.unit.output_on
        wire.break_down(f"voltage {ending[0]}")
        wire.break_down(f"current {ending[1]}")
        assert wire.wait(20) == [IDLE]
        assert not wire.unit.output_on
        assert wire.of_kind("mode")[-1] == {"mode": "idle", "reason": "limit"}

    @pytest.mark.parametrize("frame", [one for _, one in TIMED], ids=[n for n, _ in TIMED])
    def test_time_to_the_millisecond(self, wire: Wire, frame: str) -> None:
        wire.ask(frame)
        assert wire.wait(220) == [IDLE]
        (begun_ns, _, _), (ended_ns, _, facts) = [one for one in wire.ledger if one[1] == "mode"]
        assert facts["reason"] == "limit"
        assert ended_ns - begun_ns == 203 * MS

    def test_current_and_power_are_not_looked_at_for_100_ms(self, wire: Wire) -> None:
        wire.ask(mode(0x23, 3700, 1000))
        assert wire.wait(80) == []
        assert wire.unit.output_on
        assert wire.wait(30) == [IDLE]

    def test_voltage_is_looked_at_from_the_first_tick_on(self, wire: Wire) -> None:
        wire.ask(mode(0x15, 1000, 4000))
        wire.break_down("voltage 4.1")
        assert wire.wait(10) == [IDLE]

    def test_charge_or_discharge_is_decided_once_when_the_mode_is_applied(self, wire: Wire) -> None:
        wire.break_down("current 1")
        wire.ask(mode(0x23, 3700, 500))  # 3.7 V is above the 3.699 V that it reads: charge
        wire.wait(120)
        assert wire.unit.output_on
        wire.break_down("voltage 4.0")
        wire.wait(50)
        assert wire.unit.output_on
        wire.break_down("current 0.4")
        assert wire.wait(20) == [IDLE]

    def test_a_current_of_0_is_a_charge(self, wire: Wire) -> None:
        wire.ask(mode(0x15, 0, 4000))
        wire.wait(50)
        assert wire.of_kind("mode")[-1]["mode"] == "cc"
        wire.break_down("voltage 4.1")
        assert wire.wait(20) == [IDLE]

    def test_a_limit_that_is_met_already_shows_its_echo_alone(self, wire: Wire) -> None:
        step = mode(0x15, 1000, 3000)
        assert wire.ask(step) == [step]
        assert wire.wait(1000) == []
        assert wire.ask("001: 01") == [IDLE]


class TestSafeOperatingArea:
    def test_a_power_limit_is_no_error(self) -> None:
        wire = started()
        wire.ask("005: 00 64 FF 9C")
        wire.ask(mode(0x05, 10_000, -1))
        assert wire.wait(1000) == []
        assert wire.unit.output_on

    @pytest.mark.parametrize("frame", [mode(0x03, 5000, -1), mode(0x07, 500, -1)])
    def test_cv_and_cp_saturate_at_the_current_limits(self, wire: Wire, frame: str) -> None:
        wire.ask("003: 07 D0 F8 30")  # 2 A
        wire.ask(frame)
        assert wire.wait(100) == []
        assert wire.unit.stage.battery.current == pytest.approx(2.0, abs=0.01)


class TestErrors:
    def test_none_of_them_latches_and_the_step_is_lost(self, wire: Wire) -> None:
        wire.ask(CC_1A)
        wire.break_down("voltage 0.1")
        assert wire.wait(20) == ["00B: 02 00 63 00", ERROR]
        wire.break_down("voltage off")
        # Its last error value stays.
        assert wire.wait(20) == ["00B: 00 00 63 00", IDLE]
        assert not wire.unit.output_on

    def test_over_current_clears_itself_and_shows_as_idle_alone(self, wire: Wire) -> None:
        wire.ask(CC_1A)
        assert wire.ask("003: 00 64 FF 9C", 25) == ["003: 64 00 9C FF", IDLE]
        assert wire.ask("001: 02") == ["00B: 00 00 E3 03"], "995 mA"

    @pytest.mark.parametrize(
        ("order", "status"),
        [
            ("supply 5", "00B: 01 00 88 13"),
            ("supply 14.5", "00B: 01 00 A2 38"),
            ("voltage 5.2", "00B: 02 00 50 14"),
        ],
    )
    def test_the_last_error_value_is_the_raw_reading(
        self, wire: Wire, order: str, status: str
    ) -> None:
        wire.break_down(order)
        assert wire.wait(20)[0] == status

    def test_the_last_error_value_of_a_temperature_is_signed(self) -> None:
        wire = started(ambient_sensor=True)
        wire.break_down("ambient -16.5")
        wire.wait(1100)
        assert wire.ask("001: 02") == ["00B: 10 00 5B FF"]

    @pytest.mark.parametrize("register", ["002: 12 5C 03 E8", "003: 07 D0 F8 30"])
    def test_limits_are_answered_and_not_taken(self, wire: Wire, register: str) -> None:
        before = wire.ask(f"001: {int(register[2]) + 4:02X}")
        wire.break_down("supply 5")
        wire.wait(20)
        assert wire.ask(register) == before

    @pytest.mark.parametrize(
        "frame",
        [
            *(f"001: {kind:02X}" for kind in range(11)),
            "002: 12 5C 03 E8",
            "007: 14 00 14 00 14 00",
            CC_1A,
        ],
    )
    def test_the_next_accepted_frame_ends_an_error_of_communication(self, frame: str) -> None:
        wire = silent_host()
        wire.ask(frame, 20)
        assert wire.ask("001: 01") == [IDLE]

    @pytest.mark.parametrize(
        "frame", ["001: 0B", "001: FF", mode(0x0A, 0, 0), mode(0x05, 15501, 1), "002: 12 5C 03"]
    )
    def test_a_refused_frame_does_not(self, frame: str) -> None:
        wire = silent_host()
        wire.ask(frame, 20)
        assert wire.of_kind("mode")[-1]["mode"] == "error"

    def test_an_internal_error_lasts_until_a_power_cycle(self, wire: Wire) -> None:
        wire.ask("008: 00")
        assert wire.silent()
        wire.break_down("unpowered on")
        wire.wait(100)
        assert wire.silent()
        wire.break_down("unpowered off")
        assert wire.wait(0.4) == [IDLE]
        assert wire.ask("001: 00") == ["00A: 40 00 00 01"]


def silent_host(period: int = 20) -> Wire:
    """Get a unit whose supervision of ``period`` times 5 ms has tripped."""
    wire = started()
    wire.ask("001: 05")
    field = period << 1 | 1
    wire.ask(f"007: {field.to_bytes(2, 'little').hex()} 14 00 14 00")
    frames = wire.wait(period * 5 + 10)
    assert frames == [f"00B: 08 00 {period.to_bytes(2, 'little').hex(' ').upper()}", ERROR]
    return wire


class TestHeartbeat:
    @pytest.mark.parametrize("period", [10, 11, 20, 200, 0x7FFF])
    def test_it_trips_after_its_period_of_5_ms_and_tells_its_counter(self, period: int) -> None:
        wire = silent_host(period)
        tripped_ns = next(
            at_ns for at_ns, kind, facts in wire.ledger if facts.get("reason") == "supervision"
        )
        # Reset at 10 ms; two polls each slot from then on.
        assert tripped_ns - 10 * MS == pytest.approx(period * 5 * MS, abs=10 * MS)

    def test_a_step_under_way_ends(self, wire: Wire) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")
        wire.ask(CC_1A)
        wire.wait(60)
        assert wire.unit.output_on
        wire.wait(30)
        assert not wire.unit.output_on

    def test_heartbeats_hold_it_off(self, wire: Wire) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")
        wire.ask(CC_1A)
        for _ in range(50):
            wire.ask("001: 05", 50)
        assert wire.unit.output_on

    @pytest.mark.parametrize("frame", ["001: 01", "001: 03", "002: 12 5C 03 E8", CC_1A])
    def test_no_other_frame_does(self, wire: Wire, frame: str) -> None:
        wire.ask("001: 05")
        wire.ask("007: 29 00 14 00 14 00")
        for _ in range(10):
            wire.ask(frame)
        assert {"mode": "error", "reason": "supervision"} in wire.of_kind("mode")

    def test_the_counter_runs_while_disabled_so_that_enabling_late_trips_at_once(
        self, wire: Wire
    ) -> None:
        wire.wait(500)
        answers = wire.ask("007: 29 00 14 00 14 00")
        assert [one[:7] for one in answers] == ["007: 29", "00B: 08", "000: 0A"]

    def test_a_heartbeat_just_before_prevents_that(self, wire: Wire) -> None:
        wire.wait(500)
        wire.ask("001: 05")
        assert wire.ask("007: 29 00 14 00 14 00") == ["007: 29 00 14 00 14 00"]

    def test_the_command_that_ends_the_error_is_echoed_and_discarded(self) -> None:
        wire = silent_host()
        echo, status, idle = wire.ask(CC_1A)
        assert (echo, status[:7], idle) == (CC_1A, "00B: 00", IDLE)
        wire.wait(50)
        assert not wire.unit.output_on

    @pytest.mark.parametrize("request_kind", ["05", "01"])
    def test_a_request_first_and_the_command_runs(self, request_kind: str) -> None:
        wire = silent_host()
        assert wire.ask(f"001: {request_kind}")[-1] == IDLE
        assert wire.ask(CC_1A)[0] == CC_1A
        assert wire.unit.output_on


class TestCanLoss:
    def test_a_step_goes_on_to_its_limit_unattended(self, wire: Wire) -> None:
        wire.ask(mode(0x05, 1000, 2000))
        wire.break_down("unplug on")
        wire.wait(1900)
        assert wire.unit.output_on
        wire.wait(110)
        assert not wire.unit.output_on

    def test_with_periodic_frames_it_ends_within_two_periods_and_the_status_is_lost(
        self, wire: Wire
    ) -> None:
        wire.ask("007: 14 00 15 00 15 00")  # both each 100 ms
        wire.ask(CC_1A)
        wire.break_down("unplug on")
        wire.wait(220)
        assert not wire.unit.output_on
        assert wire.of_kind("mode")[-1] == {"mode": "error", "reason": "mailboxes full"}
        wire.break_down("unplug off")
        frames = ids(wire.wait(5))
        assert frames == ["00C", "00D", "00C"], "what three mailboxes hold"

    def test_what_is_sent_to_an_unplugged_unit_is_lost(self, wire: Wire) -> None:
        wire.break_down("unplug on")
        assert wire.ask(CC_1A, 50) == []
        wire.break_down("unplug off")
        assert wire.wait(50) == []
        assert wire.ask("001: 01") == [IDLE]


class TestPacing:
    def test_10_requests_0_6_ms_apart_lose_6(self, wire: Wire) -> None:
        wire.wait(4.95)
        answers: list[str] = []
        for _ in range(10):
            answers += wire.ask("001: 02", 0.6)
        assert len(answers + wire.wait(50)) == 4

    def test_the_newest_frame_overwrites_in_a_full_fifo(self, wire: Wire) -> None:
        for kind in ("00", "01", "02", "03"):
            wire.tell(f"001: {kind}")
        assert ids(wire.wait(10)) == ["00A", "000", "00C"]

    def test_a_fourth_answerable_frame_between_the_polls_kills_it_without_a_status(
        self, wire: Wire
    ) -> None:
        for _ in range(3):
            wire.tell("001: 00")
        wire.now_ns = 10 * MS + 50_000
        wire.tell("001: 00")
        assert ids(wire.wait(10)) == ["00A", "00A", "00A"]
        assert wire.silent()

    def test_three_answers_where_a_periodic_frame_is_due_end_the_step(self, wire: Wire) -> None:
        wire.ask("007: 14 00 15 00 14 00")
        wire.ask(CC_1A)
        for _ in range(12):
            for _ in range(3):
                wire.tell("001: 02")
            wire.wait(10)
        assert not wire.unit.output_on
        assert {"mode": "error", "reason": "mailboxes full"} in wire.of_kind("mode")

    def test_three_answers_lose_the_news_of_a_step_end_for_good(self, wire: Wire) -> None:
        wire.ask(mode(0x05, 1000, 20))
        wire.wait(10)
        for _ in range(3):
            wire.tell("001: 02")
        assert ids(wire.wait(10)) == ["00B", "00B", "00B"]
        assert wire.wait(1000) == []
        assert wire.ask("001: 01") == [IDLE]

    def test_one_frame_each_10_ms_is_safe(self, wire: Wire) -> None:
        answers = [len(wire.ask(f"001: {kind % 5:02X}")) for kind in range(500)]
        assert answers == [1] * 500


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

        def limits(low: int, high: int, order: str) -> str:
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
