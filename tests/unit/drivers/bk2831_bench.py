"""A BK 2831E at a battery in memory, for its tests and those of every driver alike."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.clock import ManualClock

from bem_drivers.bk2831.driver import Bk2831Driver
from bem_drivers.bk2831.settings import Bk2831Settings
from bem_drivers.bk2831.simulator import Bk2831Unit, Bk2831UnitSettings
from bem_drivers.model import BatteryModelSettings
from bem_drivers.simulation import Faulty, LoopbackLine
from bem_drivers.simulation.circuit import Lead, Terminals

ADDRESS = {"kind": "serial", "port": "/dev/none"}


@dataclass
class Bk2831Bench:
    """A driver, its simulated meter, a lead that makes current flow, what the meter recorded."""

    clock: ManualClock
    terminals: Terminals
    lead: Lead
    unit: Bk2831Unit
    line: LoopbackLine
    driver: Bk2831Driver
    ledger: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    def order(self, text: str) -> None:
        """Break something, of the line or of the unit."""
        self.line.unit.break_down(text, self.clock.now_ns)


def make(
    clock: ManualClock, driver: dict[str, object] | None = None, **unit_settings: object
) -> Bk2831Bench:
    """Make a bench; ``driver`` are settings of the driver, further keywords those of the meter."""
    ledger: list[tuple[int, str, dict[str, Any]]] = []
    terminals = Terminals(BatteryModelSettings())
    terminals.advance(clock.now_ns)
    unit = Bk2831Unit(
        Bk2831UnitSettings.model_validate(unit_settings),
        terminals,
        lambda at_ns, kind, facts: ledger.append((at_ns, kind, dict(facts))),
    )
    line = LoopbackLine(Faulty(unit), clock)
    settings = Bk2831Settings.model_validate({"address": ADDRESS, **(driver or {})})
    return Bk2831Bench(
        clock,
        terminals,
        terminals.connect("source"),
        unit,
        line,
        Bk2831Driver(settings, clock, line),
        ledger,
    )
