"""A described source and load, told by their drivers, as their simulated instruments see it."""

from typing import Any

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.scpi_bench import (
    Bench,
    load_description_of,
    power_bench,
    source_description,
)

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceFault,
    DeviceNotFound,
    Mode,
    Protection,
    ProtocolViolated,
    WrongDevice,
)

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=0.5
)


@pytest.fixture
def source(clock: ManualClock) -> Bench:
    """Get an opened and protected source at a battery of 3.7 V."""
    return opened(power_bench(clock, source_description()))


@pytest.fixture
def load(clock: ManualClock) -> Bench:
    """Get an opened and protected load at a battery of 3.7 V."""
    return opened(power_bench(clock, load_description_of()))


@pytest.fixture(params=["source", "load"])
def either(request: pytest.FixtureRequest, source: Bench, load: Bench) -> tuple[Bench, Command]:
    """Get each of them, and a command that it obeys."""
    return {"source": (source, Command(Mode.CC, 2.0)), "load": (load, Command(Mode.CC, -2.0))}[
        request.param
    ]


def opened(bench: Bench) -> Bench:
    bench.driver.open()
    bench.driver.protect(PROTECTION)
    return bench


def test_it_tells_who_it_is(source: Bench) -> None:
    identity = source.driver.identity
    assert (identity.make, identity.model) == ("BEM", "SCPI power supply")
    assert (identity.serial, identity.firmware) == ("1", "0")


def test_what_it_measures_is_dated_when_it_arrived(source: Bench) -> None:
    source.clock.now_ns += 5_000_000_000
    reading = source.driver.read()
    assert {channel.name for channel in source.driver.channels} == set(reading.values)
    assert reading.values["voltage"].value == pytest.approx(3.7)
    assert reading.values["voltage"].age_s(source.clock.now_ns) < 0.1


@pytest.mark.parametrize("command", [Command(Mode.CC, 2.0), Command(Mode.CV, 3.75)])
def test_a_source_charges(source: Bench, command: Command) -> None:
    source.driver.apply(command)
    reading = source.driver.read()
    assert reading.active == command
    assert source.unit.output_on
    assert source.poles.current == pytest.approx(2.0 if command.mode is Mode.CC else 2.5)
    assert reading.values["current"].value == pytest.approx(source.poles.current, rel=1e-5)


@pytest.mark.parametrize(
    ("command", "current"),
    [
        (Command(Mode.CC, -2.0), -2.0),
        (Command(Mode.CV, 3.66), -2.0),
        (Command(Mode.CP, -7.4), -2.0),
    ],
)
def test_a_load_discharges_and_says_so_by_a_negative_current(
    load: Bench, command: Command, current: float
) -> None:
    load.driver.apply(command)
    reading = load.driver.read()
    assert reading.active == command
    assert load.poles.current == pytest.approx(current)
    assert reading.values["current"].value == pytest.approx(current, rel=1e-5)


@pytest.mark.parametrize("command", [Command(Mode.CC, -0.5), Command(Mode.CC, 5.5)])
def test_a_source_never_sinks(source: Bench, command: Command) -> None:
    with pytest.raises(ConfigurationRefused, match=rf"{command.setpoint:g} A is outside.*only ch"):
        source.driver.apply(command)
    assert not source.unit.output_on


@pytest.mark.parametrize("command", [Command(Mode.CC, 0.5), Command(Mode.CP, 1.0)])
def test_a_load_never_sources(load: Bench, command: Command) -> None:
    with pytest.raises(ConfigurationRefused, match=r"outside.*only disch"):
        load.driver.apply(command)
    assert not load.unit.output_on


def test_a_mode_that_is_not_described_is_refused(source: Bench) -> None:
    with pytest.raises(ConfigurationRefused, match="no mode cp; its description has cc, cv"):
        source.driver.apply(Command(Mode.CP, 5.0))


def test_a_charging_source_is_bounded_in_voltage_before_it_goes_on(source: Bench) -> None:
    source.driver.apply(Command(Mode.CC, 2.0))
    assert source.sent.index("VOLT 4.200") < source.sent.index("OUTP ON")
    assert source.sent.index("VOLT?") < source.sent.index("OUTP ON")


