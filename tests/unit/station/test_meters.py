"""Meters beside the power path: what they measure is recorded and judged, their loss is told."""

import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from bem.domain.limits import Compare, Limit, Limited
from bem.domain.program import Program
from bem.runtime.settings import StationDefinition, StationDevice, StationMeter
from bem.station.clock import SystemStationClock
from bem.station.lock import DeviceHold, DeviceLock, StationBusy, device_lock
from bem.station.meters import Meter, Meters
from bem_drivers.base import (
    CommunicationLost,
    DeviceError,
    DeviceFault,
    Measured,
    ProtocolViolated,
    Reading,
)

if TYPE_CHECKING:
    from tests.unit.station.conftest import Bench, ScriptedMeter

BenchMaker = Callable[..., "Bench"]
CELL_LIMIT = Limit(quantity=Limited.CELL_VOLTAGE, compare=Compare.AT_LEAST, threshold=4.25)


def meter(**settings: object) -> StationMeter:
    return StationMeter.model_validate({"name": "meter", "driver": "test"} | settings)


def device_of(bench: "Bench") -> "ScriptedMeter":
    return bench.meters[0]._device  # type: ignore[return-value]  # the test made it


def measure(bench: "Bench", seconds: float) -> None:
    """Let time pass with the meter's thread and the loop taking turns."""
    for _ in range(round(seconds / bench.period_s)):
        bench.meters[0].turn()
        bench.turn()


@pytest.fixture
def metered(make_bench: BenchMaker) -> "Bench":
    bench: Bench = make_bench(meters=(meter(),))
    bench.meters[0].turn()
    bench.turn()
    return bench


def test_its_channels_stand_beside_those_of_the_power_path(metered: "Bench") -> None:
    named = [one.name for one in metered.loop.snapshot.description().channels]
    assert named == ["temperature_body", "meter_voltage", "cell_voltage_1"]
    assert metered.loop.snapshot.live().values["meter_voltage"] == 3.7


def test_its_values_are_recorded(metered: "Bench", hour_of_charging: Program) -> None:
    assert metered.start(hour_of_charging).ok
    measure(metered, 1.0)
    device_of(metered).values["cell_voltage_1"] = 3.71
    measure(metered, 1.0)
    ((channels,),) = metered.rows("SELECT channels FROM run")
    assert '"cell_voltage_1"' in channels
    rows = metered.rows("SELECT extra FROM sample ORDER BY seq")
    assert rows[0][0] == "[25.0, 3.7, 3.7]"
    assert rows[-1][0] == "[25.0, 3.7, 3.71]"


def test_its_value_keeps_the_instant_at_which_it_was_measured(metered: "Bench") -> None:
    taken = metered.clock.now_ns
    metered.clock.sleep(5.0)
    meters = Meters(metered.meters, 0.1, metered.clock)
    reading = meters.added_to(Reading({"voltage": Measured(3.7, metered.clock.now_ns)}), ())
    assert reading.values["cell_voltage_1"].at_ns <= taken


def test_a_cell_beyond_its_limit_switches_off(metered: "Bench", hour_of_charging: Program) -> None:
    charging = hour_of_charging.model_copy(update={"limits": (CELL_LIMIT,)})
    assert metered.start(charging).ok
    measure(metered, 1.0)
    device_of(metered).values["cell_voltage_1"] = 4.3
    measure(metered, 0.2)
    assert metered.state == "fault"
    assert "cell_voltage" in metered.loop.snapshot.reason


def test_a_meter_that_contradicts_the_power_device_switches_off(
    metered: "Bench", hour_of_charging: Program
) -> None:
    assert metered.start(hour_of_charging).ok
    measure(metered, 2.0)
    device_of(metered).values["voltage"] = 3.9
    measure(metered, 1.0)
    assert metered.state == "fault"
    assert "the meter 3.9 V" in metered.loop.snapshot.reason


def test_a_required_meter_that_is_lost_ends_the_run_and_keeps_others_from_starting(
    metered: "Bench", hour_of_charging: Program
) -> None:
    assert metered.start(hour_of_charging).ok
    measure(metered, 1.0)
    device_of(metered).error = CommunicationLost("no answer; is its cable plugged in?")
    measure(metered, 0.2)
    assert metered.state == "fault"
    assert metered.outcome() == "failed"
    assert "meter meter is lost: no answer; is its cable" in metered.loop.snapshot.reason
    metered.order("acknowledge")
    assert metered.state == "idle"
    refused = metered.start(hour_of_charging, uuid.uuid4())
    assert not refused.ok
    assert "meter meter is lost" in refused.reason


def test_one_reading_that_fails_ends_nothing(metered: "Bench", hour_of_charging: Program) -> None:
    assert metered.start(hour_of_charging).ok
    measure(metered, 1.0)
    for _ in range(3):
        device_of(metered).error = ProtocolViolated("half a line")
        measure(metered, 0.1)
        device_of(metered).error = None
        measure(metered, 0.1)
    assert metered.state == "running"
    assert device_of(metered).opened == 4


