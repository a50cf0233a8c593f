"""The driver never steps into a trap of devices.md §2.7, whatever it is asked to do."""

import contextlib
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.unit.drivers.conftest import EpcBench
from tests.unit.drivers.epc_bus import Host, TurnedBus

from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    ConfigurationRefused,
    DeviceError,
    Mode,
    Protection,
)
from bem_drivers.can import Frame
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.model import BatteryModelSettings

MS = 1_000_000
LENGTHS = {0: 8, 1: 1, 2: 4, 3: 4, 5: 4, 6: 4, 7: 6}
PROTECTION = Protection(2.5, 4.25, -5.0, 5.0, silence_s=1.0)
CHARGE = Command(Mode.CC, 1.0)


BREAKDOWNS = (
    *("supply 5", "supply 0", "voltage 0.1", "voltage 5.2", "voltage 3.3", "current 12"),
    *(
        "noise current 0.04",
        "noise 0.01",
        "drift voltage 36",
        "frozen on",
        "silent on",
        "ambient 69",
    ),
)


class RandomOperator:
    """Does to a driver what stations, people and bad luck do, at random and repeatably."""

    def __init__(self, world: TurnedBus, seed: int, seconds: float) -> None:
        self.random = random.Random(seed)  # noqa: S311 - repeatable, not a secret
        self.world = world
        self.unit = world.units[0]
        self.spoilt = world.spoilt[0]
        self.end_ns = world.now_ns + round(seconds * 1e9)
        self.done: dict[str, int] = {}
        self.ran = 0

    def live(self, host: Host) -> None:
        deeds = (
            [self.work] * 10
            + [self.command] * 6
            + [self.protect] * 3
            + [self.make_safe, self.release, self.pause, self.trip, self.fall_silent]
            + [self.break_down, self.spoil, self.cut_off, self.unplug, self.lose_power]
            + [self.reopen]
        )
        host.driver.open()
        self.trip(host)
        while host.monotonic_ns() < self.end_ns:
            deed = self.random.choice(deeds)
            self.done[deed.__name__] = self.done.get(deed.__name__, 0) + 1
            deed(host)
            self.ran += self.unit.output_on
            assert not self.unit.dead, f"killed after {deed.__name__}"
        self.attempt(host.driver.make_safe)

    @staticmethod
    def attempt(action: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(DeviceError):
            action(*arguments)

    def work(self, host: Host, seconds: float | None = None) -> None:
        """The loop of a station, at some period."""
        period_s = self.random.choice([0.05, 0.1, 0.2, 0.5])
        end_ns = host.monotonic_ns() + round((seconds or self.random.uniform(0.2, 5)) * 1e9)
        while host.monotonic_ns() < end_ns:
            self.attempt(host.driver.read)
            self.attempt(host.driver.keep_alive)
            host.sleep(period_s)

    def command(self, host: Host) -> None:
        mode, reach = self.random.choice([(Mode.CC, 20.0), (Mode.CV, 6.0), (Mode.CP, 100.0)])
        low = 0.0 if mode is Mode.CV else -reach
        share = self.random.choice([0.1, 0.3, 1.0])
        self.attempt(host.driver.apply, Command(mode, self.random.uniform(low, reach) * share))
        self.work(host, 0.5)

    def protect(self, host: Host) -> None:
        pick = self.random.choice
        if pick([True, True, False]):
            self.attempt(host.driver.make_safe)
        bounds = Protection(
            voltage_min=pick([0.0, 2.5, 3.0, 3.8, 5.0]),
            voltage_max=pick([3.0, 4.2, 4.25, 5.1, 20.0]),
            current_min=pick([-100.0, -5.0, -1.0, 0.0, 1.0]),
            current_max=pick([-1.0, 0.0, 1.0, 5.0, 100.0]),
            power_min=pick([None, -100.0, -20.0, -0.01, 5.0]),
            power_max=pick([None, 100.0, 20.0, 0.01, -5.0]),
            temperature_min=pick([None, -50.0, 0.0, 40.0]),
            temperature_max=pick([None, 10.0, 20.0, 60.0, 200.0]),
            silence_s=pick([None, 0.01, 0.2, 0.5, 1.0, 5.0, 1000.0]),
        )
        self.attempt(host.driver.protect, bounds)

    def make_safe(self, host: Host) -> None:
        self.attempt(host.driver.make_safe)

    def release(self, host: Host) -> None:
        self.attempt(host.driver.release)

    def pause(self, host: Host) -> None:
        """A rest with the output off."""
        self.attempt(host.driver.make_safe)
        self.work(host, self.random.uniform(1, 10))

    def trip(self, host: Host) -> None:
        """Have the watchdog end a charge."""
        self.attempt(host.driver.make_safe)
        self.attempt(host.driver.protect, PROTECTION)
        self.attempt(host.driver.apply, CHARGE)
        host.sleep(self.random.uniform(1.1, 3))

    def fall_silent(self, host: Host) -> None:
        """The watchdog may trip."""
        host.sleep(self.random.uniform(0.1, 7))

    def reopen(self, host: Host) -> None:
        host.driver.close()
        host.sleep(self.random.uniform(0.01, 3))
        while True:
            try:
                return host.driver.open()
            except DeviceError:
                host.sleep(0.5)

    def break_down(self, host: Host) -> None:
        order = self.random.choice(BREAKDOWNS)
        self.during(host, order, self.random.choice([0.003, 0.05, 1.0]))

    def spoil(self, host: Host) -> None:
        order = self.random.choice(
            ["drop 2", "drop 9", "double 5", "half 2", "garbage 3", "wrong FF", "late 40"]
        )
        self.during(host, order, self.random.uniform(0.1, 1))

    def cut_off(self, host: Host) -> None:
        self.during(host, "unplug on", self.random.uniform(0.01, 2))

    def lose_power(self, host: Host) -> None:
        name = "unpowered"
        self.spoilt.break_down(f"{name} on", host.monotonic_ns())
        self.world.bus.wake(host.monotonic_ns())
        self.attempt(host.driver.read)
        self.spoilt.break_down(f"{name} off", host.monotonic_ns())
        self.world.bus.wake(host.monotonic_ns())
        self.reopen(host)

    def unplug(self, host: Host) -> None:
        host.unplug()
        self.attempt(host.driver.read)
        self.attempt(host.driver.make_safe)
        self.reopen(host)

    def during(self, host: Host, order: str, seconds: float) -> None:
        self.spoilt.break_down(order, host.monotonic_ns())
        self.world.bus.wake(host.monotonic_ns())
        self.command(host)
        self.work(host, seconds)
        self.spoilt.break_down(f"{order.split(maxsplit=1)[0]} off", host.monotonic_ns())
        self.world.bus.wake(host.monotonic_ns())
        self.work(host, 0.3)


@pytest.mark.parametrize("seed", range(12))
def test_an_hour_of_random_operation_kills_no_unit(seed: int) -> None:
    """12 parts of 5 minutes; each deed is done, and power flows now and then."""
    unit = EpcUnitSettings(
        ambient_sensor=bool(seed % 2), battery=BatteryModelSettings(capacity_ah=10.0)
    )
    world = TurnedBus([unit])
    sent = watch(world)
    operator = RandomOperator(world, seed, seconds=300)
    world.live(operator.live)
    assert len(operator.done) >= 12
    assert operator.ran > 5
    kinds = {kind for _, kind, _ in world.ledger}
    assert {"command", "limits", "output", "fault"} <= kinds
    assert not {"trap", "internal"} & kinds
    reasons = {facts.get("reason") for _, _, facts in world.ledger}
    assert {"command", "supervision", "recovered"} <= reasons
    assert {len(frame.data) == LENGTHS.get(frame.frame_id & 0xF) for _, frame in sent} == {True}
    # A driver that opens anew knows nothing of the last frame of its predecessor.
    assert min(later - earlier for (earlier, _), (later, _) in pairwise(sent)) >= 10 * MS


def watch(world: TurnedBus) -> list[tuple[int, Frame]]:
    """Keep what hosts send, with its instant."""
    sent: list[tuple[int, Frame]] = []
    original = world.bus.send

    def send(frame: Frame, now_ns: int) -> None:
        sent.append((now_ns, frame))
        original(frame, now_ns)

    world.bus.send = send  # type: ignore[method-assign]  # one test's bus
    return sent


def running(bench: EpcBench) -> None:
    bench.driver.protect(PROTECTION)
    bench.driver.apply(CHARGE)


class TestEachTrap:
    def test_t1_no_frame_of_another_kind_or_length(self, epc: EpcBench) -> None:
        running(epc)
        epc.loop(3.0)
        epc.driver.make_safe()
        epc.driver.release()
        for _, frame in epc.link.sent:
            assert len(frame.data) == LENGTHS[frame.frame_id & 0xF]

    def test_t2_never_a_second_question_while_one_is_open(self, epc: EpcBench) -> None:
        running(epc)
        epc.loop(3.0)
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(epc.link.sent)]
        assert min(gaps) >= 10 * MS
        assert epc.of_kind("trap") == []

    def test_t3_heat_stops_the_unit_and_the_driver_says_what_to_do(self, epc: EpcBench) -> None:
        running(epc)
        epc.unit.break_down("body 70", epc.clock.now_ns)
        epc.clock.sleep(1.2)
        with pytest.raises(CommunicationLost, match="silent until a power cycle"):
            epc.driver.read()
        assert not epc.unit.output_on

    @pytest.mark.parametrize("limit", [20.0, 24.9])
    def test_t3_a_limit_that_heat_breaks_already_is_not_written(
        self, epc: EpcBench, limit: float
    ) -> None:
        with pytest.raises(ConfigurationRefused, match="temperature_body is 25 degC now"):
            epc.driver.protect(Protection(2.5, 4.2, -1.0, 1.0, temperature_max=limit))
        epc.loop(2.0)
        assert not epc.unit.dead

    def test_t4_off_is_never_idle_with_enable(self, epc: EpcBench) -> None:
        running(epc)
        epc.driver.apply(OFF)
        epc.driver.make_safe()
        firsts = {frame.data[0] for _, frame in epc.link.sent if frame.frame_id & 0xF == 0}
        assert firsts == {0x00, 0x05}

    @pytest.mark.parametrize(
        "bounds",
        [
            Protection(2.5, 4.2, 1.0, -1.0),
            Protection(2.5, 4.2, -1.0, 1.0, power_min=10.0, power_max=-10.0),
            Protection(2.5, 4.2, -1.0, 1.0, temperature_min=40.0, temperature_max=-10.0),
        ],
    )
    def test_t5_inverted_limits_never_reach_the_bus(
        self, epc: EpcBench, bounds: Protection
    ) -> None:
        with contextlib.suppress(ConfigurationRefused):
            epc.driver.protect(bounds)
        assert epc.of_kind("trap") == []
        for one in epc.of_kind("limits"):
            assert one["min"] < one["max"]
        epc.driver.protect(PROTECTION)

    def test_t6_power_beyond_the_units_limit_shows_in_the_reading(
        self, make_epc: Callable[..., EpcBench]
    ) -> None:
        epc = make_epc(
            battery=BatteryModelSettings(soc=0.62, resistance_ohm=1e-4, polarisation_ohm=1e-4)
        )
        epc.driver.open()
        epc.driver.protect(Protection(2.5, 4.25, -15.0, 15.0, power_min=-10.0, power_max=10.0))
        epc.driver.apply(Command(Mode.CC, 10.0))
        values = epc.driver.read().values
        assert values["voltage"].value * values["current"].value == pytest.approx(12.4, abs=0.2)

    def test_t7_an_error_too_short_to_be_reported_shows_as_off(self, epc: EpcBench) -> None:
        running(epc)
        epc.clock.now_ns += -epc.clock.now_ns % (10 * MS) + 2 * MS
        epc.unit.break_down("voltage 0.1", epc.clock.now_ns)
        epc.clock.now_ns += 3 * MS
        epc.unit.break_down("voltage off", epc.clock.now_ns)
        reading = epc.driver.read()
        assert (reading.active, reading.faults) == (OFF, ())

    def test_t7_a_lost_notification_is_not_waited_for(self, epc: EpcBench) -> None:
        running(epc)
        epc.unit.break_down("current 9", epc.clock.now_ns)
        epc.link.unit.break_down("drop 1", epc.clock.now_ns)
        epc.clock.sleep(0.05)
        epc.link.receive(0.0)
        assert epc.driver.read().active == OFF

    def test_t8_without_sensors_no_bound_of_temperature_is_claimed(
        self, make_epc: Callable[..., EpcBench]
    ) -> None:
        epc = make_epc(body_sensor=False)
        epc.driver.open()
        held = epc.driver.protect(Protection(2.5, 4.2, -1.0, 1.0, temperature_max=45.0))
        assert (held.temperature_min, held.temperature_max) == (None, None)

    def test_t9_limits_go_out_big_endian_and_are_compared_little_endian(
        self, epc: EpcBench
    ) -> None:
        epc.driver.protect(PROTECTION)
        written = [frame.data for _, frame in epc.link.sent if frame.frame_id & 0xF == 2]
        assert written[-1] == bytes.fromhex("109a09c4")
        assert epc.of_kind("limits")[-1] == {
            "register": "ls_voltage", "min": 2500, "max": 4250, "accepted": True
        }  # fmt: skip
