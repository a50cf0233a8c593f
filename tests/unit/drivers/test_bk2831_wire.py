"""The lines of a BK 2831E: what its codec reads and writes, and what the simulated meter says."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.support.fuzzing import fuzz
from tests.unit.drivers.bk2831_bench import ADDRESS, Bk2831Bench, make

from bem_drivers.base import DeviceError, ProtocolViolated, WrongDevice
from bem_drivers.bk2831 import DRIVER, codec
from bem_drivers.bk2831.settings import Bk2831Settings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.spec import Place

ROOT = Path(__file__).parents[3]
SETTINGS = Bk2831Settings.model_validate({"address": ADDRESS})


@pytest.fixture
def meter(clock: ManualClock) -> Bk2831Bench:
    """Get a meter nobody has spoken to."""
    return make(clock)


def say(bench: Bk2831Bench, line: str) -> list[str]:
    return bench.unit.receive(line, bench.clock.now_ns)


class TestCodec:
    @pytest.mark.parametrize(
        "line", ["2831E  Multimeter,Ver1.4,7", " 2831e, Ver1.4 , 7\r", "BK 2831E,Ver1.4,7"]
    )
    def test_a_name(self, line: str) -> None:
        identity = codec.parse_identity(line)
        assert (identity.model, identity.firmware, identity.serial) == ("2831E", "Ver1.4", "7")

    @pytest.mark.parametrize(
        ("line", "error"),
        [("*E00 NO ERROR", ""), ("no error", ""), ("*E01 COMMAND ERROR\r", "*E01 COMMAND ERROR")],
    )
    def test_an_error(self, line: str, error: str) -> None:
        assert codec.parse_error(line) == error

    def test_an_error_that_is_none_of_both(self) -> None:
        with pytest.raises(ProtocolViolated, match="nothing of an error"):
            codec.parse_error("1.234")

    @pytest.mark.parametrize("line", ["", "VOLT", "CURR:DC:", "FREQ", "VOLT:DC,RES"])
    def test_no_function(self, line: str) -> None:
        with pytest.raises(ProtocolViolated, match="no function"):
            codec.parse_function(line)

    @fuzz
    @given(st.text() | st.from_regex(r"[+-]?[0-9.]{1,8}[eE][+-]?[0-9]{1,3}", fullmatch=True))
    def test_values_of_anything(self, line: str) -> None:
        try:
            value = codec.parse_value(line, SETTINGS)
        except DeviceError:
            return
        assert value is None or value == float(line)
        assert value is None or abs(value) <= 1200.0

    @fuzz
    @given(st.text())
    def test_names_of_anything(self, line: str) -> None:
        try:
            identity = codec.parse_identity(line)
        except WrongDevice:
            return
        assert identity.model in ("2831E", "5491B")


class TestUnit:
    @pytest.mark.parametrize(
        ("question", "answer"),
        [
            ("*IDN?", "2831E  Multimeter,Ver1.4.14,124H14118"),
            (":FUNC?", "RES"),
            (":FETC?", "5.00000e-02"),
            (":SYST:ERR?", "*E00 NO ERROR"),
        ],
    )
    def test_it_echoes_and_then_answers(
        self, meter: Bk2831Bench, question: str, answer: str
    ) -> None:
        assert say(meter, question) == [question, answer]

    def test_it_echoes_what_it_is_told_too(self, meter: Bk2831Bench) -> None:
        assert say(meter, ":FUNC VOLT:DC") == [":FUNC VOLT:DC"]
        assert say(meter, ":FUNC?") == [":FUNC?", "VOLT:DC"]

    @pytest.mark.parametrize(
        "line",
        [
            ":FUNC FREQ",
            ":VOLT:DC:RANGE 5",
            ":CURR:DC:RANGE 200",
            ":VOLT:DC:NPLC 2",
            ":CURR:DC:NPLC 1",
            "hello",
        ],
    )
    def test_what_it_does_not_know_leaves_an_error_that_is_told_once(
        self, meter: Bk2831Bench, line: str
    ) -> None:
        assert say(meter, line) == [line]
        assert say(meter, ":SYST:ERR?")[1] == "*E01 COMMAND ERROR"
        assert say(meter, ":SYST:ERR?")[1] == "*E00 NO ERROR"

    def test_a_new_value_comes_with_each_integration_time(self, meter: Bk2831Bench) -> None:
        say(meter, ":VOLT:DC:NPLC 10")
        say(meter, ":FETC?")
        meter.order("value 1.5")
        meter.clock.sleep(0.1)
        assert say(meter, ":FETC?")[1] == "5.00000e-02"
        meter.clock.sleep(0.1)
        assert say(meter, ":FETC?")[1] == "1.50000e+00"

    def test_beyond_its_range_it_says_so(self, meter: Bk2831Bench) -> None:
        for line in (":FUNC VOLT:DC", ":VOLT:DC:RANGE 2"):
            say(meter, line)
        meter.clock.sleep(0.1)
        assert say(meter, ":FETC?")[1] == "9.9e+37"
        say(meter, ":VOLT:DC:RANGE:AUTO ON")
        meter.clock.sleep(0.1)
        assert say(meter, ":FETC?")[1] == "3.70000e+00"

    def test_frozen_and_drifting(self, meter: Bk2831Bench) -> None:
        meter.order("drift resistance 36")
        meter.clock.sleep(10.0)
        assert say(meter, ":FETC?")[1] == "1.50000e-01"
        meter.order("frozen on")
        meter.order("drift off")
        meter.clock.sleep(10.0)
        assert say(meter, ":FETC?")[1] == "1.50000e-01"

    @pytest.mark.parametrize("order", ["", "melt", "frozen perhaps", "value much", "panel FREQ"])
    def test_an_unknown_fault_names_those_there_are(self, meter: Bk2831Bench, order: str) -> None:
        with pytest.raises(ValueError, match=r"fault|float|function"):
            meter.order(order)

    @given(st.text())
    def test_any_line_is_echoed_and_answered_once_at_most(self, line: str) -> None:
        said = say(make(ManualClock()), line)
        assert said[0] == line.strip()
        assert len(said) <= 2

    def test_a_bench_puts_it_up(self, clock: ManualClock) -> None:
        assert DRIVER.simulate is not None
        spec = DRIVER.simulate()
        place = Place(
            "meter",
            (Terminals(BatteryModelSettings()),),
            clock.now_ns,
            lambda _t, _kind, _facts: None,
        )
        unit = spec.make(spec.settings(function="VOLT:DC"), place)
        assert unit.receive(":FETC?", clock.now_ns) == [":FETC?", "3.70000e+00"]


def test_the_settings_of_its_page_are_settings_it_takes() -> None:
    page = (ROOT / "docs/devices/bk2831.md").read_text()
    examples = page.split("```yaml\n")[1:]
    assert examples
    for text in examples:
        stated = yaml.safe_load(text.split("```")[0])
        assert stated["driver"] == DRIVER.name
        DRIVER.settings.model_validate(stated["settings"])