def test_a_meter_that_hangs_is_missed(metered: "Bench", hour_of_charging: Program) -> None:
    assert metered.start(hour_of_charging).ok
    metered.turn(99)
    assert metered.state == "running"
    metered.turn(3)
    assert metered.state == "fault"
    assert "meter meter has given nothing for 10" in metered.loop.snapshot.reason


def test_a_meter_that_is_not_required_may_go(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(meter(required=False),))
    bench.meters[0].turn()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    measure(bench, 1.0)
    device_of(bench).error = CommunicationLost("no answer")
    measure(bench, 2.0)
    assert bench.state == "running"
    assert bench.rows("SELECT extra FROM sample ORDER BY seq")[-1][0] == "[25.0, null, null]"
    device_of(bench).error = None
    measure(bench, 2.0)
    assert bench.rows("SELECT extra FROM sample ORDER BY seq")[-1][0] == "[25.0, 3.7, 3.7]"


@pytest.mark.parametrize("required", [True, False])
def test_what_a_meter_reports_ends_the_run(
    make_bench: BenchMaker, hour_of_charging: Program, required: bool
) -> None:
    bench = make_bench(meters=(meter(name="bms", required=required),))
    bench.meters[0].turn()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    device_of(bench).faults = ("temp",)
    measure(bench, 0.1)
    assert bench.state == "fault"
    assert "meter bms reports: temp" in bench.loop.snapshot.reason


def test_a_limit_that_only_a_lost_meter_could_hold_is_a_fault(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(meter(required=False),))
    bench.meters[0].turn()
    bench.turn()
    charging = hour_of_charging.model_copy(update={"limits": (CELL_LIMIT,)})
    assert bench.start(charging).ok
    device_of(bench).error = CommunicationLost("no answer")
    measure(bench, 0.2)
    assert bench.state == "fault"


def test_it_is_looked_for_again_with_growing_pauses(make_bench: BenchMaker) -> None:
    bench = make_bench(meters=(meter(),))
    device_of(bench).error = DeviceError("not there")
    assert [bench.meters[0].turn() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 10.0]
    device_of(bench).error = None
    assert bench.meters[0].turn() == 0.0
    assert bench.meters[0].state.lost == ""


def test_a_driver_with_a_defect_costs_its_meter_only(metered: "Bench") -> None:
    device_of(metered).error = ZeroDivisionError("defect")
    metered.meters[0].turn()
    assert "its driver failed: ZeroDivisionError" in metered.meters[0].state.lost
    device_of(metered).error = None
    metered.meters[0].turn()
    assert metered.meters[0].state.lost == ""


def test_channels_are_chosen_and_named(make_bench: BenchMaker) -> None:
    bench = make_bench(meters=(meter(channels={"voltage": "cell_voltage_7"}),))
    bench.meters[0].turn()
    assert [one.name for one in bench.meters[0].state.channels] == ["cell_voltage_7"]
    assert list(bench.meters[0].state.values) == ["cell_voltage_7"]


def test_a_channel_that_it_does_not_have_is_told(make_bench: BenchMaker) -> None:
    bench = make_bench(meters=(meter(channels={"pressure": "pressure_1"}),))
    bench.meters[0].turn()
    assert "no channel 'pressure'" in bench.meters[0].state.lost
    assert "voltage, cell_voltage_1" in bench.meters[0].state.lost


