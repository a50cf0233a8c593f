"""A source and a load as one power path: what flows, who decides, and what happens in between."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from tests.support.clock import ManualClock
from tests.unit.drivers.conftest import MS
from tests.unit.drivers.scpi_bench import (
    Bench,
    Poles,
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
    WrongDevice,
)
from bem_drivers.model import BatteryModelSettings
from bem_drivers.pair import DRIVER, PairSettings
from bem_drivers.pair.driver import PairDevice
from bem_drivers.registry import device_places, make_device
from bem_drivers.virtual import VirtualDevice, VirtualSettings

PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=4.0, silence_s=0.5
)
VIRTUAL = {"driver": "virtual", "settings": {}}
SETTINGS = PairSettings.model_validate({"source": VIRTUAL, "load": VIRTUAL})
DEAD_NS = 100 * MS


@dataclass
class Pair:
    """The path, both instruments, and the battery that they share."""

    clock: ManualClock
    poles: Poles
    source: Bench
    load: Bench
    driver: PairDevice

    def outputs(self) -> list[tuple[int, str, bool]]:
        """Get (instant, who, on) of all that was truly switched."""
        switched = [
            (at_ns, name, bool(facts["on"]))
            for name, bench in (("source", self.source), ("load", self.load))
            for at_ns, kind, facts in bench.ledger
            if kind == "output"
        ]
        return sorted(switched, key=lambda event: event[0])


def make_pair(clock: ManualClock, **settings: object) -> Pair:
    """Put up both at one battery of 3.7 V, unopened."""
    poles = Poles()
    source = power_bench(clock, source_description(), poles)
    load = power_bench(clock, load_description_of(), poles)
    described = PairSettings.model_validate({"source": VIRTUAL, "load": VIRTUAL} | settings)
    driver = PairDevice(described, clock, source.driver, load.driver)
    return Pair(clock, poles, source, load, driver)


@pytest.fixture
def pair(clock: ManualClock) -> Pair:
    """Get an opened and protected pair."""
    made = make_pair(clock)
    made.driver.open()
    made.driver.protect(PROTECTION)
    return made


@pytest.mark.parametrize(
    ("command", "current"),
    [
        (Command(Mode.CC, 2.0), 2.0),
        (Command(Mode.CC, -2.0), -2.0),
        (Command(Mode.CP, -7.4), -2.0),
        (Command(Mode.CV, 3.76), 3.0),
        (Command(Mode.CV, 3.64), -3.0),
    ],
)
def test_it_charges_and_discharges(pair: Pair, command: Command, current: float) -> None:
    pair.driver.apply(command)
    reading = pair.driver.read()
    assert reading.active == command
    assert pair.poles.current == pytest.approx(current)
    assert reading.values["current"].value == pytest.approx(current, rel=1e-4)
    assert reading.values["voltage"].value == pytest.approx(pair.poles.voltage, rel=1e-4)
    side = "source" if current > 0 else "load"
    assert reading.values[f"{side}_current"].value == pytest.approx(current, rel=1e-4)


def test_every_channel_is_measured(pair: Pair) -> None:
    reading = pair.driver.read()
    assert {channel.name for channel in pair.driver.channels} == set(reading.values)
    assert {"voltage", "current", "source_voltage", "load_current"} <= set(reading.values)


def test_the_current_is_as_old_as_the_older_of_both(pair: Pair) -> None:
    pair.load.break_down("late 40")
    values = pair.driver.read().values
    ages = {values["source_current"].at_ns, values["load_current"].at_ns}
    assert len(ages) == 2
    assert values["current"].at_ns == min(ages)


def test_a_crossing_of_zero_keeps_the_dead_time(pair: Pair) -> None:
    for setpoint in (2.0, 0.5, -0.5, -2.0, 1.0):
        pair.driver.apply(Command(Mode.CC, setpoint))
        assert pair.poles.current == pytest.approx(setpoint)
    crossings = [
        (after[0] - before[0], before[1:], after[1:])
        for before, after in zip(pair.outputs(), pair.outputs()[1:], strict=False)
        if before[1] != after[1]
    ]
    assert [one[1:] for one in crossings] == [
        (("source", False), ("load", True)),
        (("load", False), ("source", True)),
    ]
    assert all(gap >= DEAD_NS for gap, _, _ in crossings)


def test_the_dead_time_is_what_is_left_of_it(pair: Pair) -> None:
    pair.driver.apply(Command(Mode.CC, 1.0))
    pair.driver.make_safe()
    pair.clock.now_ns += 60 * MS
    began_ns = pair.clock.now_ns
    pair.driver.apply(Command(Mode.CC, -1.0))
    assert pair.clock.now_ns - began_ns <= 40 * MS, "60 ms had passed already"


def test_the_same_side_goes_on_without_a_pause(pair: Pair) -> None:
    pair.driver.apply(Command(Mode.CC, 1.0))
    began_ns = pair.clock.now_ns
    pair.driver.apply(Command(Mode.CC, 2.0))
    assert pair.clock.now_ns == began_ns
    assert [on for _, _, on in pair.outputs()] == [True]


@pytest.mark.parametrize("before", [1.0, -1.0])
def test_zero_stays_with_the_side_that_is_on(pair: Pair, before: float) -> None:
    pair.driver.apply(Command(Mode.CC, before))
    pair.driver.apply(Command(Mode.CC, 0.0))
    assert pair.driver.read().active == Command(Mode.CC, 0.0)
    assert pair.poles.current == 0.0
    assert (pair.source.unit.output_on, pair.load.unit.output_on) == (before > 0, before < 0)


def test_a_constant_voltage_after_charging_to_it_stays_with_the_source(pair: Pair) -> None:
    # CC until 3.74 V; a trifle above it when the end was seen.
    pair.driver.apply(Command(Mode.CC, 2.0))
    pair.poles.source = 3.705
    assert pair.poles.voltage > 3.74
    pair.driver.apply(Command(Mode.CV, 3.74))
    assert pair.source.unit.output_on
    assert not pair.load.unit.output_on


def test_a_constant_voltage_far_below_changes_the_side(pair: Pair) -> None:
    pair.driver.apply(Command(Mode.CC, 2.0))
    pair.driver.apply(Command(Mode.CV, 3.6))
    assert pair.load.unit.output_on
    assert not pair.source.unit.output_on


def test_limits_are_split(pair: Pair) -> None:
    held = pair.driver.protect(PROTECTION)
    assert (held.current_min, held.current_max) == (-5.0, 4.0)
    assert held.voltage_max == 4.25
    assert held.silence_s is None, "neither has a watchdog"
    with pytest.raises(ConfigurationRefused):
        pair.driver.apply(Command(Mode.CC, 4.5))
    with pytest.raises(ConfigurationRefused):
        pair.driver.apply(Command(Mode.CC, -5.5))
    assert pair.outputs() == []
    pair.driver.release()


def test_its_ratings_are_those_of_both(pair: Pair) -> None:
    ratings = pair.driver.ratings
    assert (ratings.current_min, ratings.current_max) == (-30.0, 10.0)
    assert (ratings.power_min, ratings.power_max) == (-300.0, 600.0)
    assert ratings.voltage_max == 60.0, "the load could take 120 V, but the source hangs there too"


def test_it_is_called_by_both_names(pair: Pair) -> None:
    assert pair.driver.identity.model == "SCPI power supply + SCPI electronic load"
    assert pair.driver.identity.make == "BEM"


@pytest.mark.parametrize("dead", ["source", "load"])
def test_both_are_switched_off_even_when_one_does_not_answer(pair: Pair, dead: str) -> None:
    pair.driver.apply(Command(Mode.CC, 2.0 if dead == "load" else -2.0))
    getattr(pair, dead).link.unplugged = True
    with pytest.raises(CommunicationLost, match=f"^{dead}: .*unplugged"):
        pair.driver.make_safe()
    assert not pair.source.unit.output_on
    assert not pair.load.unit.output_on


def test_both_errors_are_told(pair: Pair) -> None:
    pair.driver.apply(Command(Mode.CC, 2.0))
    pair.source.break_down("stuck on")
    pair.load.link.unplugged = True
    with pytest.raises(CommunicationLost, match=r"source: .*does not switch off.*; load: .*unplug"):
        pair.driver.make_safe()


@pytest.mark.parametrize("fault", ["stuck on", "silent on", "garbage 50"])
def test_while_one_is_not_known_to_be_off_the_other_stays_off(pair: Pair, fault: str) -> None:
    pair.driver.apply(Command(Mode.CC, 2.0))
    pair.source.break_down(fault)
    with pytest.raises((DeviceFault, CommunicationLost)):
        pair.driver.apply(Command(Mode.CC, -2.0))
    assert not pair.load.unit.output_on
    assert all(who == "source" for _, who, _ in pair.outputs())


def test_both_on_by_a_hand_at_the_front_panel_ends_both(pair: Pair) -> None:
    pair.driver.apply(Command(Mode.CC, 2.0))
    pair.load.break_down("panel on")
    with pytest.raises(DeviceFault, match=r"source \(cc\) and load .*same time.*both are off now"):
        pair.driver.read()
    assert not pair.source.unit.output_on
    assert not pair.load.unit.output_on


def test_one_switched_on_at_its_front_panel_is_seen_before_the_other_goes_on(pair: Pair) -> None:
    pair.load.break_down("panel on")
    pair.driver.apply(Command(Mode.CC, 2.0))
    assert pair.source.unit.output_on
    assert not pair.load.unit.output_on
    (_, *_, load_off, source_on) = pair.outputs()
    assert source_on[0] - load_off[0] >= DEAD_NS


def test_a_fault_is_named_after_its_side(pair: Pair) -> None:
    pair.driver.apply(Command(Mode.CC, -2.0))
    pair.load.break_down("trip over_temperature")
    reading = pair.driver.read()
    assert reading.active == OFF
    assert reading.faults == ("load_over_temperature",)
    pair.driver.make_safe()
    assert pair.driver.read().faults == ()


@pytest.mark.parametrize("missing", ["source", "load"])
def test_it_opens_whole_or_not_at_all(clock: ManualClock, missing: str) -> None:
    made = make_pair(clock)
    getattr(made, missing).link.unplugged = True
    with pytest.raises(DeviceNotFound):
        made.driver.open()
    getattr(made, missing).link.unplugged = False
    made.driver.open()
    assert made.driver.read().active == OFF
    made.driver.close()
    made.driver.close()


@pytest.mark.parametrize("missing", ["source", "load"])
def test_what_a_dead_process_left_on_goes_off_though_the_other_is_missing(
    pair: Pair, missing: str
) -> None:
    pair.driver.apply(Command(Mode.CC, 2.0 if missing == "load" else -2.0))
    on = pair.source if missing == "load" else pair.load
    assert on.unit.output_on
    getattr(pair, missing).link.unplugged = True
    heir = PairDevice(SETTINGS, pair.clock, pair.source.driver, pair.load.driver)
    with pytest.raises(DeviceNotFound, match=f"^{missing}: "):
        heir.open()
    assert not on.unit.output_on


def test_a_load_in_place_of_the_source_is_refused(clock: ManualClock) -> None:
    made = make_pair(clock)
    exchanged = PairDevice(SETTINGS, clock, made.load.driver, made.source.driver)
    with pytest.raises(WrongDevice, match=r"cannot charge.*exchange source and load"):
        exchanged.open()


def virtual_pair(clock: ManualClock, dead_time_s: float = 0.1) -> PairDevice:
    settings = VirtualSettings(battery=BatteryModelSettings())
    both = VirtualDevice(settings, clock), VirtualDevice(settings, clock)
    device = PairDevice(SETTINGS.model_copy(update={"dead_time_s": dead_time_s}), clock, *both)
    device.open()
    return device


def test_the_watchdogs_of_both_are_fed(clock: ManualClock) -> None:
    device = virtual_pair(clock)
    assert device.protect(PROTECTION).silence_s == 0.5
    device.apply(Command(Mode.CC, 1.0))
    for _ in range(20):
        device.keep_alive()
        clock.now_ns += 100 * MS
        assert device.read().active == Command(Mode.CC, 1.0)
    clock.now_ns += 700 * MS
    assert device.read().faults == ("source_watchdog",)


def test_a_dead_time_beyond_the_silence_trips_no_watchdog(clock: ManualClock) -> None:
    device = virtual_pair(clock, dead_time_s=2.0)
    device.protect(PROTECTION)
    for setpoint in (1.0, -1.0, 1.0):
        device.keep_alive()
        device.apply(Command(Mode.CC, setpoint))
        reading = device.read()
        assert (reading.active, reading.faults) == (Command(Mode.CC, setpoint), ())


def test_with_one_watchdog_there_is_none(clock: ManualClock) -> None:
    made = make_pair(clock)
    source = VirtualDevice(VirtualSettings(), clock)
    mixed = PairDevice(SETTINGS, clock, source, made.load.driver)
    mixed.open()
    assert mixed.protect(PROTECTION).silence_s is None


def test_a_defect_of_one_driver_does_not_keep_the_other_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.driver.apply(Command(Mode.CC, -2.0))
    pair.driver.apply(Command(Mode.CC, -1.0))

    def broken() -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(pair.source.driver, "make_safe", broken)
    pair.driver._source.off_ns = None
    with pytest.raises(ZeroDivisionError):
        pair.driver.make_safe()
    assert not pair.load.unit.output_on


def scpi(kind: str, port: int) -> dict[str, Any]:
    address = {"kind": "tcp", "host": "10.0.0.5", "port": port}
    return {
        "driver": f"scpi-{kind}",
        "settings": {"address": address, "instrument": f"scpi-99-{kind}"},
    }


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the drivers of this package found by name, also where they are not installed."""
    from bem_drivers import registry
    from bem_drivers.scpi import LOAD, METER, SOURCE
    from bem_drivers.virtual import DRIVER as VIRTUAL_DRIVER

    known = {spec.name: spec for spec in (DRIVER, LOAD, METER, SOURCE, VIRTUAL_DRIVER)}

    class Point:
        def __init__(self, name: str) -> None:
            self.name = self.value = name

        def load(self) -> object:
            return known[self.name]

    def entry_points(group: str, name: str | None = None) -> list[Point]:
        return [Point(one) for one in known if name in (None, one)]

    monkeypatch.setattr(registry, "entry_points", entry_points)


