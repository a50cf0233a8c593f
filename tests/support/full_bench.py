"""A bench with every kind of simulated device, stations at half of them, and the node of both."""

import json
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from tests.support.bench_process import free_port

from bem.domain.limits import Limits
from bem.domain.program import Compare, End, Mode, Program, Quantity, Setpoint, StepOp
from bem.runtime.local import LocalReply, LocalRequest, StationClient, StationUnreachable
from bem.runtime.settings import Settings

PERIOD_MS = 100
SILENCE_S = 2.0
"""What each station grants its device: a longer pause would end a run."""
TCP = {name: free_port() for name in ("load-used", "source-free", "strange")}
DP811 = "RIGOL TECHNOLOGIES,DP811,DP8D1234,00.01.14"
STRANGE = "ACME,Z1,7,1.0"
PATIENCE = {"reply_timeout_s": 2.0}
"""What is tested is not how fast a busy machine is."""


def _pty(link: str) -> dict[str, Any]:
    return {"kind": "pty", "link": link}


def _tcp(name: str) -> dict[str, Any]:
    return {"kind": "tcp", "port": TCP[name]}


def _unit(driver: str, port: Mapping[str, Any], battery: str, **settings: object) -> dict[str, Any]:
    return {"driver": driver, "port": dict(port), "battery": battery, "settings": settings}


def _packaged(kind: str) -> dict[str, Any]:
    return {"instrument": f"scpi-99-{kind}"}


PSB = {"model": "PSB 9080-60", "voltage": 80.0, "current": 60.0, "power": 1500.0}
DUAL = {"model": "PS 2384-05B", "voltage": 84.0, "current": 5.0}


def description(folder: Path) -> Path:
    """Where the laboratory's own description of its supply is."""
    return folder / "instruments/dp811.yaml"


def described_bench(folder: Path) -> dict[str, Any]:
    """Get the bench: of each kind one that a station has, and one that nobody has."""
    own = {"instrument": str(description(folder)), "identity": DP811}
    return {
        "batteries": {
            "cell": {"chemistry": "nmc", "capacity_ah": 2.5},
            "pack": {"chemistry": "nmc", "cells": 12, "capacity_ah": 5.0},
            "starter": {"chemistry": "lead-acid", "cells": 6, "capacity_ah": 7.2},
            "pair": {"chemistry": "nmc", "capacity_ah": 2.5},
            "free": {"chemistry": "nmc", "capacity_ah": 2.5},
            "string": {"chemistry": "nmc", "cells": 12, "capacity_ah": 5.0},
            "stack": {"chemistry": "vanadium", "cells": 12, "capacity_ah": 100.0},
        },
        "buses": {
            name: {"kind": "slcan", "link": name}
            for name in ("can-used", "can-free", "can-bms-used", "can-bms-free")
        },
        "devices": {
            "epc-used": {"driver": "epc", "bus": "can-used", "battery": "cell"},
            "bms-used": {"driver": "bms", "bus": "can-bms-used", "battery": "stack"},
            "bk-used": _unit("bk2831", _pty("bk-used"), "cell"),
            "psb-used": _unit("ea", _pty("psb-used"), "pack", **PSB, serial_number="9080"),
            "flow-used": {"driver": "flow", "port": _pty("flow-used"), "settings": {"flow": 1500}},
            "source-used": _unit("scpi-source", _pty("source-used"), "pair", **own),
            "load-used": _unit("scpi-load", _tcp("load-used"), "pair", **_packaged("load")),
            "meter-used": _unit("scpi-meter", _pty("meter-used"), "pair", **_packaged("meter")),
            "ea-used": _unit("ea", _pty("ea-used"), "starter"),
            "kel-used": _unit("kel103", _pty("kel-used"), "starter"),
            "dual-used": {
                "driver": "ea",
                "port": _pty("dual-used"),
                "batteries": ["string", "stack"],
                "settings": {**DUAL, "serial_number": "2385"},
            },
            "dual-bk-used": _unit("bk2831", _pty("dual-bk-used"), "string"),
            "dual-flow-used": {"driver": "flow", "port": _pty("dual-flow-used")},
            "epc-free": {"driver": "epc", "bus": "can-free", "battery": "free"},
            "epc-last": {
                "driver": "epc",
                "bus": "can-free",
                "battery": "free",
                "settings": {"device_id": 0x3F, "serial_number": 9},
            },
            "bms-free": {"driver": "bms", "bus": "can-bms-free", "battery": "stack"},
            "bk-free": _unit("bk2831", _pty("bk-free"), "free"),
            "psb-free": _unit("ea", _pty("psb-free"), "pack", **PSB, serial_number="9081"),
            "dual-free": {
                "driver": "ea",
                "port": _pty("dual-free"),
                "batteries": ["pack", "stack"],
                "settings": {**DUAL, "serial_number": "2384"},
            },
            "flow-free": {"driver": "flow", "port": _pty("flow-free")},
            "ea-free": _unit("ea", _pty("ea-free"), "free"),
            "kel-free": _unit("kel103", _pty("kel-free"), "free"),
            "source-free": _unit("scpi-source", _tcp("source-free"), "free", **_packaged("source")),
            "load-free": _unit("scpi-load", _pty("load-free"), "free", **_packaged("load")),
            "meter-free": _unit("scpi-meter", _pty("meter-free"), "free", **_packaged("meter")),
            "strange": _unit(
                "scpi-meter", _tcp("strange"), "free", **_packaged("meter"), identity=STRANGE
            ),
        },
        "ledger": "ledger.jsonl",
        "control": "control",
    }


