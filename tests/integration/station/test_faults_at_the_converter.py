"""The table of faults, as far as the converter and its battery make them, over a real wire.

The simulated EPC breaks down while it runs; its own ledger is the witness of when, and of when its
output went off. One station meets one fault after the other.
"""

import resource
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from tests.integration.station.conftest import EpcOnTheBench, StationProcess

from bem.domain.limits import Limits
from bem.domain.program import Program
from bem_drivers.epc.simulator_faults import UnitFaults

Wait = Callable[..., None]
Record = Callable[[str, object], None]
PERIOD_S = 0.1
SILENCE_S = 1.0
"""The default after which a device switches off by itself."""
SLOT_S = 0.01
"""The converter lives in slots of this length, and dates what it does by their beginning."""
FROZEN_S = 3.0
"""2 s of frozen readings, the first of which follows the change, and a machine that is busy."""
MIB = 1 << 20
FEW = 2


class Rig:
    """A simulated EPC and its station: one pair for all tests, and another after a deadly fault."""

    def __init__(self, make_folder: Callable[[str], Path]) -> None:
        self._make_folder = make_folder
        self.bench: EpcOnTheBench | None = None
        self.station: StationProcess | None = None

    def get(self) -> tuple[EpcOnTheBench, StationProcess]:
        """Get a pair that is well and idle."""
        if self.bench is None or self.station is None or not self._is_well():
            self.close()
            self.bench = EpcOnTheBench(self._make_folder("epc"))
            _within(60, self.bench.link.exists, "the simulator")
            bus = {"interface": "slcan", "channel": str(self.bench.link)}
            power = {"driver": "epc", "settings": {"bus": bus}}
            self.station = StationProcess(self._make_folder("station"), power=power)
            self.station.boot("hungry")
            _within(60, self.station.ready, "the station")
        self.station.experiment = uuid.uuid4()
        return self.bench, self.station

    def _is_well(self) -> bool:
        """Mend what can be mended; whether the pair is as it was."""
        assert self.bench is not None
        assert self.station is not None
        for fault in fields(UnitFaults):
            self.bench.break_down(f"{fault.name} off")
        if self.bench.facts("internal") or not self.station.ready():
            return False
        if self.station.state() == "running":
            self.station.command("stop", experiment=str(self.station.experiment))
        else:
            _within(30, lambda: self.station and self.station.command("acknowledge").ok, "a word")
        return self.station.state() == "idle"

    def close(self) -> None:
        if self.station is not None:
            self.station.kill()
        if self.bench is not None:
            self.bench.close()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp)
    try:
        yield rig
    finally:
        rig.close()


@pytest.fixture
def bench(rig: Rig) -> EpcOnTheBench:
    """The converter, without a fault."""
    return rig.get()[0]


@pytest.fixture
def station(rig: Rig, bench: EpcOnTheBench) -> StationProcess:
    """Its station, with a run of its own to come."""
    assert rig.bench is bench
    assert rig.station is not None
    return rig.station


def _within(seconds: float, condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.02)


def _two_steps(charging: Program, first_s: float, **limits: float) -> Program:
    """Charge for a while, then discharge for an hour."""
    step = charging.steps[0].model_dump(mode="json")
    first = step | {"ends": [step["ends"][0] | {"threshold": first_s}]}
    second = step | {"number": 2, "title": "second", "setpoint": {"mode": "cc", "value": -1.0}}
    bounds = charging.operating.model_dump(exclude_none=True) | limits
    return Program.model_validate(
        charging.model_dump(mode="json")
        | {"operations": [first, second], "operating": Limits(**bounds).model_dump()}
    )


def _run(station: StationProcess, bench: EpcOnTheBench, program: Program) -> None:
    # The device may take a reading or two to say that it is well again.
    _within(10, lambda: not station.ask("describe").body["reason"], "good readings")
    reply = station.start(program)
    assert reply.ok, reply.reason
    _within(20, lambda: len(station.samples()) > FEW, "samples on the disk")
    assert bench.output_on(), station.ask("describe").body["reason"]


def _off(bench: EpcOnTheBench, since_ns: int) -> float:
    """Wait for the converter's output to go off after a fault; gets how long (s) that took."""
    _within(10, lambda: not bench.output_on(), "the output to go off")
    off_s = bench.off_after_s(since_ns)
    assert off_s > -SLOT_S, "it was off before"
    return off_s


def _is_safe(station: StationProcess, causes: set[str]) -> None:
    """It is latched, and all is on the record."""
    _within(10, lambda: station.state() == "fault", "the fault")
    _within(30, lambda: station.events("run_ended"), "the end of the run on the disk")
    ((elapsed_us, _, ended),) = station.events("run_ended")
    assert ended["outcome"] == "failed"
    ((_, severity, fault),) = station.events("fault")
    assert severity == "error"
    assert fault["cause"] in causes, fault["reason"]
    samples = station.samples()
    assert [seq for seq, _ in samples] == list(range(len(samples)))
    assert elapsed_us - samples[-1][1] < 1_000_000