@pytest.mark.parametrize(
    ("meters", "said"),
    [
        ([{"name": "a", "driver": "x"}, {"name": "a", "driver": "y"}], "the meter name 'a'"),
        (
            [
                {"name": "a", "driver": "x", "channels": {"voltage": "one"}},
                {"name": "b", "driver": "x", "channels": {"voltage": "one"}},
            ],
            "the channel name 'one'",
        ),
        ([{"name": "a", "driver": "x", "channels": {"voltage": "current"}}], "power path's own"),
        ([{"name": "No", "driver": "x"}], "should match pattern"),
    ],
)
def test_names_that_cannot_be_are_refused(meters: list[object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        StationDefinition.model_validate(
            {"id": "one", "name": "One", "power": StationDevice(driver="x"), "meters": meters}
        )


def test_its_thread_reads_it_and_ends_with_the_station(
    make_bench: BenchMaker, wait_until: Callable[..., None]
) -> None:
    bench = make_bench(meters=(meter(),))
    device = device_of(bench)
    with Meters([Meter(meter(), device, bench.clock)], 0.1, bench.clock):
        wait_until(lambda: device.opened == 1, "the meter to be opened")
    assert not [one for one in threading.enumerate() if one.name == "meter meter"]


@pytest.mark.parametrize("required", [True, False])
def test_a_meter_that_repeats_an_old_measurement_gives_nothing(
    make_bench: BenchMaker, hour_of_charging: Program, required: bool
) -> None:
    bench = make_bench(meters=(meter(required=required, stale_s=2.0),))
    device = device_of(bench)
    bench.meters[0].turn()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    measure(bench, 1.0)
    old = device.read()
    device.read = lambda: old  # type: ignore[method-assign]  # it answers, and measures no more
    measure(bench, 1.5)
    assert bench.state == "running"
    measure(bench, 1.0)
    if required:
        assert bench.state == "fault"
        assert "meter meter has given nothing for 2.1 s" in bench.loop.snapshot.reason
    else:
        assert bench.rows("SELECT extra FROM sample ORDER BY seq")[-1][0] == "[25.0, null, null]"


def test_an_error_that_is_told_once_between_two_passes_ends_the_run(
    metered: "Bench", hour_of_charging: Program
) -> None:
    assert metered.start(hour_of_charging).ok
    device_of(metered).faults = ("cell_high",)
    metered.meters[0].turn()
    device_of(metered).faults = ()
    metered.meters[0].turn()
    metered.turn()
    assert metered.state == "fault"
    assert "meter meter reports: cell_high" in metered.loop.snapshot.reason
    metered.meters[0].turn()
    metered.turn()
    metered.order("acknowledge")
    metered.turn()
    assert metered.loop.snapshot.reason == ""


def test_a_meter_found_after_the_start_of_a_run_is_recorded_from_then_on(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(meter(required=False),))
    device_of(bench).error = DeviceError("it boots")
    measure(bench, 0.1)
    assert bench.start(hour_of_charging).ok
    measure(bench, 1.0)
    device_of(bench).error = None
    measure(bench, 2.0)
    rows = bench.rows("SELECT extra FROM sample ORDER BY seq")
    assert rows[0][0] == "[25.0, null, null]"
    assert rows[-1][0] == "[25.0, 3.7, 3.7]"


def test_a_name_of_two_instruments_is_told_and_never_mixed(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(meter(name="a", required=False), meter(name="b", required=False)))
    first, second = (one._device for one in bench.meters)
    first.error = DeviceError("not there")  # type: ignore[attr-defined]  # the test made it
    second.values["cell_voltage_1"] = 3.9  # type: ignore[attr-defined]  # as above
    for one in bench.meters:
        one.turn()
    bench.turn()
    assert "cell_voltage_1" not in bench.loop.snapshot.live().values
    assert bench.loop.snapshot.live().values["b_voltage"] == 3.7
    refused = bench.start(hour_of_charging)
    assert not refused.ok
    assert "meter a and meter b both have a channel 'cell_voltage_1'" in refused.reason


def test_a_channel_of_the_power_path_is_never_taken_from_a_meter(make_bench: BenchMaker) -> None:
    bench = make_bench(meters=(meter(channels={"cell_voltage_1": "temperature_body"}),))
    bench.device.temperature = None
    measure(bench, 0.2)
    assert "temperature_body" not in bench.loop.snapshot.live().values
    assert "the power path and meter meter both have" in bench.loop.snapshot.reason


def test_a_run_goes_on_by_itself_when_the_meter_that_its_limit_needs_is_found(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(meter(required=False),))
    measure(bench, 0.1)
    charging = hour_of_charging.model_copy(update={"limits": (CELL_LIMIT,)})
    assert bench.start(charging, on_interruption="resume").ok
    measure(bench, 1.0)
    bench.meters = [Meter(meter(required=False), device_of(bench), bench.clock)]
    bench.cut_power(60.0)
    bench.turn(50)
    assert bench.activity == "waiting"
    measure(bench, 2.0)
    assert bench.activity == "running"


def test_closing_that_fails_and_a_reading_that_is_none_cost_the_meter_only(
    metered: "Bench",
) -> None:
    device = device_of(metered)
    read = device.read

    def close() -> None:
        raise ZeroDivisionError("defect")

    device.close = close  # type: ignore[method-assign]  # the defect
    device.read = lambda: None  # type: ignore[method-assign, assignment, return-value]  # as above
    for _ in range(2):
        metered.meters[0].turn()
    assert "its driver gave no reading: what it read is None" in metered.meters[0].state.lost
    device.read = read  # type: ignore[method-assign]  # the test's own
    device.error = CommunicationLost("gone")
    metered.meters[0].turn()
    device.error = None
    metered.meters[0].turn()
    assert metered.meters[0].state.lost == ""


def test_a_bad_line_and_a_defect_are_not_told_again_and_again(
    metered: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for _ in range(20):
        device_of(metered).error = ProtocolViolated("half a line")
        measure(metered, 0.1)
        device_of(metered).error = None
        measure(metered, 0.1)
    device_of(metered).error = ZeroDivisionError("defect")
    measure(metered, 2.0)
    said = [record.getMessage() for record in caplog.records]
    assert sum("trying again" in one for one in said) == 1
    assert sum("its driver failed" in one for one in said) == 2, "the trace, and that it is lost"


def test_a_long_period_leaves_its_values_fresh(
    make_bench: BenchMaker, wait_until: Callable[..., None]
) -> None:
    bench = make_bench(meters=(meter(),))
    device = device_of(bench)
    reads: list[int] = []
    read = device.read

    def counted() -> Reading:
        reads.append(1)
        return read()

    device.read = counted  # type: ignore[method-assign]  # the test's own
    clock = SystemStationClock()
    with Meters([Meter(meter(stale_s=0.5), device, clock)], 30.0, clock):
        wait_until(lambda: len(reads) > 3, "the meter to be read within its stale_s")


def test_meters_that_hang_do_not_hold_up_the_end_of_the_station(make_bench: BenchMaker) -> None:
    bench = make_bench(meters=(meter(),))
    released = threading.Event()
    device = device_of(bench)

    def hang() -> Reading:
        released.wait(60)
        raise CommunicationLost("it hung")

    device.read = hang  # type: ignore[method-assign]  # the test's own
    meters = [Meter(meter(name=name), device, bench.clock) for name in ("a", "b", "c")]
    with Meters(meters, 0.1, bench.clock):
        began = time.monotonic()
    assert time.monotonic() - began < 3.0
    released.set()


@pytest.mark.parametrize("required", [True, False])
def test_a_meter_that_gives_nothing_but_an_error_ends_the_run(
    make_bench: BenchMaker, hour_of_charging: Program, required: bool
) -> None:
    bench = make_bench(meters=(meter(name="bms", required=required),))
    bench.meters[0].turn()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    device_of(bench).error = DeviceFault("BMS 0x101 reports temp and sent no values")
    measure(bench, 0.1)
    assert bench.state == "fault"
    reason = "meter bms reports: BMS 0x101 reports temp and sent no values"
    assert bench.loop.snapshot.reason.startswith(reason)
    measure(bench, 1.0)
    bench.order("acknowledge")
    refused = bench.start(hour_of_charging, uuid.uuid4())
    assert refused.retry
    assert refused.reason.startswith(reason)
    device_of(bench).error = None
    measure(bench, 0.2)
    assert bench.start(hour_of_charging, uuid.uuid4()).ok


def held_elsewhere(bench: "Bench", folder: Path) -> DeviceLock:
    """Have the meter of a bench at a place whose lock this process takes as another would."""
    definition = bench.meters[0].definition
    hold = DeviceHold(folder, ["serial /dev/bem/bms"])
    bench.meters = [Meter(definition, device_of(bench), bench.clock, hold)]
    bench.halt()
    bench.boot()
    return DeviceLock(folder, "serial /dev/bem/bms")


@pytest.mark.parametrize("required", [True, False])
def test_a_meter_that_another_process_has_is_taken_when_it_is_free(
    make_bench: BenchMaker, hour_of_charging: Program, tmp_path: Path, required: bool
) -> None:
    bench = make_bench(meters=(meter(required=required),))
    with held_elsewhere(bench, tmp_path):
        # As another process has it.
        device_lock(tmp_path, "serial /dev/bem/bms").write_text("4711\n")
        measure(bench, 0.2)
        assert device_of(bench).opened == 0
        assert bench.state == "idle"
        reply = bench.start(hour_of_charging)
        assert reply.ok is not required
        if required:
            assert reply.retry
            assert reply.reason.startswith(
                "meter meter is lost: the device at serial /dev/bem/bms is driven by process 4711"
            )
    measure(bench, 0.2)
    assert device_of(bench).opened == 1
    assert bench.state == ("idle" if required else "running")
    if required:
        assert bench.start(hour_of_charging).ok
    with pytest.raises(StationBusy), DeviceLock(tmp_path, "serial /dev/bem/bms"):
        pass
    bench.meters[0].leave()
    with DeviceLock(tmp_path, "serial /dev/bem/bms"):
        pass


def test_a_meter_at_the_place_of_another_device_of_its_station_says_so(
    make_bench: BenchMaker, tmp_path: Path
) -> None:
    bench = make_bench(meters=(meter(),))
    with held_elsewhere(bench, tmp_path):
        measure(bench, 0.1)
        assert "by this station already, as another of its devices" in bench.loop.snapshot.reason


def test_a_lock_that_cannot_be_made_costs_the_meter_only(
    make_bench: BenchMaker, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    bench = make_bench(meters=(meter(required=False),))
    held_elsewhere(bench, tmp_path / "file")
    measure(bench, 0.1)
    assert bench.state == "idle"
    assert "its lock cannot be taken: " in bench.meters[0].state.lost