def write_description(folder: Path) -> None:
    """Describe the supply: the example, with what tells this make and how patient to be."""
    raw = yaml.safe_load(
        (files("bem_drivers.scpi") / "examples/scpi-99-source.yaml").read_text("utf-8")
    )
    raw["title"] = "Rigol DP811"
    raw["identification"]["pattern"] = (
        "^(?P<make>RIGOL[^,]*),(?P<model>DP811A?),(?P<serial>[^,]+),(?P<firmware>.+)$"
    )
    path = description(folder)
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(raw))


def _serial(folder: Path, name: str) -> dict[str, Any]:
    return {"kind": "serial", "port": str(folder / name)}


def _bus(folder: Path, name: str) -> dict[str, Any]:
    return {"interface": "slcan", "channel": str(folder / name)}


def _patient(kind: str) -> dict[str, Any]:
    """The packaged description, more patient: as a station's own."""
    raw: dict[str, Any] = yaml.safe_load(
        (files("bem_drivers.scpi") / f"examples/scpi-99-{kind}.yaml").read_text("utf-8")
    )
    return {"description": {**raw, "timing": {"reply_timeout_s": 2.0}}}


def definitions(folder: Path) -> dict[str, dict[str, Any]]:
    """Get the stations: six power paths and six meters, half of the devices of the bench."""

    def line(name: str, **more: object) -> dict[str, Any]:
        return {"address": _serial(folder, name), **PATIENCE, **more}

    source = {"address": _serial(folder, "source-used"), "instrument": str(description(folder))}
    load = {
        "address": {"kind": "tcp", "host": "127.0.0.1", "port": TCP["load-used"]},
        **_patient("load"),
    }
    pair = {
        "source": {"driver": "scpi-source", "settings": source},
        "load": {"driver": "scpi-load", "settings": load},
    }
    meter = {"address": _serial(folder, "meter-used"), **_patient("meter")}
    epc = {"bus": _bus(folder, "can-used"), **PATIENCE}
    bms = {"bus": _bus(folder, "can-bms-used")}
    return {
        "epc": {
            "power": {"driver": "epc", "settings": epc},
            "meters": [
                {"name": "bms", "driver": "bms", "settings": bms},
                {"name": "bk", "driver": "bk2831", "settings": line("bk-used")},
            ],
        },
        "psb": {
            "power": {"driver": "ea", "settings": line("psb-used")},
            "meters": [{"name": "flow", "driver": "flow", "settings": line("flow-used")}],
        },
        "pair": {
            "power": {"driver": "source-and-load", "settings": pair},
            "meters": [{"name": "dmm", "driver": "scpi-meter", "settings": meter}],
        },
        "supply": {"power": {"driver": "ea", "settings": line("ea-used")}},
        "load": {"power": {"driver": "kel103", "settings": line("kel-used")}},
        "dual": {
            "power": {"driver": "ea", "settings": line("dual-used", output=1)},
            "meters": [
                {"name": "bk", "driver": "bk2831", "settings": line("dual-bk-used")},
                {"name": "flow", "driver": "flow", "settings": line("dual-flow-used")},
            ],
        },
    }


