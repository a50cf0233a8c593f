"""The flow meter: its words, its driver, and its simulator with a clock that only tests turn."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.clock import ManualClock
from tests.support.fuzzing import fuzz

from bem.domain.limits import Compare, Limit, Limited, LimitWatch, Progress
from bem_drivers.base import (
    CommunicationLost,
    DeviceError,
    DeviceNotFound,
    ProtocolViolated,
    WrongDevice,
)
from bem_drivers.flow import DRIVER, FlowSettings, codec
from bem_drivers.flow.driver import FlowMeter
from bem_drivers.flow.simulator import FlowUnit, FlowUnitSettings
from bem_drivers.simulation import Faulty, LoopbackLine
from bem_drivers.simulation.sensor import SensorSettings

PAGE = Path(__file__).parents[3] / "docs/devices/flow.md"
ADDRESS = {"kind": "serial", "port": "/dev/bem/flow-001"}


class FlowBench:
    """A meter's driver on its simulated unit."""

    def __init__(
        self, clock: ManualClock, serial_number: str | None = None, **unit: object
    ) -> None:
        self.clock = clock
        self.unit = Faulty(FlowUnit(FlowUnitSettings.model_validate(unit), clock.now_ns))
        self.link = LoopbackLine(self.unit, clock)
        settings = FlowSettings.model_validate({"address": ADDRESS, "serial_number": serial_number})
        self.driver = FlowMeter(settings, clock, self.link)

    def order(self, order: str) -> None:
        self.unit.break_down(order, self.clock.now_ns)

    def values(self) -> dict[str, float]:
        return {name: one.value for name, one in self.driver.read().values.items()}


@pytest.fixture
def bench(clock: ManualClock) -> FlowBench:
    """Get an opened meter through which 4321 and 876 mL/min flow."""
    bench = FlowBench(clock, flow=4321, flow_aux=876)
    clock.sleep(1.0)
    bench.driver.open()
    return bench


class TestDriver:
    def test_it_says_who_it_is(self, bench: FlowBench) -> None:
        identity = bench.driver.identity
        assert (identity.model, identity.serial, identity.firmware) == ("FLOWmeter", "001", "2")

    def test_it_reads_both_flows_fresh(self, bench: FlowBench) -> None:
        reading = bench.driver.read()
        assert set(reading.values) == {channel.name for channel in bench.driver.channels}
        assert reading.values["flow"].value == 4.32
        assert reading.values["flow_aux"].value == 0.87
        assert {one.at_ns for one in reading.values.values()} == {bench.clock.now_ns}
        assert reading.active is None

    def test_a_flow_that_stopped_shows_as_a_value_that_does_not_change(
        self, bench: FlowBench
    ) -> None:
        bench.values()
        bench.order("flow 0")
        bench.order("flow_aux 500")
        bench.clock.sleep(30.0)
        values = bench.values()
        assert values["flow"] == 4.32, "as the meter says it; the driver invents no zero"
        assert values["unchanged_flow"] == 30.0
        assert values["flow_aux"] == 0.5
        assert values["unchanged_flow_aux"] == 0.0

    def test_a_limit_on_the_flow_means_its_flows_and_nothing_else(self, bench: FlowBench) -> None:
        """A profile says "flow below 500 mL/min", which is 0.5 L/min in its program."""
        limit = Limit(quantity=Limited.FLOW, compare=Compare.AT_MOST, threshold=0.5)
        moment = Progress(elapsed_us=0, charge=0.0, step_started_us=0, step_us=0, step_charge=0.0)
        watch, broken = LimitWatch((limit,)).judge(bench.values(), moment)
        assert broken == ()
        bench.order("flow_aux 400")
        bench.clock.sleep(2.0)
        _, broken = watch.judge(bench.values(), moment)
        assert [one.channel for one in broken] == ["flow_aux"]

    def test_it_asks_exactly_as_the_firmware_compares(self, bench: FlowBench) -> None:
        bench.driver.read()
        assert [line for _, line in bench.link.sent] == [":IDN*?", ":MEASure:FLOW?"]

    def test_another_meter_is_refused(self, clock: ManualClock) -> None:
        bench = FlowBench(clock, serial_number="002")
        with pytest.raises(WrongDevice, match="001, the settings name 002"):
            bench.driver.open()
        with pytest.raises(CommunicationLost):
            bench.driver.read()

    def test_something_else_is_refused(self, clock: ManualClock) -> None:
        bench = FlowBench(clock)
        bench.order("wrong EA Elektro-Automatik, PS 2042-20B, 123")
        with pytest.raises(WrongDevice, match=r"EA Elektro.*driver of this device"):
            bench.driver.open()

    def test_noise_alone_is_another_device(self, clock: ManualClock) -> None:
        bench = FlowBench(clock)
        bench.order("garbage 100")
        with pytest.raises(WrongDevice, match="baud rate"):
            bench.driver.open()

    def test_nothing_there_is_told_within_five_seconds(self, clock: ManualClock) -> None:
        bench = FlowBench(clock)
        bench.order("silent on")
        start_ns = clock.now_ns
        with pytest.raises(DeviceNotFound, match="flow meter at loopback"):
            bench.driver.open()
        assert clock.now_ns - start_ns < 5e9

    def test_it_waits_for_a_board_that_starts(self, bench: FlowBench) -> None:
        """Opening its port restarts an Arduino Uno."""
        bench.order("restart")
        bench.driver.open()
        bench.clock.sleep(1.0)
        assert bench.values()["flow"] == 4.32

    def test_a_line_that_arrives_mutilated_while_it_starts_is_asked_again(
        self, bench: FlowBench
    ) -> None:
        bench.order("wrong :SCPI:ERROR:DN*?")
        bench.driver.open()
        assert bench.driver.identity.serial == "001"

    def test_what_it_did_not_understand_is_told(self, bench: FlowBench) -> None:
        bench.order("wrong :SCPI:ERROR::MEASur")
        with pytest.raises(ProtocolViolated, match=r"flow meter at loopback.*received something"):
            bench.driver.read()
        assert bench.values()["flow"] == 4.32

    @pytest.mark.parametrize("fault", ["drop 1", "half 1", "late 700"])
    def test_no_answer_in_time_is_lost_and_none_is_taken_later(
        self, bench: FlowBench, fault: str
    ) -> None:
        bench.order(fault)
        with pytest.raises(CommunicationLost):
            bench.driver.read()
        bench.order("late off")
        bench.driver.open()
        assert bench.values()["flow"] == 4.32

    def test_it_is_found_again_after_it_was_pulled_out(self, bench: FlowBench) -> None:
        bench.link.unplugged = True
        with pytest.raises(CommunicationLost):
            bench.driver.read()
        with pytest.raises(DeviceNotFound):
            bench.driver.open()
        bench.link.unplugged = False
        bench.driver.open()
        assert bench.values()["unchanged_flow"] == 0.0, "a new count: nobody looked meanwhile"
        bench.driver.close()
        bench.driver.close()


