"""What the manager knows of nodes and stations, as JSON. Run by check.yml on a server."""

import json
import os
import sys
from typing import Any

import django


def main() -> int:
    """Print the records; gives the exit code."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bem.web.command_settings"
    django.setup()
    from bem.lab.models import Node, Station

    nodes: dict[str, dict[str, Any]] = {
        node.id: {
            "online": node.online,
            "last_seen": node.last_seen.isoformat(timespec="seconds"),
            "clock_offset_s": node.clock_offset_s,
            "unsent_samples": node.unsent_samples,
            "version": node.version,
            "stations": {},
        }
        for node in Node.objects.all()
    }
    for station in Station.objects.all():
        nodes[station.node_id]["stations"][station.name] = station.state
    json.dump(nodes, sys.stdout)
    return 0


raise SystemExit(main())
