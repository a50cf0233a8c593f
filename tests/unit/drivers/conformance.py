"""What every driver does alike, tested on its simulator: three classes to inherit from.

A test class inherits one of them and gives a fixture ``maker``; what a device can and cannot do
is data of its :class:`Maker`. :class:`DeviceConformance` is for every device,
:class:`WireConformance` for those at the far end of a wire, :class:`PowerConformance` for those
with a power path.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError
from tests.unit.drivers.conformance_bench import Bench
from tests.unit.drivers.conftest import ManualClock, UnitLink

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    Device,
    DeviceError,
    DeviceNotFound,
    Identity,
    Mode,
    PowerDevice,
    Protection,
    ProtocolViolated,
    Reading,
    WrongDevice,
)
from bem_drivers.finding.probe import LineProbe
from bem_drivers.registry import DriverSpec

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=0.5
)
CLOSE = 0.02
"""How far (V, A) a reading may be from the truth: resolution of the coarsest simulated device."""
LONGEST_OPEN_S = 10.0
TRIES = 6
"""Passes of a control loop within which a device must be back after a passing fault."""
SPOILT = ("wrong", "late", "half", "noise", "double", "lost")


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a device says: ``answers`` in place of its next ones, or after ``orders``.

    ``values``: what the driver makes of it; none where it must refuse.
    """

    answers: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Power:
    """What a power path can do at a battery between the bounds of ``PROTECTION``.

    ``charging`` and ``discharging`` are its modes in each direction. ``silence``: it has
    a watchdog. ``holds_voltage``: it holds bounds of the voltage by itself. ``trips``: a constant
    voltage that takes more than the bound of the current is a fault; otherwise the current stays
    at its bound.
    """

    charging: frozenset[Mode] = frozenset()
    discharging: frozenset[Mode] = frozenset()
    silence: bool = False
    holds_voltage: bool = True
    trips: bool = False

    @property
    def charges(self) -> bool:
        return bool(self.charging)

    @property
    def discharges(self) -> bool:
        return bool(self.discharging)

    def can(self, command: Command) -> bool:
        """Tell whether ``command`` is one for it."""
        if command.mode is Mode.CV:
            return Mode.CV in self.charging | self.discharging
        return command.mode in (self.charging if command.setpoint > 0 else self.discharging)

    def goes(self, charging: bool) -> bool:
        """Tell whether current can flow in this direction."""
        return self.charges if charging else self.discharges


@dataclass(frozen=True, slots=True)
class Maker:
    """A driver, how to put it up with its simulator, and what to expect of it.

    ``put_up(clock, number, changes)`` makes the first or second (0, 1) of two, unopened, with
    ``changes`` of the driver's settings. ``truth(bench)`` is what channels must read. ``spoilt``
    are orders to the simulator that spoil its answers in the ways of ``SPOILT``, ``silent`` those
    that silence it and give it its voice back. ``stranger`` are settings that name another unit.
    """

    name: str
    spec: DriverSpec
    put_up: Callable[[ManualClock, int, Mapping[str, object]], Bench]
    settings: Mapping[str, object]
    identities: tuple[Identity, Identity]
    truth: Callable[[Bench], dict[str, float]]
    spoilt: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[str, str] = ("silent on", "silent off")
    stranger: Mapping[str, object] | None = None
    said: tuple[Said, ...] = ()
    power: Power | None = None

    def __str__(self) -> str:
        return self.name

    def opened(self, clock: ManualClock, number: int = 0) -> Bench:
        """Get an opened device and its simulator."""
        bench = self.put_up(clock, number, {})
        bench.device.open()
        return bench

    def check(self, bench: Bench, reading: Reading) -> None:
        """See that a reading has every channel, dated, and tells the truth."""
        assert set(reading.values) == {channel.name for channel in bench.device.channels}
        now_ns = bench.clock.now_ns
        for name, measured in reading.values.items():
            assert math.isfinite(measured.value), name
            assert 0 <= measured.age_s(now_ns) < 2.0, name
        truth = self.truth(bench)
        assert {name: reading.values[name].value for name in truth} == pytest.approx(
            truth, abs=CLOSE
        )

    def comes_back(self, bench: Bench, check: Callable[[Reading], None] | None = None) -> Reading:
        """Read until there is no error: within ``TRIES`` passes."""
        for _ in range(TRIES):
            bench.a_pass()
            try:
                reading = bench.device.read()
            except DeviceError:
                continue
            (check or (lambda one: self.check(bench, one)))(reading)
            return reading
        return bench.device.read()


