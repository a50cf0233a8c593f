"""The BK 2831E driver on a simulated meter, with a clock that only tests turn."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.clock import ManualClock
from tests.unit.drivers.bk2831_bench import ADDRESS, Bk2831Bench, make

from bem_drivers.base import (
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    DeviceNotFound,
    Mode,
    ProtocolViolated,
    WrongDevice,
)
from bem_drivers.bk2831 import DRIVER
from bem_drivers.bk2831.settings import Bk2831Serial, Bk2831Settings


@pytest.fixture
def meter(clock: ManualClock) -> Bk2831Bench:
    """Get an opened voltmeter at a half full cell."""
    bench = make(clock)
    bench.driver.open()
    return bench


def value(bench: Bk2831Bench) -> float:
    (measured,) = bench.driver.read().values.values()
    return measured.value


def told(bench: Bk2831Bench) -> list[str]:
    """Get what the meter was told, without questions."""
    return [line for _, line in bench.line.sent if "?" not in line]


class TestOpening:
    def test_it_tells_who_it_is(self, clock: ManualClock) -> None:
        bench = make(clock, model="5491B", serial_number="77", firmware="Ver2.0")
        bench.driver.open()
        identity = bench.driver.identity
        assert (identity.make, identity.model) == ("BK Precision", "5491B")
        assert (identity.serial, identity.firmware) == ("77", "Ver2.0")

    def test_its_port_needs_no_more_than_a_name(self) -> None:
        settings = DRIVER.settings.model_validate({"address": ADDRESS})
        assert isinstance(settings, Bk2831Settings)
        address = settings.address
        assert isinstance(address, Bk2831Serial)
        assert (address.baudrate, address.parity, address.stop_bits) == (38_400, "none", 1)

    def test_nobody_there(self, clock: ManualClock) -> None:
        bench = make(clock)
        bench.order("silent on")
        with pytest.raises(DeviceNotFound, match="cable"):
            bench.driver.open()
        with pytest.raises(CommunicationLost, match="closed"):
            bench.line.receive(0.0)

    def test_no_port_there(self, clock: ManualClock) -> None:
        bench = make(clock)
        bench.line.unplugged = True
        with pytest.raises(DeviceNotFound, match="plug it in"):
            bench.driver.open()

    @pytest.mark.parametrize(
        "identity", ["2831E", "2831E,1", "2831E,1,2,3", "34401A,1,2", "RS-KEL103 V3.30 SN:1", ""]
    )
    def test_another_device(self, clock: ManualClock, identity: str) -> None:
        bench = make(clock)
        bench.line.replace_next("*IDN?", identity)
        with pytest.raises(WrongDevice, match="no identity of a BK 2831E"):
            bench.driver.open()
        assert told(bench) == []

    def test_a_device_that_does_not_echo_is_none(self, clock: ManualClock) -> None:
        bench = make(clock)
        bench.order("mute on")
        with pytest.raises(WrongDevice, match="echo"):
            bench.driver.open()
        assert told(bench) == []

    def test_another_serial_number(self, clock: ManualClock) -> None:
        bench = make(clock, driver={"serial_number": "9"})
        with pytest.raises(WrongDevice, match="serial number 124H14118, the settings name 9"):
            bench.driver.open()

    def test_an_answer_that_was_lost_at_first_does_no_harm(self, clock: ManualClock) -> None:
        bench = make(clock)
        bench.line.drop_next(1)
        bench.driver.open()
        assert value(bench) == pytest.approx(3.7, abs=0.01)

    def test_errors_of_others_do_no_harm(self, clock: ManualClock) -> None:
        bench = make(clock, old_errors=5)
        bench.driver.open()
        assert value(bench) == pytest.approx(3.7, abs=0.01)

    def test_a_meter_that_refuses_is_refused(self, clock: ManualClock) -> None:
        bench = make(clock, function="VOLT:DC")
        bench.order("stubborn on")
        with pytest.raises(ConfigurationRefused, match=r"says '\*E01 COMMAND ERROR'"):
            bench.driver.open()

    def test_a_function_that_is_refused_names_both(self, clock: ManualClock) -> None:
        bench = make(clock, function="RES")
        bench.order("stubborn on")
        with pytest.raises(ConfigurationRefused, match="told VOLT:DC, it keeps RES"):
            bench.driver.open()


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "lines"),
        [
            ({}, [":FUNC VOLT:DC", ":VOLT:DC:RANGE:AUTO ON", ":VOLT:DC:NPLC 1"]),
            (
                {"range": 20, "nplc": 10},
                [":FUNC VOLT:DC", ":VOLT:DC:RANGE 20", ":VOLT:DC:NPLC 10"],
            ),
            (
                {"range": 0.002, "nplc": 0.1},
                [":FUNC VOLT:DC", ":VOLT:DC:RANGE 0.002", ":VOLT:DC:NPLC 0.1"],
            ),
            ({"quantity": "current_dc", "range": 2}, [":FUNC CURR:DC", ":CURR:DC:RANGE 2"]),
            ({"quantity": "current_ac"}, [":FUNC CURR:AC", ":CURR:AC:RANGE:AUTO ON"]),
            ({"quantity": "voltage_ac", "range": 1000}, [":FUNC VOLT:AC", ":VOLT:AC:RANGE 1000"]),
            ({"quantity": "resistance"}, [":FUNC RES", ":RES:RANGE:AUTO ON"]),
        ],
    )
    def test_the_meter_is_told_what_the_wire_knows(
        self, clock: ManualClock, given: dict[str, object], lines: list[str]
    ) -> None:
        bench = make(clock, driver=given)
        bench.driver.open()
        assert told(bench) == lines
        assert all(facts["accepted"] for _, kind, facts in bench.ledger if kind == "command")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"range": 5}, r"range 5 is none of the meter's: 0\.002, 0\.02"),
            ({"quantity": "current_dc", "range": 200}, "beyond the 20 A"),
            ({"nplc": 2}, r"nplc 2 is none of the meter's: 0\.1, 1, 10"),
            ({"quantity": "resistance", "nplc": 1}, "nplc is for voltage_dc"),
            ({"quantity": "voltage_ac", "reversed": True}, "no sign"),
            ({"quantity": "frequency"}, "quantity"),
            ({"speed": 1}, "speed"),
        ],
    )
    def test_what_the_meter_cannot_do_is_refused(
        self, wrong: dict[str, object], message: str
    ) -> None:
        with pytest.raises(ValidationError, match=message):
            DRIVER.settings.model_validate({"address": ADDRESS, **wrong})


class TestReading:
    @pytest.mark.parametrize(
        ("quantity", "channel", "unit", "expected"),
        [
            ("voltage_dc", "voltage", "V", 3.72),
            ("current_dc", "current", "A", 1.0),
            ("voltage_ac", "voltage_ac", "V", 0.0),
            ("current_ac", "current_ac", "A", 0.0),
            ("resistance", "resistance", "ohm", 0.05),
        ],
    )
    def test_it_measures_what_it_was_set_to(
        self, clock: ManualClock, quantity: str, channel: str, unit: str, expected: float
    ) -> None:
        bench = make(clock, driver={"quantity": quantity}, function="CURR:AC")
        bench.driver.open()
        bench.lead.regulate(Command(Mode.CC, 1.0), 0.0, 2.0)
        clock.sleep(0.3)
        (one,) = bench.driver.channels
        assert (one.name, one.unit) == (channel, unit)
        reading = bench.driver.read()
        assert reading.values[channel].value == pytest.approx(expected, abs=0.01)
        assert (reading.active, reading.faults) == (None, ())

    def test_a_discharge_is_negative_unless_the_leads_are_reversed(
        self, clock: ManualClock
    ) -> None:
        for is_reversed, sign in ((False, -1), (True, 1)):
            bench = make(clock, driver={"quantity": "current_dc", "reversed": is_reversed})
            bench.driver.open()
            bench.lead.regulate(Command(Mode.CC, -1.0), -2.0, 0.0)
            clock.sleep(1.0)
            assert value(bench) == pytest.approx(sign * 1.0)

    @pytest.mark.parametrize(
        ("text", "number"),
        [("-1.5e-01", -0.15), ("1.2345e+00", 1.2345), ("1.234", 1.234), (" +3E0\r", 3.0)],
    )
    def test_every_form_of_a_number(self, meter: Bk2831Bench, text: str, number: float) -> None:
        meter.line.replace_next(":FETC?", text)
        assert value(meter) == number

    def test_its_age_is_that_of_the_answer(self, meter: Bk2831Bench) -> None:
        meter.order("late 200")
        asked_ns = meter.clock.now_ns
        reading = meter.driver.read()
        meter.clock.sleep(1.0)
        assert reading.values["voltage"].at_ns == asked_ns + 200_000_000

    def test_the_first_value_is_not_of_the_function_before(self, clock: ManualClock) -> None:
        bench = make(clock, driver={"nplc": 10}, function="RES", resistance_ohm=0.05)
        bench.driver.open()
        assert value(bench) == pytest.approx(3.7, abs=0.01)

    @pytest.mark.parametrize("value_told", ["9.9e+37", "-9.9e+37", "2.41", "-2.41"])
    def test_beyond_its_range_is_no_value(self, clock: ManualClock, value_told: str) -> None:
        bench = make(clock, driver={"range": 2})
        bench.driver.open()
        bench.line.replace_next(":FETC?", value_told)
        reading = bench.driver.read()
        assert (dict(reading.values), reading.faults) == ({}, ("over_range",))

    def test_a_battery_beyond_the_range_is_no_value_until_it_is_within(
        self, clock: ManualClock
    ) -> None:
        bench = make(clock, driver={"range": 2})
        bench.driver.open()
        assert bench.driver.read().faults == ("over_range",)
        bench.order("value 1.5")
        clock.sleep(0.1)
        assert value(bench) == 1.5

    def test_another_function_is_no_value(self, meter: Bk2831Bench) -> None:
        meter.order("panel RES")
        reading = meter.driver.read()
        assert (dict(reading.values), reading.faults) == ({}, ("function_changed",))
        meter.driver.close()
        meter.driver.open()
        assert value(meter) == pytest.approx(3.7, abs=0.01)


class TestSpoiltAnswers:
    @pytest.mark.parametrize(
        "text", ["nan", "inf", "-inf", "1e999", "", "1.0 2.0", "1,5", "3.7V", "0x10", "1e", "ERROR"]
    )
    def test_nonsense_is_never_a_value(self, meter: Bk2831Bench, text: str) -> None:
        meter.line.replace_next(":FETC?", text)
        with pytest.raises(ProtocolViolated, match="BK 2831E at loopback"):
            meter.driver.read()
        assert value(meter) == pytest.approx(3.7, abs=0.01)

    @pytest.mark.parametrize(
        "lines", [("FETC?", "1.0"), ("1.0", ":FETC?"), (":FUNC?", "1.0"), (":FETC? :FETC?", "1.0")]
    )
    def test_a_wrong_echo_is_told(self, meter: Bk2831Bench, lines: tuple[str, str]) -> None:
        meter.line.replace_next(*lines)
        with pytest.raises(ProtocolViolated, match="echo"):
            meter.driver.read()
        assert value(meter) == pytest.approx(3.7, abs=0.01)

    def test_a_missing_echo_is_told(self, meter: Bk2831Bench) -> None:
        meter.order("mute on")
        for _ in range(3):
            with pytest.raises(ProtocolViolated, match="echo"):
                meter.driver.read()
        meter.order("mute off")
        assert value(meter) == pytest.approx(3.7, abs=0.01)

    @pytest.mark.parametrize("spoil", ["garbage 1", "half 1", "double 1", "drop 1", "wrong hello"])
    @pytest.mark.parametrize("behind", [0, 1, 2, 3])
    def test_it_finds_its_step_again(self, clock: ManualClock, spoil: str, behind: int) -> None:
        bench = make(clock)
        bench.driver.open()
        bench.order("value 1.25")
        clock.sleep(0.1)
        if behind:
            bench.line.replace_next(*(":FETC?", "1.25", ":FUNC?")[:behind])
        bench.order(spoil)
        for _ in range(3):
            try:
                seen = bench.driver.read().values["voltage"].value
            except DeviceError:
                continue
            assert seen == 1.25
        assert value(bench) == 1.25

    def test_a_late_answer_is_not_taken_for_a_fresh_one(self, meter: Bk2831Bench) -> None:
        meter.order("late 1500")
        with pytest.raises(CommunicationLost):
            meter.driver.read()
        meter.order("late off")
        meter.order("value 1.5")
        meter.clock.sleep(0.1)
        for _ in range(5):
            assert value(meter) == 1.5

    def test_silence_is_told_in_time(self, meter: Bk2831Bench) -> None:
        meter.order("silent on")
        started_ns = meter.clock.now_ns
        with pytest.raises(CommunicationLost, match="FETC"):
            meter.driver.read()
        assert (meter.clock.now_ns - started_ns) / 1e9 <= 1.01
        meter.order("silent off")
        assert value(meter) == pytest.approx(3.7, abs=0.01)

    @settings(max_examples=100)
    @given(st.lists(st.text(max_size=20), max_size=10))
    def test_whatever_comes_only_device_errors_come_out(self, answers: list[str]) -> None:
        bench = make(ManualClock())
        bench.driver.open()
        bench.line.replace_next(*(answer.replace("\n", "") for answer in answers))
        for _ in range(11):  # each takes at least one of the answers
            try:
                reading = bench.driver.read()
            except DeviceError:
                continue
            for measured in reading.values.values():
                assert abs(measured.value) <= 1200.0
        assert value(bench) == pytest.approx(3.7, abs=0.01)


LINE_FAULTS = ("garbage 1", "half 1", "double 1", "drop 1", "drop 3", "wrong 1.0", "wrong :FETC?")
LATE = ("late 100", "late 700", "late 1200", "late 2500", "late 4000", "late off")


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([*LINE_FAULTS, *LATE, "silent on", "silent off", "read"])
        | st.integers(-10, 10).map(lambda halves: halves / 2),
        max_size=40,
    )
)
def test_whatever_happens_on_the_line_values_are_true(deeds: list[str | float]) -> None:
    bench = make(ManualClock())
    bench.driver.open()
    for deed in deeds:
        try:
            if isinstance(deed, float):
                bench.lead.regulate(Command(Mode.CC, deed), -5.0, 5.0)
                bench.clock.sleep(0.1)
            elif deed == "read":
                assert value(bench) == pytest.approx(bench.terminals.voltage, abs=0.004)
            else:
                bench.order(deed)
        except DeviceError:
            continue
    for order in ("silent off", "late off", "garbage 0", "half 0", "double 0", "drop 0"):
        bench.order(order)
    bench.clock.sleep(5.0)
    with contextlib.suppress(DeviceError):
        value(bench)
    assert value(bench) == pytest.approx(bench.terminals.voltage, abs=0.004)