@pytest.mark.usefixtures("installed")
def test_it_is_made_of_drivers_by_name_and_claims_the_places_of_both() -> None:
    settings = {"source": scpi("source", 5025), "load": scpi("load", 5026)}
    assert isinstance(make_device("source-and-load", settings), PairDevice)
    assert device_places("source-and-load", settings) == (
        "tcp 10.0.0.5:5025",
        "tcp 10.0.0.5:5026",
    )
    assert device_places("source-and-load", {"source": VIRTUAL, "load": VIRTUAL}) == ()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": scpi("source", 1), "load": scpi("load", 1)}, "both at tcp 10.0.0.5:1"),
        ({"source": {"driver": "scpi-supply"}, "load": VIRTUAL}, "no driver 'scpi-supply'; inst"),
        ({"source": {"driver": "source-and-load"}, "load": VIRTUAL}, "cannot be a part of itself"),
        (
            {"source": {"driver": "virtual", "settings": {"speed": 0}}, "load": VIRTUAL},
            "settings.speed: Input should be greater than 0",
        ),
        ({"source": VIRTUAL, "load": VIRTUAL, "dead_time_s": 0}, "dead_time_s"),
    ],
)
def test_settings_that_make_no_pair_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PairSettings.model_validate(settings)


@pytest.mark.usefixtures("installed")
def test_a_meter_is_no_side_of_it() -> None:
    settings = {"source": scpi("meter", 5025), "load": scpi("load", 5026)}
    with pytest.raises(LookupError, match="source: driver 'scpi-meter' makes no device with a pow"):
        make_device("source-and-load", settings)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("page", ["scpi.md", "source-and-load.md"])
def test_the_examples_of_the_handbook_make_devices(page: str) -> None:
    text = (Path(__file__).parents[3] / "docs/devices" / page).read_text()
    examples = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert examples
    for example in map(yaml.safe_load, examples):
        assert make_device(example["driver"], example["settings"]).channels
