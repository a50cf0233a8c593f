"""Simulated converters beside a node: equipment, so no part of what the roles install. Pure.

Their files are on a node's disk before it boots. They run the release's own simulator and so begin
when the release is there; nothing of theirs belongs to ``bem-node.target``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .plan import Place

FOLDER = "/run/bem-simulator"
PYTHON = "/opt/bem/current/bin/python"
USER = "bem-simulator"
"""Every image has this user."""
UNITS = "etc/systemd/system"
DEVICE_ID = 0x13
TIME_LAPSE = 60.0
"""How fast the time of the virtual station passes."""


@dataclass(frozen=True, slots=True)
class Converter:
    """A simulated EPC converter with its cell. ``capacity`` in Ah."""

    id: str
    name: str
    chemistry: str
    capacity: float = 2.5

    @property
    def link(self) -> str:
        """Where its adapter is plugged in."""
        return f"{FOLDER}/{self.id}"


def converters(place: Place, number: int) -> tuple[Converter, ...]:
    """Get the converters of a node; ``number`` counts the nodes from 1."""
    if place.group != "nodes":
        return ()
    chemistry = "nmc" if number % 2 else "lfp"
    return (Converter(f"epc-{number}", f"EPC {number} ({chemistry.upper()} cell)", chemistry),)


def node_variables(place: Place, number: int) -> dict[str, Any]:
    """Get buses and stations of a node, as the role ``node`` takes them."""
    found = converters(place, number)
    stations: list[dict[str, Any]] = [
        {
            "id": one.id,
            "name": one.name,
            "power": {
                "driver": "epc",
                "settings": {
                    "bus": {"interface": "slcan", "channel": one.link},
                    "device_id": DEVICE_ID,
                    # A simulator shares its computer with everything else.
                    "reply_timeout_s": 0.25,
                },
            },
        }
        for one in found
    ]
    if number == 1:
        stations.append(
            {
                "id": "virtual-1",
                "name": "Virtual 1 (NMC cell)",
                "time_scale": TIME_LAPSE,
                "power": {
                    "driver": "virtual",
                    "settings": {
                        "speed": TIME_LAPSE,
                        "battery": {"chemistry": "nmc", "capacity_ah": 2.5},
                        "voltage_noise": 0.0005,
                        "current_noise": 0.001,
                    },
                },
            }
        )
    return {
        "node_buses": [{"name": one.id, "kind": "simulated"} for one in found],
        "node_stations": stations,
    }


def files(found: Sequence[Converter]) -> Mapping[str, str]:
    """Get the files that put these converters beside a node."""
    if not found:
        return {}
    texts = {
        f"{UNITS}/bem-simulator@.service": _SERVICE,
        f"{UNITS}/bem-simulator-ports.service": _PORTS_SERVICE,
        f"{UNITS}/bem-simulator-ports.path": _PORTS_PATH,
        f"{UNITS}/bem-simulator@.path": _PATH,
        f"{UNITS}/multi-user.target.d/bem-simulator.conf": _wants(found),
        "etc/tmpfiles.d/bem-simulator.conf": f"d {FOLDER} 0755 {USER} {USER}\n",
    }
    for one in found:
        texts[f"etc/default/bem-simulator-{one.id}"] = (
            f"OPTIONS=--device-id {DEVICE_ID:#x} --chemistry {one.chemistry} "
            f"--capacity {one.capacity}\n"
        )
    return texts


def _wants(found: Sequence[Converter]) -> str:
    units = ["bem-simulator-ports.path", *(f"bem-simulator@{one.id}.path" for one in found)]
    return f"[Unit]\nWants={' '.join(units)}\n"


_SERVICE = f"""[Unit]
Description=Simulated converter %i (equipment, no part of the product)
ConditionPathExists={PYTHON}
StartLimitIntervalSec=0

[Service]
User={USER}
EnvironmentFile=/etc/default/bem-simulator-%i
ExecStart={PYTHON} -m bem_drivers.epc.simulator_process --link {FOLDER}/%i $OPTIONS
Restart=always
RestartSec=1
ProtectSystem=strict
ReadWritePaths={FOLDER}
ProtectHome=yes
NoNewPrivileges=yes
"""
_PATH = f"""[Unit]
Description=Start the simulated converter %i as soon as a release is there

[Path]
PathExists={PYTHON}
Unit=bem-simulator@%i.service
"""
# A real adapter is given to the group dialout by udev; pseudo-terminals know no udev.
_PORTS_SERVICE = f"""[Unit]
Description=Give the ports of simulated converters to the group dialout

[Service]
Type=oneshot
ExecStart=/usr/bin/find {FOLDER} -type l -exec chgrp dialout {{}} + -exec chmod 0660 {{}} +
"""
_PORTS_PATH = f"""[Unit]
Description=See when a simulated converter is plugged in

[Path]
PathChanged={FOLDER}
"""
