"""A virtual cycler that a test can break while it runs, and that keeps a ledger of its output.

A driver of another package, as :mod:`bem_drivers.registry` allows: :func:`install` announces it to
processes that look for packages in a folder.
"""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bem_drivers.base import Channel, Clock, Command, Measured, Mode, Reading
from bem_drivers.registry import DriverSpec
from bem_drivers.virtual import VirtualDevice, VirtualSettings


class BenchSettings(VirtualSettings):
    """``folder``: where faults are read from and the ledger is written to."""

    folder: Path
    cells: int = 0


class BenchDevice(VirtualDevice):
    """Measures wrongly what the file ``faults.json`` in its folder says.

    The file holds ``values`` (by channel: a number, ``"nan"``, or null for none), ``report`` (an
    error that the device tells of) and ``stuck`` (the last reading is given again and again). The
    battery itself is well: nothing but the station can switch off.
    """

    def __init__(self, settings: BenchSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        cells = [f"cell_voltage_{number}" for number in range(1, settings.cells + 1)]
        self.channels = (*self.channels, *(Channel(name, "V", name) for name in cells))
        self._cells = cells
        self._folder = settings.folder
        self._was_on = False
        self._seen = ""
        self._last: Reading | None = None

    def read(self) -> Reading:
        taken = super().read()
        measured = taken.values["voltage"]
        taken = replace(taken, values={**taken.values, **dict.fromkeys(self._cells, measured)})
        faults = self._faults()
        self._witness()
        if faults.get("stuck") and self._last is not None:
            return self._last
        self._last = taken
        return _broken(taken, faults)

    def apply(self, command: Command) -> None:
        super().apply(command)
        self._witness()

    def make_safe(self) -> None:
        super().make_safe()
        self._witness()

    def _faults(self) -> dict[str, Any]:
        file = self._folder / "faults.json"
        said = file.read_text() if file.exists() else ""
        if said != self._seen:
            self._seen = said
            self._write("fault", {"order": said})
        return dict(json.loads(said)) if said else {}

    def _witness(self) -> None:
        on = self._active.mode is not Mode.OFF
        if on != self._was_on:
            self._was_on = on
            self._write("output", {"on": on})

    def _write(self, kind: str, facts: dict[str, object]) -> None:
        with (self._folder / "ledger.jsonl").open("a") as ledger:
            ledger.write(json.dumps({"t_ns": time.monotonic_ns(), "kind": kind} | facts) + "\n")


def _broken(taken: Reading, faults: dict[str, Any]) -> Reading:
    values = dict(taken.values)
    for name, value in faults.get("values", {}).items():
        measured = values.pop(name)
        if value is not None:
            values[name] = Measured(float(value), measured.at_ns)
    reported = (faults["report"],) if "report" in faults else ()
    return replace(taken, values=values, faults=(*taken.faults, *reported))


DRIVER = DriverSpec(
    name="bench", title="Virtual cycler to break", settings=BenchSettings, make=BenchDevice
)


def install(folder: Path) -> dict[str, str]:
    """Announce the driver in a folder of packages; gives the environment that finds it."""
    package = folder / "bench_driver-0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-driver\nVersion: 0\n")
    (package / "entry_points.txt").write_text(
        "[bem.drivers]\nbench = tests.support.bench_driver:DRIVER\n"
    )
    checkout = Path(__file__).resolve().parents[2]
    before = os.environ.get("PYTHONPATH")
    paths = [str(folder), str(checkout), *([before] if before else [])]
    return {"PYTHONPATH": os.pathsep.join(paths)}
