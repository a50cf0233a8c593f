"""The EPC driver on a simulated unit, with a clock that only tests turn."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from pydantic import ValidationError
from tests.support.clock import ManualClock
from tests.unit.drivers.conftest import EpcBench

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
from bem_drivers.can import CanSettings, Frame
from bem_drivers.epc import DRIVER
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.model.settings import Chemistry
from bem_drivers.simulation.circuit import Terminals

MS = 1_000_000
BUS = {"interface": "virtual", "channel": "none"}
PROTECTION = Protection(
    voltage_min=2.5,
    voltage_max=4.25,
    current_min=-5.0,
    current_max=5.0,
    temperature_max=45.0,
    silence_s=1.0,
)
CHARGE = Command(Mode.CC, 1.0)


def heartbeats(sent: list[tuple[int, Frame]]) -> int:
    return sum(frame.frame_id & 0xF == 1 and frame.data == b"\x05" for _, frame in sent)


def running(bench: EpcBench) -> None:
    """Bring a bench to a charge under supervision."""
    bench.driver.protect(PROTECTION)
    bench.driver.apply(CHARGE)
    assert bench.unit.output_on


class TestOpening:
    def test_it_tells_who_it_is(self, make_epc: Callable[..., EpcBench]) -> None:
        bench = make_epc(serial_number=7, ambient_sensor=True)
        bench.driver.open()
        assert bench.driver.identity.serial == "7"
        assert bench.driver.identity.firmware == "1"
        assert [channel.name for channel in bench.driver.channels] == [
            "voltage",
            "current",
            "supply_voltage",
            "temperature_body",
            "temperature_ambient",
        ]

    def test_without_sensors_it_has_no_temperature(self, make_epc: Callable[..., EpcBench]) -> None:
        bench = make_epc(body_sensor=False)
        bench.driver.open()
        assert set(bench.driver.read().values) == {"voltage", "current", "supply_voltage"}
        held = bench.driver.protect(PROTECTION)
        assert (held.temperature_min, held.temperature_max) == (None, None)

    def test_a_temperature_is_measured_before_it_is_told(
        self, make_epc: Callable[..., EpcBench]
    ) -> None:
        bench = make_epc()
        bench.driver.open()
        assert bench.driver.read().values["temperature_body"].value == 25.0

    def test_nobody_there(self, epc: EpcBench, clock: ManualClock) -> None:
        driver = EpcDriver(
            EpcSettings.model_validate({"bus": BUS, "device_id": 0x20}), clock, epc.link
        )
        with pytest.raises(DeviceNotFound, match="0x20 does not answer"):
            driver.open()
        assert not epc.link.plugged

    def test_another_serial_number(self, epc: EpcBench, clock: ManualClock) -> None:
        settings = EpcSettings.model_validate({"bus": BUS, "serial_number": 9})
        with pytest.raises(WrongDevice, match="serial number 1, the settings name 9"):
            EpcDriver(settings, clock, epc.link).open()

    @pytest.mark.parametrize("device_id", [0x10, 0x11, 0x12])
    def test_ids_of_the_bms_are_refused(self, device_id: int) -> None:
        with pytest.raises(ValidationError, match="BMS"):
            DRIVER.settings.model_validate({"bus": BUS, "device_id": device_id})

    def test_what_a_dead_process_left_running_is_switched_off(
        self, epc: EpcBench, clock: ManualClock
    ) -> None:
        running(epc)
        EpcDriver(EpcSettings.model_validate({"bus": BUS}), clock, epc.link).open()
        assert not epc.unit.output_on

    def test_a_tripped_watchdog_is_taken_back(self, epc: EpcBench, clock: ManualClock) -> None:
        running(epc)
        clock.sleep(5.0)
        successor = EpcDriver(EpcSettings.model_validate({"bus": BUS}), clock, epc.link)
        successor.open()
        clock.sleep(60.0)
        assert successor.read().faults == ()


class TestProtection:
    def test_limits_are_rounded_outwards(self, epc: EpcBench) -> None:
        held = epc.driver.protect(Protection(2.50049, 4.19951, -1.23456, 1.23456, -10.01, 10.01))
        assert (held.voltage_min, held.voltage_max) == (2.5, 4.2)
        assert (held.current_min, held.current_max) == (-1.235, 1.235)
        assert (held.power_min, held.power_max) == (-10.1, 10.1)
        assert held.silence_s == 1.0

    def test_a_whole_millivolt_stays(self, epc: EpcBench) -> None:
        held = epc.driver.protect(Protection(2.3, 4.35, -1.1, 1.1))
        assert (held.voltage_min, held.voltage_max) == (2.3, 4.35)
        assert (held.current_min, held.current_max) == (-1.1, 1.1)

    def test_the_unit_holds_what_the_driver_tells(self, epc: EpcBench) -> None:
        epc.driver.protect(PROTECTION)
        accepted = {one["register"]: (one["min"], one["max"]) for one in epc.of_kind("limits")}
        assert accepted == {
            "ls_current": (-5000, 5000),
            "ls_power": (-800, 800),
            "temp": (-160, 450),
            "ls_voltage": (2500, 4250),
        }
        assert all(one["accepted"] for one in epc.of_kind("limits"))

    def test_a_current_limit_of_zero_does_not_trip_at_rest(self, epc: EpcBench) -> None:
        held = epc.driver.protect(Protection(2.5, 4.25, 0.0, 2.0))
        assert held.current_min == -0.025
        epc.loop(1.0)
        assert epc.driver.read().faults == ()

    def test_a_cell_outside_of_its_window_does_not_lock_the_unit(self, epc: EpcBench) -> None:
        with pytest.raises(ConfigurationRefused, match=r"voltage is 3\.699 V now"):
            epc.driver.protect(Protection(3.8, 4.2, -1.0, 1.0))
        assert epc.driver.read().faults == ()
        epc.driver.protect(PROTECTION)

    def test_the_next_battery_may_lie_outside_of_the_last_ones_window(self, epc: EpcBench) -> None:
        epc.driver.protect(Protection(3.4, 4.2, -1.0, 1.0, silence_s=1.0))
        epc.driver.release()
        lfp = BatteryModelSettings(chemistry=Chemistry.LFP)
        epc.unit.stage.lead = Terminals(lfp).connect("stage")
        epc.loop(1.0)
        assert epc.driver.read().faults == ()
        held = epc.driver.protect(Protection(2.5, 3.35, -1.0, 1.0))
        assert (held.voltage_min, held.voltage_max) == (2.5, 3.35)

    def test_a_window_that_no_epc_has_is_refused(self, epc: EpcBench) -> None:
        with pytest.raises(ConfigurationRefused, match=r"leave nothing of the 0\.4\.\.5\.1 V"):
            epc.driver.protect(Protection(10.0, 14.4, -1.0, 1.0))

    def test_a_silence_too_short_is_refused(self, epc: EpcBench) -> None:
        with pytest.raises(ConfigurationRefused, match=r"silence_s 0\.04"):
            epc.driver.protect(Protection(2.5, 4.2, -1.0, 1.0, silence_s=0.04))

    def test_a_refusal_names_both(self, epc: EpcBench) -> None:
        epc.driver.read()
        epc.unit.stage.supply_voltage = 5.0
        epc.clock.sleep(0.2)
        with pytest.raises(ConfigurationRefused, match=r"-5\.\.5 A and holds -15\.5\.\.15\.5 A"):
            epc.driver.protect(PROTECTION)

    def test_the_power_limit_is_raised_beyond_its_power_on_value(
        self, make_epc: Callable[..., EpcBench]
    ) -> None:
        epc = make_epc(battery=BatteryModelSettings(capacity_ah=20.0, soc=0.9))
        epc.driver.open()
        epc.driver.protect(Protection(2.5, 4.5, -15.5, 15.5))
        epc.driver.apply(Command(Mode.CP, -60.0))
        assert epc.unit.output_on


class TestCommands:
    def test_the_same_command_after_an_unnoticed_end_runs_again(self, epc: EpcBench) -> None:
        running(epc)
        epc.unit.stage.cell_connected = False
        epc.clock.sleep(0.05)
        epc.link.receive(0.0)
        epc.unit.stage.cell_connected = True
        epc.clock.sleep(0.2)
        epc.driver.keep_alive()
        assert epc.driver.read().active == OFF
        epc.driver.apply(CHARGE)
        assert epc.driver.read().active == CHARGE

    def test_a_command_in_error_names_it(self, epc: EpcBench) -> None:
        epc.driver.protect(PROTECTION)
        epc.unit.stage.cell_connected = False
        epc.clock.sleep(0.2)
        assert epc.driver.read().faults == ("ls_voltage",)
        with pytest.raises(DeviceFault, match="ls_voltage"):
            epc.driver.apply(CHARGE)

    def test_a_refusal_names_both_commands(self, epc: EpcBench) -> None:
        epc.driver.protect(PROTECTION)
        # Somebody else narrows the limits on the bus.
        epc.unit.receive(0x133, bytes.fromhex("0032ffce"), epc.clock.now_ns)
        epc.clock.sleep(0.03)
        with pytest.raises(ConfigurationRefused, match=r"sent CC .* 1000 .* keeps WAIT"):
            epc.driver.apply(CHARGE)
        assert not epc.unit.output_on

    def test_a_trip_at_once_is_told(self, epc: EpcBench) -> None:
        epc.driver.protect(PROTECTION)
        # A limit narrowed between command and proof is an over-current without a status.
        original = epc.link.send

        def meddle(frame: Frame) -> None:
            original(frame)
            if frame.frame_id & 0xF == 0 and frame.data[0] == 0x05:
                epc.unit.receive(0x133, bytes.fromhex("0032ffce"), epc.clock.now_ns)

        epc.link.send = meddle  # type: ignore[method-assign]  # one test's bus
        with pytest.raises(DeviceFault, match="dropped it at once"):
            epc.driver.apply(CHARGE)

    def test_a_lost_heartbeat_shows_as_fault_and_is_recovered(self, epc: EpcBench) -> None:
        running(epc)
        epc.clock.sleep(2.0)
        reading = epc.driver.read()
        assert (reading.active, reading.faults) == (OFF, ("communication",))
        assert epc.driver.read().faults == ()
        epc.driver.apply(CHARGE)
        assert epc.driver.read().active == CHARGE

    def test_changing_commands_every_pass_keeps_the_pace(self, epc: EpcBench) -> None:
        epc.driver.protect(PROTECTION)
        for tenth in range(1, 40):
            start_ns = epc.clock.now_ns
            epc.driver.read()
            epc.driver.keep_alive()
            epc.driver.apply(Command(Mode.CC, tenth / 10))
            assert epc.clock.now_ns - start_ns <= 90 * MS
        assert not epc.unit.dead


def to_wait(bench: EpcBench) -> None:
    bench.unit.receive(0x130, bytes.fromhex("0000000060ea0000"), bench.clock.now_ns)
    bench.clock.sleep(0.02)


def to_comm_error(bench: EpcBench) -> None:
    running(bench)
    bench.clock.sleep(3.0)


def to_no_cell(bench: EpcBench) -> None:
    running(bench)
    bench.unit.stage.cell_connected = False
    bench.clock.sleep(0.1)


def to_unpowered(bench: EpcBench) -> None:
    bench.unit.receive(0x130, bytes.fromhex("0400e80360ea0000"), bench.clock.now_ns)
    bench.clock.sleep(0.02)


def to_cv(bench: EpcBench) -> None:
    bench.driver.protect(PROTECTION)
    bench.driver.apply(Command(Mode.CV, 4.1))


def to_cp(bench: EpcBench) -> None:
    bench.driver.protect(PROTECTION)
    bench.driver.apply(Command(Mode.CP, -10.0))


class TestMakeSafe:
    @pytest.mark.parametrize(
        "bring",
        [lambda _: None, to_wait, running, to_cv, to_cp, to_unpowered, to_comm_error, to_no_cell],
        ids=["idle", "wait", "cc", "cv", "cp", "unpowered", "supervision", "no cell"],
    )
    def test_from_every_state(self, epc: EpcBench, bring: Callable[..., None]) -> None:
        bring(epc)
        start_ns = epc.clock.now_ns
        epc.driver.make_safe()
        assert not epc.unit.output_on
        assert epc.clock.now_ns - start_ns <= 50 * MS
        epc.driver.make_safe()
        assert epc.driver.read().active == OFF

    def test_a_dead_unit_is_told_in_bounded_time(self, epc: EpcBench) -> None:
        epc.unit.receive(0x138, b"", epc.clock.now_ns)
        epc.clock.sleep(0.05)
        start_ns = epc.clock.now_ns
        with pytest.raises(CommunicationLost, match="power cycle"):
            epc.driver.make_safe()
        assert epc.clock.now_ns - start_ns <= 400 * MS

    def test_an_unplugged_bus_is_told(self, epc: EpcBench) -> None:
        epc.link.plugged = False
        for action in (epc.driver.make_safe, epc.driver.read):
            with pytest.raises(CommunicationLost):
                action()
        epc.driver.close()


class TestPace:
    def test_frames_never_come_closer_than_a_slot(self, epc: EpcBench) -> None:
        running(epc)
        epc.loop(5.0)
        epc.driver.make_safe()
        gaps = [later[0] - earlier[0] for earlier, later in pairwise(epc.link.sent)]
        assert min(gaps) >= 10 * MS

    def test_only_frames_that_a_unit_survives(self, epc: EpcBench) -> None:
        running(epc)
        epc.loop(3.0)
        epc.driver.make_safe()
        lengths = {0: 8, 1: 1, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 7: 6}
        for _, frame in epc.link.sent:
            assert len(frame.data) == lengths[frame.frame_id & 0xF]
        assert not epc.unit.dead

    def test_a_pass_fits_in_the_period(self, epc: EpcBench) -> None:
        running(epc)
        for _ in range(50):
            start_ns = epc.clock.now_ns
            epc.driver.read()
            epc.driver.keep_alive()
            assert epc.clock.now_ns - start_ns <= 50 * MS
            epc.clock.now_ns = start_ns + 100 * MS

    def test_heartbeats_are_sent_as_often_as_needed(self, epc: EpcBench) -> None:
        running(epc)
        before = heartbeats(epc.link.sent)
        epc.loop(10.0)
        assert 30 <= heartbeats(epc.link.sent) - before <= 41
        assert epc.driver.read().active == CHARGE

    def test_silence_ends_the_output_in_time(self, epc: EpcBench) -> None:
        running(epc)
        epc.loop(2.0)
        last_ns = epc.link.sent[-1][0]
        epc.link.plugged = False
        epc.clock.sleep(3.0)
        epc.unit.advance(epc.clock.now_ns)
        off_ns = next(
            at_ns for at_ns, kind, facts in epc.ledger if kind == "output" and not facts["on"]
        )
        assert off_ns - last_ns <= 1000 * MS + 20 * MS


def test_slow_channels_keep_the_instant_of_their_answer(epc: EpcBench) -> None:
    ages = []
    for _ in range(30):
        reading = epc.driver.read()
        now_ns = epc.clock.now_ns
        assert reading.values["voltage"].age_s(now_ns) < 0.03
        ages.append(reading.values["temperature_body"].age_s(now_ns))
        epc.clock.sleep(0.1)
    assert 0.5 < max(ages) < 1.3


def test_a_foreign_frame_is_told_and_does_not_keep_the_output_on(epc: EpcBench) -> None:
    running(epc)
    epc.link.arrived.append(Frame(0x13C, b"\x01"))
    epc.driver.make_safe()
    assert not epc.unit.output_on
    with pytest.raises(ProtocolViolated, match="1 bytes"):
        epc.driver.read()
    assert epc.driver.read().active == OFF


def test_a_full_charge_ends_at_the_voltage_asked_for(make_epc: Callable[..., EpcBench]) -> None:
    bench = make_epc(speed=600.0, battery=BatteryModelSettings(soc=0.9))
    bench.driver.open()
    bench.driver.protect(PROTECTION)
    bench.driver.apply(Command(Mode.CV, 4.2))
    bench.loop(10.0)
    reading = bench.driver.read()
    assert reading.values["voltage"].value == pytest.approx(4.2, abs=0.003)
    assert abs(reading.values["current"].value) < 0.05
    assert bench.unit.stage.battery.state_of_charge == pytest.approx(1.0, abs=0.01)


def test_settings_from_an_inventory() -> None:
    settings = EpcSettings.model_validate(
        {"bus": {"interface": "slcan", "channel": "/dev/ttyACM0"}, "device_id": 0x14}
    )
    assert settings.bus == CanSettings(interface="slcan", channel="/dev/ttyACM0")