class _Conformance:
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def maker(self) -> Maker:
        raise AssertionError("a class that inherits this one says which drivers it is about")

    @pytest.fixture
    def bench(self, maker: Maker, clock: ManualClock) -> Bench:
        """Get an opened device."""
        return maker.opened(clock)


class DeviceConformance(_Conformance):
    """Every device: who it is, what it reads, and that it can be opened and closed at will."""

    def test_making_it_touches_nothing(self, maker: Maker, clock: ManualClock) -> None:
        settings = maker.spec.settings.model_validate(maker.settings)
        device = maker.spec.make(settings, clock)
        assert isinstance(device, Device)
        assert isinstance(device, PowerDevice) == (maker.power is not None)
        device.close()

    def test_settings_that_it_does_not_know_are_refused(self, maker: Maker) -> None:
        with pytest.raises(ValidationError, match="no_such_setting"):
            maker.spec.settings.model_validate({**maker.settings, "no_such_setting": 1})
        assert maker.spec.settings.model_json_schema()["properties"]

    def test_it_says_who_it_is(self, maker: Maker, bench: Bench) -> None:
        told, expected = bench.device.identity, maker.identities[0]
        assert (told.make, told.model, told.serial) == (
            expected.make,
            expected.model,
            expected.serial,
        )

    def test_its_channels_are_named_and_have_units(self, bench: Bench) -> None:
        names = [channel.name for channel in bench.device.channels]
        assert names
        assert len(set(names)) == len(names)
        for channel in bench.device.channels:
            assert channel.name.isidentifier()
            assert channel.name.islower()
            assert channel.unit
            assert channel.title

    def test_it_reads_every_channel_fresh_and_true(self, maker: Maker, bench: Bench) -> None:
        for _ in range(3):
            bench.a_pass()
            reading = bench.device.read()
            maker.check(bench, reading)
            assert reading.faults == ()

    def test_it_opens_and_closes_again_and_again(self, maker: Maker, clock: ManualClock) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.device.close()
        for _ in range(3):
            bench.device.open()
            maker.check(bench, bench.device.read())
            bench.device.close()
            bench.device.close()

    def test_it_is_not_read_while_it_is_closed(self, bench: Bench) -> None:
        bench.device.close()
        with pytest.raises(CommunicationLost):
            bench.device.read()

    def test_two_at_once_do_not_mix(self, maker: Maker, clock: ManualClock) -> None:
        both = maker.opened(clock, 0), maker.opened(clock, 1)
        for _ in range(3):
            for bench, identity in zip(both, maker.identities, strict=True):
                bench.a_pass()
                maker.check(bench, bench.device.read())
                assert bench.device.identity.serial == identity.serial
        assert maker.truth(both[0]) != pytest.approx(maker.truth(both[1]), abs=CLOSE)
        both[0].device.close()
        both[1].a_pass()
        maker.check(both[1], both[1].device.read())


