"""Which steps a unit takes and what ends them, in the rules of devices.md.

§2.6 "MODE command acceptance" is :class:`TestAcceptance`, "Step limit semantics" and "A step whose
limit is already met" are :class:`TestStepLimits`, "Safe operating area, Control" is
:class:`TestSafeOperatingArea`.
"""

import pytest
from tests.unit.drivers.epc_wire import CC_1A, IDLE, MS, Wire, mode, started


@pytest.fixture
def wire() -> Wire:
    return started()


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
        was_on = wire.unit.output_on
        assert was_on
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
