"""What limits need of meters: who is named when it is missing, how old it may be, and who waits."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bem.domain.limits import Compare, Limit, Limited
from bem.domain.program import Program
from bem.runtime.settings import StationMeter
from bem.station.meters import Meter
from bem_drivers.base import Channel, CommunicationLost, DeviceError, Measured

if TYPE_CHECKING:
    from tests.unit.station.conftest import Bench

BenchMaker = Callable[..., "Bench"]
CELLS = Limit(quantity=Limited.CELL_VOLTAGE, compare=Compare.AT_LEAST, threshold=4.25)
HOT = Limit(quantity=Limited.TEMPERATURE, compare=Compare.AT_LEAST, threshold=45.0)


def definition(**settings: object) -> StationMeter:
    return StationMeter.model_validate({"name": "bms", "driver": "test"} | settings)


def device_of(bench: "Bench") -> Any:  # noqa: ANN401 - the meter of the bench
    return bench.meters[0]._device


def measure(bench: "Bench", seconds: float) -> None:
    """Let time pass with the meter's thread and the loop taking turns."""
    for _ in range(round(seconds / bench.period_s)):
        bench.meters[0].turn()
        bench.turn()


def last_extra(bench: "Bench") -> str:
    return str(bench.rows("SELECT extra FROM sample ORDER BY seq")[-1][0])


def bench_with(make_bench: BenchMaker, program: Program, *limits: Limit, **settings: Any) -> Any:  # noqa: ANN401 - a bench
    """Get a bench that runs a program under limits with a meter that answers."""
    bench = make_bench(meters=(definition(**settings),))
    measure(bench, 0.1)
    assert bench.start(program.model_copy(update={"limits": limits})).ok
    measure(bench, 1.0)
    return bench


# Who is named


