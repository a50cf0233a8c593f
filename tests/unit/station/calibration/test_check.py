"""A check on simulated devices with known errors: it finds them, keeps the limits, and ends off."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.station.calibration.check_bench import (
    CELL,
    ENDS,
    LIMITS,
    Bench,
    Error,
    Link,
    order,
)

from bem.domain.calibration.course import Quantity
from bem.domain.calibration.firmware import Constants
from bem.domain.calibration.judging import Verdict
from bem.station.calibration.check import SILENCE_S
from bem.station.calibration.ending import OutputUnverified
from bem.station.calibration.path import Abandoned
from bem.station.calibration.reference import channel_of
from bem_drivers.base import (
    OFF,
    Channel,
)
from bem_drivers.can import CanSettings
from bem_drivers.epc.driver import EpcDriver
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcUnitSettings, PowerStage


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("quantity", [Quantity.VOLTAGE, Quantity.CURRENT])
@pytest.mark.parametrize("error", [Error(), Error(1.03, -0.02), Error(0.97, 0.02)])
@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_the_error_is_found_within_its_stated_uncertainty(
    bench: Bench, quantity: Quantity, error: Error, noise: float
) -> None:
    errors = {quantity: error}
    device = bench.wrong(
        errors.get(Quantity.VOLTAGE, Error()), errors.get(Quantity.CURRENT, Error()), noise
    )
    report = bench.check(order(quantity), device, bench.meter(quantity))
    found = report.factors
    assert abs(found.gain - error.gain) <= found.gain_uncertainty
    assert abs(found.offset - error.offset) <= found.offset_uncertainty
    assert found.gain_uncertainty < 0.01
    assert report.verdict is (Verdict.PASSED if error == Error() else Verdict.FAILED)
    assert len(report.points) + len(report.skipped) == 11
    assert len(report.points) >= 5
    # Whatever the device itself believes, nothing truly went beyond.
    assert bench.terminals.kept(LIMITS), (bench.terminals.voltages, bench.terminals.currents)
    assert (device.active, device.is_open, device.protection) == (OFF, False, None)
    gaps = [two - one for one, two in zip(device.alive_ns, device.alive_ns[1:], strict=False)]
    assert max(gaps) < SILENCE_S * 1e9 / 4
    assert report.due == date(2027, 3, 1)
    assert (report.device.key, report.reference.serial) == (("Test", "Wrong", "7"), "C-17")


@pytest.mark.parametrize(
    ("quantity", "offset", "constants"),
    [
        (Quantity.VOLTAGE, 0.030, Constants(factor=6000, offset=0)),
        (Quantity.CURRENT, -0.080, Constants(factor=33000, offset=-16000)),
    ],
)
def test_an_epc_whose_reference_reads_otherwise(
    bench: Bench, quantity: Quantity, offset: float, constants: Constants
) -> None:
    ledger: list[tuple[str, object]] = []
    unit_settings = EpcUnitSettings(battery=CELL)
    stage = PowerStage(unit_settings, bench.terminals.connect("epc"))
    unit = EpcUnit(
        unit_settings,
        bench.clock.now_ns,
        lambda _at, kind, facts: ledger.append((kind, facts.get("on"))),
        stage=stage,
    )
    link = Link(unit, bench.clock)
    bus = CanSettings(interface="virtual", channel="none")
    device = EpcDriver(EpcSettings(bus=bus, device_id=unit_settings.device_id), bench.clock, link)
    wanted = replace(order(quantity), driver="epc", firmware=constants)
    report = bench.check(wanted, device, bench.meter(quantity, offset=offset))
    # Its converter cuts off, half a count on the average: 0.7 mV, or 4 mA.
    count = {Quantity.VOLTAGE: 0.0015, Quantity.CURRENT: 0.0081}[quantity]
    assert report.factors.offset == pytest.approx(
        offset + count / 2, abs=report.factors.offset_uncertainty + count / 2
    )
    assert report.firmware is not None
    assert report.firmware.factor == pytest.approx(constants.factor, rel=0.01)
    assert bench.terminals.kept(LIMITS)
    switched = [on for kind, on in ledger if kind == "output"]
    assert switched
    assert switched[-1] is False
    assert not [kind for kind, _ in ledger if kind in ("trap", "internal")]


def test_without_its_constants_the_report_of_an_epc_says_why(bench: Bench) -> None:
    device = bench.wrong(Error(), Error())
    wanted = replace(order(Quantity.CURRENT), driver="epc", points=5)
    report = bench.check(wanted, device, bench.meter(Quantity.CURRENT))
    assert report.firmware is None
    assert "tells no raw counts over CAN" in report.firmware_note


@pytest.mark.parametrize("end", ENDS)
@settings(max_examples=25, deadline=None)
@given(at=st.integers(1, 250))
def test_an_error_at_any_point_leaves_the_output_off(end: str, at: int) -> None:
    bench = Bench()
    device = bench.wrong(Error(), Error())

    def fail(call: int) -> None:
        if call == at:
            raise ENDS[end]

    device.fail = fail
    wanted = replace(order(Quantity.CURRENT), points=3)
    # At the very last calls it is the switching off that fails, which is tried again.
    try:
        bench.check(wanted, device, bench.meter(Quantity.CURRENT))
    except BaseException as error:  # noqa: BLE001 - each of them
        assert error is ENDS[end]  # noqa: PT017 - some ends come to a report
    assert (device.active, device.is_open) == (OFF, False)
    assert bench.terminals.current == 0


@settings(max_examples=25, deadline=None)
@given(at=st.integers(1, 100))
def test_an_interruption_at_any_point_leaves_the_output_off(at: int) -> None:
    bench = Bench()
    device = bench.wrong(Error(), Error())
    asked = 0

    def stop() -> str:
        nonlocal asked
        asked += 1
        return "it was interrupted by SIGINT" if asked >= at else ""

    bench.stop = stop
    with pytest.raises(Abandoned, match="SIGINT"):
        bench.check(order(Quantity.CURRENT), device, bench.meter(Quantity.CURRENT))
    assert (device.active, device.is_open) == (OFF, False)
    assert bench.terminals.current == 0


def test_an_output_that_does_not_confirm_is_switched_off_over_a_new_connection(
    bench: Bench,
) -> None:
    device = bench.wrong(Error(), Error())
    bench.stop = lambda: "enough" if device.active is not OFF else ""
    device.safe_fails = 3
    with pytest.raises(Abandoned, match="enough"):
        bench.check(order(Quantity.VOLTAGE), device, bench.meter(Quantity.VOLTAGE))
    assert device.active is OFF


def test_an_output_that_never_confirms_is_said_loudly(bench: Bench) -> None:
    device = bench.wrong(Error(), Error())
    bench.stop = lambda: "enough" if device.active is not OFF else ""
    device.safe_fails = 1000
    with pytest.raises(OutputUnverified, match="Disconnect the battery at once"):
        bench.check(order(Quantity.VOLTAGE), device, bench.meter(Quantity.VOLTAGE))
    assert not device.is_open


@pytest.mark.parametrize(
    ("orders", "offset", "why"),
    [
        (("value 0",), 0.0, "look at its wiring, sign and range"),
        ((), 1.5, "look at its wiring, sign and range"),
        (("value 9",), 0.0, "a limit was passed"),
    ],
)
def test_a_reference_that_measures_something_else_ends_it_at_once(
    bench: Bench, orders: tuple[str, ...], offset: float, why: str
) -> None:
    device = bench.wrong(Error(), Error())
    meter = bench.meter(Quantity.CURRENT, *orders, offset=offset)
    with pytest.raises(Abandoned, match=why):
        bench.check(order(Quantity.CURRENT), device, meter)
    assert bench.terminals.kept(LIMITS)
    assert bench.terminals.current == 0


def test_a_voltmeter_at_another_battery_makes_no_report(bench: Bench) -> None:
    device = bench.wrong(Error(), Error())
    with pytest.raises(Abandoned, match="0 times as far as the device"):
        bench.check(order(Quantity.VOLTAGE), device, bench.meter(Quantity.VOLTAGE, "value 3.7"))


def test_a_battery_at_its_limit_is_left_alone(bench: Bench) -> None:
    device = bench.wrong(Error(), Error())
    limits = LIMITS.model_copy(update={"voltage_max": 3.6})
    with pytest.raises(Abandoned, match="is above the limit"):
        bench.check(
            replace(order(Quantity.CURRENT), limits=limits), device, bench.meter(Quantity.CURRENT)
        )
    assert bench.terminals.currents == [0, 0]


def test_currents_that_bring_the_battery_to_its_limit_are_left_out(bench: Bench) -> None:
    device = bench.wrong(Error(), Error())
    limits = LIMITS.model_copy(update={"voltage_max": 3.95})
    report = bench.check(
        replace(order(Quantity.CURRENT), limits=limits), device, bench.meter(Quantity.CURRENT)
    )
    assert bench.terminals.kept(limits)
    assert {one.set_point > 0 for one in report.skipped} == {True}
    assert all("the battery would come to" in one.reason for one in report.skipped)


def test_a_device_without_a_watchdog_is_said_to_have_none(bench: Bench) -> None:
    device = bench.wrong(Error(), Error())
    protect = device.protect
    device.protect = lambda protection: replace(protect(protection), silence_s=None)  # type: ignore[method-assign]  # one test's device
    bench.check(replace(order(Quantity.CURRENT), points=3), device, bench.meter(Quantity.CURRENT))
    assert "no watchdog" in bench.told[0]


def test_the_channel_of_a_meter() -> None:
    volts = Channel("voltage", "V", "Voltage")
    cells = tuple(Channel(f"cell_voltage_{one}", "V", "Cell") for one in (1, 2))
    assert channel_of((volts, *cells), Quantity.VOLTAGE) is volts
    assert channel_of((*cells[:1],), Quantity.VOLTAGE) is cells[0]
    assert channel_of((volts, *cells), Quantity.VOLTAGE, "cell_voltage_2") is cells[1]
    for channels, quantity, wanted in (
        (cells, Quantity.VOLTAGE, ""),
        ((volts,), Quantity.CURRENT, ""),
        ((volts,), Quantity.CURRENT, "voltage"),
        ((volts,), Quantity.VOLTAGE, "nothing"),
    ):
        with pytest.raises(Abandoned, match="Name one by --meter-channel"):
            channel_of(channels, quantity, wanted)