CURRENTS = {"epc": 1.0, "psb": 1.0, "pair": 0.5, "supply": 0.5, "load": -0.5, "dual": 0.5}
_CELL = Limits(voltage_min=2.5, voltage_max=4.2, current_min=-3, current_max=3)
LIMITS = {
    "epc": _CELL,
    "psb": Limits(voltage_min=30.0, voltage_max=50.4, current_min=-3, current_max=3),
    "pair": _CELL,
    "supply": Limits(voltage_min=10.0, voltage_max=15.0, current_max=3),
    "load": Limits(voltage_min=10.0, voltage_max=15.0, current_min=-3),
    "dual": Limits(voltage_min=30.0, voltage_max=50.4, current_max=3),
}


def program(station: str) -> Program:
    """Let a current flow for an hour."""
    return Program(
        name="an hour",
        operations=(
            StepOp(
                number=1,
                title="An hour",
                setpoint=Setpoint(mode=Mode.CC, value=CURRENTS[station]),
                ends=(End(quantity=Quantity.DURATION, compare=Compare.AT_LEAST, threshold=3600),),
            ),
        ),
        operating=LIMITS[station],
    )


class Node:
    """The node at a bench: its settings, its stations as processes, its search."""

    def __init__(self, folder: Path, scan_s: float = 3600.0) -> None:
        self.folder = folder
        self.file = folder / "node.yaml"
        raw = {
            "data_dir": str(folder / "data"),
            "runtime_dir": str(folder / "run"),
            "node": {
                "scan_s": scan_s,
                "extra_ports": [
                    str(folder / name)
                    for name, one in described_bench(folder)["devices"].items()
                    if one.get("port", {}).get("kind") == "pty"
                ],
                "slcan_ports": [str(folder / name) for name in described_bench(folder)["buses"]],
                "tcp_addresses": [f"127.0.0.1:{TCP[name]}" for name in ("source-free", "strange")],
                "instruments": str(description(folder).parent),
            },
        }
        self.file.write_text(yaml.safe_dump(raw))
        self.settings = Settings.model_validate(raw)
        self.settings.station_files.mkdir(parents=True)
        self.watch: subprocess.Popen[str] | None = None
        self._stations: dict[str, subprocess.Popen[bytes]] = {}

    def define(self) -> None:
        """Write the definitions of all stations."""
        for name, made_of in definitions(self.folder).items():
            one = {"id": name, "name": name, "period_ms": PERIOD_MS, "silence_s": SILENCE_S}
            self.settings.station_file(name).write_text(yaml.safe_dump({**one, **made_of}))

    def start_stations(self) -> None:
        """Start a process for each definition."""
        for name in definitions(self.folder):
            with (self.folder / f"{name}.log").open("wb") as log:
                self._stations[name] = subprocess.Popen(
                    [*_BEM, "--config", str(self.file), "station", name], stderr=log
                )

    def start_watch(self) -> None:
        """Start the search as the node's unit does."""
        with (self.folder / "devices.log").open("w") as log:
            self.watch = subprocess.Popen(
                [*_BEM, "--config", str(self.file), "devices", "--watch"],
                stderr=log,
                text=True,
            )

    def found(self) -> dict[str, dict[str, Any]]:
        """Get what the newest search found on the bench, by the last part of each place."""
        reports = json.loads(self.settings.found_devices.read_text())
        # The machine may have ports of its own.
        ours = [
            one
            for one in reports
            if str(self.folder) in one["place"] or "127.0.0.1" in one["place"]
        ]
        return {one["place"].rpartition("/")[2]: one for one in ours}

    def ask(self, station: str, request: str, **more: object) -> LocalReply:
        """Ask a station."""
        client = StationClient(self.settings.station_socket(station))
        try:
            return client.ask(LocalRequest.model_validate({"request": request, **more}))
        finally:
            client.close()

    def state(self, station: str) -> str:
        """Get how a station is; ``down`` if it does not answer."""
        try:
            return str(self.ask(station, "live").body["state"])
        except StationUnreachable:
            return "down"

    def start(self, station: str) -> LocalReply:
        """Start the experiment of a station."""
        return self.ask(
            station,
            "command",
            id=str(uuid.uuid4()),
            action="start",
            arguments={
                "experiment": str(uuid.uuid4()),
                "name": "a run",
                "program": json.loads(program(station).model_dump_json()),
            },
        )

    def rows(self, station: str, sql: str) -> list[Any]:
        """Get rows of a station's journal."""
        database = sqlite3.connect(self.settings.journal_file(station))
        try:
            return database.execute(sql).fetchall()
        finally:
            database.close()

    def stop(self) -> None:
        """End all processes."""
        running = [one for one in (self.watch, *self._stations.values()) if one is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        for process in running:
            process.wait(30)


_BEM = (sys.executable, "-m", "bem.cli")
