"""A station as a real process with the virtual device."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bem.domain.limits import Limits
from bem.domain.program import (
    Compare,
    End,
    Mode,
    Program,
    Quantity,
    Setpoint,
    StepOp,
)
from bem.runtime.local import LocalReply, LocalRequest, StationClient, StationUnreachable
from bem.runtime.settings import Settings

_MAIN = """
import sys, pathlib
from bem.runtime.log import set_up_logging
from bem.runtime.settings import load_settings
from bem.station.main import make_safe, run
settings = load_settings(pathlib.Path(sys.argv[1]))
if sys.argv[2] == "breakable":
    from bem_drivers.virtual import VirtualDevice as Device
    read, safe = Device.read, Device.make_safe
    def breakable(self):
        if (pathlib.Path(sys.argv[1]).parent / "break").exists():
            1 / 0
        return read(self)
    def told(self):
        safe(self)
        print("the virtual device is", self._active.mode, file=sys.stderr)
    Device.read, Device.make_safe = breakable, told
if sys.argv[2] == "spiking":
    import time
    from dataclasses import replace
    from bem_drivers.virtual import VirtualDevice as Device
    read, safe = Device.read, Device.make_safe
    def spiking(self):
        taken = read(self)
        if (pathlib.Path(sys.argv[1]).parent / "spike").exists():
            high = replace(taken.values["voltage"], value=4.5)
            taken = replace(taken, values={**taken.values, "voltage": high})
        return taken
    def timed(self):
        print("told to switch off at", time.monotonic_ns(), file=sys.stderr, flush=True)
        safe(self)
    Device.read, Device.make_safe = spiking, timed
if sys.argv[2] == "hungry":
    from bem_drivers.epc.driver import EpcDriver as Device
    read, kept = Device.read, []
    def hungry(self):
        while (pathlib.Path(sys.argv[1]).parent / "eat").exists():
            kept.append(bytearray(1 << 20))
        return read(self)
    Device.read = hungry
if sys.argv[2] == "set back":
    from datetime import timedelta
    from bem.station.clock import SystemStationClock as Clock
    now = Clock.utc_now
    def set_back(self):
        back = (pathlib.Path(sys.argv[1]).parent / "hour-back").exists()
        return now(self) - timedelta(hours=back)
    Clock.utc_now = set_back
set_up_logging(settings.logging)
sys.exit({"safe": make_safe}.get(sys.argv[2], run)(settings, sys.argv[3]))
"""


class StationProcess:
    """One station, started and ended as systemd would."""

    def __init__(self, folder: Path, **definition: Any) -> None:  # noqa: ANN401 - raw YAML
        self.file = folder / "bem.yaml"
        self.settings = Settings(data_dir=folder / "data", runtime_dir=folder / "run")
        self.file.write_text(
            yaml.safe_dump({"data_dir": str(folder / "data"), "runtime_dir": str(folder / "run")})
        )
        self.settings.station_files.mkdir(parents=True)
        self.settings.station_file("one").write_text(
            yaml.safe_dump(
                {"id": "one", "name": "One", "power": {"driver": "virtual"}} | definition
            )
        )
        self.errors = folder / "errors.txt"
        self.socket = self.settings.station_socket("one")
        self.experiment = uuid.uuid4()
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        """What its process has beside this one's."""
        self._client = StationClient(self.socket)

    def spawn(self, what: str = "run", station_id: str = "one") -> subprocess.Popen[bytes]:
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-c", _MAIN, str(self.file), what, station_id],
                stderr=errors,
                env=os.environ | self.environment,
            )

    def boot(self, what: str = "run") -> None:
        self.process = self.spawn(what)

    def ready(self) -> bool:
        with contextlib.suppress(StationUnreachable):
            return bool(self.state() != "lost")
        return False

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self._client.close()
        self.process.send_signal(number)
        return self.process.wait(20)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self._client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def ask(self, request: str, **more: Any) -> LocalReply:  # noqa: ANN401 - of a request
        return self._client.ask(LocalRequest.model_validate({"request": request, **more}))

    def state(self) -> str:
        return str(self.ask("live").body["state"])

    def command(
        self,
        action: str,
        command: uuid.UUID | None = None,
        **arguments: Any,  # noqa: ANN401 - of a request
    ) -> LocalReply:
        return self.ask("command", id=command or uuid.uuid4(), action=action, arguments=arguments)

    def start(
        self,
        program: Program,
        command: uuid.UUID | None = None,
        **more: Any,  # noqa: ANN401 - of a request
    ) -> LocalReply:
        return self.command(
            "start",
            command,
            experiment=str(self.experiment),
            name="a run",
            program=json.loads(program.model_dump_json()),
            **more,
        )

    def rows(self, sql: str, *values: str) -> list[Any]:
        database = sqlite3.connect(self.settings.journal_file("one"))
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def samples(self) -> list[tuple[int, int]]:
        """Number and elapsed µs of those samples of the present run that are on the disk."""
        return self.rows(
            "SELECT seq, elapsed_us FROM sample WHERE experiment = ? ORDER BY seq",
            str(self.experiment),
        )

    def events(self, kind: str) -> list[tuple[int, str, dict[str, Any]]]:
        """Elapsed µs, severity and contents of the events of a kind of the present run."""
        rows = self.rows(
            "SELECT elapsed_us, severity, data FROM event WHERE experiment = ? AND kind = ?"
            " ORDER BY seq",
            str(self.experiment),
            kind,
        )
        return [(elapsed_us, severity, json.loads(data)) for elapsed_us, severity, data in rows]


