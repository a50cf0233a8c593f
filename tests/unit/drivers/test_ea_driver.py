"""The EA driver against its simulated unit: what a station relies on."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.drivers.conftest import ManualClock
from tests.unit.drivers.ea_bench import DUAL, PSB, EaBench, make_ea

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    DeviceFault,
    DeviceNotFound,
    Identity,
    Mode,
    Protection,
    ProtocolViolated,
    Ratings,
    WrongDevice,
)
from bem_drivers.ea import DRIVER, EaSettings
from bem_drivers.ea.driver import ON_BY_ITSELF

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=0.5
)
MS = 1_000_000
PAGE = Path(__file__).parents[3] / "docs/devices/ea.md"


def value(bench: EaBench, name: str) -> float:
    return bench.driver.read().values[name].value


def answer_instead(bench: EaBench, question: str, answer: str) -> None:
    """Have one question answered by something else, whenever it is asked."""
    real = bench.faulty.receive

    def receive(line: str, now_ns: int) -> list[str]:
        answers = real(line, now_ns)
        return [answer] if line == question else answers

    bench.faulty.receive = receive


@pytest.fixture
def bench(clock: ManualClock) -> EaBench:
    """Get an opened supply of 42 V, 10 A and 160 W, bounded for a half full cell."""
    bench = make_ea(clock)
    bench.driver.open()
    bench.driver.protect(PROTECTION)
    return bench


@pytest.fixture
def psb(clock: ManualClock) -> EaBench:
    """Get an opened bidirectional supply of 60 V, 60 A, bounded for a half full cell."""
    bench = make_ea(clock, PSB)
    bench.driver.open()
    bench.driver.protect(PROTECTION)
    return bench


class TestSettings:
    def test_a_port_alone_has_the_line_of_a_supply(self) -> None:
        settings = EaSettings.model_validate({"address": {"kind": "serial", "port": "/dev/ea"}})
        address = settings.address
        assert address.model_dump() == {
            "kind": "serial",
            "port": "/dev/ea",
            "baudrate": 9600,
            "parity": "odd",
            "data_bits": 8,
            "stop_bits": 1,
        }

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"output": 3}, "output"),
            ({"output": 0}, "output"),
            ({"reply_timeout_s": 0}, "reply_timeout_s"),
            ({"serial_number": ""}, "serial_number"),
            ({"speed": 1}, "speed"),
        ],
    )
    def test_a_wrong_setting_is_refused_with_its_path(
        self, wrong: dict[str, object], path: str
    ) -> None:
        address = {"kind": "serial", "port": "/dev/ea"}
        with pytest.raises(ValidationError) as caught:
            EaSettings.model_validate({"address": address, **wrong})
        assert caught.value.errors()[0]["loc"] == (path,)

    def test_both_outputs_of_a_unit_are_one_place_as_they_share_a_line(self) -> None:
        address = {"kind": "serial", "port": "/dev/bem/ea-1"}
        places = {
            DRIVER.places(EaSettings.model_validate({"address": address, "output": output}))
            for output in (1, 2)
        }
        assert places == {("serial /dev/bem/ea-1",)}

    def test_the_examples_of_the_handbook_are_settings(self) -> None:
        examples = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        assert len(examples) == 3
        for example in map(yaml.safe_load, examples):
            assert example["driver"] == DRIVER.name
            DRIVER.settings.model_validate(example["settings"])

    def test_making_a_driver_touches_no_port(self, clock: ManualClock) -> None:
        for address in (
            {"kind": "serial", "port": "/dev/there-is-none"},
            {"kind": "tcp", "host": "10.255.255.1", "port": 5025},
        ):
            device = DRIVER.make(EaSettings.model_validate({"address": address}), clock)
            device.close()


class TestOpening:
    def test_it_tells_who_it_is_and_what_it_can_do(self, clock: ManualClock) -> None:
        bench = make_ea(clock)
        bench.driver.open()
        assert bench.driver.identity == Identity(
            make="EA Elektro-Automatik GmbH & Co. KG",
            model="PS 2042-10B",
            serial="2814450001",
            firmware="V3.09",
        )
        assert bench.driver.ratings == Ratings(0.0, 42.0, 0.0, 10.0, 0.0, 160.0)

    def test_a_bidirectional_one_can_discharge(self, psb: EaBench) -> None:
        assert psb.driver.ratings == Ratings(0.0, 60.0, -60.0, 60.0, -1500.0, 1500.0)

    def test_remote_control_is_taken_before_anything_is_set(self, clock: ManualClock) -> None:
        bench = make_ea(clock)
        bench.driver.open()
        commands = [line for line in bench.lines if not line.endswith("?")]
        assert commands[0] == "SYSTem:LOCK ON"
        assert bench.unit.is_remote()

    def test_an_output_that_was_left_on_goes_off(self, clock: ManualClock) -> None:
        bench = make_ea(clock)
        for line in ("SYSTem:LOCK ON", "VOLTage 4.2", "CURRent 2", "OUTPut ON"):
            bench.unit.receive(line, clock.now_ns)
        bench.driver.open()
        assert not bench.unit.is_on()
        assert bench.unit.set_points()[:2] == (0.0, 0.0)
        assert bench.driver.read().active == OFF

    def test_it_goes_off_even_when_nothing_else_makes_sense(self, clock: ManualClock) -> None:
        bench = make_ea(clock)
        for line in ("SYSTem:LOCK ON", "VOLTage 4.2", "CURRent 2", "OUTPut ON"):
            bench.unit.receive(line, clock.now_ns)
        answer_instead(bench, "SYSTem:ERRor?", "?")
        with pytest.raises(ProtocolViolated):
            bench.driver.open()
        assert not bench.unit.is_on()

    def test_old_errors_of_the_unit_are_none_of_ours(self, clock: ManualClock) -> None:
        bench = make_ea(clock)
        for _ in range(15):
            bench.unit.receive("NONSENSE", clock.now_ns)
        bench.driver.open()
        assert bench.driver.read().faults == ()

    def test_nothing_there(self, clock: ManualClock) -> None:
        bench = make_ea(clock)
        bench.break_down("silent on")
        with pytest.raises(DeviceNotFound, match="does not answer"):
            bench.driver.open()
        assert not any("OUTPut" in line or "LOCK" in line for line in bench.lines)

    @pytest.mark.parametrize(
        "identification",
        ["RS-KEL103 V3.30 SN:00012345", "2831E  Multimeter,Ver1.4,123", ":SCPI:ERROR:*IDN?", "EA"],
    )
    def test_another_device_is_sent_no_command(
        self, clock: ManualClock, identification: str
    ) -> None:
        bench = make_ea(clock)
        bench.link.replace_next(identification)
        with pytest.raises(WrongDevice) as caught:
            bench.driver.open()
        assert identification in str(caught.value)
        bench.driver.close()
        assert set(bench.lines) == {"*IDN?"}

    def test_another_serial_number_is_refused(self, clock: ManualClock) -> None:
        bench = make_ea(clock, serial_number="4711")
        with pytest.raises(WrongDevice, match=r"2814450001.*4711"):
            bench.driver.open()

    def test_noise_is_another_device(self, clock: ManualClock) -> None:
        bench = make_ea(clock)
        bench.break_down("garbage 2")
        with pytest.raises(WrongDevice, match="9600"):
            bench.driver.open()

    @pytest.mark.parametrize("order", ["garbage 1", "drop 1"])
    def test_what_a_killed_process_left_on_the_line_does_no_harm(
        self, clock: ManualClock, order: str
    ) -> None:
        bench = make_ea(clock)
        bench.break_down(order)
        bench.driver.open()
        assert bench.driver.identity.model == "PS 2042-10B"

    def test_an_output_that_does_not_go_off_is_no_device_to_work_with(
        self, clock: ManualClock
    ) -> None:
        bench = make_ea(clock)
        bench.break_down("surge")
        bench.break_down("stuck on")
        with pytest.raises(DeviceFault, match="disconnect the battery"):
            bench.driver.open()

    @pytest.mark.parametrize("answer", ["0.00 A", "10.00", "1", "nan A", "42.00 V", "OFF"])
    def test_ratings_that_are_none_are_refused(self, clock: ManualClock, answer: str) -> None:
        bench = make_ea(clock)
        answer_instead(bench, "SYSTem:NOMinal:CURRent?", answer)
        with pytest.raises(ProtocolViolated, match="NOMinal"):
            bench.driver.open()


class TestTwoOutputs:
    def test_the_settings_must_say_which(self, clock: ManualClock) -> None:
        bench = make_ea(clock, DUAL)
        with pytest.raises(WrongDevice, match="'output' to 1 or 2"):
            bench.driver.open()

    def test_a_unit_with_one_output_has_no_second(self, clock: ManualClock) -> None:
        bench = make_ea(clock, output=2)
        with pytest.raises(DeviceFault, match="leave 'output' out"):
            bench.driver.open()

    @pytest.mark.parametrize("output", [1, 2])
    def test_only_the_output_of_the_settings_is_touched(
        self, clock: ManualClock, output: int
    ) -> None:
        bench = make_ea(clock, DUAL, batteries=2, output=output)
        bench.driver.open()
        bench.driver.protect(PROTECTION)
        bench.driver.apply(Command(Mode.CC, 1.0))
        assert value(bench, "current") == pytest.approx(1.0)
        other = 3 - output
        assert bench.unit.is_on(output)
        assert not bench.unit.is_on(other)
        assert not bench.unit.is_remote(other)
        bench.driver.close()
        assert {number for number, _ in bench.outputs()} == {output}


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


class TestTroubleUnderPower:
    def test_a_trip_shows_as_off_with_the_units_error(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.driver.read()
        bench.break_down("trip")
        reading = bench.driver.read()
        assert reading.active == OFF
        assert reading.faults == ('-300,"Device-specific error"',)

    def test_after_a_trip_nothing_goes_on_by_itself(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.break_down("trip")
        with pytest.raises(DeviceFault, match=r"Device-specific error.*make it safe first"):
            bench.driver.apply(Command(Mode.CC, 1.1))
        assert not bench.unit.is_on()
        bench.driver.make_safe()
        bench.driver.apply(Command(Mode.CC, 1.1))
        assert bench.unit.is_on()

    def test_an_output_on_by_itself_is_a_fault_and_carries_nothing(self, bench: EaBench) -> None:
        bench.break_down("surge")
        reading = bench.driver.read()
        assert ON_BY_ITSELF in reading.faults
        assert reading.active == Command(Mode.CC, 0.0)
        assert reading.values["current"].value == 0.0
        with pytest.raises(DeviceFault, match="on by itself"):
            bench.driver.apply(Command(Mode.CC, 1.0))
        bench.driver.make_safe()
        assert not bench.unit.is_on()

    def test_an_error_of_the_unit_is_read_within_a_second(self, bench: EaBench) -> None:
        bench.driver.read()
        bench.unit.receive("NONSENSE", bench.clock.now_ns)
        faults = []
        for _ in range(12):
            bench.clock.now_ns += 100 * MS
            faults += bench.driver.read().faults
        assert faults == ['-113,"Undefined header"']

    def test_keep_alive_sends_nothing(self, bench: EaBench) -> None:
        begin = len(bench.link.sent)
        bench.driver.keep_alive()
        assert bench.lines[begin:] == []


class TestSpoiltAnswers:
    @pytest.mark.parametrize("order", ["garbage 1", "wrong ON", "wrong 12.00 V, 0.50 A", "wrong "])
    def test_one_that_means_nothing_is_never_a_reading(self, bench: EaBench, order: str) -> None:
        bench.break_down(order)
        with pytest.raises(ProtocolViolated):
            bench.driver.read()
        assert value(bench, "voltage") == pytest.approx(3.7)

    @pytest.mark.parametrize("order", ["drop 1", "half 1", "silent on", "late 900"])
    def test_one_that_does_not_come_in_time_is_a_loss(self, bench: EaBench, order: str) -> None:
        bench.break_down(order)
        with pytest.raises(CommunicationLost, match="MEASure"):
            bench.driver.read()

    def test_a_late_answer_is_never_taken_for_another(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.link.delay_next(0.7)
        with pytest.raises(CommunicationLost):
            bench.driver.read()
        bench.driver.make_safe()
        reading = bench.driver.read()
        assert reading.values["current"].value == 0.0
        assert reading.active == OFF

    def test_doubled_answers_are_counted_once(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.break_down("double 100")
        for _ in range(10):
            assert value(bench, "current") == pytest.approx(1.0)
        bench.driver.make_safe()
        assert value(bench, "current") == 0.0

    def test_negative_and_exponent_numbers_are_read(self, bench: EaBench) -> None:
        bench.link.replace_next("3.7e+00 V, -1.5e-02 A, -5.55e-02 W")
        reading = bench.driver.read()
        assert reading.values["voltage"].value == pytest.approx(3.7)
        assert reading.values["current"].value == pytest.approx(-0.015)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.text() | st.sampled_from(["ON", "OFF", '0,"No error"', "1 V, 2 A, 3 W"]), max_size=6
        ),
        st.sampled_from(["read", "apply", "protect", "make_safe"]),
    )
    def test_noise_makes_nothing_but_errors_of_a_device(
        self, clock: ManualClock, answers: list[str], action: str
    ) -> None:
        bench = make_ea(clock)
        bench.driver.open()
        bench.link.replace_next(*(answer.replace("\n", " ") for answer in answers))
        actions: dict[str, Callable[[], object]] = {
            "read": bench.driver.read,
            "apply": lambda: bench.driver.apply(Command(Mode.CC, 1.0)),
            "protect": lambda: bench.driver.protect(PROTECTION),
            "make_safe": bench.driver.make_safe,
        }
        with contextlib.suppress(DeviceError):
            actions[action]()
        bench.link.replace_next()
        bench.driver.make_safe()
        assert not bench.unit.is_on()


class TestSafeState:
    @pytest.mark.parametrize(
        "reach",
        [
            lambda _bench: None,
            lambda bench: bench.driver.apply(Command(Mode.CC, 2.0)),
            lambda bench: bench.driver.apply(Command(Mode.CV, 3.8)),
            lambda bench: bench.driver.make_safe(),
            lambda bench: bench.driver.release(),
            lambda bench: bench.break_down("surge"),
            lambda bench: bench.break_down("trip"),
            lambda bench: bench.break_down("reboot"),
            lambda bench: bench.unit.receive("SYSTem:LOCK OFF", bench.clock.now_ns),
            lambda bench: bench.break_down("drop 1"),
            lambda bench: bench.break_down("garbage 1"),
            lambda bench: bench.break_down("half 1"),
            lambda bench: bench.break_down("wrong OFFICE"),
            lambda bench: bench.link.delay_next(0.6),
            lambda bench: bench.break_down("voltage 60"),
        ],
        ids=[
            "off",
            "cc",
            "cv",
            "safe",
            "released",
            "on by itself",
            "tripped",
            "rebooted",
            "unlocked",
            "answer lost",
            "garbage",
            "half",
            "wrong",
            "late",
            "voltage",
        ],
    )
    @pytest.mark.parametrize("running", [False, True])
    def test_it_is_reached_from_every_state(
        self, bench: EaBench, reach: Callable[[EaBench], object], running: bool
    ) -> None:
        if running:
            bench.driver.apply(Command(Mode.CC, 1.0))
        reach(bench)
        bench.driver.make_safe()
        assert not bench.unit.is_on()
        assert bench.poles[0].current == 0.0
        assert bench.driver.read().active == OFF

    def test_off_by_apply_is_the_same(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.driver.apply(OFF)
        bench.driver.apply(OFF)
        assert not bench.unit.is_on()

    def test_without_remote_control_it_is_taken_for_switching_off(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.unit.receive("SYSTem:LOCK OFF", bench.clock.now_ns)
        bench.driver.make_safe()
        assert not bench.unit.is_on()

    def test_a_unit_that_does_not_obey_is_not_called_safe(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.break_down("stuck on")
        with pytest.raises(DeviceFault, match="disconnect the battery"):
            bench.driver.make_safe()

    def test_current_that_flows_though_it_says_off_is_not_called_safe(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 2.0))
        bench.break_down("frozen on")
        with pytest.raises(DeviceFault, match=r"output is off and measures 2 A"):
            bench.driver.make_safe()

    def test_silence_is_not_called_safe_but_it_was_told(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.break_down("silent on")
        begin_ns = bench.clock.now_ns
        with pytest.raises(CommunicationLost):
            bench.driver.make_safe()
        assert (bench.clock.now_ns - begin_ns) / 1e9 < 3.0
        assert not bench.unit.is_on()
        at_ns = next(at for at, kind, facts in reversed(bench.ledger) if kind == "output")
        assert at_ns == begin_ns


class TestClosing:
    def test_the_output_goes_off_before_remote_control_is_given_back(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        begin = len(bench.link.sent)
        bench.driver.close()
        bench.driver.close()
        assert bench.lines[begin:] == ["OUTPut OFF", "SYSTem:LOCK OFF"]
        assert not bench.unit.is_on()
        assert not bench.unit.is_remote()

    def test_it_never_raises_for_a_device_that_has_gone(self, bench: EaBench) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.link.unplugged = True
        bench.driver.close()

    def test_unplugging_in_mid_run_is_a_loss_and_plugging_in_again_makes_it_safe(
        self, bench: EaBench
    ) -> None:
        bench.driver.apply(Command(Mode.CC, 1.0))
        bench.link.unplugged = True
        for use in (bench.driver.read, bench.driver.make_safe):
            with pytest.raises(CommunicationLost):
                use()
        bench.driver.close()
        with pytest.raises(DeviceNotFound):
            bench.driver.open()
        assert bench.unit.is_on()  # it has no watchdog: nothing but the line can switch it off
        bench.link.unplugged = False
        bench.driver.open()
        assert not bench.unit.is_on()
        bench.driver.protect(PROTECTION)
        bench.driver.apply(Command(Mode.CC, 1.0))
        assert value(bench, "current") == pytest.approx(1.0)

    def test_another_unit_that_was_plugged_in_has_its_own_ratings(self, bench: EaBench) -> None:
        bench.driver.close()
        other = make_ea(bench.clock, PSB)
        bench.link.unit = other.faulty
        bench.driver.open()
        assert bench.driver.ratings.current_min == -60.0
        assert bench.driver.identity.model == "PSB 9060-60"
