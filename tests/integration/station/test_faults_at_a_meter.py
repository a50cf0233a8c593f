"""The table of faults, as far as a BMS beside the power path makes them, over real wires.

A bench in a process of its own has a converter and a BMS at one battery, each behind an SLCAN
adapter. Its ledger tells when the fault was made and when the converter's output went off. Times of
docs/safety.md: ``--junit-xml`` has them as ``off_s``.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.station.conftest import StationProcess
from tests.support.bench_process import RunningBench

from bem.domain.program import Program
from bem.station.lock import DeviceLock, device_lock

Wait = Callable[..., None]
Record = Callable[[str, object], None]
SOON_S = 0.5
"""A turn of the meter's thread, a pass of the loop, each a period of 0.1 s at most, and the order;
on a machine that is busy no longer than voltage and current may take."""
STALE_S = 2.0
SILENCE_S = 1.5
OPEN_S = 1.0
"""How long the driver of the BMS waits for a message before it, and then when it opens again."""
LOOK_S = 0.15
"""A message counts from the look of the driver before it came, a period earlier, and the converter
dates what it does by the beginning of its slot."""
BENCH: dict[str, Any] = {
    "batteries": {"cell": {"chemistry": "nmc", "capacity_ah": 2.5, "soc": 0.5}},
    "buses": {name: {"kind": "slcan", "link": name} for name in ("can-epc", "can-bms")},
    "devices": {
        "epc": {"driver": "epc", "bus": "can-epc", "battery": "cell"},
        "bms": {
            "driver": "bms",
            "bus": "can-bms",
            "battery": "cell",
            "settings": {"cells": 1, "period_s": 0.5},
        },
    },
    "ledger": "ledger.jsonl",
    "control": "control",
}


class Rig:
    """A bench with a converter and a BMS, and the station that has both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench = RunningBench(folder, BENCH)
        self.station: StationProcess | None = None
        self._stations = 0

    def new_station(self, *, stale_s: float, silence_s: float) -> StationProcess:
        """Get a station of the bench that is not started yet; the one before is ended."""
        if self.station is not None:
            self.station.kill()
        folder = self.folder / f"station-{self._stations}"
        folder.mkdir()
        self._stations += 1
        times = {"silence_s": silence_s, "open_timeout_s": OPEN_S}
        self.station = StationProcess(
            folder,
            power={"driver": "epc", "settings": self._bus("can-epc")},
            meters=[
                {
                    "name": "bms",
                    "driver": "bms",
                    "settings": self._bus("can-bms") | times,
                    "stale_s": stale_s,
                }
            ],
        )
        return self.station

    def _bus(self, link: str) -> dict[str, Any]:
        return {"bus": {"interface": "slcan", "channel": str(self.folder / link)}}

    def order(self, order: str) -> int:
        """Give an order to the bench; gets the instant (ns) before it was obeyed."""
        before_ns = time.monotonic_ns()
        assert self.bench.order(order) == "ok"
        return before_ns

    def mend(self) -> None:
        """End all faults; what is well says so, and that is all right."""
        for order in ("bms error off", "bms silent off", "can-bms plug"):
            self.bench.order(order)

    def output_on(self) -> bool:
        changes = self.bench.recorded("output", "epc")
        return bool(changes and changes[-1]["on"])

    def off_after_s(self, since_ns: int) -> float:
        """Get how long (s) after an instant the output went off."""
        newest = self.bench.recorded("output", "epc")[-1]
        assert newest["on"] is False
        return float(newest["t_ns"] - since_ns) / 1e9

    def close(self) -> None:
        if self.station is not None:
            self.station.kill()
        self.bench.stop()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("bench"))
    try:
        yield rig
    finally:
        rig.close()


@pytest.fixture(scope="module")
def booted(rig: Rig) -> StationProcess:
    station = rig.new_station(stale_s=STALE_S, silence_s=30.0)
    station.boot()
    return station


def charge(rig: Rig, station: StationProcess, charging: Program, wait_until: Wait) -> None:
    """Start charging as soon as the station takes it, and wait for a second of samples."""
    rig.mend()
    station.experiment = uuid.uuid4()
    wait_until(station.ready, "the station", timeout_s=60)
    wait_until(lambda: station.start(charging).ok, "the start", timeout_s=60)
    wait_until(rig.output_on, "the output")
    wait_until(lambda: station.ask("live").body["elapsed_us"] > 1_000_000, "a second of samples")