@pytest.fixture
def make_station(
    tmp_path: Path, wait_until: Callable[..., None]
) -> Iterator[Callable[..., StationProcess]]:
    made: list[StationProcess] = []

    def make(**definition: Any) -> StationProcess:  # noqa: ANN401 - raw YAML
        station = StationProcess(tmp_path, **definition)
        made.append(station)
        station.boot()
        wait_until(station.ready, "the station", timeout_s=30)
        return station

    yield make
    for station in made:
        station.kill()


@pytest.fixture
def charging() -> Program:
    """Charge a cell at 1 A for an hour."""
    return Program(
        name="charge",
        operations=(
            StepOp(
                number=1,
                title="Charge at 1 A for 1 h",
                setpoint=Setpoint(mode=Mode.CC, value=1.0),
                ends=(End(quantity=Quantity.DURATION, compare=Compare.AT_LEAST, threshold=3600),),
            ),
        ),
        operating=Limits(voltage_min=2.5, voltage_max=4.2, current_min=-3, current_max=3),
    )


class EpcOnTheBench:
    """A simulated EPC in its own process, and its ledger of what truly happened."""

    def __init__(self, folder: Path) -> None:
        self.link = folder / "epc"
        self._ledger = folder / "ledger.jsonl"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bem_drivers.epc.simulator_process",
                "--link",
                str(self.link),
                "--ledger",
                str(self._ledger),
                "--orders",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def break_down(self, order: str) -> int:
        """Make or mend a fault; gets the instant (ns) at which the simulator did."""
        known = len(self.facts("fault"))
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n".encode())
        self.process.stdin.flush()
        deadline = time.monotonic() + 10
        while len(self.facts("fault")) == known:
            assert time.monotonic() < deadline, f"the simulator did not obey {order!r}"
            time.sleep(0.005)
        return int(self.facts("fault")[-1]["t_ns"])

    def close(self) -> None:
        """End it, also when it was stopped or has died."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def facts(self, kind: str) -> list[dict[str, Any]]:
        lines = self._ledger.read_text().splitlines() if self._ledger.exists() else []
        facts = [json.loads(line) for line in lines]
        return [fact for fact in facts if fact["kind"] == kind]

    def output_on(self) -> bool:
        changes = self.facts("output")
        return bool(changes and changes[-1]["on"])

    def off_after_s(self, since_ns: int) -> float:
        """Get how long (s) after an instant the output went off."""
        fact = self.facts("output")[-1]
        assert fact["on"] is False
        return float(fact["t_ns"] - since_ns) / 1e9


@pytest.fixture
def epc(tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[EpcOnTheBench]:
    bench = EpcOnTheBench(tmp_path)
    try:
        wait_until(bench.link.exists, "the simulator", timeout_s=30)
        yield bench
    finally:
        bench.close()


@pytest.fixture
def epc_station(make_station: Callable[..., StationProcess], epc: EpcOnTheBench) -> StationProcess:
    """A station whose power path is the simulated EPC behind an SLCAN adapter."""
    bus = {"interface": "slcan", "channel": str(epc.link)}
    return make_station(power={"driver": "epc", "settings": {"bus": bus}})