class WireConformance(_Conformance):
    """Every device at the far end of a wire: what becomes of it when the wire is bad or gone."""

    def test_it_has_a_place_of_its_own(self, maker: Maker) -> None:
        settings = maker.spec.settings.model_validate(maker.settings)
        assert maker.spec.places(settings)
        assert all(maker.spec.places(settings))

    def test_another_unit_than_named_is_refused(self, maker: Maker, clock: ManualClock) -> None:
        if maker.stranger is None:
            assert maker.identities[0].serial == "", "it tells a serial number: name another"
            return
        bench = maker.put_up(clock, 0, maker.stranger)
        with pytest.raises(WrongDevice, match=maker.identities[0].serial):
            bench.device.open()
        with pytest.raises(CommunicationLost):
            bench.device.read()

    def test_nobody_there_is_told_in_time(self, maker: Maker, clock: ManualClock) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.order(maker.silent[0])
        began_ns = clock.now_ns
        with pytest.raises(DeviceNotFound):
            bench.device.open()
        assert (clock.now_ns - began_ns) / 1e9 < LONGEST_OPEN_S
        bench.order(maker.silent[1])
        bench.device.open()
        maker.check(bench, bench.device.read())

    def test_no_wire_is_told(self, maker: Maker, clock: ManualClock) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.unplug()
        with pytest.raises(DeviceNotFound):
            bench.device.open()
        bench.device.close()
        bench.plug()
        bench.device.open()
        maker.check(bench, bench.device.read())

    def test_it_is_lost_when_unplugged_and_found_again(self, maker: Maker, bench: Bench) -> None:
        bench.device.read()
        bench.unplug()
        for _ in range(2):
            with pytest.raises(CommunicationLost):
                bench.device.read()
            bench.clock.sleep(0.1)
        bench.device.close()
        with pytest.raises(DeviceNotFound):
            bench.device.open()
        bench.plug()
        bench.device.open()
        maker.check(bench, bench.device.read())

    def test_silence_is_told_and_ends(self, maker: Maker, bench: Bench) -> None:
        bench.order(maker.silent[0])
        began_ns = bench.clock.now_ns
        while (bench.clock.now_ns - began_ns) / 1e9 < LONGEST_OPEN_S:
            bench.clock.sleep(0.1)
            try:
                bench.device.read()
            except CommunicationLost:
                break
        else:
            pytest.fail("it reads on although its device says nothing")
        bench.order(maker.silent[1])
        maker.comes_back(bench)

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_spoilt_answer_is_no_value(self, maker: Maker, bench: Bench, kind: str) -> None:
        bench.spoil(maker.spoilt[kind])
        for _ in range(TRIES):
            bench.a_pass()
            try:
                reading = bench.device.read()
            except DeviceError:
                continue
            maker.check(bench, reading)
        bench.mend()
        maker.comes_back(bench)

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_spoilt_answer_makes_no_other_device(
        self, maker: Maker, clock: ManualClock, kind: str
    ) -> None:
        bench = maker.put_up(clock, 0, {})
        bench.spoil(maker.spoilt[kind])
        try:
            bench.device.open()
        except DeviceError:
            bench.mend()
            clock.sleep(2.0)
            bench.device.open()
        bench.mend()
        assert bench.device.identity.serial == maker.identities[0].serial
        maker.comes_back(bench)

    def test_numbers_with_sign_and_exponent(self, maker: Maker, clock: ManualClock) -> None:
        assert maker.said, "give its maker negative and exponent numbers, or that it refuses them"
        for said in maker.said:
            bench = maker.opened(clock)
            for order in said.orders:
                bench.order(order)
            if said.orders:
                # What is measured takes its time to come round.
                for _ in range(20):
                    bench.a_pass()
                    bench.device.read()
            if not said.values:
                bench.say(*said.answers)
                with pytest.raises(ProtocolViolated):
                    bench.device.read()
                continue
            bench.say(*said.answers)
            values = bench.device.read().values
            assert {name: values[name].value for name in said.values} == pytest.approx(
                dict(said.values)
            )

    def test_a_search_recognises_it(self, maker: Maker, bench: Bench) -> None:
        probe = None if maker.spec.probe is None else maker.spec.probe()
        unit = bench.units[0]
        if not isinstance(probe, LineProbe) or isinstance(bench.links[0], UnitLink):
            # It is not searched for by a line of text.
            return
        identity = probe.identify(unit.receive(probe.question, bench.clock.now_ns)[-1])
        assert identity.serial == maker.identities[0].serial
        with pytest.raises(DeviceError):
            probe.identify("hello")

    def test_its_simulator_knows_its_orders_and_no_other(self, bench: Bench) -> None:
        for unit in bench.units:
            with pytest.raises(ValueError, match="no_such_order"):
                unit.break_down("no_such_order", bench.clock.now_ns)


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