@pytest.fixture
def station(
    rig: Rig, booted: StationProcess, charging: Program, wait_until: Wait
) -> Iterator[StationProcess]:
    """A station that charges, with a BMS that is well."""
    charge(rig, booted, charging, wait_until)
    yield booted
    rig.mend()
    wait_until(lambda: booted.command("acknowledge").ok, "an acknowledgement", timeout_s=30)


def is_safe(rig: Rig, station: StationProcess, wait_until: Wait, cause: str, words: str) -> None:
    """Output off, said why, latched, and all on the record."""
    wait_until(lambda: station.state() == "fault", "the fault", timeout_s=20)
    assert not rig.output_on()
    assert words in station.ask("describe").body["reason"]
    wait_until(lambda: station.events("run_ended"), "the end of the run on the disk")
    ((elapsed_us, _, ended),) = station.events("run_ended")
    assert (ended["outcome"], ended["output_off_verified"]) == ("failed", True)
    assert [data["cause"] for _, _, data in station.events("fault")] == [cause]
    samples = station.samples()
    assert [seq for seq, _ in samples] == list(range(len(samples)))
    assert elapsed_us - samples[-1][1] < 1_000_000


def test_an_error_that_the_bms_reports(
    rig: Rig, station: StationProcess, wait_until: Wait, record_property: Record
) -> None:
    known = len(rig.bench.recorded("error", "bms"))
    rig.order("bms error 0x10")
    is_safe(rig, station, wait_until, "device_fault", "meter bms reports: temp")
    off_s = rig.off_after_s(rig.bench.recorded("error", "bms")[known]["t_ns"])
    record_property("off_s", off_s)
    assert off_s <= SOON_S
    assert "meter bms reports: temp" in refusal(station)


def test_a_bms_whose_adapter_is_pulled_out(
    rig: Rig, station: StationProcess, wait_until: Wait, record_property: Record
) -> None:
    pulled_ns = rig.order("can-bms unplug")
    is_safe(rig, station, wait_until, "device_lost", "meter bms is lost: ")
    off_s = rig.off_after_s(pulled_ns)
    record_property("off_s", off_s)
    assert off_s <= SOON_S
    assert "meter bms is lost: " in refusal(station)


def test_a_bms_that_falls_silent_ends_the_run_after_stale_s(
    rig: Rig, station: StationProcess, wait_until: Wait, record_property: Record
) -> None:
    rig.order("bms silent on")
    is_safe(rig, station, wait_until, "stale_reading", "meter bms has given nothing for 2.")
    off_s = rig.off_after_s(rig.bench.recorded("message", "bms")[-1]["t_ns"])
    record_property("off_s", off_s)
    assert STALE_S - LOOK_S <= off_s <= STALE_S + SOON_S


def refusal(station: StationProcess) -> str:
    """Acknowledge, and try to start another run; why that is refused."""
    assert station.command("acknowledge").ok
    rows = station.rows("SELECT program FROM run ORDER BY rowid DESC LIMIT 1")
    mine, station.experiment = station.experiment, uuid.uuid4()
    reply = station.start(Program.model_validate_json(rows[0][0]))
    station.experiment = mine
    assert reply.retry
    return reply.reason


def test_a_bms_that_another_process_has_keeps_no_station_down_and_one_that_its_driver_misses(
    rig: Rig, charging: Program, wait_until: Wait, record_property: Record
) -> None:
    station = rig.new_station(stale_s=10.0, silence_s=SILENCE_S)
    place = f"slcan:{rig.folder / 'can-bms'}"
    with DeviceLock(station.settings.device_locks, place):
        # As another process has it.
        device_lock(station.settings.device_locks, place).write_text("4711\n")
        station.boot()
        wait_until(lambda: station.ready() and station.state() == "idle", "it", timeout_s=60)
        refused = station.start(charging)
        assert refused.retry
        assert refused.reason.startswith(
            f"meter bms is lost: the device at {place} is driven by process 4711 already"
        )
    charge(rig, station, charging, wait_until)
    rig.order("bms silent on")
    is_safe(rig, station, wait_until, "device_lost", "meter bms is lost: ")
    off_s = rig.off_after_s(rig.bench.recorded("message", "bms")[-1]["t_ns"])
    record_property("off_s", off_s)
    assert SILENCE_S - LOOK_S <= off_s <= SILENCE_S + OPEN_S + SOON_S