class TestWords:
    def test_the_recorded_ones(self) -> None:
        assert codec.identity(":IDN:FLOWmeter:DEVice:001:VERsion:2") == ("001", "2")
        assert codec.flows(":MEASure:FLOW:DATA:4320:0\r") == (4320.0, 0.0)

    @pytest.mark.parametrize(
        "answer",
        ["", "0:0", ":MEASure:FLOW:DATA:1", ":MEASure:FLOW:DATA:1:2:3", ":MEASure:FLOW:DATA:-1:2",
         ":MEASure:FLOW:DATA:1.5:2", ":MEASure:FLOW:DATA:nan:2", ":MEASure:FLOW:DATA::",
         ":MEASure:FLOW:DATA:100000:2", ":measure:flow:data:1:2", ":MEASure:FLOW:DATA:1:2 3",
         ":MEASure:FLOW:DATA:1: 2", ":MEASure:FLOW:DATA:٣:2", ":SCPI:ERROR:"],
    )  # fmt: skip
    def test_anything_else_is_no_flow(self, answer: str) -> None:
        with pytest.raises(ProtocolViolated):
            codec.flows(answer)

    @fuzz
    @given(st.text() | st.from_regex(r":MEASure:FLOW:DATA:[-0-9.:]{0,14}"))
    def test_no_text_gives_an_invented_flow(self, answer: str) -> None:
        try:
            flows = codec.flows(answer)
        except ProtocolViolated:
            return
        assert answer.strip().startswith(":MEASure:FLOW:DATA:")
        assert [str(int(flow)) for flow in flows] == [
            str(int(part)) for part in answer.strip().split(":")[-2:]
        ]

    @fuzz
    @given(st.text())
    def test_no_text_gives_an_invented_identity(self, answer: str) -> None:
        with pytest.raises(ProtocolViolated):
            codec.identity(answer)

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=5))
    def test_the_driver_survives_every_answer(self, answers: list[str]) -> None:
        bench = FlowBench(ManualClock(), flow=4321)
        bench.driver.open()
        bench.link.replace_next(*answers)
        for _ in answers:
            try:
                assert 0 <= bench.values()["flow"] <= 99.999
            except DeviceError:
                continue


