"""The EA driver in trouble: trips, spoilt answers, and the way to the safe state."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.unit.drivers.ea_bench import PROTECTION, EaBench, bounded_ea, make_ea, value

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    DeviceError,
    DeviceFault,
    Mode,
    ProtocolViolated,
)
from bem_drivers.ea.driver import ON_BY_ITSELF

MS = 1_000_000


@pytest.fixture
def bench(clock: ManualClock) -> EaBench:
    """Get an opened supply of 42 V, 10 A and 160 W, bounded for a half full cell."""
    return bounded_ea(clock)


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
        faults: list[str] = []
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