def test_under_power_what_becomes_smaller_is_set_first(source: Bench) -> None:
    source.driver.apply(Command(Mode.CC, 2.0))
    source.link.sent.clear()
    source.driver.apply(Command(Mode.CV, 4.1))
    assert source.sent.index("VOLT 4.100") < source.sent.index("CURR 5.0000")
    source.link.sent.clear()
    source.driver.apply(Command(Mode.CC, 1.0))
    assert source.sent.index("CURR 1.0000") < source.sent.index("VOLT 4.200")
    assert "OUTP OFF" not in source.sent


def test_a_load_changes_its_mode_with_the_input_off(load: Bench) -> None:
    load.driver.apply(Command(Mode.CC, -1.0))
    load.link.sent.clear()
    load.driver.apply(Command(Mode.CP, -5.0))
    assert load.sent.index("INP OFF") < load.sent.index("FUNC POW") < load.sent.index("INP ON")
    load.link.sent.clear()
    load.driver.apply(Command(Mode.CP, -6.0))
    assert "INP OFF" not in load.sent, "a new set point of the same mode needs no pause"


def test_the_limits_that_it_holds_are_told(source: Bench, load: Bench) -> None:
    held = source.driver.protect(PROTECTION)
    assert (held.voltage_max, held.current_max, held.current_min) == (4.25, 5.0, 0.0)
    assert held.silence_s is None, "it has no watchdog"
    assert held.voltage_min == 0.0, "nothing in it holds a lower voltage"
    held = load.driver.protect(PROTECTION)
    assert (held.current_min, held.current_max, held.power_max) == (-5.0, 0.0, 0.0)
    assert held.power_min is None, "no register and no guard of it holds power"
    assert held.silence_s is None


def test_limits_are_written_and_given_up(source: Bench) -> None:
    assert "VOLT:PROT 4.25" in source.sent
    source.driver.release()
    source.driver.release()
    assert "VOLT:PROT 60.00" in source.sent
    wider = Protection(voltage_min=0, voltage_max=20.0, current_min=0, current_max=8.0)
    assert source.driver.protect(wider).voltage_max == 20.0
    assert source.driver.protect(PROTECTION).voltage_max == 4.25, "registers made room"


def test_an_output_that_stays_on_is_told(either: tuple[Bench, Command]) -> None:
    bench, command = either
    bench.driver.apply(command)
    bench.break_down("stuck on")
    with pytest.raises(DeviceFault, match=r"does not switch off.*disconnect the battery"):
        bench.driver.make_safe()
    bench.break_down("stuck off")
    bench.driver.make_safe()
    assert not bench.unit.output_on


def test_without_an_answer_nothing_counts_as_off(either: tuple[Bench, Command]) -> None:
    bench, command = either
    bench.driver.apply(command)
    bench.break_down("silent on")
    with pytest.raises(CommunicationLost, match="whether its output is off is not known"):
        bench.driver.make_safe()
    assert not bench.unit.output_on, "the order to go off was sent all the same"


def test_an_output_that_does_not_go_on_is_told(either: tuple[Bench, Command]) -> None:
    bench, command = either
    bench.break_down("stuck on")
    with pytest.raises(DeviceFault, match="does not switch on"):
        bench.driver.apply(command)


def test_a_set_point_that_is_not_taken_is_told_with_both_values(
    either: tuple[Bench, Command],
) -> None:
    bench, command = either
    bench.break_down("deaf on")
    with pytest.raises(ConfigurationRefused) as caught:
        bench.driver.apply(command)
    assert not bench.unit.output_on
    assert any(word in str(caught.value) for word in ("it keeps", "it says"))


def test_an_error_of_the_instrument_is_told_in_its_own_words(source: Bench) -> None:
    source.break_down("refuse on")
    with pytest.raises(ConfigurationRefused, match='-200,"Execution error"'):
        source.driver.apply(Command(Mode.CC, 2.0))
    assert not source.unit.output_on


