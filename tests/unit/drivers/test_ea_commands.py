"""What the EA driver does for a command, and which ones it refuses."""

from dataclasses import replace

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.ea_bench import PROTECTION, PSB, EaBench, bounded_ea, make_ea, value

from bem_drivers.base import OFF, Command, ConfigurationRefused, Mode, Protection

MS = 1_000_000


@pytest.fixture
def bench(clock: ManualClock) -> EaBench:
    """Get an opened supply of 42 V, 10 A and 160 W, bounded for a half full cell."""
    return bounded_ea(clock)


@pytest.fixture
def psb(clock: ManualClock) -> EaBench:
    """Get an opened bidirectional supply of 60 V, 60 A, bounded for a half full cell."""
    return bounded_ea(clock, PSB)


class TestBounds:
    def test_they_are_held_by_the_set_points(self, bench: EaBench) -> None:
        held = bench.driver.protect(PROTECTION)
        assert held == Protection(2.5, 4.25, 0.0, 5.0, silence_s=None)
        assert bench.unit.set_points()[:2] == (4.25, 0.0)
        bench.driver.apply(Command(Mode.CC, 2.0))
        assert bench.unit.set_points()[:2] == (4.25, 2.0)
        bench.driver.apply(Command(Mode.CV, 4.0))
        assert bench.unit.set_points()[:2] == (4.0, 5.0)

    def test_what_a_supply_cannot_hold_comes_back_as_none(self, psb: EaBench) -> None:
        held = psb.driver.protect(
            Protection(2.5, 4.25, -5.0, 5.0, -20.0, 20.0, 0.0, 45.0, silence_s=0.5)
        )
        assert held == Protection(2.5, 4.25, -5.0, 5.0, silence_s=None)

    def test_they_are_clipped_to_the_ratings(self, bench: EaBench) -> None:
        held = bench.driver.protect(Protection(-10.0, 100.0, -1000.0, 1000.0))
        assert (held.voltage_min, held.voltage_max) == (0.0, 42.0)
        assert (held.current_min, held.current_max) == (0.0, 10.0)

    @pytest.mark.parametrize(
        "protection",
        [
            Protection(50.0, 60.0, -1.0, 1.0),
            Protection(-5.0, -1.0, -1.0, 1.0),
            Protection(2.5, 4.2, 1.0, 2.0),
            Protection(2.5, 4.2, -2.0, -1.0),
        ],
    )
    def test_bounds_that_leave_nothing_are_refused(
        self, bench: EaBench, protection: Protection
    ) -> None:
        with pytest.raises(ConfigurationRefused):
            bench.driver.protect(protection)

    def test_one_that_the_unit_does_not_take_is_told_in_its_words(self, bench: EaBench) -> None:
        bench.unit.settings = bench.unit.settings.model_copy(update={"voltage": 4.0})
        with pytest.raises(ConfigurationRefused, match=r"VOLTage 4\.250.*out of range"):
            bench.driver.protect(PROTECTION)

    def test_release_gives_them_up(self, bench: EaBench) -> None:
        bench.driver.release()
        bench.driver.release()
        bench.driver.apply(Command(Mode.CC, 6.0))
        assert bench.unit.set_points()[:2] == (42.0, 6.0)

    @pytest.mark.parametrize("zero", [0.0, -0.0])
    def test_a_bidirectional_one_may_be_forbidden_to_sink(
        self, clock: ManualClock, zero: float
    ) -> None:
        bench = make_ea(clock, PSB)
        bench.driver.open()
        held = bench.driver.protect(replace(PROTECTION, current_min=zero))
        assert held.current_min == 0.0
        bench.driver.apply(Command(Mode.CV, 3.9))
        assert bench.unit.set_points()[2] == 0.0
        # A unit need not know what -0 is.
        assert not [line for line in bench.lines if "-0" in line]


