"""What a person does with a laboratory in the browser, for tests on booted machines."""

import csv
import io
import re
import secrets
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bem.demo.visitor import Choice, Refused, Visitor

FINAL = frozenset({"Finished", "Stopped", "Failed", "Interrupted", "Cancelled"})
_CELL = {
    "technology": "lithium",
    "cells": "1",
    "voltage_min": "2.5",
    "voltage_max": "4.25",
    "current_min": "-5",
    "current_max": "5",
    "capacity": "2.5",
    "chemistry": "nmc",
}
_LOOK_S = 0.5
_CONFIRM_S = 30.0


class Guest:
    """Somebody signed in to the pages at ``address``, whose certificate ``authority`` signed."""

    def __init__(self, address: str, authority: Path, name: str, password: str) -> None:
        self._trust = ssl.create_default_context(cafile=str(authority))
        self.visitor = Visitor(address, self._trust)
        self._name = name
        self._password = password

    def sign_in(self) -> None:
        """Sign in; see :meth:`Visitor.sign_in`."""
        self.visitor.sign_in(self._name, self._password)

    def trust_also(self, authority: Path) -> None:
        """Trust another authority, too, as one does whose laboratory gets a new one."""
        self._trust.load_verify_locations(cafile=str(authority))

    def stations(self) -> list[Choice]:
        """List the stations that an experiment can be queued at, with what is said of them."""
        return self.visitor.get("/experiments/add/").choices("station")

    def idle_stations(self, count: int, within_s: float) -> list[Choice]:
        """Wait until so many stations are idle."""

        def idle() -> list[Choice]:
            found = [one for one in self.stations() if "Idle" in one.text]
            return found if len(found) >= count else []

        return wait_for(idle, within_s, f"{count} idle stations")

    def acknowledge(self, station: Choice, within_s: float) -> None:
        """Acknowledge the latched fault of a station and wait until it is idle."""
        page = f"/stations/{station.value}/"

        def idle() -> bool:
            now = next(one for one in self.stations() if one.value == station.value)
            if "Fault" in now.text:
                note = {"note": "Looked at by a test"}
                self.visitor.submit(page, note, f"{page}acknowledge/")
            return "Idle" in now.text

        wait_for(idle, within_s, f"idle station {station.text}")

    def idle_station(self, name: str, within_s: float) -> Choice:
        """Wait until the station whose name begins so is idle."""

        def idle() -> Choice | None:
            found = [one for one in self.stations() if one.text.startswith(name)]
            return next((one for one in found if "Idle" in one.text), None)

        chosen = wait_for(idle, within_s, f"idle station {name}")
        assert chosen is not None
        return chosen

    def queue(self, station: Choice, profile: str, name: str) -> str:
        """Add a battery, a profile and an experiment, and say that the battery is on the station;
        gives the path of the experiment's page.
        """
        # Tests may be run again on the same laboratory, which knows the names of the first time.
        unique = f"{name} {secrets.token_hex(3)}"
        battery = self.visitor.add("/batteries/add/", {**_CELL, "name": f"Cell of {unique}"})
        added = self.visitor.add("/profiles/add/", {"name": f"Of {unique}", "text": profile})
        self.confirm(station, battery)
        return self.visitor.add(
            "/experiments/add/",
            {
                "name": name,
                "battery": _number(battery),
                "station": station.value,
                "profile": _number(added),
            },
        )

    def confirm(self, station: Choice, battery: str) -> None:
        """Say that a battery, given by the path of its page, is on a station."""
        page = f"/stations/{station.value}/"

        def said() -> bool:
            # The record of the experiment before may come in a moment after its station is idle.
            answer = self.visitor.submit(page, {"battery": _number(battery)}, f"{page}battery/")
            return not answer.problems()

        wait_for(said, _CONFIRM_S, f"word that {battery} is on {station.text}")

    def outcome(self, experiment: str) -> str | None:
        """Get the final state of an experiment, if it has one."""
        return next((one for one in self.states(experiment) if one in FINAL), None)

    def states(self, experiment: str) -> list[str]:
        """List the states that the page of an experiment shows."""
        return self.visitor.get(experiment).states()

    def wait_until(self, experiment: str, state: str, within_s: float) -> None:
        """Wait until the page of an experiment shows a state."""
        wait_for(lambda: state in self.states(experiment), within_s, f"{experiment} to be {state}")

    def samples(self, experiment: str) -> list[dict[str, str]]:
        """Read all samples of an experiment from its CSV file."""
        text = self.visitor.get(f"{experiment}samples.csv").text
        return list(csv.DictReader(io.StringIO(text)))


T = TypeVar("T")


def wait_for(condition: Callable[[], T], within_s: float, what: str) -> T:
    """Ask again until there is an answer; pages that do not answer yet are asked again, too."""
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            found = condition()
        except Refused as error:
            last = error
        else:
            if found:
                return found
            last = found
        time.sleep(_LOOK_S)
    raise AssertionError(f"no {what} within {within_s:g} s: {last}")


def _number(path: str) -> str:
    return str(re.findall(r"\d+", path)[-1])
