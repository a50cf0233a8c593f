"""The EA driver comes to a unit and leaves it."""

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.ea_bench import (
    DUAL,
    PROTECTION,
    PSB,
    EaBench,
    answer_instead,
    bounded_ea,
    make_ea,
    value,
)

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    DeviceFault,
    DeviceNotFound,
    Identity,
    Mode,
    ProtocolViolated,
    Ratings,
    WrongDevice,
)


@pytest.fixture
def bench(clock: ManualClock) -> EaBench:
    """Get an opened supply of 42 V, 10 A and 160 W, bounded for a half full cell."""
    return bounded_ea(clock)


@pytest.fixture
def psb(clock: ManualClock) -> EaBench:
    """Get an opened bidirectional supply of 60 V, 60 A, bounded for a half full cell."""
    return bounded_ea(clock, PSB)


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
