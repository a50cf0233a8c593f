"""Many EPCs on one bus: what it carries, what is calculated, and what gives when it is too much."""

import logging
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.drivers.epc_bus import START_NS, VIRTUAL, Host, TurnedBus

from bem_drivers.base import Command, Mode, Protection
from bem_drivers.can import Frame
from bem_drivers.can.frame import frame_bits
from bem_drivers.epc import bus_load as loads
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings
from bem_drivers.simulation.can_bus import CanBus

BITRATE = 125_000
MS = 1_000_000
PROTECTION = Protection(2.5, 4.25, -5.0, 5.0, silence_s=1.0)


class TestCalculation:
    @pytest.mark.parametrize(("length", "bits"), [(0, 55), (1, 65), (4, 95), (6, 115), (8, 135)])
    def test_bits_of_a_frame_with_the_most_stuff_bits(self, length: int, bits: int) -> None:
        assert frame_bits(length) == bits

    def test_what_16_units_and_30_units_need(self) -> None:
        assert loads.bus_load(16, 0.1).load == pytest.approx(0.563, abs=0.001)
        assert loads.bus_load(16, 0.1).fits
        thirty = loads.bus_load(30, 0.1)
        assert thirty.load == pytest.approx(1.056, abs=0.001)
        assert not thirty.fits
        assert thirty.least_period == pytest.approx(0.14)
        assert loads.most_units(0.1) == 22

    @given(st.integers(1, 45), st.sampled_from([125_000, 250_000, 500_000]))
    def test_the_least_period_fits_and_10_ms_less_does_not(self, units: int, bitrate: int) -> None:
        period = loads.least_period_s(units, bitrate)
        assert loads.bus_load(units, period, bitrate).fits
        assert loads.most_units(period, bitrate) >= units
        if period > 0.0101:
            assert not loads.bus_load(units, period - 0.01, bitrate).fits

    @pytest.mark.parametrize(("units", "period", "bitrate"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
    def test_nonsense_is_told(self, units: int, period: float, bitrate: int) -> None:
        with pytest.raises(ValueError, match="must be above 0"):
            loads.bus_load(units, period, bitrate)

    def test_more_than_a_bus_can_ever_carry_is_refused_with_its_settings(self) -> None:
        bus = VIRTUAL.model_copy(update={"bitrate": 20_000})
        with pytest.raises(ValidationError, match="cannot carry 30 EPCs at any period"):
            EpcSettings(bus=bus, units_on_bus=30)


class TestSerialBus:
    def make(self, count: int) -> tuple[CanBus, list[EpcUnit]]:
        units = [
            EpcUnit(EpcUnitSettings(device_id=0x13 + index), 0, on_bus=True)
            for index in range(count)
        ]
        bus = CanBus(BITRATE)
        for unit in units:
            bus.join(unit, 0)
        bus.advance(50 * MS)
        return bus, units

    def test_a_frame_takes_its_time(self) -> None:
        bus, _ = self.make(1)
        bus.send(Frame(0x131, b"\x00"), 50 * MS)
        assert bus.advance(60 * MS) == [], "polled at 60 ms"
        assert bus.advance(60 * MS + 1_150_000) == [], "95 bits take 0.76 ms"
        (answer,) = bus.advance(60 * MS + 1_170_000)
        assert answer.frame_id == 0x13A

    def test_the_lowest_identifier_goes_first(self) -> None:
        bus, _ = self.make(3)
        for device_id in (0x15, 0x14, 0x13):
            bus.send(Frame(device_id << 4 | 1, b"\x00"), 50 * MS)
        assert [frame.frame_id for frame in bus.advance(70 * MS)] == [0x13A, 0x14A, 0x15A]

    def test_its_load_is_what_its_frames_take(self) -> None:
        bus, _ = self.make(1)
        busy_ns, carried = bus.busy_ns, bus.carried
        bus.send(Frame(0x131, b"\x00"), 50 * MS)
        bus.advance(100 * MS)
        assert bus.carried - carried == 2
        assert bus.busy_ns - busy_ns == (65 + 95) * 8000

    def test_a_mailbox_is_busy_until_the_bus_has_carried_its_frame(self) -> None:
        bus, units = self.make(2)
        # Others keep the bus busy with lower identifiers, so that nothing of 0x14 leaves.
        for _ in range(40):
            bus.send(Frame(0x100, bytes(8)), 50 * MS)
        for at_ms in (50, 60, 70, 80):
            units[1].receive(0x141, b"\x00", at_ms * MS)
        bus.wake(80 * MS)
        bus.advance(120 * MS)
        assert units[1].dead, "T-2: three answers wait when the fourth is asked for"

    def test_frames_for_nobody_are_carried_all_the_same(self) -> None:
        bus, _ = self.make(1)
        carried = bus.carried
        bus.send(Frame(0x7FF, bytes(8)), 50 * MS)
        assert bus.advance(60 * MS) == []
        assert bus.carried == carried + 1


def station(
    seconds: float, period_s: float, instants: dict[int, list[int]]
) -> Callable[[Host], None]:
    """Make the life of a station: a run under supervision, a pass each ``period_s``."""

    def life(host: Host) -> None:
        driver = host.driver
        # Stations do not start at the same instant.
        host.sleep(0.3 + host.device_id * 0.037)
        driver.open()
        driver.protect(PROTECTION)
        driver.apply(Command(Mode.CC, 1.0 if host.device_id % 2 else -1.0))
        begun_ns = host.monotonic_ns()
        due_ns = begun_ns
        read = instants[host.device_id] = []
        while due_ns < begun_ns + seconds * 1e9:
            host.sleep(max(due_ns - host.monotonic_ns(), 0) / 1e9)
            reading = driver.read()
            driver.keep_alive()
            assert reading.active != Command(Mode.OFF)
            assert reading.faults == ()
            read.append(reading.values["voltage"].at_ns)
            # As the station's pacer: passes that are missed are left out.
            late = max(host.monotonic_ns() - due_ns, 0)
            due_ns += (1 + late // round(period_s * 1e9)) * round(period_s * 1e9)
        driver.make_safe()
        driver.close()

    return life


def many(count: int, seconds: float, period_s: float, **settings: object) -> "Outcome":
    world = TurnedBus([EpcUnitSettings(device_id=0x13 + index) for index in range(count)], BITRATE)
    instants: dict[int, list[int]] = {}
    world.live(station(seconds, period_s, instants), **settings)
    assert not any(unit.dead or unit.output_on for unit in world.units)
    gaps = [
        (later - earlier) / 1e9 for read in instants.values() for earlier, later in pairwise(read)
    ]
    lived_s = (world.now_ns - START_NS) / 1e9
    return Outcome(
        gaps, [len(read) for read in instants.values()], world.bus.busy_ns / lived_s / 1e9
    )


class Outcome:
    """The gaps between readings (s), how many each unit had, and the load of the bus."""

    def __init__(self, gaps: list[float], counts: list[int], load: float) -> None:
        self.worst_s = max(gaps)
        self.mean_s = sum(gaps) / len(gaps)
        self.counts = counts
        self.load = load


def test_16_units_on_one_bus_have_no_reading_older_than_two_periods() -> None:
    """10 minutes of it: ``python -m tests.unit.drivers.test_epc_bus 16 600 0.1``."""
    outcome = many(16, seconds=3, period_s=0.1, units_on_bus=16)
    assert outcome.worst_s <= 0.2
    assert outcome.load < 0.57


def test_30_units_degrade_alike_and_each_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        outcome = many(30, seconds=3, period_s=0.1, units_on_bus=30)
    assert max(outcome.counts) - min(outcome.counts) <= 2
    assert outcome.mean_s == pytest.approx(0.14, abs=0.01)
    assert outcome.worst_s <= 0.28
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 30
    assert "30 EPCs on virtual:none at 125000 bit/s can each be read every 140 ms" in messages[0]
    assert "every 100 ms would occupy 106 % of the bus" in messages[0]
    assert "control period of each station on this bus to 0.14 s at least" in messages[0]


def test_a_unit_alone_is_read_as_often_as_asked(caplog: pytest.LogCaptureFixture) -> None:
    outcome = many(1, seconds=3, period_s=0.05)
    assert outcome.mean_s == pytest.approx(0.05, abs=0.002)
    assert caplog.records == []


if __name__ == "__main__":
    import sys

    units, seconds, period = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    found = many(units, seconds, period, units_on_bus=units)
    sys.stdout.write(
        f"{units} units, {seconds:g} s, asked each {period:g} s: bus load {found.load:.1%} "
        f"(calculated {loads.bus_load(units, found.mean_s).load:.1%}), readings "
        f"{found.mean_s * 1e3:.1f} ms apart, at most {found.worst_s * 1e3:.1f} ms; "
        f"{min(found.counts)} to {max(found.counts)} for each unit\n"
    )
