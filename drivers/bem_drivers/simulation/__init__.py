"""What simulated devices have in common: lines, faults, the circuit they hang on, a ledger."""

from bem_drivers.simulation.loopback import LoopbackLine
from bem_drivers.simulation.orders import Faulty
from bem_drivers.simulation.outbox import Outbox
from bem_drivers.simulation.unit import Answer, LineUnit, Record, encoded

__all__ = ["Answer", "Faulty", "LineUnit", "LoopbackLine", "Outbox", "Record", "encoded"]