class TestSimulator:
    @pytest.mark.parametrize(
        ("line", "answer"),
        [
            (":IDN*?", ":IDN:FLOWmeter:DEVice:001:VERsion:2"),
            (":MEASure:FLOW?", ":MEASure:FLOW:DATA:0:0"),
            ("", ":SCPI:ERROR:"),
            (":idn*?", ":SCPI:ERROR::idn*?"),
            (":IDN*?\r", ":SCPI:ERROR::IDN*?\r"),
            ("*IDN?", ":SCPI:ERROR:*IDN?"),
        ],
    )
    def test_it_compares_exactly(self, line: str, answer: str) -> None:
        assert FlowUnit(FlowUnitSettings(), 0).receive(line, 0) == [answer]

    def test_a_flow_below_the_sensors_range_turns_nothing(self) -> None:
        unit = FlowUnit(FlowUnitSettings(flow=49, flow_aux=50), 0)
        assert unit.receive(":MEASure:FLOW?", 10**10) == [":MEASure:FLOW:DATA:0:50"]

    def test_a_slow_flow_takes_a_pulse_to_show(self) -> None:
        unit = FlowUnit(FlowUnitSettings(flow=85), 0)
        assert unit.receive(":MEASure:FLOW?", 499_000_000) == [":MEASure:FLOW:DATA:0:0"]
        assert unit.receive(":MEASure:FLOW?", 500_000_000) == [":MEASure:FLOW:DATA:80:0"]

    def test_the_ledger_tells_what_truly_flowed(self) -> None:
        ledger: list[tuple[int, str, dict[str, object]]] = []
        unit = FlowUnit(
            FlowUnitSettings(flow=1000),
            0,
            lambda at_ns, kind, facts: ledger.append((at_ns, kind, dict(facts))),
        )
        unit.advance(10**9)
        unit.break_down("flow 0", 10**9)
        unit.receive(":MEASure:FLOW?", 2 * 10**9)
        facts = {"flow": 1000, "true_flow": 0.0, "flow_aux": 0, "true_flow_aux": 0.0}
        assert ledger == [(10**9, "fault", {"order": "flow 0"}), (2 * 10**9, "answer", facts)]

    def test_frozen_values_thaw(self) -> None:
        unit = FlowUnit(FlowUnitSettings(flow=1000), 0)
        unit.break_down("frozen on", 10**9)
        unit.break_down("flow 2000", 10**9)
        assert unit.receive(":MEASure:FLOW?", 2 * 10**9) == [":MEASure:FLOW:DATA:1000:0"]
        unit.break_down("frozen off", 2 * 10**9)
        assert unit.receive(":MEASure:FLOW?", 3 * 10**9) == [":MEASure:FLOW:DATA:2000:0"]

    def test_noise_is_the_same_with_the_same_seed(self) -> None:
        def shown(seed: int) -> list[list[str]]:
            noisy = SensorSettings(noise=250, seed=seed)
            unit = FlowUnit(FlowUnitSettings(flow=5000, sensors={"flow": noisy}), 0)
            return [unit.receive(":MEASure:FLOW?", at * 10**8) for at in range(1, 20)]

        assert shown(1) == shown(1) != shown(2)

    @pytest.mark.parametrize("order", ["flow", "flow -1", "flow nan", "frozen", "voltage 4"])
    def test_what_is_no_order_is_told(self, order: str) -> None:
        with pytest.raises(ValueError, match=order.partition(" ")[0]):
            FlowUnit(FlowUnitSettings(), 0).break_down(order, 0)


class TestSettings:
    def test_a_person_names_the_port_only(self) -> None:
        settings = FlowSettings.model_validate({"address": ADDRESS})
        assert settings.address.model_dump() == ADDRESS | {
            "baudrate": 19200, "parity": "none", "data_bits": 8, "stop_bits": 1
        }  # fmt: skip
        assert DRIVER.places(settings) == ("serial /dev/bem/flow-001",)
        assert isinstance(DRIVER.make(settings, ManualClock()), FlowMeter)

    @pytest.mark.parametrize(
        "wrong", [{}, {"address": {"port": "x"}}, {"address": ADDRESS, "serial_number": "x"}]
    )
    def test_what_is_no_meter_is_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            FlowSettings.model_validate(wrong)

    def test_the_handbooks_examples_are_settings(self) -> None:
        examples = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        assert examples
        for example in examples:
            said = yaml.safe_load(example)
            assert said["driver"] == DRIVER.name
            assert isinstance(DRIVER.settings.model_validate(said["settings"]), FlowSettings)