def test_a_guard_that_trips_is_a_fault_until_it_is_made_safe(clock: ManualClock) -> None:
    bench = opened(power_bench(clock, source_description()))
    bench.driver.apply(Command(Mode.CC, 2.0))
    bench.poles.source = 4.3
    reading = bench.driver.read()
    assert reading.active == OFF
    assert reading.faults == ("over_voltage",)
    with pytest.raises(DeviceFault, match=r"over_voltage.*make it safe"):
        bench.driver.apply(Command(Mode.CC, 2.0))
    bench.poles.source = 3.7
    bench.driver.make_safe()
    assert bench.driver.read().faults == ()
    bench.driver.apply(Command(Mode.CC, 2.0))
    assert bench.unit.output_on


def test_a_knob_that_was_turned_shows_within_a_second(source: Bench) -> None:
    source.driver.apply(Command(Mode.CC, 2.0))
    source.unit.receive("CURR 3.5", source.clock.now_ns)
    source.clock.now_ns += 1_000_000_000
    assert source.driver.read().active == Command(Mode.CC, 3.5)


def test_an_output_that_somebody_switches_on_shows(either: tuple[Bench, Command]) -> None:
    bench, _ = either
    bench.break_down("panel on")
    active = bench.driver.read().active
    assert active is not None
    assert active.mode is not Mode.OFF
    bench.driver.make_safe()
    assert not bench.unit.output_on


def test_opening_ends_what_a_crashed_process_left_on(either: tuple[Bench, Command]) -> None:
    bench, command = either
    bench.driver.apply(command)
    bench.link.close()
    bench.driver.open()
    assert not bench.unit.output_on
    assert bench.driver.read().active == OFF


def test_closing_switches_off_what_may_be_on(either: tuple[Bench, Command]) -> None:
    bench, command = either
    bench.driver.apply(command)
    bench.driver.close()
    bench.driver.close()
    assert not bench.unit.output_on
    bench.driver.open()
    assert bench.driver.read().active == OFF


def test_pulling_the_plug_is_a_loss_and_it_comes_back(either: tuple[Bench, Command]) -> None:
    bench, command = either
    bench.driver.apply(command)
    bench.link.unplugged = True
    with pytest.raises(CommunicationLost):
        bench.driver.read()
    bench.driver.close()
    with pytest.raises(DeviceNotFound):
        bench.driver.open()
    bench.link.unplugged = False
    bench.driver.open()
    assert not bench.unit.output_on


def test_another_instrument_is_asked_and_left_alone(clock: ManualClock) -> None:
    described = source_description(
        identification={"ask": "*IDN?", "pattern": "^ITECH,(?P<model>[^,]+)"}
    )
    bench = power_bench(clock, described, identity="ITECH,IT6720,9,1")
    bench.link.replace_next("KEYSIGHT,E36103A,MY1,1")
    with pytest.raises(WrongDevice, match=r"KEYSIGHT,E36103A.*pattern"):
        bench.driver.open()
    assert [line for line in bench.sent if "?" not in line] == []


def test_another_serial_number_is_refused(clock: ManualClock) -> None:
    bench = power_bench(clock, source_description())
    settings = bench.driver._settings.model_copy(update={"serial_number": "77"})
    bench.driver._settings = settings
    with pytest.raises(WrongDevice, match="serial number 1, the settings name 77"):
        bench.driver.open()


def test_nothing_at_the_other_end_is_not_found(clock: ManualClock) -> None:
    bench = power_bench(clock, source_description())
    bench.break_down("silent on")
    with pytest.raises(DeviceNotFound, match="nothing answers"):
        bench.driver.open()


@pytest.mark.parametrize(
    "answer", ["", "nan", "inf", "-", "1.2.3", "9.91E37", "3,7 V,", "12 A", "½"]
)
def test_an_answer_that_is_no_voltage_is_never_a_value(source: Bench, answer: str) -> None:
    source.link.replace_next(answer)
    with pytest.raises(ProtocolViolated, match=r"MEAS:VOLT"):
        source.driver.read()


@pytest.mark.parametrize(
    ("answer", "volts"), [("3.70", 3.7), ("+3.70E+00 V", 3.7), ("-1.5e-01", -0.15), ("4V", 4.0)]
)
def test_numbers_may_look_differently(source: Bench, answer: str, volts: float) -> None:
    source.link.replace_next(answer)
    assert source.driver.read().values["voltage"].value == pytest.approx(volts)


