"""What a driver from outside returns that is no reading costs its device, never the loop."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bem.domain.program import Program
from bem.runtime.settings import StationMeter
from bem_drivers.base import OFF, Measured, Reading

if TYPE_CHECKING:
    from tests.unit.station.conftest import Bench

BenchMaker = Callable[..., "Bench"]
NOW_NS = 1_000_000_000_000
"""Where the clock of a bench begins; all is measured later than this."""


def reading(**changes: object) -> Any:  # noqa: ANN401 - it is no reading, which is the point
    """Make what a driver gives, with one thing wrong."""
    values: dict[str, Any] = {
        name: Measured(value, NOW_NS)
        for name, value in (("voltage", 3.7), ("current", 0.0), ("cell_voltage_1", 3.7))
    }
    given: dict[str, Any] = {"values": values, "active": OFF, "faults": ()}
    for name, change in changes.items():
        if name in given:
            given[name] = change
        else:
            values[name] = change
    return Reading(**given)


def measured(value: Any, at_ns: Any = NOW_NS) -> Measured:  # noqa: ANN401 - as a driver may
    """Make a value as a driver may."""
    return Measured(value, at_ns)


NO_READINGS = {
    "nothing": (None, "what it read is None"),
    "a mapping": ({"voltage": 3.7}, "what it read is {'voltage': 3.7}"),
    "no values": (reading(values=None), "values is None"),
    "a value without its instant": (reading(voltage=3.7), "voltage is 3.7"),
    "None for a value": (reading(voltage=measured(None)), "voltage is None"),
    "text for a value": (reading(voltage=measured("3.7")), "voltage is '3.7'"),
    "yes for a value": (reading(voltage=measured(True)), "voltage is True"),
    "no instant": (reading(voltage=measured(3.7, None)), "the instant of voltage is None"),
    "seconds for an instant": (reading(voltage=measured(3.7, 1.5)), "the instant of voltage"),
    "an instant to come": (reading(voltage=measured(3.7, 2 * NOW_NS)), "s ahead"),
    "a word for the output": (reading(active="off"), "active is 'off'"),
    "a word for all faults": (reading(faults="temp"), "faults is 'temp'"),
    "a number for a fault": (reading(faults=(4,)), "one of faults is 4"),
}


@pytest.mark.parametrize("wrong", NO_READINGS)
def test_of_the_power_path_ends_the_run_and_loses_the_device(
    bench: "Bench", hour_of_charging: Program, wrong: str
) -> None:
    given, said = NO_READINGS[wrong]
    assert bench.start(hour_of_charging).ok
    bench.turn(3)
    read = bench.device.read
    bench.device.read = lambda: given  # type: ignore[method-assign]  # the defect
    bench.turn()
    assert bench.state == "fault"
    assert bench.device.active == OFF
    assert bench.outcome() == "failed"
    assert "the device is lost: its driver gave no reading: " in bench.loop.snapshot.reason
    assert said in bench.loop.snapshot.reason
    bench.device.read = read  # type: ignore[method-assign]  # mended
    bench.turn(20)
    assert bench.order("acknowledge").ok
    bench.turn()
    assert bench.state == "idle"


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("wrong", NO_READINGS)
def test_of_a_meter_costs_the_meter(
    make_bench: BenchMaker, hour_of_charging: Program, wrong: str, required: bool
) -> None:
    given, said = NO_READINGS[wrong]
    bench = make_bench(meters=(StationMeter(name="bms", driver="x", required=required),))
    meter = bench.meters[0]
    meter.turn()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    device: Any = meter._device
    read = device.read
    device.read = lambda: given
    for _ in range(2):
        meter.turn()
        bench.turn()
    assert said in meter.state.lost
    assert bench.state == ("fault" if required else "running")
    if required:
        assert "meter bms is lost: its driver gave no reading: " in bench.loop.snapshot.reason
    device.read = read
    meter.turn()
    bench.turn()
    assert meter.state.lost == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_meter_s_value_that_is_no_number_costs_the_meter(
    make_bench: BenchMaker, hour_of_charging: Program, value: float
) -> None:
    bench = make_bench(meters=(StationMeter(name="bms", driver="x", required=False),))
    meter = bench.meters[0]
    meter.turn()
    bench.turn()
    assert bench.start(hour_of_charging).ok
    device: Any = meter._device
    device.values["cell_voltage_1"] = value
    for _ in range(2):
        meter.turn()
        bench.turn()
    assert bench.state == "running"
    assert meter.state.lost == (
        f"cell_voltage_1 reads {value}, which is no value: look at its sensor and wiring"
    )
    assert bench.rows("SELECT extra FROM sample ORDER BY seq")[-1][0] == "[25.0, null, null]"


def test_a_channel_that_is_not_used_may_have_no_number(make_bench: BenchMaker) -> None:
    chosen = StationMeter(name="bms", driver="x", channels={"cell_voltage_1": "cell_voltage_1"})
    bench = make_bench(meters=(chosen,))
    meter = bench.meters[0]
    device: Any = meter._device
    device.values["voltage"] = float("nan")
    meter.turn()
    assert meter.state.lost == ""


@pytest.mark.parametrize("told", [None, 4, ("voltage",)])
def test_channels_that_are_none_cost_the_meter(make_bench: BenchMaker, told: object) -> None:
    bench = make_bench(meters=(StationMeter(name="bms", driver="x"),))
    meter = bench.meters[0]
    device: Any = meter._device
    device.channels = told
    again = type(meter)(meter.definition, device, bench.clock)
    again.turn()
    assert "its driver failed" in again.state.lost
