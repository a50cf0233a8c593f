"""``bem demo --check``: the main job as a person does it, with everything counted and measured."""

import csv
import io
import re
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bem.demo.ledger import Ledger, compare, pair
from bem.demo.machine import SIGN_IN, address
from bem.demo.places import Places
from bem.demo.screen import Screen
from bem.demo.supervision import Signals
from bem.demo.visitor import Choice, Refused, Visitor
from bem.runtime.settings import Settings

STATION = "epc-1"
_STATION_NAME = "EPC 1"
_READY_S = 30.0
_RUNNING_S = 15.0
_END_S = 60.0
_LOOK_S = 0.25
_LATENCY_LIMIT_S = 1.0
_FINAL = {"Finished", "Stopped", "Failed", "Interrupted", "Cancelled"}
_BATTERY = {
    "technology": "lithium",
    "name": "Cell of the check",
    "cells": "1",
    "voltage_min": "2.5",
    "voltage_max": "4.25",
    "current_min": "-5",
    "current_max": "5",
    "capacity": "2.5",
    "chemistry": "nmc",
}
# 17 minutes of the battery's time. Every reading is a sample, so that all can be compared.
_PROFILE = """\
Rest for 1 minute                                 record every 100 ms
Repeat 2 times:
    Charge at 1C until 4.15 V or for 3 minutes    record every 100 ms
    Hold at 3.8 V for 1 minute                    record every 100 ms
    Discharge at 1C until 3 V or for 3 minutes    record every 100 ms
    Rest for 1 minute                             record every 100 ms
"""
_STEPS = 9
"""Steps that the profile runs, repeats counted."""


class StageFailed(Exception):
    """A stage of the check did not end well. The message says what was found."""


def check(places: Places, settings: Settings, screen: Screen, signals: Signals) -> int:
    """Run all stages; gives the exit code. Leaves a file ``failed`` in the data if one failed."""
    job = _Job(places, settings, signals)
    stages: list[tuple[str, Callable[[], str]]] = [
        ("sign in", job.sign_in),
        ("stations online", job.wait_for_station),
        ("battery added", job.add_battery),
        ("profile added", job.add_profile),
        ("battery on its station", job.confirm_battery),
        ("experiment queued", job.queue),
        ("experiment runs", job.wait_until_running),
        ("experiment ends", job.wait_until_ended),
        ("measured to page", job.judge_latency),
        ("CSV", job.read_csv),
        ("samples", job.compare_samples),
        ("output off", job.output_off),
    ]
    for name, stage in stages:
        began = time.monotonic()
        try:
            detail = stage()
        except (StageFailed, Refused) as error:
            screen.failed(name, str(error))
            screen.line(f"Kept to be looked at: {places.data} (logs in {places.logs})")
            (places.data / "failed").write_text(f"{name}: {error}\n", encoding="utf-8")
            return 1
        screen.done(name, f"{detail} ({time.monotonic() - began:.1f} s)")
    return 0