def test_a_late_answer_is_not_the_next_one(source: Bench) -> None:
    source.break_down("late 700")
    with pytest.raises(CommunicationLost):
        source.driver.read()
    source.break_down("late off")
    assert source.driver.read().values["voltage"].value == pytest.approx(3.7)


RIGOL: dict[str, Any] = {
    "prepare": [":INST CH1"],
    "remote": {},
    "output": {
        "switch_on": [":OUTP CH1,ON"],
        "switch_off": [":OUTP CH1,OFF"],
        "ask": ":OUTP? CH1",
        "answers_on": ["ON"],
        "answers_off": ["OFF"],
    },
    "measures": [
        {
            "ask": ":MEAS:ALL? CH1",
            "values": [
                {"channel": "voltage", "quantity": "voltage", "at": 0},
                {"channel": "current", "quantity": "current", "at": 1},
                {"channel": "power", "quantity": "power", "at": 2},
            ],
        }
    ],
    "faults": [
        {
            "ask": ":OUTP:OVP:QUES? CH1",
            "answers": {"YES": "over_voltage"},
            "clear": [":OUTP:OVP:CLEAR CH1"],
        }
    ],
}


def register(quantity: str, order: str, form: str, **more: object) -> dict[str, object]:
    """Describe a register that is asked for by its order and a question mark."""
    asked = {"quantity": quantity, "set": f"{order} {{value:{form}}}", "ask": f"{order}?"}
    return asked | more


MILLIAMPERE: dict[str, Any] = {
    "registers": {
        "voltage": register("voltage", "VOLT", ".3f", suffix="V"),
        "current": register(
            "current", "CURR", ".0f", set="CURR {value:.0f}mA", scale=0.001, suffix="mA"
        ),
    },
}
SMU: dict[str, Any] = {
    "registers": {
        "drive_current": register("current", "SOUR:CURR", ".6e"),
        "compliance_voltage": register("voltage", "SENS:VOLT:PROT", ".4f"),
        "drive_voltage": register("voltage", "SOUR:VOLT", ".5f"),
        "compliance_current": register("current", "SENS:CURR:PROT", ".6e", ask=None),
    },
    "modes": {
        "cc": {
            "select": ["SOUR:FUNC CURR"],
            "ask": "SOUR:FUNC?",
            "answers": ["CURR"],
            "sets": "drive_current",
            "bounds": ["compliance_voltage"],
        },
        "cv": {
            "select": ["SOUR:FUNC VOLT"],
            "ask": "SOUR:FUNC?",
            "answers": ["VOLT"],
            "sets": "drive_voltage",
            "bounds": ["compliance_current"],
        },
    },
    "guards": {},
}


@pytest.mark.parametrize("changes", [RIGOL, MILLIAMPERE, SMU, {"echo": True}])
def test_other_instruments_need_no_code(clock: ManualClock, changes: dict[str, Any]) -> None:
    bench = opened(power_bench(clock, source_description(**changes)))
    for command, current in ((Command(Mode.CC, 2.0), 2.0), (Command(Mode.CV, 3.75), 2.5)):
        bench.driver.apply(command)
        reading = bench.driver.read()
        assert reading.active == command
        assert reading.values["current"].value == pytest.approx(current, rel=1e-4)
        assert bench.poles.current == pytest.approx(current)
    bench.driver.make_safe()
    assert not bench.unit.output_on


@pytest.mark.parametrize("spoil", ["garbage 1", "half 1", "double 1", "drop 1", "wrong 42.42.42"])
def test_a_spoilt_answer_costs_a_reading_and_no_more(
    either: tuple[Bench, Command], spoil: str
) -> None:
    bench, command = either
    bench.driver.apply(command)
    bench.break_down(spoil)
    for _ in range(3):
        try:
            reading = bench.driver.read()
        except (CommunicationLost, ProtocolViolated):
            continue
        assert reading.values["voltage"].value == pytest.approx(bench.poles.voltage, rel=1e-4)
        assert reading.values["current"].value == pytest.approx(bench.poles.current, rel=1e-4)
    assert bench.driver.read().active == command
