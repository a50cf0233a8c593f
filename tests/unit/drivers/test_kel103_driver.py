"""The RS-KEL103 driver on a simulated load, with a clock that only tests turn."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.unit.drivers.kel103_bench import ADDRESS, Kel103Bench, make

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    DeviceFault,
    DeviceNotFound,
    Mode,
    Protection,
    ProtocolViolated,
    WrongDevice,
)
from bem_drivers.kel103 import DRIVER
from bem_drivers.kel103.settings import Kel103Serial, Kel103Settings
from bem_drivers.model import BatteryModelSettings

PROTECTION = Protection(voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0)
DISCHARGE = Command(Mode.CC, -1.0)
STATES = (None, DISCHARGE, Command(Mode.CV, 3.65), Command(Mode.CP, -5.0))


@pytest.fixture
def kel(clock: ManualClock) -> Kel103Bench:
    """Get an opened load on a half full cell of 2.5 Ah."""
    bench = make(clock)
    bench.driver.open()
    return bench


def running(bench: Kel103Bench, command: Command = DISCHARGE) -> Kel103Bench:
    """Bring a load to a discharge within bounds."""
    bench.driver.protect(PROTECTION)
    bench.driver.apply(command)
    assert bench.unit.input_on
    return bench


class TestOpening:
    def test_it_tells_who_it_is_and_what_it_can(self, clock: ManualClock) -> None:
        bench = make(clock, serial_number="777", current_upper=15.0)
        bench.driver.open()
        identity = bench.driver.identity
        assert (identity.model, identity.serial, identity.firmware) == ("RS-KEL103", "777", "3.30")
        ratings = bench.driver.ratings
        assert (ratings.current_min, ratings.current_max) == (-15.0, 0.0)
        assert (ratings.power_min, ratings.power_max) == (-300.0, 0.0)
        assert (ratings.voltage_min, ratings.voltage_max) == (0.0, 120.0)

    def test_its_port_needs_no_more_than_a_name(self) -> None:
        settings = DRIVER.settings.model_validate({"address": ADDRESS})
        assert isinstance(settings, Kel103Settings)
        address = settings.address
        assert isinstance(address, Kel103Serial)
        assert (address.baudrate, address.parity, address.stop_bits) == (115_200, "odd", 1)

    def test_nobody_there(self, clock: ManualClock) -> None:
        bench = make(clock)
        bench.order("silent on")
        with pytest.raises(DeviceNotFound, match=r"loopback does not answer '\*IDN\?'"):
            bench.driver.open()
        with pytest.raises(CommunicationLost, match="closed"):
            bench.line.receive(0.0)

    def test_another_device_is_told_nothing_but_the_question(self, clock: ManualClock) -> None:
        bench = make(clock)
        bench.line.replace_next("EA Elektro-Automatik,PS 2042,1", "EA Elektro-Automatik,PS 2042,1")
        with pytest.raises(WrongDevice, match="EA Elektro-Automatik"):
            bench.driver.open()
        assert {line for _, line in bench.line.sent} == {"*IDN?"}

    def test_another_serial_number(self, clock: ManualClock) -> None:
        bench = make(clock, driver={"serial_number": "9"})
        with pytest.raises(WrongDevice, match="serial number 00001234, the settings name 9"):
            bench.driver.open()

    def test_what_a_dead_process_left_half_said_does_no_harm(self, clock: ManualClock) -> None:
        bench = make(clock)
        bench.line.drop_next(1)
        bench.driver.open()
        assert bench.driver.identity.serial == "00001234"

    @pytest.mark.parametrize("function", ["CC", "CV", "CR", "CW"])
    def test_what_somebody_left_on_is_switched_off(self, clock: ManualClock, function: str) -> None:
        bench = make(clock, function=function, input_on=True, current=2.0)
        bench.driver.open()
        assert not bench.unit.input_on
        assert bench.driver.read().active == OFF

    def test_its_panel_is_locked_while_it_is_open(self, kel: Kel103Bench) -> None:
        assert kel.unit.locked
        kel.driver.close()
        assert not kel.unit.locked

    def test_closing_leaves_no_current(self, kel: Kel103Bench) -> None:
        running(kel).driver.close()
        assert not kel.unit.input_on
        kel.driver.close()


class TestBounds:
    def test_they_are_the_tighter_of_what_is_asked_and_what_it_can(self, kel: Kel103Bench) -> None:
        held = kel.driver.protect(PROTECTION)
        assert (held.voltage_min, held.voltage_max) == (2.5, 4.25)
        assert (held.current_min, held.current_max) == (-5.0, 0.0)
        assert (held.power_min, held.power_max) == (-300.0, 0.0)

    def test_it_says_that_it_has_neither_watchdog_nor_sensor(self, kel: Kel103Bench) -> None:
        held = kel.driver.protect(PROTECTION)
        assert (held.silence_s, held.temperature_min, held.temperature_max) == (None, None, None)
        kel.driver.keep_alive()

    def test_bounds_that_leave_nothing_are_refused(self, kel: Kel103Bench) -> None:
        with pytest.raises(
            ConfigurationRefused, match=r"150\.\.160 V leave nothing of the 0\.\.120"
        ):
            kel.driver.protect(Protection(150.0, 160.0, -1.0, 1.0))

    def test_a_maximum_that_somebody_changed_is_noticed(self, kel: Kel103Bench) -> None:
        kel.order("maximum 3")
        with pytest.raises(ConfigurationRefused, match=r"current=30\.0.*current=3\.0"):
            kel.driver.protect(PROTECTION)

    def test_they_are_given_up(self, kel: Kel103Bench) -> None:
        kel.driver.protect(Protection(2.5, 4.25, -0.5, 0.5))
        with pytest.raises(ConfigurationRefused, match=r"-0\.5"):
            kel.driver.apply(DISCHARGE)
        kel.driver.release()
        kel.driver.apply(DISCHARGE)
        assert kel.unit.input_on

    @pytest.mark.parametrize(
        ("command", "message"),
        [
            (Command(Mode.CC, 1.0), r"set point 1 A .*only discharges"),
            (Command(Mode.CC, -5.5), r"-5\.5 A .* -5\.\.0 A"),
            (Command(Mode.CV, 2.0), r"2 V .* 2\.5\.\.4\.25 V"),
            (Command(Mode.CP, 5.0), r"set point 5 W"),
            (Command(Mode.CP, -301.0), r"-301 W"),
        ],
    )
    def test_a_set_point_beyond_them_is_never_sent(
        self, kel: Kel103Bench, command: Command, message: str
    ) -> None:
        kel.driver.protect(PROTECTION)
        before = len(kel.line.sent)
        with pytest.raises(ConfigurationRefused, match=message):
            kel.driver.apply(command)
        assert len(kel.line.sent) == before


class TestCommands:
    @pytest.mark.parametrize(
        ("command", "channel", "within"),
        [
            (Command(Mode.CC, -1.2345), "current", 1e-4),
            (Command(Mode.CV, 3.65), "voltage", 1e-3),
            (Command(Mode.CP, -5.0), "power", 1e-3),
        ],
    )
    def test_it_does_what_it_is_told(
        self, kel: Kel103Bench, command: Command, channel: str, within: float
    ) -> None:
        running(kel, command)
        reading = kel.driver.read()
        assert reading.active == command
        assert reading.values[channel].value == pytest.approx(command.setpoint, abs=within)
        assert reading.values["current"].value < 0
        assert kel.terminals.current == pytest.approx(reading.values["current"].value, abs=1e-3)

    def test_a_discharge_empties_the_battery(self, kel: Kel103Bench) -> None:
        running(kel)
        charge = kel.terminals.battery.state_of_charge
        kel.clock.sleep(360.0)
        assert kel.driver.read().active == DISCHARGE
        assert kel.terminals.battery.state_of_charge == pytest.approx(charge - 0.04, abs=1e-3)

    def test_nothing_flows_at_a_set_point_of_nothing(self, kel: Kel103Bench) -> None:
        running(kel, Command(Mode.CC, 0.0))
        assert kel.driver.read().values["current"].value == 0.0
        assert kel.driver.read().active == Command(Mode.CC, 0.0)

    def test_a_change_of_the_set_point_does_not_interrupt(self, kel: Kel103Bench) -> None:
        running(kel)
        kel.ledger.clear()
        kel.driver.apply(Command(Mode.CC, -2.0))
        assert kel.driver.read().values["current"].value == pytest.approx(-2.0)
        assert not [facts for _, kind, facts in kel.ledger if kind == "output"]

    @pytest.mark.parametrize("first", STATES[1:])
    @pytest.mark.parametrize("second", STATES[1:])
    def test_a_change_of_mode_never_meets_an_old_set_point(
        self, kel: Kel103Bench, first: Command, second: Command
    ) -> None:
        kel.unit.set_points.update(A=30.0, V=0.0, W=300.0)
        running(kel, first)
        kel.driver.apply(second)
        assert kel.driver.read().active == second
        drawn = [abs(facts["current"]) for _, kind, facts in kel.ledger if kind == "answer"]
        assert max(drawn) < 5.0

    def test_a_battery_below_the_voltage_gives_no_current(self, kel: Kel103Bench) -> None:
        running(kel, Command(Mode.CV, 4.0))
        reading = kel.driver.read()
        assert reading.active == Command(Mode.CV, 4.0)
        assert reading.values["current"].value == 0.0

    def test_a_voltage_that_draws_too_much_is_switched_off(self, kel: Kel103Bench) -> None:
        kel.driver.protect(PROTECTION)
        with pytest.raises(DeviceFault, match=r"beyond the limit -5 A"):
            kel.driver.apply(Command(Mode.CV, 2.6))
        assert not kel.unit.input_on

    def test_a_load_that_obeys_nothing_is_noticed(self, kel: Kel103Bench) -> None:
        kel.driver.protect(PROTECTION)
        kel.order("deaf on")
        with pytest.raises(DeviceError):
            kel.driver.apply(Command(Mode.CP, -5.0))
        assert kel.driver.read().active == OFF

    def test_a_function_that_is_refused_names_both(self, kel: Kel103Bench) -> None:
        kel.driver.protect(PROTECTION)
        kel.order("deaf on")
        with pytest.raises(ConfigurationRefused, match="told CW, it keeps CC"):
            kel.driver.apply(Command(Mode.CP, -5.0))

    def test_an_input_that_does_not_go_on_is_noticed(self, kel: Kel103Bench) -> None:
        kel.driver.protect(PROTECTION)
        kel.order("stuck on")
        with pytest.raises(DeviceFault, match="takes no current"):
            kel.driver.apply(DISCHARGE)

    def test_another_current_than_told_is_noticed(self, kel: Kel103Bench) -> None:
        kel.driver.protect(PROTECTION)
        kel.order("current 3")
        with pytest.raises(ConfigurationRefused, match=r"told CC -1 A and does CC -3 A"):
            kel.driver.apply(DISCHARGE)
        assert not kel.unit.input_on


class TestReading:
    def test_it_is_taken_in_one_exchange(self, kel: Kel103Bench) -> None:
        before = len(kel.line.sent)
        reading = kel.driver.read()
        assert len(kel.line.sent) == before + 1
        assert set(reading.values) == {channel.name for channel in kel.driver.channels}

    def test_its_age_is_that_of_the_answer(self, kel: Kel103Bench) -> None:
        kel.order("late 50")
        asked_ns = kel.clock.now_ns
        reading = kel.driver.read()
        kel.clock.sleep(1.0)
        assert {one.at_ns for one in reading.values.values()} == {asked_ns + 50_000_000}

    def test_a_discharge_is_negative_and_rest_is_nothing(self, kel: Kel103Bench) -> None:
        assert str(kel.driver.read().values["current"].value) == "0.0"
        kel.line.replace_next("3.7V", "1.5e-01A", "5.55e-1W", "CC")
        reading = kel.driver.read()
        assert reading.values["current"].value == -0.15
        assert reading.values["power"].value == -0.555
        kel.line.replace_next("3.7V", "-0.002A", "-0.0074 W", " CC\r")
        assert kel.driver.read().values["current"].value == 0.002

    def test_an_input_that_went_off_by_itself_shows(self, kel: Kel103Bench) -> None:
        running(kel)
        kel.order("trip")
        assert kel.driver.read().active == OFF

    def test_an_input_that_goes_off_in_constant_voltage_shows(self, clock: ManualClock) -> None:
        kel = make(clock, battery=BatteryModelSettings(resistance_ohm=0.1))
        kel.driver.open()
        running(kel, Command(Mode.CV, 3.5))
        kel.order("trip")
        assert kel.driver.read().active == OFF

    def test_current_while_it_is_off_shows(self, kel: Kel103Bench) -> None:
        kel.unit.receive(":CURR 2.0000A", kel.clock.now_ns)
        kel.unit.receive(":INP 1", kel.clock.now_ns)
        assert kel.driver.read().active == Command(Mode.CC, -2.0)

    def test_another_function_than_told_shows(self, kel: Kel103Bench) -> None:
        running(kel)
        kel.unit.set_points["W"] = 5.0
        kel.order("panel CW")
        active = kel.driver.read().active
        assert active is not None
        assert active.mode is Mode.CP


class TestSafeState:
    @pytest.mark.parametrize("state", STATES)
    def test_it_is_reached_from_every_state(self, kel: Kel103Bench, state: Command | None) -> None:
        if state is not None:
            running(kel, state)
        for _ in range(3):
            kel.driver.make_safe()
            assert not kel.unit.input_on
            assert kel.driver.read().active == OFF

    def test_off_is_a_command_too(self, kel: Kel103Bench) -> None:
        running(kel).driver.apply(OFF)
        assert not kel.unit.input_on

    def test_an_input_that_stays_on_regulates_no_current(self, kel: Kel103Bench) -> None:
        running(kel, Command(Mode.CV, 3.65))
        kel.order("stuck on")
        kel.driver.make_safe()
        assert kel.terminals.current == 0.0

    def test_current_that_flows_on_is_told(self, kel: Kel103Bench) -> None:
        running(kel)
        kel.order("deaf on")
        with pytest.raises(DeviceFault, match=r"takes 1 A in CC .*disconnect the battery"):
            kel.driver.make_safe()

    def test_a_rest_without_proof_is_not_believed(self, kel: Kel103Bench) -> None:
        """A battery below the set point gives no current, whether the load is on or off."""
        running(kel, Command(Mode.CV, 4.0))
        kel.order("deaf on")
        with pytest.raises(DeviceFault, match="takes 0 A in CV"):
            kel.driver.make_safe()

    def test_an_answer_that_is_lost_is_asked_for_again(self, kel: Kel103Bench) -> None:
        running(kel)
        kel.line.drop_next(2)
        kel.driver.make_safe()
        assert not kel.unit.input_on

    def test_silence_switches_off_all_the_same_and_says_that_it_is_not_verified(
        self, kel: Kel103Bench
    ) -> None:
        running(kel)
        kel.order("silent on")
        started_ns = kel.clock.now_ns
        with pytest.raises(CommunicationLost, match="told 3 times to switch off"):
            kel.driver.make_safe()
        assert not kel.unit.input_on
        assert (kel.clock.now_ns - started_ns) / 1e9 <= 0.85

    @pytest.mark.parametrize("spoil", ["garbage 9", "half 9", "double 9", "wrong 0.0000V"])
    def test_nonsense_is_no_proof_and_no_hindrance(self, kel: Kel103Bench, spoil: str) -> None:
        running(kel)
        kel.order(spoil)
        try:
            kel.driver.make_safe()
        except CommunicationLost as error:
            assert "could not be verified" in str(error)  # noqa: PT017 - either end is right
        assert not kel.unit.input_on


class TestSpoiltAnswers:
    @pytest.mark.parametrize(
        ("answers", "said"),
        [
            (("nan V",), "nan"),
            (("infV",), "inf"),
            (("3.7",), "no number in V"),
            (("3.7A",), "no number in V"),
            (("",), "no number in V"),
            (("3.7 3.7V",), "3.7 3.7V"),
            (("3.7V", "1.0A", "3.7W", "CX"), "CX"),
            (("3.7V", "CC", "1.0A", "3.7W"), "CC"),
        ],
    )
    def test_nonsense_is_never_a_value(
        self, kel: Kel103Bench, answers: tuple[str, ...], said: str
    ) -> None:
        kel.line.replace_next(*answers)
        with pytest.raises(ProtocolViolated, match=said):
            kel.driver.read()
        assert kel.driver.read().values["voltage"].value == pytest.approx(3.7, abs=0.01)

    @pytest.mark.parametrize("spoil", ["garbage 1", "half 1", "double 1", "drop 1", "wrong hello"])
    def test_it_finds_its_step_again(self, kel: Kel103Bench, spoil: str) -> None:
        running(kel)
        kel.order(spoil)
        try:
            reading = kel.driver.read()
        except DeviceError:
            reading = kel.driver.read()
        assert reading.active == DISCHARGE
        assert reading.values["current"].value == pytest.approx(-1.0)

    def test_a_late_answer_is_not_taken_for_a_fresh_one(self, kel: Kel103Bench) -> None:
        running(kel)
        kel.order("late 350")
        with pytest.raises(DeviceError):
            kel.driver.read()
        kel.order("late off")
        kel.driver.apply(Command(Mode.CC, -2.0))
        for _ in range(5):
            assert kel.driver.read().values["current"].value == pytest.approx(-2.0)

    def test_a_lost_answer_is_asked_for_again(self, kel: Kel103Bench) -> None:
        kel.line.drop_next(1)
        assert kel.driver.read().active == OFF

    def test_silence_is_told_in_time(self, kel: Kel103Bench) -> None:
        kel.order("silent on")
        started_ns = kel.clock.now_ns
        with pytest.raises(CommunicationLost, match="cable"):
            kel.driver.read()
        assert (kel.clock.now_ns - started_ns) / 1e9 <= 0.45
        kel.order("silent off")
        assert kel.driver.read().active == OFF

    @settings(max_examples=100)
    @given(st.lists(st.text(max_size=20), max_size=12))
    def test_whatever_comes_only_device_errors_come_out(self, answers: list[str]) -> None:
        bench = make(ManualClock())
        bench.driver.open()
        bench.line.replace_next(*(answer.replace("\n", "") for answer in answers))
        for act in (bench.driver.read, bench.driver.make_safe, bench.driver.read):
            try:
                act()
            except DeviceError:
                continue
        assert not bench.unit.input_on


LINE_FAULTS = ("garbage 1", "half 1", "double 1", "drop 1", "drop 3", "wrong 0.0000A", "wrong CC")
LATE = ("late 50", "late 150", "late 250", "late 450", "late 800", "late 1500", "late off")


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([*LINE_FAULTS, *LATE, "silent on", "silent off"])
        | st.sampled_from(["read", "off", "wait"])
        | st.floats(-5.0, -0.1).map(lambda current: Command(Mode.CC, current))
        | st.floats(-15.0, -1.0).map(lambda power: Command(Mode.CP, power)),
        max_size=40,
    )
)
def test_whatever_happens_on_the_line_values_are_true_and_off_is_off(
    deeds: list[str | Command],
) -> None:
    bench = make(ManualClock())
    bench.driver.open()
    for deed in deeds:
        try:
            if isinstance(deed, Command):
                bench.driver.apply(deed)
                assert bench.unit.input_on
            elif deed == "read":
                current = bench.driver.read().values["current"].value
                assert current == pytest.approx(bench.terminals.current, abs=0.02)
            elif deed == "off":
                bench.driver.make_safe()
                assert not bench.unit.input_on
            elif deed == "wait":
                bench.clock.sleep(0.1)
            else:
                bench.order(deed)
        except DeviceError:
            continue
    for order in ("silent off", "late off", *(f"{name} 0" for name in ("garbage", "half"))):
        bench.order(order)
    for order in ("double 0", "drop 0"):
        bench.order(order)
    bench.clock.sleep(2.0)
    bench.driver.make_safe()
    assert bench.driver.read().active == OFF
    assert bench.terminals.current == 0.0


class TestPlugging:
    def test_it_is_lost_and_comes_back(self, kel: Kel103Bench) -> None:
        running(kel)
        kel.line.unplugged = True
        for act in (kel.driver.read, kel.driver.make_safe, lambda: kel.driver.apply(DISCHARGE)):
            with pytest.raises(CommunicationLost, match="plug it in"):
                act()
        kel.driver.close()
        with pytest.raises(DeviceNotFound):
            kel.driver.open()
        kel.line.unplugged = False
        kel.driver.open()
        assert not kel.unit.input_on
        assert kel.driver.read().active == OFF


def test_a_stack_of_many_volts(clock: ManualClock) -> None:
    bench = make(clock, battery=BatteryModelSettings(cells=20, capacity_ah=10.0))
    bench.driver.open()
    bench.driver.protect(Protection(40.0, 90.0, -4.0, 4.0))
    bench.driver.apply(Command(Mode.CP, -200.0))
    assert bench.driver.read().values["power"].value == pytest.approx(-200.0, abs=0.01)
