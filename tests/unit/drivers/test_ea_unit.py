"""The simulated EA supply behaves as devices.md §4.2 says, whatever a driver makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.unit.drivers.ea_bench import DUAL, PSB, EaBench, make_ea

from bem_drivers.ea.simulator import EaUnit, EaUnitSettings

NO_ERROR = '0,"No error"'


def say(bench: EaBench, *lines: str) -> list[str]:
    """Send lines to the unit; get what the last one is answered."""
    answers: list[str] = []
    for line in lines:
        answers = bench.unit.receive(line, bench.clock.now_ns)
    return answers


@pytest.fixture
def bench(clock: ManualClock) -> EaBench:
    return make_ea(clock)


@pytest.fixture
def remote(bench: EaBench) -> EaBench:
    """Get a bench whose unit is under remote control and set to what a cell bears."""
    assert say(bench, "SYSTem:LOCK ON", "VOLTage 4.2", "CURRent 1", "SYSTem:ERRor?") == [NO_ERROR]
    return bench


class TestWords:
    @pytest.mark.parametrize(
        ("question", "answer"),
        [
            ("*IDN?", "EA Elektro-Automatik GmbH & Co. KG, PS 2042-10B, 2814450001, V3.09"),
            ("SYSTem:NOMinal:CURRent?", "10.00 A"),
            ("SYSTem:NOMinal:VOLTage?", "42.00 V"),
            ("SYSTem:NOMinal:POWer?", "160.0 W"),
            ("OUTPut?", "OFF"),
            ("SYSTem:ERRor?", NO_ERROR),
            (":SYST:ERR?", NO_ERROR),
            ("output?", "OFF"),
            ("  :OUTPUT? \r", "OFF"),
            ("MEAS:ARR?", "3.70 V, 0.00 A, 0.0 W"),
        ],
    )
    def test_questions_are_answered_in_any_case_with_or_without_colon(
        self, bench: EaBench, question: str, answer: str
    ) -> None:
        assert say(bench, question) == [answer]

    @pytest.mark.parametrize(
        "lock", ["SYSTem:LOCK ON", "SYSTem:LOCK: ON", ":system:lock: on", "SYST:LOCK ON\r"]
    )
    @pytest.mark.parametrize("on", ["OUTPut ON", "OUTPut: ON", ":outp: on"])
    def test_a_stray_colon_is_accepted(self, bench: EaBench, lock: str, on: str) -> None:
        assert say(bench, lock, on) == []
        assert bench.unit.is_on()
        assert say(bench, "SYSTem:ERRor?") == [NO_ERROR]

    def test_commands_may_be_joined(self, bench: EaBench) -> None:
        line = "SYSTem:LOCK ON; VOLTage 4.1;:CURRent 0.5;OUTPut ON;OUTPut?;SYSTem:ERRor?"
        assert say(bench, line) == ["ON", NO_ERROR]
        assert bench.unit.set_points() == (4.1, 0.5, 10.0)

    def test_set_commands_are_silent(self, bench: EaBench) -> None:
        for line in ("SYSTem:LOCK ON", "VOLTage 4.2", "CURRent 1e0", "OUTPut ON", "OUTPut OFF"):
            assert say(bench, line) == []

    @pytest.mark.parametrize(
        "line",
        [
            "FOO",
            "FOO?",
            "VOLTage?",
            "VOLTage",
            "VOLTage x",
            "VOLTage -1",
            "VOLTage 42.01",
            "CURRent nan",
            "CURRent 1e999",
            "SINK:CURRent 1",
            "OUTPut 1",
            "OUTPut ON (@1)",
        ],
    )
    def test_what_it_does_not_take_is_told_once_and_changes_nothing(
        self, remote: EaBench, line: str
    ) -> None:
        before = remote.unit.set_points()
        assert say(remote, line) == []
        assert "No error" not in say(remote, "SYSTem:ERRor?")[0]
        assert say(remote, "SYSTem:ERRor?") == [NO_ERROR]
        assert remote.unit.set_points() == before
        assert not remote.unit.is_on()

    @given(st.lists(st.text() | st.binary().map(lambda data: data.decode("latin-1")), max_size=5))
    def test_noise_neither_breaks_it_nor_switches_it_on(self, lines: list[str]) -> None:
        unit = EaUnit(EaUnitSettings(), [])
        for line in lines:
            unit.receive(line, 0)
        assert not unit.is_on()
        assert unit.receive("OUTPut?", 0) == ["OFF"]


class TestRemoteControl:
    @pytest.mark.parametrize("line", ["VOLTage 4.2", "CURRent 1", "OUTPut ON", "OUTPut OFF"])
    def test_without_it_set_commands_are_refused(self, bench: EaBench, line: str) -> None:
        before = bench.unit.set_points()
        say(bench, line)
        assert "protected" in say(bench, "SYSTem:ERRor?")[0]
        assert bench.unit.set_points() == before
        assert not bench.unit.is_on()

    def test_questions_need_none(self, bench: EaBench) -> None:
        assert say(bench, "MEASure:ARRay?;OUTPut?;SYSTem:ERRor?")[1:] == ["OFF", NO_ERROR]

    def test_it_is_lost_with_the_supply_and_so_are_the_set_points(self, remote: EaBench) -> None:
        say(remote, "OUTPut ON")
        remote.break_down("reboot")
        assert not remote.unit.is_remote()
        assert not remote.unit.is_on()
        assert remote.unit.set_points() == (42.0, 10.0, 10.0)


class TestPower:
    def test_current_is_regulated_below_the_voltage(self, remote: EaBench) -> None:
        say(remote, "OUTPut ON")
        voltage, current, _ = say(remote, "MEASure:ARRay?")[0].split(",")
        assert current == " 1.00 A"
        assert float(voltage.split()[0]) < 4.2

    def test_voltage_is_regulated_below_the_current(self, remote: EaBench) -> None:
        say(remote, "CURRent 10", "VOLTage 3.75", "OUTPut ON")
        voltage, current, _ = say(remote, "MEASure:ARRay?")[0].split(",")
        assert voltage == "3.75 V"
        assert 0 < float(current.split()[0]) < 10

    def test_it_crosses_over_by_itself(self, remote: EaBench) -> None:
        say(remote, "CURRent 2.5", "OUTPut ON")
        readings = []
        for _ in range(120):
            remote.clock.now_ns += 60_000_000_000
            readings.append(say(remote, "MEASure:ARRay?")[0])
        assert " 2.50 A" in readings[0]
        assert readings[-1].startswith("4.20 V")
        assert "2.50 A" not in readings[-1]

    def test_a_source_takes_nothing_from_a_fuller_battery(self, remote: EaBench) -> None:
        say(remote, "VOLTage 3", "OUTPut ON")
        assert say(remote, "MEASure:ARRay?") == ["3.70 V, 0.00 A, 0.0 W"]

    def test_power_is_bound_by_the_rating(self, clock: ManualClock) -> None:
        bench = make_ea(clock, {"power": 20.0})
        say(bench, "SYSTem:LOCK ON", "VOLTage 42", "CURRent 10", "OUTPut ON")
        assert float(say(bench, "MEASure:ARRay?")[0].split(",")[2].split()[0]) < 24

    def test_a_bidirectional_one_sinks_down_to_its_voltage(self, clock: ManualClock) -> None:
        bench = make_ea(clock, PSB)
        say(bench, "SYSTem:LOCK ON", "VOLTage 3", "CURRent 0", "SINK:CURRent 1.5", "OUTPut ON")
        assert " -1.50 A" in say(bench, "MEASure:ARRay?")[0]
        assert say(bench, "SYSTem:ERRor?") == [NO_ERROR]


class TestTwoOutputs:
    def test_each_is_switched_and_measured_by_itself(self, clock: ManualClock) -> None:
        bench = make_ea(clock, DUAL, batteries=2)
        say(bench, "SYSTem:LOCK ON (@2)", "VOLTage 4.2 (@2)", "CURRent 1 (@2)", "OUTPut: ON (@2)")
        assert say(bench, "OUTPut? (@1)") == ["OFF"]
        assert say(bench, "OUTPut? (@2)") == ["ON"]
        assert " 0.00 A" in say(bench, "MEASure:ARRay? (@1)")[0]
        assert " 1.00 A" in say(bench, "MEASure:ARRay? (@2)")[0]
        assert bench.unit.set_points(1) == (84.0, 5.0, 5.0)

    @pytest.mark.parametrize("line", ["OUTPut?", "OUTPut? (@3)", "OUTPut? (@0)", "OUTPut? (@)"])
    def test_without_saying_which_nothing_is_answered(self, clock: ManualClock, line: str) -> None:
        bench = make_ea(clock, DUAL)
        assert say(bench, line) == []
        assert "No error" not in say(bench, "SYSTem:ERRor?")[0]


class TestFaults:
    def test_measures_freeze(self, remote: EaBench) -> None:
        before = say(remote, "MEASure:ARRay?")
        remote.break_down("frozen on")
        assert say(remote, "OUTPut ON", "MEASure:ARRay?") == before
        remote.break_down("frozen off")
        assert say(remote, "MEASure:ARRay?") != before

    def test_it_trips_with_an_error(self, remote: EaBench) -> None:
        say(remote, "OUTPut ON")
        remote.break_down("trip")
        assert say(remote, "OUTPut?") == ["OFF"]
        assert "Device-specific" in say(remote, "SYSTem:ERRor?")[0]

    @pytest.mark.parametrize(
        "order", ["", "fire", "voltage", "voltage nan", "frozen maybe", "trip 1"]
    )
    def test_an_unknown_order_is_refused(self, bench: EaBench, order: str) -> None:
        with pytest.raises(ValueError, match=r"fault"):
            bench.unit.break_down(order, bench.clock.now_ns)

    def test_more_batteries_than_outputs_are_refused(self, clock: ManualClock) -> None:
        with pytest.raises(ValueError, match="1 outputs, not 2"):
            make_ea(clock, batteries=2)
