"""What every device with a power path does."""

from collections.abc import Callable

import pytest
from tests.support.clock import ManualClock
from tests.unit.drivers.conformance.fixtures import OnPower
from tests.unit.drivers.conformance.maker import CLOSE, PROTECTION, Maker, Power
from tests.unit.drivers.conformance_bench import Bench

from bem_drivers.base import (
    OFF,
    Command,
    ConfigurationRefused,
    DeviceError,
    Mode,
    PowerDevice,
    Protection,
)

COMMANDS = (
    Command(Mode.CC, 1.0),
    Command(Mode.CC, -1.0),
    Command(Mode.CV, 3.75),
    Command(Mode.CV, 3.65),
    Command(Mode.CP, 5.0),
    Command(Mode.CP, -5.0),
)
BEYOND = (
    Command(Mode.CC, 5.5),
    Command(Mode.CC, -5.5),
    Command(Mode.CV, 4.4),
    Command(Mode.CV, 2.3),
    Command(Mode.CP, 5000.0),
    Command(Mode.CP, -5000.0),
)


def _name(command: Command) -> str:
    return f"{command.mode} {command.setpoint:g}"


class PowerConformance(OnPower):
    """Every power device: its bounds, its modes, and off from wherever it is."""

    def test_it_measures_voltage_and_current(self, bench: Bench) -> None:
        units = {channel.name: channel.unit for channel in bench.device.channels}
        assert (units["voltage"], units["current"]) == ("V", "A")

    def test_its_ratings_say_in_which_directions_it_goes(self, bench: Bench, power: Power) -> None:
        ratings = bench.power_device.ratings
        assert ratings.voltage_min < ratings.voltage_max
        assert (ratings.current_max > 0, ratings.current_min < 0) == (
            power.charges,
            power.discharges,
        )
        assert (ratings.power_max > 0, ratings.power_min < 0) == (power.charges, power.discharges)

    def test_it_opens_with_its_output_off(self, bench: Bench) -> None:
        reading = bench.device.read()
        assert (reading.active, reading.faults) == (OFF, ())
        assert bench.current == 0.0

    def test_it_tells_the_limits_it_holds(self, bench: Bench, power: Power) -> None:
        device = bench.power_device
        held = device.protect(PROTECTION)
        if power.holds_voltage:
            assert held.voltage_min == pytest.approx(2.5, abs=0.001) or not power.discharges
            assert held.voltage_max == pytest.approx(4.25, abs=0.001) or not power.charges
        assert device.ratings.voltage_min <= held.voltage_min
        assert held.voltage_max <= device.ratings.voltage_max
        assert held.current_max == pytest.approx(5.0 if power.charges else 0.0, abs=0.001)
        assert held.current_min == pytest.approx(-5.0 if power.discharges else 0.0, abs=0.001)
        assert held.power_max in (None, pytest.approx(device.ratings.power_max))
        assert held.power_min in (None, pytest.approx(device.ratings.power_min))
        assert held.silence_s == (pytest.approx(0.5) if power.silence else None)

    def test_limits_beyond_its_ratings_are_clipped(self, bench: Bench) -> None:
        device = bench.power_device
        held = device.protect(Protection(-10.0, 1000.0, -1000.0, 1000.0))
        ratings = device.ratings
        assert (held.voltage_min, held.voltage_max, held.current_min, held.current_max) == (
            pytest.approx(
                (
                    ratings.voltage_min,
                    ratings.voltage_max,
                    ratings.current_min,
                    ratings.current_max,
                ),
                abs=0.001,
            )
        )

    def test_it_gives_up_its_limits_and_takes_others(
        self, device: PowerDevice, runs: Command
    ) -> None:
        device.release()
        device.release()
        assert device.read().faults == ()
        device.protect(Protection(2.5, 4.25, -0.5, 0.5, silence_s=0.5))
        device.keep_alive()
        with pytest.raises(ConfigurationRefused):
            device.apply(runs)
        device.release()
        device.protect(PROTECTION)
        device.keep_alive()
        device.apply(runs)
        assert device.read().active == runs

    @pytest.mark.parametrize("command", COMMANDS, ids=_name)
    def test_each_mode_is_done_or_refused(
        self, bench: Bench, device: PowerDevice, power: Power, command: Command
    ) -> None:
        if not power.can(command):
            with pytest.raises(ConfigurationRefused):
                device.apply(command)
            reading = device.read()
            assert (reading.active, reading.faults) == (OFF, ())
            assert bench.current == 0.0
            return
        resting_v = bench.voltage
        device.apply(command)
        reading = device.read()
        assert reading.active == command
        assert reading.values["voltage"].value == pytest.approx(bench.voltage, abs=CLOSE)
        assert reading.values["current"].value == pytest.approx(bench.current, abs=CLOSE)
        if command.mode is Mode.CC:
            assert bench.current == pytest.approx(command.setpoint, abs=0.01)
        elif command.mode is Mode.CP:
            assert bench.voltage * bench.current == pytest.approx(command.setpoint, abs=0.1)
        elif power.goes(command.setpoint > resting_v):
            assert bench.voltage == pytest.approx(command.setpoint, abs=0.003)
        else:
            assert bench.current == 0.0

    def test_modes_follow_each_other(self, bench: Bench, device: PowerDevice, power: Power) -> None:
        able = [command for command in COMMANDS if power.can(command)]
        for command in (*able, *reversed(able)):
            device.keep_alive()
            device.apply(command)
            bench.a_pass()
            assert device.read().active == command

    @pytest.mark.parametrize("command", BEYOND, ids=_name)
    def test_a_set_point_beyond_its_limits_is_refused(
        self, bench: Bench, device: PowerDevice, command: Command
    ) -> None:
        said = rf"{command.setpoint:g}|no mode {command.mode}"
        with pytest.raises(ConfigurationRefused, match=said):
            device.apply(command)
        assert device.read().active == OFF
        assert bench.current == 0.0

    def test_a_set_point_beyond_them_leaves_what_runs_or_ends_it(
        self, bench: Bench, device: PowerDevice, runs: Command
    ) -> None:
        device.apply(runs)
        with pytest.raises(ConfigurationRefused):
            device.apply(Command(Mode.CC, 5.5 * runs.setpoint))
        active = device.read().active
        assert active in (OFF, runs)
        assert bench.current == pytest.approx(0.0 if active == OFF else runs.setpoint, abs=CLOSE)

    def test_constant_voltage_stays_within_the_current_limits(
        self, bench: Bench, device: PowerDevice, power: Power
    ) -> None:
        command = Command(Mode.CV, 4.2 if power.charges else 3.0)
        if power.trips:
            with pytest.raises(DeviceError):
                device.apply(command)
            assert bench.current == 0.0
            return
        device.apply(command)
        reading = device.read()
        assert reading.active == command
        assert abs(bench.current) == pytest.approx(5.0, abs=CLOSE)

    def test_limits_do_not_change_under_power(self, device: PowerDevice, runs: Command) -> None:
        device.apply(runs)
        with pytest.raises(ConfigurationRefused, match=r"output|input"):
            device.protect(PROTECTION)
        assert device.read().active == runs

    @pytest.mark.parametrize("state", [None, OFF, *COMMANDS], ids=lambda one: one and _name(one))
    @pytest.mark.parametrize(
        "switch_off", [lambda d: d.make_safe(), lambda d: d.apply(OFF)], ids=["make_safe", "apply"]
    )
    def test_it_is_safe_from_every_state(
        self,
        bench: Bench,
        device: PowerDevice,
        power: Power,
        state: Command | None,
        switch_off: Callable[[PowerDevice], None],
    ) -> None:
        for _ in range(3):
            device.keep_alive()
            if state is not None and (state == OFF or power.can(state)):
                device.apply(state)
            switch_off(device)
            switch_off(device)
            reading = device.read()
            assert (reading.active, reading.faults) == (OFF, ())
            assert bench.current == 0.0

    def test_it_is_safe_before_it_holds_limits(self, bench: Bench) -> None:
        bench.power_device.make_safe()
        assert bench.device.read().active == OFF

    def test_silence_switches_off_who_has_a_watchdog(
        self, bench: Bench, device: PowerDevice, power: Power, runs: Command
    ) -> None:
        device.apply(runs)
        for _ in range(20):
            bench.a_pass()
            assert device.read().active == runs
        bench.clock.sleep(0.7)
        reading = device.read()
        if not power.silence:
            assert (reading.active, reading.faults) == (runs, ())
            return
        assert reading.active == OFF
        assert reading.faults
        assert bench.current == 0.0
        device.make_safe()
        device.keep_alive()
        device.apply(runs)
        assert device.read().active == runs

    def test_two_at_once_run_apart(self, maker: Maker, clock: ManualClock, runs: Command) -> None:
        both = maker.opened(clock, 0), maker.opened(clock, 1)
        commands = runs, Command(runs.mode, 2 * runs.setpoint)
        for bench in both:
            bench.power_device.protect(PROTECTION)
        for _ in range(3):
            for bench, command in zip(both, commands, strict=True):
                for one in both:
                    one.power_device.keep_alive()
                bench.power_device.apply(command)
        for bench, command in zip(both, commands, strict=True):
            assert bench.device.read().active == command
            assert bench.current == pytest.approx(command.setpoint, abs=0.01)
        both[0].power_device.make_safe()
        both[1].power_device.keep_alive()
        assert both[0].current == 0.0
        assert both[1].device.read().active == commands[1]
