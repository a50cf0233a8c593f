"""Simulated EPC units behind a simulated SLCAN adapter, in a process or a thread of their own.

``python -m bem_drivers.epc.simulator_process --help`` tells the options. SIGTERM and SIGINT end
it; SIGUSR1 pulls the adapter out of its port and SIGUSR2 puts it back in. With ``--orders`` each
line on its standard input is a fault of all units, such as ``voltage 4.5`` or ``voltage off``.
"""

import argparse
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_bus import UnitBus
from bem_drivers.epc.simulator_stage import COUNTS, EpcUnitSettings, Quantity
from bem_drivers.model import BatteryModelSettings, Chemistry
from bem_drivers.simulation.frame_orders import FaultyFrames
from bem_drivers.simulation.ledger import Ledger
from bem_drivers.simulation.sensor import SensorSettings
from bem_drivers.simulation.slcan_port import SlcanPort

NS_PER_MS = 1_000_000
SENSORS = ("body", "anode", "ambient")
_READ_SIZE = 4096


class EpcSimulator:
    """Units on one adapter. :meth:`run` blocks; the other methods may be called from anywhere."""

    def __init__(
        self,
        units: Sequence[EpcUnitSettings],
        link: Path,
        ledger: Ledger | None = None,
        orders: int | None = None,
        bitrate: int | None = None,
    ) -> None:
        """Make the units.

        ``orders``: file descriptor to read faults from, a line each. ``bitrate``: bit/s of a bus
        that carries one frame at a time; without it frames take no time.
        """
        now_ns = time.monotonic_ns()
        self.units = [
            EpcUnit(
                one,
                now_ns,
                None if ledger is None else ledger.of(one.device_id),
                on_bus=bitrate is not None,
            )
            for one in units
        ]
        self._faulty = [
            FaultyFrames(unit, None if ledger is None else ledger.of(unit.settings.device_id))
            for unit in self.units
        ]
        self.bus = UnitBus(self._faulty, now_ns, bitrate)
        self._orders = orders
        self._ordered = b""
        self._link = link
        self._port: SlcanPort | None = SlcanPort(link)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def stop(self) -> None:
        """End :meth:`run`."""
        self._order(b"q")

    def unplug(self) -> None:
        """Pull the adapter out; the units and their batteries live on."""
        self._order(b"u")

    def plug_in(self) -> None:
        """Put the adapter back in, under the same link."""
        self._order(b"p")

    def run(self) -> None:
        """Live until :meth:`stop`. Wakes when a frame arrives or a unit has something to do."""
        try:
            while self._pass():
                pass
        finally:
            if self._port is not None:
                self._port.close()
            # The number of a closed file may be given to another file at once.
            wake_write, self._wake_write = self._wake_write, -1
            os.close(self._wake_read)
            os.close(wake_write)

    def _order(self, order: bytes) -> None:
        if self._wake_write >= 0:
            os.write(self._wake_write, order)

    def _pass(self) -> bool:
        due_ns = self.bus.next_due_ns()
        timeout = None if due_ns is None else max(due_ns - time.monotonic_ns(), 0) / 1e9
        waiting: list[SlcanPort | int] = [self._wake_read]
        if self._port is not None:
            waiting.append(self._port)
        if self._orders is not None:
            waiting.append(self._orders)
        ready, _, _ = select.select(waiting, [], [], timeout)
        if self._wake_read in ready and not self._obey(os.read(self._wake_read, 1)):
            return False
        if self._orders is not None and self._orders in ready:
            self._break_down(os.read(self._orders, _READ_SIZE))
        now_ns = time.monotonic_ns()
        if self._port is not None and self._port in ready:
            for frame in self._port.read():
                self.bus.send(frame, now_ns)
        sent = self.bus.advance(now_ns)
        if sent and self._port is not None:
            self._port.write(sent)
        return True

    def _break_down(self, said: bytes) -> None:
        """Take what standard input gave; nothing means that it was closed."""
        if not said:
            self._orders = None
        *lines, self._ordered = (self._ordered + said).split(b"\n")
        for line in lines:
            now_ns = time.monotonic_ns()
            for unit in self._faulty:
                try:
                    unit.break_down(line.decode(), now_ns)
                except ValueError as error:
                    sys.stderr.write(f"{error}\n")
        self.bus.wake(time.monotonic_ns())

    def _obey(self, order: bytes) -> bool:
        if order == b"u" and self._port is not None:
            self._port.close()
            self._port = None
        elif order == b"p" and self._port is None:
            self._port = SlcanPort(self._link)
        return order != b"q"


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
        "--bitrate", type=int, help="bit/s of a bus that carries one frame at a time, as CAN does"
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


def _unit_settings(arguments: argparse.Namespace) -> list[EpcUnitSettings]:
    sensors = [] if arguments.sensors == "none" else arguments.sensors.split(",")
    if unknown := sorted(set(sensors) - set(SENSORS)):
        raise ValueError(f"--sensors: {unknown} are none of {', '.join(SENSORS)}")
    battery = BatteryModelSettings(
        chemistry=Chemistry(arguments.chemistry),
        capacity_ah=arguments.capacity,
        soc=arguments.soc,
        ambient_degc=arguments.ambient,
    )
    return [
        EpcUnitSettings(
            device_id=device_id,
            body_sensor="body" in sensors,
            anode_sensor="anode" in sensors,
            ambient_sensor="ambient" in sensors,
            supply_voltage=arguments.supply,
            battery=battery,
            speed=arguments.speed,
            sensors=_sensors(arguments.noise, arguments.seed),
            strictness="lenient" if arguments.lenient else "strict",
            firmware=arguments.firmware,
        )
        for device_id in arguments.device_id or [0x13]
    ]


def _sensors(counts: float, seed: int) -> dict[Quantity, SensorSettings]:
    """Get converters with this noise."""
    return {
        quantity: SensorSettings(noise=counts * size, seed=seed)
        for quantity, size in COUNTS.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; 0, or 2 for options that make no unit."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        units = _unit_settings(arguments)
    except (ValidationError, ValueError) as error:
        parser.error(str(error))
    ledger = None if arguments.ledger is None else Ledger(arguments.ledger)
    orders = sys.stdin.fileno() if arguments.orders else None
    simulator = EpcSimulator(units, arguments.link, ledger, orders, arguments.bitrate)
    actions = {
        signal.SIGTERM: simulator.stop,
        signal.SIGINT: simulator.stop,
        signal.SIGUSR1: simulator.unplug,
        signal.SIGUSR2: simulator.plug_in,
    }

    def act(number: int, _frame: FrameType | None) -> None:
        actions[signal.Signals(number)]()

    for number in actions:
        signal.signal(number, act)
    ids = ", ".join(f"0x{unit.settings.device_id:02X}" for unit in simulator.units)
    sys.stdout.write(f"ready: EPC {ids} at {arguments.link}\n")
    sys.stdout.flush()
    simulator.run()
    if ledger is not None:
        ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
