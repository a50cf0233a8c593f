"""16 units on one bus, each station a process of its own, as on a real node."""

import multiprocessing.connection
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.vm.bench import FORK
from tests.vm.conftest import PutUp
from tests.vm.interfaces import VirtualInterface

from bem_drivers.base import Command, Mode, PowerDevice, Protection, SystemClock
from bem_drivers.epc import DRIVER

UNITS = 16
PERIOD_S = 0.1
LIFE_S = float(os.environ.get("BEM_BUS_S", "5"))
"""BEM_BUS_S=30 is a longer look; each second takes the emulator about ten."""
LONGEST_START_S = 30.0
PROTECTION = Protection(2.5, 4.25, -5.0, 5.0, silence_s=1.0)


def station(
    vcan: VirtualInterface, device_id: int, ends: multiprocessing.connection.Connection
) -> None:
    """Open a unit, say so, and run it when told to; tell the instants of its readings (ns) and
    what it took of a processor (s).
    """
    settings = {"bus": vcan.bus, "device_id": device_id, "units_on_bus": UNITS}
    device = DRIVER.make(DRIVER.settings.model_validate(settings), SystemClock())
    assert isinstance(device, PowerDevice)
    command = Command(Mode.CC, 1.0 if device_id % 2 else -1.0)
    device.open()
    ends.send("open")
    begin_s: float = ends.recv()
    time.sleep(max(begin_s - time.monotonic(), 0))
    device.protect(PROTECTION)
    device.keep_alive()
    device.apply(command)
    instants = []
    worked_s = time.process_time()
    due_s = time.monotonic()
    until_s = due_s + LIFE_S
    while due_s < until_s:
        reading = device.read()
        device.keep_alive()
        assert (reading.active, reading.faults) == (command, ())
        instants.append(reading.values["voltage"].at_ns)
        late_s = max(time.monotonic() - due_s, 0)
        due_s += (1 + late_s // PERIOD_S) * PERIOD_S
        time.sleep(max(due_s - time.monotonic(), 0))
    worked_s = time.process_time() - worked_s
    device.make_safe()
    device.close()
    ends.send((instants, worked_s))


def frames_carried(vcan: VirtualInterface) -> int:
    statistics = Path("/sys/class/net") / vcan.name / "statistics"
    return int((statistics / "tx_packets").read_text(encoding="ascii"))


@pytest.mark.timeout(LIFE_S + 120)
def test_16_units_in_separate_processes_have_no_reading_older_than_two_periods(
    put_up: PutUp, vcan: VirtualInterface, record_property: Callable[[str, object], None]
) -> None:
    ids = range(0x13, 0x13 + UNITS)
    bench = put_up(
        vcan,
        {
            f"epc-{one}": {
                "driver": "epc",
                "battery": f"cell-{one}",
                "settings": {"device_id": one},
            }
            for one in ids
        },
        **{f"cell-{one}": {"soc": 0.5} for one in ids},
    )
    stations = []
    for one in ids:
        here, there = FORK.Pipe()
        process = FORK.Process(target=station, args=(vcan, one, there))
        process.start()
        there.close()
        stations.append((process, here))
    for _, here in stations:
        assert here.poll(LONGEST_START_S), "a station does not open its unit"
        assert here.recv() == "open"
    before = frames_carried(vcan)
    began_s = time.monotonic()
    for number, (_, here) in enumerate(stations):
        # Stations do not start at the same instant.
        here.send(began_s + 0.2 + number * 0.037)
    instants = []
    worked_s = 0.0
    for _, here in stations:
        assert here.poll(LIFE_S + LONGEST_START_S), "a station has not ended"
        of_one, worked_by_one_s = here.recv()
        instants.append(of_one)
        worked_s += worked_by_one_s
    took_s = time.monotonic() - began_s
    for process, _ in stations:
        process.join(10)
        assert process.exitcode == 0
    gaps_s = [(later - earlier) / 1e9 for of_one in instants for earlier, later in pairwise(of_one)]
    record_property("processor time of a station (%)", round(100 * worked_s / LIFE_S / UNITS, 2))
    record_property("worst gap (s)", round(max(gaps_s), 4))
    record_property("mean gap (s)", round(sum(gaps_s) / len(gaps_s), 4))
    record_property("frames a second", round((frames_carried(vcan) - before) / took_s))
    assert max(gaps_s) < 2 * PERIOD_S
    assert min(map(len, instants)) >= 0.9 * LIFE_S / PERIOD_S
    assert not bench.recorded("internal")
    assert {bench.battery(f"cell-{one}")["current"] for one in ids} == {0.0}
