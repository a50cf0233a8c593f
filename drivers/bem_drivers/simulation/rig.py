"""A bench put up: its batteries, its buses and ports, its devices, and orders to each by name."""

import json
from collections.abc import Mapping
from pathlib import Path

from bem_drivers.simulation.bench import Bench, BenchBattery, BenchError
from bem_drivers.simulation.circuit import Terminals
from bem_drivers.simulation.ledger import Ledger
from bem_drivers.simulation.slots import BusSlot, CanSlot, LineSlot

BUS_ORDERS = {"unplug": "the adapter is pulled out", "plug": "it is put back in"}
BATTERY_ORDERS = {"show": "tells how it truly is"}


class Rig:
    """A bench at ``now_ns``, with everything switched on and plugged in.

    Paths are relative to ``folder``. It knows no clock: time is what it is told.

    Raises:
        BenchError: a port cannot be had.
    """

    def __init__(self, bench: Bench, folder: Path, now_ns: int) -> None:
        settings = bench.settings
        self.ledger = None if settings.ledger is None else Ledger(folder / settings.ledger)
        self.batteries = {
            name: _terminals(battery, now_ns) for name, battery in settings.batteries.items()
        }
        self.buses = {name: BusSlot(name, bus, folder) for name, bus in settings.buses.items()}
        self.devices: dict[str, CanSlot | LineSlot] = {}
        for name, device in settings.devices.items():
            terminals = tuple(self.batteries[one] for one in device.batteries)
            simulator = bench.simulators[name]
            record = _nothing if self.ledger is None else self.ledger.of(name)
            if device.bus is None:
                line = LineSlot(name, device, simulator, terminals, record, folder)
                self.devices[name] = line
            else:
                one = CanSlot(name, device.driver, simulator, terminals, record)
                self.buses[device.bus].join(one, now_ns)
                self.devices[name] = one
            try:
                self.devices[name].power(True, now_ns)
            except ValueError as error:
                self.close()
                raise BenchError(
                    f"devices.{name}: {error}; change its settings or batteries"
                ) from error
        for place in self._pluggable():
            try:
                place.plug()
            except OSError as error:
                self.close()
                raise BenchError(
                    f"{place.name}: {place.reached_at} cannot be had: {error}; "
                    "does its folder exist, is the interface up, is the port free?"
                ) from error

    def ports(self) -> dict[int, LineSlot | BusSlot]:
        """Get what to wait on: by file descriptor who takes what comes."""
        return {one.port.fileno(): one for one in self._pluggable() if one.port is not None}

    def live(self, now_ns: int) -> int:
        """Let everything live until ``now_ns``; get when to call again (ns)."""
        due_ns = min(one.live(now_ns) for one in self._pluggable())
        for terminals in self.batteries.values():
            terminals.advance(now_ns)
        return due_ns

    def obey(self, order: str, now_ns: int) -> str:
        """Obey ``help`` or ``NAME ORDER``; get what to say to whom gave it, ``ok`` at least.

        Raises:
            ValueError: there is nothing of this name, or it does not take that order.
        """
        name, _, rest = order.strip().partition(" ")
        rest = rest.strip()
        if name == "help" and not rest:
            return self.help()
        if name in self.batteries:
            return self._show(name, rest, now_ns)
        if name in self.buses:
            self._obey_bus(self.buses[name], rest)
        elif name in self.devices:
            self._obey_device(self.devices[name], rest, now_ns)
            for bus in self.buses.values():
                bus.wire.wake(now_ns)
        else:
            there_are = ", ".join([*self.devices, *self.buses, *self.batteries])
            raise ValueError(f"nothing here is called {name!r}; there are: {there_are}, and help")
        return "ok"

    def help(self) -> str:
        """Say what can be ordered of whom."""
        lines = []
        for name, device in self.devices.items():
            lines += [f"{name} {order}: {text}" for order, text in device.orders.items()]
        for name in self.buses:
            lines += [f"{name} {order}: {text}" for order, text in BUS_ORDERS.items()]
        for name in self.batteries:
            lines += [f"{name} {order}: {text}" for order, text in BATTERY_ORDERS.items()]
        return "\n".join(lines)

    def describe(self) -> list[str]:
        """Say of each device where a driver finds it, a line each."""
        lines = []
        for bus in self.buses.values():
            lines += [f"{one.name}: {one.driver} at {bus.reached_at}" for one in bus.devices]
        for device in self.devices.values():
            if isinstance(device, LineSlot):
                lines.append(f"{device.name}: {device.driver} at {device.reached_at}")
        return lines

    def close(self) -> None:
        """Unplug everything and close the ledger. Idempotent."""
        for one in self._pluggable():
            one.unplug()
        ledger, self.ledger = self.ledger, None
        if ledger is not None:
            ledger.close()

    def _pluggable(self) -> list[LineSlot | BusSlot]:
        lines = [one for one in self.devices.values() if isinstance(one, LineSlot)]
        return [*self.buses.values(), *lines]

    def _obey_bus(self, bus: BusSlot, order: str) -> None:
        if order == "unplug":
            bus.unplug()
        elif order == "plug":
            bus.plug()
        else:
            raise ValueError(f"no order {order!r} for {bus.name}; there are: unplug, plug")

    def _obey_device(self, device: CanSlot | LineSlot, order: str, now_ns: int) -> None:
        if order in ("unplug", "plug"):
            device.plugged = order == "plug"
            if isinstance(device, LineSlot):
                (device.plug if device.plugged else device.unplug)()
        elif order in ("power on", "power off"):
            if (device.unit is None) == (order == "power on"):
                device.power(order == "power on", now_ns)
        else:
            device.break_down(order, now_ns)

    def _show(self, name: str, order: str, now_ns: int) -> str:
        if order != "show":
            raise ValueError(f"no order {order!r} for {name}; there is: show")
        terminals = self.batteries[name]
        terminals.advance(now_ns)
        battery = terminals.battery
        return json.dumps(
            {
                "t_ns": now_ns,
                "lived_s": terminals.lived_s,
                "voltage": battery.voltage,
                "current": battery.current,
                "temperature": battery.temperature,
                "state_of_charge": battery.state_of_charge,
                "capacity": battery.capacity,
                "charge_in": battery.charge_in,
                "charge_out": battery.charge_out,
                "energy_in": battery.energy_in,
                "energy_out": battery.energy_out,
            }
        )


def _terminals(battery: BenchBattery, now_ns: int) -> Terminals:
    terminals = Terminals(battery, battery.speed, connected=battery.connected)
    terminals.advance(now_ns)
    return terminals


def _nothing(_t_ns: int, _kind: str, _facts: Mapping[str, object]) -> None:
    """Record nothing."""
