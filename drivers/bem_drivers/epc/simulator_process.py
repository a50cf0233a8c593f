"""A bench of nothing but EPCs, described by options: each with a battery, behind one SLCAN adapter.

``python -m bem_drivers.epc.simulator_process --help`` tells the options. SIGTERM and SIGINT end
it; SIGUSR1 pulls the adapter out of its port and SIGUSR2 puts it back in. With ``--orders`` each
line on its standard input is a fault of all units, such as ``voltage 4.5`` or ``voltage off``.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from bem_drivers.epc.simulator_stage import COUNTS
from bem_drivers.model import Chemistry
from bem_drivers.simulation.bench import BenchError, make_bench
from bem_drivers.simulation.can_bus import BITRATE
from bem_drivers.simulation.process import BenchProcess
from bem_drivers.simulation.rig import Rig

SENSORS = ("body", "anode", "ambient")
DEVICE_ID = 0x13
_BUS = "can"


class _Units(Rig):
    """A rig whose orders name nobody: ``unplug`` and ``plug`` are for the adapter, all others for
    all units.
    """

    def obey(self, order: str, now_ns: int) -> str:
        names = [_BUS] if order.strip() in ("unplug", "plug") else list(self.devices)
        return "\n".join(super(_Units, self).obey(f"{name} {order}", now_ns) for name in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bem_drivers.epc.simulator_process",
        description="Simulate EPC converters with their batteries behind an SLCAN adapter.",
    )
    parser.add_argument("--link", type=Path, required=True, help="symbolic link to the port")
    parser.add_argument(
        "--device-id",
        type=lambda text: int(text, 0),
        action="append",
        help="id of a unit (default 0x13); repeat it for several units",
    )
    parser.add_argument("--chemistry", choices=[str(one) for one in Chemistry], default="nmc")
    parser.add_argument("--capacity", type=float, default=2.5, help="Ah (default 2.5)")
    parser.add_argument("--soc", type=float, default=0.5, help="state of charge 0..1 (default 0.5)")
    parser.add_argument("--ambient", type=float, default=25.0, help="degC (default 25)")
    parser.add_argument("--supply", type=float, default=8.0, help="high side, V (default 8)")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="the batteries' time per real time (default 1)"
    )
    parser.add_argument(
        "--sensors",
        default="body",
        help="fitted temperature sensors, of body,anode,ambient or none (default body)",
    )
    parser.add_argument("--noise", type=float, default=0.0, help="noise in converter counts")
    parser.add_argument("--seed", type=int, default=0, help="makes the noise repeatable")
    parser.add_argument(
        "--bitrate", type=int, default=BITRATE, help=f"bit/s of the bus (default {BITRATE})"
    )
    parser.add_argument(
        "--lenient", action="store_true", help="record traps in the ledger; none kills a unit"
    )
    parser.add_argument("--firmware", choices=["1.0.0", "1.0.1"], default="1.0.0")
    parser.add_argument(
        "--orders", action="store_true", help="read faults from standard input, such as voltage 4.5"
    )
    parser.add_argument("--ledger", type=Path, help="file to append what truly happens to")
    return parser


def _described(arguments: argparse.Namespace) -> dict[str, Any]:
    """Get the bench that the options describe."""
    sensors = [] if arguments.sensors == "none" else arguments.sensors.split(",")
    if unknown := sorted(set(sensors) - set(SENSORS)):
        raise BenchError(f"--sensors: {unknown} are none of {', '.join(SENSORS)}")
    battery = {
        "chemistry": arguments.chemistry,
        "capacity_ah": arguments.capacity,
        "soc": arguments.soc,
        "ambient_degc": arguments.ambient,
        "speed": arguments.speed,
    }
    traits = {
        **{f"{sensor}_sensor": sensor in sensors for sensor in SENSORS},
        "supply_voltage": arguments.supply,
        "sensors": {
            quantity: {"noise": arguments.noise * count, "seed": arguments.seed}
            for quantity, count in COUNTS.items()
        },
        "strictness": "lenient" if arguments.lenient else "strict",
        "firmware": arguments.firmware,
    }
    ids = arguments.device_id or [DEVICE_ID]
    return {
        "batteries": {f"cell-{one:02x}": battery for one in ids},
        "buses": {_BUS: {"kind": "slcan", "link": arguments.link, "bitrate": arguments.bitrate}},
        "devices": {
            f"epc-{one:02x}": {
                "driver": "epc",
                "bus": _BUS,
                "battery": f"cell-{one:02x}",
                "settings": {"device_id": one, **traits},
            }
            for one in ids
        },
        "ledger": arguments.ledger,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; 0, or 2 for options that make no unit."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        bench = make_bench(_described(arguments))
        rig = _Units(bench, Path.cwd(), time.monotonic_ns())
    except BenchError as error:
        parser.error(str(error))
    process = BenchProcess(rig, orders=sys.stdin.fileno() if arguments.orders else None)
    adapter = {signal.SIGUSR1: "unplug", signal.SIGUSR2: "plug"}

    def act(number: int, _frame: FrameType | None) -> None:
        order = adapter.get(signal.Signals(number))
        if order is None:
            process.stop()
        else:
            process.order(order)

    for number in (signal.SIGTERM, signal.SIGINT, *adapter):
        signal.signal(number, act)
    ids = ", ".join(f"0x{one:02X}" for one in arguments.device_id or [DEVICE_ID])
    sys.stdout.write(f"ready: EPC {ids} at {arguments.link}\n")
    sys.stdout.flush()
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
