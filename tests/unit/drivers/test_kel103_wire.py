"""The lines of an RS-KEL103: what its codec reads and writes, and what the simulated load says."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.support.fuzzing import fuzz
from tests.unit.drivers.kel103_bench import Kel103Bench, make

from bem_drivers.base import Command, DeviceError, Mode, ProtocolViolated, WrongDevice
from bem_drivers.kel103 import DRIVER, codec
from bem_drivers.kel103.codec import Function
from bem_drivers.kel103.simulator import Kel103UnitSettings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.spec import Place

ROOT = Path(__file__).parents[3]


@pytest.fixture
def kel(clock: ManualClock) -> Kel103Bench:
    """Get a load nobody has spoken to."""
    return make(clock)


def say(bench: Kel103Bench, line: str) -> list[str]:
    return bench.unit.receive(line, bench.clock.now_ns)


class TestCodec:
    @pytest.mark.parametrize(
        "line", ["RS-KEL103 V3.30 SN:00001234", " RS-KEL103  V3.30  SN:00001234 \r"]
    )
    def test_a_name(self, line: str) -> None:
        identity = codec.parse_identity(line)
        assert (identity.model, identity.firmware, identity.serial) == (
            "RS-KEL103",
            "3.30",
            "00001234",
        )

    @pytest.mark.parametrize(
        "line",
        ["", "RS-KEL103", "RS-KEL103 V3.30", "RS-KEL103 V3.30 SN:", "KORAD-KEL103 V3.30 SN:1"],
    )
    def test_no_name(self, line: str) -> None:
        with pytest.raises(WrongDevice, match="no identity of an RS-KEL103"):
            codec.parse_identity(line)

    @pytest.mark.parametrize(
        ("command", "line"),
        [
            (Command(Mode.CC, -1.23456), ":CURR 1.2346A"),
            (Command(Mode.CV, 3.6), ":VOLT 3.6000V"),
            (Command(Mode.CP, -120.0), ":POW 120.0000W"),
            (Command(Mode.CC, -1e-9), ":CURR 0.0000A"),
        ],
    )
    def test_set_points_have_four_decimals_and_no_sign(self, command: Command, line: str) -> None:
        assert codec.set_point(command) == line

    def test_constant_power_is_cw_to_the_load(self) -> None:
        assert codec.set_function(Mode.CP) == ":FUNC CW"

    @pytest.mark.parametrize("lines", [("0V", "1A", "1W"), ("1V", "-1A", "1W"), ("1V", "1A", "")])
    def test_maxima_of_nothing_are_none(self, lines: tuple[str, ...]) -> None:
        with pytest.raises(ProtocolViolated):
            codec.parse_upper(lines)

    @fuzz
    @given(st.lists(st.text(), min_size=4, max_size=4))
    @example(["1V", "1A", "1W", "CW"])
    def test_measures_of_anything(self, lines: list[str]) -> None:
        try:
            measures = codec.parse_measures(lines)
        except DeviceError:
            return
        for line, unit, value in zip(
            lines, "VAW", (measures.voltage, -measures.current, -measures.power), strict=False
        ):
            assert float(line.strip().removesuffix(unit)) == value
        assert measures.function in Function

    @fuzz
    @given(st.text())
    def test_names_of_anything(self, line: str) -> None:
        try:
            identity = codec.parse_identity(line)
        except WrongDevice:
            return
        assert identity.serial in line


class TestUnit:
    @pytest.mark.parametrize(
        ("question", "answer"),
        [
            ("*IDN?", "RS-KEL103 V3.30 SN:00001234"),
            (":CURRent:UPPer?", "30.000A"),
            (":VOLTage:UPPer?", "120.00V"),
            (":POWer:UPPer?", "300.00W"),
            (":FUNC?", "CC"),
        ],
    )
    def test_it_answers_as_the_wire_says(
        self, kel: Kel103Bench, question: str, answer: str
    ) -> None:
        assert say(kel, question) == [answer]
        assert say(kel, question.lower() + "\r") == [answer]

    def test_it_takes_current_only_while_its_input_is_on(self, kel: Kel103Bench) -> None:
        assert say(kel, ":CURR 1.5000A") == []
        assert kel.terminals.current == 0.0
        say(kel, ":INP 1")
        assert kel.terminals.current == -1.5
        assert say(kel, ":MEASure:CURRent?") == ["1.5000A"]
        say(kel, ":INP 0")
        assert kel.terminals.current == 0.0

    def test_what_it_does_not_know_is_not_obeyed(self, kel: Kel103Bench) -> None:
        for line in ("", ":CURR", ":CURR -1A", ":CURR 1V", ":CURR 31.0000A", ":INP 2", ":FUNC XX"):
            assert say(kel, line) == []
        assert kel.unit.set_points["A"] == 0.0
        assert kel.unit.function == "CC"

    def test_its_power_is_bounded(self, clock: ManualClock) -> None:
        kel = make(clock, battery=BatteryModelSettings(cells=20, capacity_ah=50.0))
        for line in (":CURR 20.0000A", ":INP 1"):
            say(kel, line)
        assert -kel.terminals.voltage * kel.terminals.current == pytest.approx(300.0, rel=0.01)

    def test_a_resistance_follows_the_voltage(self, clock: ManualClock) -> None:
        kel = make(clock, function="CR", resistance_ohm=2.0, input_on=True)
        assert kel.terminals.current == pytest.approx(-1.85, abs=0.02)

    def test_frozen_it_tells_what_it_told(self, kel: Kel103Bench) -> None:
        before = say(kel, ":MEASure:CURRent?")
        kel.order("frozen on")
        for line in (":CURR 1.0000A", ":INP 1"):
            say(kel, line)
        assert say(kel, ":MEASure:CURRent?") == before
        kel.order("frozen off")
        assert say(kel, ":MEASure:CURRent?") == ["1.0000A"]

    def test_a_voltage_can_be_forged(self, kel: Kel103Bench) -> None:
        kel.order("voltage 4.5")
        assert say(kel, ":MEASure:VOLTage?") == ["4.5000V"]
        kel.order("voltage off")
        assert say(kel, ":MEASure:VOLTage?") == ["3.7000V"]

    @pytest.mark.parametrize("order", ["", "melt", "frozen perhaps", "voltage much", "panel XX"])
    def test_an_unknown_fault_names_those_there_are(self, kel: Kel103Bench, order: str) -> None:
        with pytest.raises(ValueError, match=r"fault|float"):
            kel.order(order)

    def test_its_ledger_tells_when_it_was_on(self, kel: Kel103Bench) -> None:
        say(kel, ":INP 1")
        kel.order("trip")
        outputs = [facts for _, kind, facts in kel.ledger if kind == "output"]
        assert outputs == [
            {"on": True, "reason": "command"},
            {"on": False, "reason": "trip"},
        ]

    def test_noise_has_a_seed(self, clock: ManualClock) -> None:
        sensors = {"voltage": {"noise": 0.01, "seed": 4}}
        first, second = (make(clock, sensors=sensors) for _ in range(2))
        told = [say(bench, ":MEASure:VOLTage?") for bench in (first, second)]
        assert told[0] == told[1] != ["3.7000V"]

    @given(st.text())
    def test_any_line_is_answered_once_at_most(self, line: str) -> None:
        assert len(say(make(ManualClock()), line)) <= 1

    def test_a_bench_puts_it_up(self, clock: ManualClock) -> None:
        assert DRIVER.simulate is not None
        spec = DRIVER.simulate()
        terminals = Terminals(BatteryModelSettings())
        place = Place("load", (terminals,), clock.now_ns, lambda _t, _kind, _facts: None)
        unit = spec.make(spec.settings(serial_number="5"), place)
        assert unit.receive("*IDN?", clock.now_ns) == ["RS-KEL103 V3.30 SN:5"]
        assert isinstance(unit.settings, Kel103UnitSettings)


def test_the_settings_of_its_page_are_settings_it_takes() -> None:
    page = (ROOT / "docs/devices/kel103.md").read_text()
    examples = page.split("```yaml\n")[1:]
    assert examples
    for text in examples:
        stated = yaml.safe_load(text.split("```")[0])
        assert stated["driver"] == DRIVER.name
        DRIVER.settings.model_validate(stated["settings"])