def test_a_lost_meter_that_a_limit_needs_is_named(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = bench_with(make_bench, hour_of_charging, CELLS, required=False)
    device_of(bench).error = CommunicationLost("no answer; is its cable plugged in?")
    measure(bench, 0.2)
    assert bench.state == "fault"
    assert bench.loop.snapshot.reason == (
        "meter bms gives no cell_voltage_1: it is lost: no answer; is its cable plugged in?"
    )


def test_a_meter_that_answers_without_a_channel_that_a_limit_needs_is_named(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = bench_with(make_bench, hour_of_charging, CELLS)
    del device_of(bench).values["cell_voltage_1"]
    measure(bench, 0.1)
    assert bench.loop.snapshot.reason == (
        "meter bms gives no cell_voltage_1: it answers without; look at the sensor and its wiring"
    )


def test_a_meter_that_is_silent_and_whose_cells_a_limit_needs_is_named(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = bench_with(make_bench, hour_of_charging, CELLS, required=False, stale_s=1.0)
    bench.turn(11)
    assert bench.loop.snapshot.reason == (
        "meter bms gives no cell_voltage_1: it has given nothing for too long; "
        "is it powered and connected?"
    )


def test_what_a_lost_meter_lacks_is_told_in_one_sentence(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(definition(),))
    device = device_of(bench)
    device.channels = tuple(Channel(f"cell_voltage_{cell}", "V", "") for cell in (1, 2, 3))
    device.values = {channel.name: 3.7 for channel in device.channels}
    measure(bench, 0.1)
    assert bench.start(hour_of_charging.model_copy(update={"limits": (CELLS,)})).ok
    device.error = CommunicationLost("no answer")
    measure(bench, 0.2)
    assert bench.loop.snapshot.reason == (
        "meter bms gives no cell_voltage_1, cell_voltage_2, cell_voltage_3; "
        "meter bms is lost: no answer"
    )


def test_a_reading_of_a_meter_that_cannot_be_names_the_meter(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = bench_with(make_bench, hour_of_charging, CELLS)
    device_of(bench).values["cell_voltage_1"] = 65.5
    measure(bench, 0.1)
    assert "cell_voltage_1 of meter bms reads 65.5, which cannot be" in bench.loop.snapshot.reason


def test_a_start_that_waits_for_a_meter_names_it(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(definition(required=False),))
    device_of(bench).error = DeviceError("it boots")
    measure(bench, 0.1)
    refused = bench.start(hour_of_charging.model_copy(update={"limits": (CELLS,)}))
    assert refused.retry
    assert refused.reason == (
        "the program limits cell voltage, but this station measures none at present: "
        "meter bms gives no cell_voltage_1: it is lost: it boots"
    )


# How old a value may be


@pytest.mark.parametrize("stale_s", [0.5, 2.0, 10.0, 30.0, 600.0])
@pytest.mark.parametrize("required", [True, False])
def test_a_value_counts_for_as_long_as_the_definition_says(
    make_bench: BenchMaker, hour_of_charging: Program, stale_s: float, required: bool
) -> None:
    bench = bench_with(make_bench, hour_of_charging, stale_s=stale_s, required=required)
    age_s = (bench.clock.now_ns - bench.meters[0].state.heard_ns) / 1e9
    bench.turn(round((stale_s - age_s) / bench.period_s))
    assert bench.state == "running"
    assert last_extra(bench) == "[25.0, 3.7, 3.7]"
    bench.turn(1)
    if required:
        assert bench.state == "fault"
        assert f"at most {stale_s:g} s are allowed" in bench.loop.snapshot.reason
    else:
        assert bench.state == "running"
        assert last_extra(bench) == "[25.0, null, null]"


def test_a_slow_thermometer_holds_a_limit_as_long_as_it_measures(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    slow = definition(stale_s=40.0, channels={"voltage": "temperature_cell"})
    bench = make_bench(meters=(slow,))
    device = device_of(bench)
    device.values["voltage"] = 30.0
    bench.meters[0].turn()
    bench.turn()
    assert bench.start(hour_of_charging.model_copy(update={"limits": (HOT,)})).ok
    for _ in range(5):
        bench.turn(300)
        bench.meters[0].turn()
    assert bench.state == "running"
    assert "null" not in "".join(row[0] for row in bench.rows("SELECT extra FROM sample"))
    device.values["voltage"] = 46.0
    bench.meters[0].turn()
    bench.turn()
    assert bench.state == "fault"


def test_one_channel_that_is_not_measured_anew_ages_beside_others_that_are(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = bench_with(make_bench, hour_of_charging, stale_s=2.0)
    device = device_of(bench)
    read, old = device.read, Measured(3.7, bench.clock.now_ns)

    def half_frozen() -> Any:  # noqa: ANN401 - a reading
        reading = read()
        reading.values["cell_voltage_1"] = old
        return reading

    device.read = half_frozen
    measure(bench, 2.0)
    assert last_extra(bench) == "[25.0, 3.7, 3.7]"
    measure(bench, 0.1)
    assert last_extra(bench) == "[25.0, 3.7, null]"


# Who waits


def interrupted(make_bench: BenchMaker, program: Program, *limits: Limit, **settings: Any) -> Any:  # noqa: ANN401 - a bench
    """Get a bench whose run was interrupted, and whose meter has not been found since."""
    bench = make_bench(meters=(definition(**settings),))
    measure(bench, 0.1)
    charging = program.model_copy(update={"limits": limits})
    assert bench.start(charging, on_interruption="resume").ok
    measure(bench, 1.0)
    bench.meters = [Meter(bench.meters[0].definition, device_of(bench), bench.clock)]
    bench.cut_power(60.0)
    return bench


@pytest.mark.parametrize("required", [True, False])
def test_a_run_does_not_go_on_by_itself_with_fewer_sensors_than_it_had(
    make_bench: BenchMaker, hour_of_charging: Program, required: bool
) -> None:
    # The device's own temperature is there at once, that of the meter is late.
    channels = {"voltage": "temperature_cell"}
    device = {"required": required, "channels": channels}
    bench = interrupted(make_bench, hour_of_charging, HOT, **device)
    bench.turn(100)
    assert bench.activity == "waiting"
    waits_for = bench.loop.snapshot.description().waits_for
    assert "it goes on by itself once it can" in waits_for
    assert "meter bms" in waits_for
    measure(bench, 2.0)
    assert bench.activity == "running"
    device_of(bench).error = CommunicationLost("gone again")
    measure(bench, 0.2)
    assert bench.state == "fault"
    assert "meter bms gives no temperature_cell" in bench.loop.snapshot.reason


def test_a_person_may_go_on_without_a_sensor_that_is_not_required(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    channels = {"voltage": "temperature_cell"}
    bench = interrupted(make_bench, hour_of_charging, HOT, required=False, channels=channels)
    bench.turn(10)
    assert bench.activity == "waiting"
    assert bench.direct("resume").ok
    bench.turn(10)
    assert bench.activity == "running"


def test_a_meter_that_tells_its_channels_only_once_it_is_open_is_waited_for(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(definition(required=False),))
    device = device_of(bench)
    channels = device.channels
    measure(bench, 0.1)
    charging = hour_of_charging.model_copy(update={"limits": (CELLS,)})
    assert bench.start(charging, on_interruption="resume").ok
    measure(bench, 1.0)
    device.channels = ()
    bench.meters = [Meter(bench.meters[0].definition, device, bench.clock)]
    bench.cut_power(60.0)
    bench.turn(20)
    waits_for = bench.loop.snapshot.description().waits_for
    assert waits_for == (
        "it goes on by itself once it can: the program limits cell voltage, but this station "
        "measures not all that it did at present: meter bms was not found yet"
    )
    device.channels = channels
    measure(bench, 2.0)
    assert bench.activity == "running"


def test_a_start_waits_for_a_meter_that_tells_its_channels_only_once_it_is_open(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    bench = make_bench(meters=(definition(required=False),))
    device_of(bench).channels = ()
    device_of(bench).error = DeviceError("it boots")
    bench.meters = [Meter(bench.meters[0].definition, device_of(bench), bench.clock)]
    bench.halt()
    bench.boot()
    measure(bench, 0.1)
    refused = bench.start(hour_of_charging.model_copy(update={"limits": (CELLS,)}))
    assert refused.retry
    assert "measures none at present: meter bms was not found yet" in refused.reason


def test_a_sensor_that_the_station_has_no_more_is_not_waited_for(
    make_bench: BenchMaker, hour_of_charging: Program
) -> None:
    channels = {"voltage": "temperature_cell"}
    bench = interrupted(make_bench, hour_of_charging, HOT, required=False, channels=channels)
    bench.halt()
    bench.meters = []
    bench.boot()
    bench.turn(10)
    assert bench.activity == "running"
