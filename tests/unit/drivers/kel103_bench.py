"""An RS-KEL103 on a battery in memory, for its tests and those of every driver alike."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.clock import ManualClock

from bem_drivers.kel103.driver import Kel103Driver
from bem_drivers.kel103.settings import Kel103Settings
from bem_drivers.kel103.simulator import Kel103Unit, Kel103UnitSettings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation import Faulty, LoopbackLine
from bem_drivers.simulation.circuit import Terminals

ADDRESS = {"kind": "serial", "port": "/dev/none"}


@dataclass
class Kel103Bench:
    """A driver, its simulated load, and what the load recorded."""

    clock: ManualClock
    terminals: Terminals
    unit: Kel103Unit
    line: LoopbackLine
    driver: Kel103Driver
    ledger: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    def order(self, text: str) -> None:
        """Break something, of the line or of the unit."""
        self.line.unit.break_down(text, self.clock.now_ns)


def make(
    clock: ManualClock,
    battery: BatteryModelSettings | None = None,
    driver: dict[str, object] | None = None,
    **unit_settings: object,
) -> Kel103Bench:
    """Make a bench; ``driver`` are settings of the driver, further keywords those of the load."""
    ledger: list[tuple[int, str, dict[str, Any]]] = []
    terminals = Terminals(battery or BatteryModelSettings())
    terminals.advance(clock.now_ns)
    unit = Kel103Unit(
        Kel103UnitSettings.model_validate(unit_settings),
        terminals.connect("load"),
        lambda at_ns, kind, facts: ledger.append((at_ns, kind, dict(facts))),
    )
    line = LoopbackLine(Faulty(unit), clock)
    settings = Kel103Settings.model_validate({"address": ADDRESS, **(driver or {})})
    return Kel103Bench(clock, terminals, unit, line, Kel103Driver(settings, clock, line), ledger)