BATTERY = {
    "battery over voltage": ("voltage 4.4", {}, 0.05),
    "battery under voltage": ("voltage 2.3", {}, 0.05),
    "over current": ("current 3.5", {}, 0.05),
    "power": ("current 2.5", {"power_max": 6.0}, 2 * PERIOD_S),
}
"""The fault, limits beside those of voltage and current, and the longest time to output off (s):
the converter judges voltage and current itself, every 10 ms."""


@pytest.mark.parametrize("fault", BATTERY)
def test_what_the_battery_does_beyond_its_limits_switches_off(
    bench: EpcOnTheBench,
    station: StationProcess,
    charging: Program,
    record_property: Record,
    fault: str,
) -> None:
    order, limits, longest_s = BATTERY[fault]
    _run(station, bench, _two_steps(charging, 3600, **limits))
    off_s = _off(bench, bench.break_down(order))
    record_property("off_s", off_s)
    assert off_s <= longest_s
    _is_safe(station, {"limit", "device_fault", "wrong_output"})


def test_a_device_fault_that_clears_itself_does_not_start_the_next_step(
    bench: EpcOnTheBench, station: StationProcess, charging: Program, record_property: Record
) -> None:
    """The old software took the end of the error for the end of the step."""
    _run(station, bench, _two_steps(charging, 2.0))
    off_s = _off(bench, bench.break_down("supply 5"))
    bench.break_down("supply off")
    record_property("off_s", off_s)
    assert off_s <= 0.05
    _is_safe(station, {"device_fault", "wrong_output"})
    time.sleep(1.0)
    changes = [(fact["on"], fact["t_ns"]) for fact in bench.facts("output")]
    assert changes[-1][0] is False
    assert station.state() == "fault"
    assert station.events("step_ended") == []


def test_frozen_readings_are_found_out_when_the_set_point_changes(
    bench: EpcOnTheBench, station: StationProcess, charging: Program, record_property: Record
) -> None:
    _run(station, bench, _two_steps(charging, 2.0))
    bench.break_down("frozen on")
    _within(10, lambda: _second(station), "the next step")
    changed_ns = bench.facts("mode")[-1]["t_ns"]
    off_s = _off(bench, changed_ns)
    record_property("frozen_off_s", off_s)
    assert off_s <= FROZEN_S
    _is_safe(station, {"frozen_reading"})


def _second(station: StationProcess) -> bool:
    return bool(station.ask("live").body.get("step") == 2)


def test_measures_that_do_not_come_lose_the_device_and_its_output(
    bench: EpcOnTheBench, station: StationProcess, charging: Program, record_property: Record
) -> None:
    _run(station, bench, _two_steps(charging, 3600))
    off_s = _off(bench, bench.break_down("silent on"))
    record_property("off_s", off_s)
    assert off_s <= SILENCE_S
    _is_safe(station, {"device_lost"})


def test_a_second_station_that_names_the_same_device_does_not_touch_it(
    bench: EpcOnTheBench, station: StationProcess, charging: Program
) -> None:
    _run(station, bench, _two_steps(charging, 3600))
    definition = yaml.safe_load(station.settings.station_file("one").read_text())
    twin = definition | {"id": "two", "name": "Two"}
    station.settings.station_file("two").write_text(yaml.safe_dump(twin))
    asked = {kind: len(bench.facts(kind)) for kind in ("command", "limits", "mode", "output")}
    try:
        second = station.spawn(station_id="two")
        assert second.wait(60) == 1
        safe = station.spawn("safe", station_id="two")
        assert safe.wait(60) == 0, "whoever drives it is in charge of it"
    finally:
        station.settings.station_file("two").unlink()
    assert "is driven by process" in station.errors.read_text()
    assert {kind: len(bench.facts(kind)) for kind in asked} == asked
    assert bench.output_on()
    assert station.state() == "running"


def test_a_process_without_memory_ends_with_its_output_off(
    bench: EpcOnTheBench, station: StationProcess, charging: Program, record_property: Record
) -> None:
    _run(station, bench, _two_steps(charging, 3600))
    assert station.process is not None
    pages = int(Path(f"/proc/{station.process.pid}/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 32 * MIB
    resource.prlimit(station.process.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    eat = station.file.parent / "eat"
    since_ns = time.monotonic_ns()
    eat.touch()
    try:
        off_s = _off(bench, since_ns)
        record_property("off_s", off_s)
        assert off_s <= SILENCE_S + 0.2
        assert station.process.wait(20) != 0
    finally:
        eat.unlink()
    assert "MemoryError" in station.errors.read_text()
    station._client.close()
    station.boot("hungry")
    _within(60, station.ready, "the station")
    assert station.state() == "fault"
    assert not bench.output_on()
    samples = station.samples()
    assert [seq for seq, _ in samples] == list(range(len(samples)))


def test_a_body_too_hot_stops_the_converter_until_a_power_cycle(
    bench: EpcOnTheBench, station: StationProcess, charging: Program, record_property: Record
) -> None:
    _run(station, bench, _two_steps(charging, 3600, temperature_max=45.0))
    off_s = _off(bench, bench.break_down("body 50"))
    record_property("off_s", off_s)
    assert off_s <= 1.0 + 2 * PERIOD_S, "the unit measures temperatures once a second"
    _is_safe(station, {"device_lost", "limit", "device_fault"})
