"""A source steps the voltage while the device that is checked is off and only measures."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.station.calibration.check_bench import (
    ENDS,
    Error,
    Link,
)
from tests.unit.station.calibration.source_bench import (
    ON,
    SINKING,
    SourceBench,
)

from bem.domain.calibration.course import Quantity
from bem.domain.calibration.firmware import DEFAULTS
from bem.domain.calibration.judging import Verdict
from bem.domain.limits import Limits
from bem.station.calibration.check import SOURCE_CURRENT_A
from bem.station.calibration.ending import OutputUnverified
from bem.station.calibration.path import Abandoned
from bem_drivers.base import (
    OFF,
    Command,
    CommunicationLost,
    Mode,
    Protection,
)
from bem_drivers.bk2831.simulator import Bk2831UnitSettings
from bem_drivers.can import CanSettings
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings, PowerStage
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.sensor import SensorSettings

GRID = {
    Quantity.VOLTAGE: tuple(one / 2 for one in range(1, 11)),
    Quantity.SUPPLY_VOLTAGE: tuple(one / 2 for one in range(10, 29)),
}
QUANTITIES = tuple(GRID)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("error", [Error(), Error(1.03, -0.02), Error(0.97, 0.05)])
def test_the_error_is_found_within_its_stated_uncertainty(quantity: Quantity, error: Error) -> None:
    bench = SourceBench(quantity)
    bench.device.error = error
    report = bench.check()
    found = report.factors
    assert tuple(one.set_point for one in report.points) == GRID[quantity]
    assert report.skipped == ()
    assert abs(found.gain - error.gain) <= found.gain_uncertainty
    assert abs(found.offset - error.offset) <= found.offset_uncertainty
    assert found.gain_uncertainty < 0.002
    assert report.verdict is (Verdict.PASSED if error == Error() else Verdict.FAILED)
    assert report.firmware is not None
    assert report.firmware.factor == pytest.approx(DEFAULTS[quantity].factor * error.gain, abs=2)
    assert report.firmware.offset == pytest.approx(1000 * error.offset, abs=2)
    assert report.source is not None
    assert (report.source.driver, report.source.model) == ("ea", "PS 2384-05B")
    assert report.limits.current_max == SOURCE_CURRENT_A
    assert bench.terminals.current_max <= SOURCE_CURRENT_A + 1e-9
    assert "the source has no watchdog" in bench.told[0]
    assert bench.switched == [ON, ("off", "source")]
    bench.assert_ended()


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_an_epc_is_in_error_meanwhile_and_measures_all_the_same(quantity: Quantity) -> None:
    astray = Bk2831UnitSettings(sensors={"voltage": SensorSettings(offset=0.03)})
    bench = SourceBench(quantity, meter_unit=astray)
    ledger: list[tuple[str, object]] = []
    unit_settings = EpcUnitSettings()
    low = Terminals(BatteryModelSettings(), connected=False)
    here = bench.terminals
    lead, supply = (here, None) if quantity is Quantity.VOLTAGE else (low, here)
    unit = EpcUnit(
        unit_settings,
        bench.clock.now_ns,
        lambda _at, kind, facts: ledger.append((kind, facts.get("on"))),
        stage=PowerStage(unit_settings, lead.connect("epc"), supply),
    )
    bus = CanSettings(interface="virtual", channel="none")
    device = EpcDriver(
        EpcSettings(bus=bus, device_id=unit_settings.device_id),
        bench.clock,
        Link(unit, bench.clock),
    )
    report = bench.check(device=device)
    assert tuple(one.set_point for one in report.points) == GRID[quantity]
    # Its converter cuts off, half a count on the average.
    count = {Quantity.VOLTAGE: 0.0015, Quantity.SUPPLY_VOLTAGE: 0.0037}[quantity]
    assert report.factors.offset == pytest.approx(0.03 + count / 2, abs=count / 2)
    assert report.firmware is not None
    assert report.firmware.factor == pytest.approx(DEFAULTS[quantity].factor, rel=0.001)
    assert not [kind for kind, _ in ledger if kind in ("output", "trap", "internal")]
    bench.assert_ended()


def test_the_device_is_verified_off_before_each_step() -> None:
    bench = SourceBench()
    seen: list[float] = []
    make_safe, apply = bench.device.make_safe, bench.source.apply
    verified: list[int] = []

    def verify() -> None:
        make_safe()
        verified.append(bench.clock.now_ns)

    def step(command: Command) -> None:
        assert verified[-1] == bench.clock.now_ns
        seen.append(command.setpoint)
        apply(command)

    bench.device.make_safe = verify  # type: ignore[method-assign]  # one test's device
    bench.source.apply = step  # type: ignore[method-assign]  # one test's source
    bench.check()
    assert seen == list(GRID[Quantity.VOLTAGE])


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("trip", "the source reports: .*Device-specific error"),
        ("reboot", "the source switched itself off"),
        ("voltage 9", "a limit was passed: the source gives 9 V"),
        ("current 3", "a limit was passed: the source gives 3 A"),
        ("silent on", "the source could not be verified off"),
    ],
)
def test_a_source_that_fails_ends_it(order: str, why: str) -> None:
    bench = SourceBench()
    bench.when_at(2.0, lambda: bench.spoil_source(order))
    with pytest.raises((Abandoned, OutputUnverified), match=why):
        bench.check()
    # It obeys, although it cannot say so.
    assert not bench.ea.is_on()
    assert not bench.device.is_open


def test_a_source_that_stays_on_is_said_loudly() -> None:
    bench = SourceBench()
    bench.when_at(2.0, lambda: bench.spoil_source("stuck on"))
    with pytest.raises(
        OutputUnverified, match=r"the source could not be .* Switch it off at its panel at once"
    ):
        bench.check()
    assert (bench.device.active, bench.device.is_open) == (OFF, False)


def test_both_are_named_when_neither_confirms() -> None:
    bench = SourceBench()

    def spoil() -> None:
        bench.spoil_source("stuck on")
        bench.device.safe_fails = 1000

    bench.when_at(4.9, spoil)
    with pytest.raises(OutputUnverified, match=r"the source could.*the device under check could"):
        bench.check()


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("silent on", "meter reference is lost|gives no value|does not answer"),
        ("frozen on", "the device reads 3 V and the reference 2 V: look at wiring"),
        ("value 5.4", "the reference reads 5.4 V, above 5.125 V"),
        ("value -2", "look at wiring, sign and range"),
    ],
)
def test_a_meter_that_is_lost_or_wrong_ends_it(order: str, why: str) -> None:
    bench = SourceBench()
    bench.when_at(2.0, lambda: bench.spoil_meter(order))
    with pytest.raises(Abandoned, match=why):
        bench.check()
    bench.assert_ended()


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_battery_that_was_left_connected_is_seen_before_the_source_is_on(
    quantity: Quantity,
) -> None:
    bench = SourceBench(quantity, battery=True)
    with pytest.raises(Abandoned, match=r"3\.7 V while the source is off: disconnect the battery"):
        bench.check()
    assert bench.switched == []
    bench.assert_ended()


def test_a_cell_at_the_low_side_is_seen_before_the_high_side_is_fed() -> None:
    bench = SourceBench(Quantity.SUPPLY_VOLTAGE)
    bench.device.low_side = 3.6
    with pytest.raises(Abandoned, match=r"the low side of the device reads 3\.6 V"):
        bench.check()
    assert bench.switched == []


def test_a_low_side_is_not_fed_above_the_high_side() -> None:
    bench = SourceBench()
    bench.device.high_side = 4.9
    with pytest.raises(Abandoned, match=r"reads 4\.9 V, less than the 5 V that the low side"):
        bench.check()
    assert bench.switched == []
    bench.assert_ended()


def test_a_load_at_the_terminals_is_found_by_what_it_draws() -> None:
    bench = SourceBench()
    load = bench.terminals.connect("forgotten load")
    bench.when_at(2.0, lambda: load.regulate(Command(Mode.CC, -0.5), -1.0, 0.0))
    with pytest.raises(Abandoned, match=r"comes to 0 V at 0\.2 A: disconnect what draws"):
        bench.check()
    bench.assert_ended()


def test_a_device_that_is_on_by_itself_ends_it() -> None:
    bench = SourceBench()

    def come_on() -> None:
        bench.device.active = Command(Mode.CC, 1.0)

    bench.when_at(2.0, come_on)
    with pytest.raises(Abandoned, match="the device under check is on by itself"):
        bench.check()
    bench.assert_ended()


@pytest.mark.parametrize("fault", ["temperature", "communication"])
def test_a_fault_that_no_voltage_explains_ends_it(fault: str) -> None:
    bench = SourceBench()
    bench.device.said = ("ls_voltage", fault)
    with pytest.raises(Abandoned, match=f"the device reports: {fault}"):
        bench.check()
    bench.assert_ended()


def test_a_source_that_could_sink_is_told_to_sink_nothing() -> None:
    bench = SourceBench(unit=SINKING)
    sinks: list[float] = []
    apply = bench.source.apply

    def step(command: Command) -> None:
        apply(command)
        sinks.append(bench.ea.set_points()[2])

    bench.source.apply = step  # type: ignore[method-assign]  # one test's source
    report = bench.check()
    assert len(report.points) == 10
    assert set(sinks) == {0.0}
    bench.assert_ended()


@pytest.mark.parametrize("held", [{"voltage_max": 42.0}, {"current_max": 10.0}])
def test_a_source_that_does_not_hold_its_limits_is_refused(held: dict[str, float]) -> None:
    bench = SourceBench()
    protect = bench.source.protect

    def loose(protection: Protection) -> Protection:
        return replace(protect(protection), **held)

    bench.source.protect = loose  # type: ignore[method-assign]  # one test's source
    with pytest.raises(Abandoned, match="take one that holds its limits"):
        bench.check()
    bench.assert_ended()


def test_a_source_that_holds_a_sink_current_is_refused() -> None:
    bench = SourceBench(unit=SINKING)
    protect = bench.source.protect

    def sinking(protection: Protection) -> Protection:
        return replace(protect(protection), current_min=-0.025)

    bench.source.protect = sinking  # type: ignore[method-assign]  # one test's source
    with pytest.raises(Abandoned, match=r"the source would sink up to 0\.025 A"):
        bench.check()
    assert bench.switched == []
    bench.assert_ended()


def test_the_operator_may_narrow_the_range_and_choose_the_points() -> None:
    bench = SourceBench()
    narrow = replace(bench.order, limits=Limits(voltage_min=2.5, voltage_max=4.2), points=5)
    report = bench.check(narrow)
    assert [one.set_point for one in report.points] == pytest.approx([2.5, 2.925, 3.35, 3.775, 4.2])
    assert bench.terminals.voltage_max <= 4.2 + 1e-9


@settings(max_examples=25, deadline=None)
@given(at=st.integers(1, 60))
def test_an_interruption_at_any_point_leaves_the_source_off(at: int) -> None:
    bench = SourceBench()
    asked = 0

    def stop() -> str:
        nonlocal asked
        asked += 1
        return "it was interrupted by SIGINT" if asked >= at else ""

    bench.stop = stop
    with pytest.raises(Abandoned, match="SIGINT"):
        bench.check(replace(bench.order, points=5))
    bench.assert_ended()


@pytest.mark.parametrize("end", ENDS)
@settings(max_examples=20, deadline=None)
@given(at=st.integers(1, 150))
def test_an_error_at_any_point_leaves_the_source_off(end: str, at: int) -> None:
    bench = SourceBench()

    def fail(call: int) -> None:
        if call == at:
            raise ENDS[end]

    bench.device.fail = fail
    # At the very last calls it is the switching off that fails, which is tried again.
    try:
        bench.check(replace(bench.order, points=3))
    except BaseException as error:  # noqa: BLE001 - each of them
        assert error is ENDS[end]  # noqa: PT017 - some ends come to a report
    bench.assert_ended()


@settings(max_examples=20, deadline=None)
@given(at=st.integers(1, 300))
def test_a_source_that_is_unplugged_at_any_point_is_off_once_it_is_back(at: int) -> None:
    bench = SourceBench()
    calls = 0
    send = bench.source_line.send

    def unplug(line: str) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise CommunicationLost("unplugged")
        send(line)

    bench.source_line.send = unplug  # type: ignore[method-assign]  # one test's line
    try:
        bench.check(replace(bench.order, points=3))
    except (Abandoned, CommunicationLost):
        pass
    except Exception as error:  # noqa: BLE001 - a driver wraps it as it sees fit
        assert "unplugged" in str(error)  # noqa: PT017 - some ends come to a report
    assert not bench.ea.is_on()
    assert not bench.device.is_open