class TestModes:
    @pytest.mark.parametrize(
        ("command", "quantity"),
        [(Command(Mode.CC, 1.5), "current"), (Command(Mode.CV, 3.75), "voltage")],
    )
    def test_a_source_does_what_it_is_told(
        self, bench: EaBench, command: Command, quantity: str
    ) -> None:
        bench.driver.apply(command)
        reading = bench.driver.read()
        assert reading.active == command
        assert reading.faults == ()
        assert reading.values[quantity].value == pytest.approx(command.setpoint, abs=0.005)

    @pytest.mark.parametrize(
        ("command", "quantity"),
        [
            (Command(Mode.CC, 1.5), "current"),
            (Command(Mode.CC, -1.5), "current"),
            (Command(Mode.CV, 3.75), "voltage"),
            (Command(Mode.CV, 3.65), "voltage"),
        ],
    )
    def test_a_bidirectional_one_does_so_both_ways(
        self, psb: EaBench, command: Command, quantity: str
    ) -> None:
        psb.driver.apply(command)
        reading = psb.driver.read()
        assert reading.active == command
        assert reading.values[quantity].value == pytest.approx(command.setpoint, abs=0.005)

    def test_a_charge_ends_at_the_voltage_bound_by_itself(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 2.5))
        for _ in range(120):
            bench.clock.now_ns += 60_000 * MS
            assert value(bench, "voltage") <= 4.25
        assert value(bench, "current") < 0.5
        assert bench.driver.read().active == Command(Mode.CC, 2.5)

    def test_a_discharge_ends_at_the_voltage_bound_by_itself(self, psb: EaBench) -> None:
        psb.driver.apply(Command(Mode.CC, -2.5))
        for _ in range(120):
            psb.clock.now_ns += 60_000 * MS
            assert value(psb, "voltage") >= 2.5
        assert -0.5 < value(psb, "current") <= 0.0

    def test_from_charge_to_discharge_there_is_no_set_point_beyond_either(
        self, psb: EaBench
    ) -> None:
        psb.driver.apply(Command(Mode.CC, 4.0))
        begin = len(psb.link.sent)
        psb.driver.apply(Command(Mode.CC, -3.0))
        written = [line for line in psb.lines[begin:] if line[-1].isdigit()]
        assert written == ["CURRent 0.000", "VOLTage 2.500", "SINK:CURRent 3.000"]
        psb.driver.apply(Command(Mode.CC, 4.0))
        written = [line for line in psb.lines[begin:] if line[-1].isdigit()][3:]
        assert written == ["SINK:CURRent 0.000", "VOLTage 4.250", "CURRent 4.000"]

    def test_no_current_is_a_set_point_too(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 0.0))
        reading = bench.driver.read()
        assert reading.active == Command(Mode.CC, 0.0)
        assert reading.values["current"].value == 0.0

    def test_set_points_that_stay_are_not_written_again(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        begin = len(bench.link.sent)
        bench.driver.apply(Command(Mode.CC, 1.1))
        assert [line for line in bench.lines[begin:] if not line.endswith("?")] == ["CURRent 1.100"]

    def test_an_unconnected_output_holds_its_voltage(self, clock: ManualClock) -> None:
        bench = make_ea(clock, batteries=0)
        bench.driver.open()
        bench.driver.protect(PROTECTION)
        bench.driver.apply(Command(Mode.CC, 1.0))
        assert value(bench, "voltage") == pytest.approx(4.25)
        assert value(bench, "current") == 0.0

    def test_at_its_rated_power_less_current_flows(self, clock: ManualClock) -> None:
        bench = make_ea(clock, {"power": 20.0})
        bench.driver.open()
        bench.driver.protect(Protection(2.5, 20.0, 0.0, 10.0))
        bench.driver.apply(Command(Mode.CC, 9.0))
        assert value(bench, "current") < 7.0

    def test_every_reading_is_dated_by_its_answer(self, bench: EaBench) -> None:
        bench.link.delay_next(0.2)
        before_ns = bench.clock.now_ns
        reading = bench.driver.read()
        assert {measured.at_ns for measured in reading.values.values()} == {before_ns + 200 * MS}


class TestRefusals:
    @pytest.mark.parametrize(
        "command",
        [
            Command(Mode.CC, 5.5),
            Command(Mode.CC, -1.0),
            Command(Mode.CV, 4.4),
            Command(Mode.CV, 2.0),
        ],
    )
    def test_a_set_point_beyond_the_bounds_is_not_sent(
        self, bench: EaBench, command: Command
    ) -> None:
        begin = len(bench.link.sent)
        with pytest.raises(ConfigurationRefused, match=rf"{command.setpoint:g}.*limits"):
            bench.driver.apply(command)
        assert bench.lines[begin:] == []
        assert bench.driver.read().active == OFF

    def test_what_ran_goes_on_after_it(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        with pytest.raises(ConfigurationRefused):
            bench.driver.apply(Command(Mode.CC, 7.0))
        assert bench.driver.read().active == Command(Mode.CC, 1.0)

    def test_constant_power_is_refused_with_what_works(self, psb: EaBench) -> None:
        with pytest.raises(
            ConfigurationRefused, match=r"-5 W.*constant current or constant voltage"
        ):
            psb.driver.apply(Command(Mode.CP, -5.0))

    def test_an_output_that_does_not_go_on(self, bench: EaBench) -> None:
        bench.break_down("stuck on")
        with pytest.raises(ConfigurationRefused, match="OUTPut ON"):
            bench.driver.apply(Command(Mode.CC, 1.0))

    def test_another_current_than_was_set_switches_off(self, bench: EaBench) -> None:
        bench.break_down("current 3")
        with pytest.raises(ConfigurationRefused, match=r"does not obey cc 1.*measures .* 3 A"):
            bench.driver.apply(Command(Mode.CC, 1.0))
        assert not bench.unit.is_on()

    def test_measures_that_show_nothing_of_the_set_point_switch_off(self, bench: EaBench) -> None:
        bench.break_down("frozen on")
        with pytest.raises(ConfigurationRefused, match="does not obey"):
            bench.driver.apply(Command(Mode.CC, 1.0))
        assert not bench.unit.is_on()

    def test_a_sign_that_is_the_wrong_way_round_switches_off(self, psb: EaBench) -> None:
        psb.break_down("current 2")
        with pytest.raises(ConfigurationRefused, match="does not obey"):
            psb.driver.apply(Command(Mode.CC, -2.0))
        assert not psb.unit.is_on()

    def test_without_remote_control_the_units_words_are_told(self, bench: EaBench) -> None:
        bench.break_down("reboot")
        with pytest.raises(ConfigurationRefused, match="Command protected"):
            bench.driver.apply(Command(Mode.CC, 1.0))
        assert not bench.unit.is_on()

    def test_the_next_run_takes_remote_control_again(self, bench: EaBench) -> None:
        bench.break_down("reboot")
        bench.driver.make_safe()
        bench.driver.protect(PROTECTION)
        bench.driver.apply(Command(Mode.CC, 1.0))
        assert value(bench, "current") == pytest.approx(1.0)