class _Job:
    """What one stage leaves for the next."""

    def __init__(self, places: Places, settings: Settings, signals: Signals) -> None:
        self._places = places
        self._signals = signals
        self._visitor = Visitor(address(settings))
        self._station = ""
        self._battery = ""
        self._profile = ""
        self._experiment = ""
        self._watch = _Watch(Visitor(address(settings)))
        self._samples: list[dict[str, str]] = []

    def sign_in(self) -> str:
        password = self._places.secret("demo_password").read_text(encoding="utf-8").strip()
        self._visitor.sign_in(SIGN_IN, password)
        self._watch.visitor.sign_in(SIGN_IN, password)
        return f"as {SIGN_IN}"

    def wait_for_station(self) -> str:
        found: list[Choice] = []

        def ready() -> bool:
            found[:] = self._visitor.get("/experiments/add/").choices("station")
            return len(found) == len(list((self._places.data / "stations").glob("*.yaml"))) and all(
                "Idle" in choice.text for choice in found
            )

        self._wait(ready, _READY_S, lambda: f"found {[choice.text for choice in found]}")
        self._station = next(one.value for one in found if one.text.startswith(_STATION_NAME))
        return f"{len(found)} stations"

    def add_battery(self) -> str:
        self._battery = self._visitor.add("/batteries/add/", _BATTERY)
        return self._battery

    def add_profile(self) -> str:
        name = "Profile of the check"
        self._profile = self._visitor.add("/profiles/add/", {"name": name, "text": _PROFILE})
        return f"{self._profile}, {_STEPS} steps to run"

    def confirm_battery(self) -> str:
        page = f"/stations/{self._station}/"
        battery = {"battery": _number(self._battery)}
        problems = self._visitor.submit(page, battery, f"{page}battery/").problems()
        if problems:
            raise StageFailed("; ".join(problems))
        return f"{page} has {self._battery}"

    def queue(self) -> str:
        self._watch.start(self._station)
        self._experiment = self._visitor.add(
            "/experiments/add/",
            {
                "name": "Experiment of the check",
                "battery": _number(self._battery),
                "station": self._station,
                "profile": _number(self._profile),
            },
        )
        return self._experiment

    def wait_until_running(self) -> str:
        self._wait(self._watch.running.is_set, _RUNNING_S, self._page_states)
        return "seen live"

    def wait_until_ended(self) -> str:
        self._wait(lambda: self._outcome() is not None, _END_S, self._page_states)
        self._watch.stop()
        outcome = self._outcome()
        if outcome != "Finished":
            reasons = "; ".join(self._visitor.get(self._experiment).problems())
            raise StageFailed(f"it is {outcome}: {reasons or 'no reason is given'}")
        return outcome

    def judge_latency(self) -> str:
        delays = sorted(self._watch.delays)
        if len(delays) < 10:  # noqa: PLR2004 - fewer say nothing about a 95th percentile
            raise StageFailed(f"only {len(delays)} readings came live; {self._watch.problem}")
        p50, p95 = statistics.median(delays), delays[int(len(delays) * 0.95)]
        said = f"p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms of {len(delays)} readings"
        if p95 >= _LATENCY_LIMIT_S:
            raise StageFailed(f"{said}; the 95th percentile must be below {_LATENCY_LIMIT_S:g} s")
        return said

    def read_csv(self) -> str:
        text = self._visitor.get(f"{self._experiment}samples.csv").text
        self._samples = list(csv.DictReader(io.StringIO(text)))
        if not self._samples:
            raise StageFailed("there is no sample in it")
        missing = {"Test Time / s", "Voltage / V", "Current / A"} - self._samples[0].keys()
        if missing:
            raise StageFailed(f"{sorted(missing)} are not in its header {list(self._samples[0])}")
        times = [float(row["Test Time / s"]) for row in self._samples]
        if times != sorted(set(times)):
            raise StageFailed("its times do not increase from row to row")
        return f"{len(self._samples)} rows, {len(self._samples[0])} columns with units"

    def compare_samples(self) -> str:
        recorded = [
            pair(float(row["Voltage / V"]), float(row["Current / A"])) for row in self._samples
        ]
        ledger = Ledger.read(self._places.ledger(STATION))
        found = compare(recorded, ledger.answers())
        said = (
            f"{found.recorded} as the converter answered, {found.lost} lost, "
            f"{found.doubled} doubled, {found.invented} invented"
        )
        if not found.exact:
            raise StageFailed(said)
        return said

    def output_off(self) -> str:
        if Ledger.read(self._places.ledger(STATION)).output_on():
            raise StageFailed("the converter says that its output is on")
        return "says the converter"

    def _outcome(self) -> str | None:
        states = self._visitor.get(self._experiment).states()
        return next((state for state in states if state in _FINAL), None)

    def _page_states(self) -> str:
        return f"its page shows {self._visitor.get(self._experiment).states()}"

    def _wait(
        self, condition: Callable[[], bool], timeout_s: float, found: Callable[[], str]
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._signals.stop():
                raise StageFailed("told to end")
            if time.monotonic() > deadline:
                raise StageFailed(f"not within {timeout_s:g} s; {found()}")
            self._signals.wait(_LOOK_S)


class _Watch:
    """Watches one station live in a thread, and notes how old each reading is as it arrives."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.running = threading.Event()
        self.delays: list[float] = []
        self.problem = "the stream was open"
        self._stopped = False

    def start(self, station: str) -> None:
        """Begin to watch a station, given by its number."""
        threading.Thread(target=self._watch, args=(station,), daemon=True).start()

    def stop(self) -> None:
        """Take no more readings."""
        self._stopped = True

    def _watch(self, station: str) -> None:
        try:
            for name, data in self.visitor.events(f"/live/stream?stations={station}"):
                if self._stopped:
                    return
                if name == "live":
                    self._take(data)
        except (Refused, OSError) as error:
            self.problem = f"the stream broke: {error}"

    def _take(self, data: dict[str, list[dict[str, str | None]]]) -> None:
        now = datetime.now(UTC)
        for one in data["stations"]:
            if one["state"] != "running" or one["measured_at"] is None:
                continue
            self.running.set()
            measured = datetime.fromisoformat(one["measured_at"])
            self.delays.append((now - measured).total_seconds())


def _number(path: str) -> str:
    """Get the number in the path of a page, such as 5 of ``/batteries/5/``."""
    found = re.search(r"/(\d+)/", path)
    if found is None:
        raise StageFailed(f"{path} names nothing")
    return found[1]