class _PowerConformance(_Conformance):
    @pytest.fixture
    def device(self, bench: Bench) -> PowerDevice:
        """Get a device that holds ``PROTECTION``."""
        device = bench.power_device
        device.protect(PROTECTION)
        device.keep_alive()
        return device

    @pytest.fixture
    def power(self, maker: Maker) -> Power:
        assert maker.power is not None
        return maker.power

    @pytest.fixture
    def runs(self, power: Power) -> Command:
        """Get a command that makes current flow."""
        return Command(Mode.CC, 1.0 if power.charges else -1.0)


class PowerConformance(_PowerConformance):
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


class PowerWireConformance(_PowerConformance):
    """Every power device at the far end of a wire, which can break in the middle of a run."""

    def test_unplugged_in_mid_run_and_plugged_in_again(
        self, bench: Bench, device: PowerDevice, power: Power, runs: Command
    ) -> None:
        device.apply(runs)
        bench.unplug()
        with pytest.raises(CommunicationLost):
            device.read()
        with pytest.raises(CommunicationLost):
            device.make_safe()
        with pytest.raises(DeviceError):
            device.apply(runs)
        bench.clock.sleep(2.0)
        bench.live()
        # Only its own watchdog can help then.
        assert (bench.current == 0.0) == power.silence
        device.close()
        with pytest.raises(DeviceNotFound):
            device.open()
        bench.plug()
        device.open()
        assert bench.current == 0.0
        assert device.read().active == OFF
        device.protect(PROTECTION)
        device.keep_alive()
        device.apply(runs)
        assert device.read().active == runs
        assert bench.current == pytest.approx(runs.setpoint, abs=0.01)

    def test_a_successor_takes_over_what_was_left_on(
        self, bench: Bench, device: PowerDevice, runs: Command
    ) -> None:
        device.apply(runs)
        successor = bench.successor()
        successor.open()
        assert successor.read().active == OFF
        assert bench.current == 0.0

    def test_closing_leaves_nothing_on_that_nobody_watches(
        self, bench: Bench, device: PowerDevice, power: Power, runs: Command
    ) -> None:
        device.apply(runs)
        device.close()
        bench.clock.sleep(1.0 if power.silence else 0.0)
        bench.live()
        assert bench.current == 0.0

    @pytest.mark.parametrize("kind", SPOILT)
    def test_spoilt_answers_do_not_keep_it_on(
        self, maker: Maker, bench: Bench, device: PowerDevice, runs: Command, kind: str
    ) -> None:
        device.apply(runs)
        bench.spoil(maker.spoilt[kind])
        try:
            device.make_safe()
        except DeviceError:
            bench.mend()
            for _ in range(TRIES):
                bench.a_pass()
                try:
                    device.make_safe()
                    break
                except DeviceError:
                    continue
        bench.live()
        assert bench.current == 0.0
        bench.mend()
        assert maker.comes_back(bench).active == OFF

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_run_survives_a_spoilt_answer(
        self,
        maker: Maker,
        bench: Bench,
        device: PowerDevice,
        power: Power,
        runs: Command,
        kind: str,
    ) -> None:
        device.apply(runs)
        bench.spoil(maker.spoilt[kind])
        for _ in range(TRIES):
            bench.a_pass()
            try:
                reading = device.read()
            except DeviceError:
                continue
            maker.check(bench, reading)
        bench.mend()
        # Waiting for answers, the loop may have been slower than its watchdog is patient.
        active = maker.comes_back(bench).active
        assert active == runs or (active == OFF and power.silence)
        assert bench.current == pytest.approx(0.0 if active == OFF else runs.setpoint, abs=CLOSE)

    @pytest.mark.parametrize("kind", SPOILT)
    def test_a_command_with_a_spoilt_answer_is_done_or_told(
        self, maker: Maker, bench: Bench, device: PowerDevice, runs: Command, kind: str
    ) -> None:
        bench.spoil(maker.spoilt[kind])
        try:
            device.apply(runs)
        except DeviceError:
            bench.mend()
            bench.a_pass()
            device.make_safe()
            assert bench.current == 0.0
        else:
            bench.mend()
            assert bench.current == pytest.approx(runs.setpoint, abs=0.01)
            assert maker.comes_back(bench).active == runs
