"""The machine of the demo: its settings, secrets and stations."""

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bem.demo.places import Places
from bem.demo.problems import DemoError
from bem.runtime.settings import Settings, load_settings

ADDRESS = "127.0.0.1"
WEB_PORT = 8869
SIGN_IN = "demo"
NODE = "demo-node"
EPC_DEVICE_ID = 0x13
TIME_LAPSE = 60.0
"""How fast the virtual station's time passes unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A simulated lithium cell: the chemistry of its model and its capacity in Ah."""

    chemistry: str
    capacity: float


@dataclass(frozen=True, slots=True)
class Bench:
    """A station of the demo. ``speed``: how fast its time passes."""

    id: str
    name: str
    driver: str
    cell: Cell
    speed: float


def benches(speed: float | None) -> tuple[Bench, ...]:
    """Lay out the stations; ``speed`` goes for all of them, ``None`` is each one's own."""
    nmc, lfp = Cell("nmc", 2.5), Cell("lfp", 2.5)
    return (
        Bench("epc-1", "EPC 1 (NMC cell)", "epc", nmc, speed or 1.0),
        Bench("epc-2", "EPC 2 (LFP cell)", "epc", lfp, speed or 1.0),
        Bench("virtual-1", "Virtual 1 (NMC cell)", "virtual", nmc, speed or TIME_LAPSE),
    )


def prepare_settings(places: Places, port: int | None) -> Settings:
    """Write the settings file, keeping what a person has changed in it.

    Raises:
        SettingsError: there is one already and it is broken.
        DemoError: the port of the pages is taken.
    """
    path = places.settings
    raw: dict[str, Any] = {}
    if path.exists():
        load_settings(path)
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    before = yaml.safe_dump(raw)
    for name in ("broker_password", "web_secret_key", "demo_password"):
        _make_secret(places.secret(name))
    raw.update(data_dir=str(places.data), runtime_dir=str(places.runtime))
    raw.setdefault("logging", {"levels": {"amqtt": "WARNING", "transitions": "WARNING"}})
    broker = raw.setdefault("broker", {"hosts": [ADDRESS], "user": "bem"})
    broker["password_file"] = str(places.secret("broker_password"))
    if not _is_free(broker.get("port", 0)):
        broker["port"] = free_port()
    web = raw.setdefault("web", {"port": WEB_PORT})
    web["secret_key_file"] = str(places.secret("web_secret_key"))
    if port is not None:
        web["port"] = port
    node = raw.setdefault("node", {"id": NODE})
    node["run_stations"] = "children"
    # A converter whose station was removed is found again.
    adapters = [places.port(bench.id) for bench in benches(None) if bench.driver == "epc"]
    node["slcan_ports"] = [str(port) for port in adapters]
    if not _is_free(web["port"]):
        raise DemoError(f"port {web['port']} is taken: choose another with --port N")
    if yaml.safe_dump(raw) != before:
        _write_private(path, yaml.safe_dump(raw, sort_keys=False))
    return load_settings(path)


def write_stations(places: Places, settings: Settings, stations: tuple[Bench, ...]) -> None:
    """Write the definitions of the stations."""
    for bench in stations:
        definition = {
            "id": bench.id,
            "name": bench.name,
            "time_scale": bench.speed,
            "power": {"driver": bench.driver, "settings": _device_settings(places, bench)},
        }
        _write_private(
            settings.station_file(bench.id),
            "# Written at each start of `bem demo`.\n"
            + yaml.safe_dump(definition, sort_keys=False),
        )


def address(settings: Settings) -> str:
    """Get where the pages are."""
    return f"http://{ADDRESS}:{settings.web.port}"


def free_port() -> int:
    """Find a port of this computer that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def _device_settings(places: Places, bench: Bench) -> dict[str, Any]:
    if bench.driver == "epc":
        return {
            "bus": {"interface": "slcan", "channel": str(places.port(bench.id))},
            "device_id": EPC_DEVICE_ID,
            # A simulator shares the computer with everything else; a converter answers by itself.
            "reply_timeout_s": 0.25,
        }
    return {
        "speed": bench.speed,
        "battery": {"chemistry": bench.cell.chemistry, "capacity_ah": bench.cell.capacity},
        "voltage_noise": 0.0005,
        "current_noise": 0.001,
    }


def _is_free(port: int) -> bool:
    """Whether we could listen there; port 0 never counts as free."""
    if port == 0:
        return False
    with socket.socket() as probe:
        # A port whose last connections are still fading away is free for a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def _make_secret(path: Path) -> None:
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(12 if path.name == "demo_password" else 48))


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    interim = path.with_name(f".{path.name}.new")
    file = os.open(interim, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    interim.replace(path)
