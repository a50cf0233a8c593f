"""A whole laboratory of real processes: broker, manager, node agent and stations with no equipment.

Only the database's file and the stations' locks are looked at from here.
"""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.records import put_tables

from bem.domain.limits import Limits
from bem.domain.program import Compare, End, Mode, Program, Quantity, Setpoint, StepOp
from bem.node.locks import holder
from bem.runtime.settings import Settings, load_settings

_QUEUE = """
import json, sys, django
django.setup()
from django.utils import timezone
from bem.lab.models import Battery, Experiment, Profile, Station
program, slugs = json.loads(sys.argv[1]), sys.argv[2:]
battery, _ = Battery.objects.get_or_create(name="cell", defaults=dict(technology="lithium",
    voltage_min=2.0, voltage_max=4.5, current_min=-3, current_max=3))
profile, _ = Profile.objects.get_or_create(name="p", defaults=dict(text="x"))
for slug in slugs:
    Station.objects.filter(slug=slug).update(battery=battery, battery_confirmed_at=timezone.now())
    print(Experiment.objects.create(name="run", battery=battery, profile=profile, profile_text="x",
        station=Station.objects.get(slug=slug), program=program).uuid)
"""


def program(seconds: float) -> dict[str, Any]:
    """A charge at 1 A for a while."""
    made = Program(
        name="charge",
        operations=(
            StepOp(
                number=1,
                title="Charge at 1 A",
                setpoint=Setpoint(mode=Mode.CC, value=1.0),
                ends=(
                    End(quantity=Quantity.DURATION, compare=Compare.AT_LEAST, threshold=seconds),
                ),
            ),
        ),
        operating=Limits(voltage_min=2.0, voltage_max=4.5, current_min=-3, current_max=3),
    )
    dumped: dict[str, Any] = json.loads(made.model_dump_json())
    return dumped


class Laboratory:
    """The processes by name, and what the records say.

    ``sections`` replace those of the settings.
    """

    def __init__(self, folder: Path, **sections: object) -> None:
        self.folder = folder
        self.file = folder / "bem.yaml"
        (folder / "password").write_text("only of this test")
        self.file.write_text(
            yaml.safe_dump(
                {
                    "data_dir": str(folder / "data"),
                    "runtime_dir": str(folder / "run"),
                    "broker": {
                        "hosts": ["127.0.0.1"],
                        "port": _free_port(),
                        "user": "bem",
                        "password_file": str(folder / "password"),
                        "keepalive_s": 5,
                    },
                    "node": {"id": "node-a", "run_stations": "children"},
                    "logging": {"levels": {"amqtt": "WARNING", "transitions": "WARNING"}},
                    **sections,
                }
            )
        )
        self.settings: Settings = load_settings(self.file)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.log = folder / "log"
        self.environment = os.environ | {
            "BEM_CONFIG": str(self.file),
            "DJANGO_SETTINGS_MODULE": "bem.lab.django_settings",
        }
        self.make_tables()

    def make_tables(self) -> None:
        """Make the records, empty."""
        put_tables(self.settings.data_dir)

    def define(self, station: str) -> None:
        self.settings.station_files.mkdir(parents=True, exist_ok=True)
        self.settings.station_file(station).write_text(
            yaml.safe_dump({"id": station, "name": station, "power": {"driver": "virtual"}})
        )

    def start(self, *names: str) -> None:
        for name in names:
            with self.log.open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "bem.cli", name], env=self.environment, stderr=log
                )

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(60)

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name, signal.SIGTERM)
        for lock in self.settings.station_files.glob("*/lock"):
            pid = holder(lock)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)

    def station_pid(self, station: str) -> int | None:
        return holder(self.settings.station_folder(station) / "lock")

    def queue(self, seconds: float, *stations: str) -> list[uuid.UUID]:
        made = subprocess.run(
            [sys.executable, "-c", _QUEUE, json.dumps(program(seconds)), *stations],
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return [uuid.UUID(line) for line in made.stdout.split()]

    def rows(self, sql: str, *values: object) -> list[Any]:
        database = sqlite3.connect(self.settings.data_dir / "bem.sqlite3", timeout=20)
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def journal(self, station: str, sql: str, *values: object) -> list[Any]:
        database = sqlite3.connect(self.settings.journal_file(station), timeout=20)
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def station_states(self) -> dict[str, str]:
        return dict(
            self.rows(
                "SELECT slug, state FROM lab_station s JOIN lab_node n ON n.id = s.node_id "
                "WHERE n.online AND s.present"
            )
        )

    def status(self, experiment: uuid.UUID) -> str:
        return str(
            self.rows("SELECT status FROM lab_experiment WHERE uuid = ?", experiment.hex)[0][0]
        )

    def kept(self, experiment: uuid.UUID) -> int:
        return int(
            self.rows(
                "SELECT count(*) FROM lab_sample s JOIN lab_experiment e ON e.id = s.experiment_id "
                "WHERE e.uuid = ?",
                experiment.hex,
            )[0][0]
        )

    def assert_delivered(self, station: str, experiment: uuid.UUID) -> None:
        """Every row of the journal is in the database, as it is, and no other."""
        columns = "SELECT seq, elapsed_us, step, cycle, voltage, current, charge_in, extra "
        there = self.journal(station, columns + "FROM sample WHERE experiment = ?", str(experiment))
        here = self.rows(
            columns + "FROM lab_sample s JOIN lab_experiment e ON e.id = s.experiment_id "
            "WHERE e.uuid = ? ORDER BY seq",
            experiment.hex,
        )
        assert [row[0] for row in here] == list(range(len(there)))
        assert [(*row[:-1], json.loads(row[-1])) for row in here] == [
            (*row[:-1], json.loads(row[-1])) for row in there
        ]
        kinds = "SELECT seq, kind FROM {} WHERE experiment{} = ? ORDER BY seq"
        number = self.rows("SELECT id FROM lab_experiment WHERE uuid = ?", experiment.hex)[0][0]
        assert self.rows(kinds.format("lab_event", "_id"), number) == self.journal(
            station, kinds.format("event", ""), str(experiment)
        )
        counted = self.rows(
            "SELECT sum(json_extract(figures, '$[0][0]')) FROM lab_bucket "
            "WHERE experiment_id = ? GROUP BY level",
            number,
        )
        assert counted == [(len(there),)] * 6

    def errors(self) -> list[str]:
        """Lines of the log that tell of an error of our own."""
        text = self.log.read_text()
        return re.findall(
            r"^.*(?:Traceback|own error|CRITICAL|could not be worked).*$", text, re.MULTILINE
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def laboratory(wait_until: Callable[..., None]) -> Iterator[Laboratory]:
    # Sockets need a short path; pytest's is too long.
    folder = Path(tempfile.mkdtemp(prefix="bem-"))
    laboratory = Laboratory(folder)
    try:
        yield laboratory
        assert laboratory.errors() == []
    finally:
        laboratory.stop()
        shutil.rmtree(folder)
