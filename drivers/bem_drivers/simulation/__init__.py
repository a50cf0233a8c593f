"""Simulated devices that speak in lines: what they have in common."""

from bem_drivers.simulation.loopback import LoopbackLine
from bem_drivers.simulation.orders import Faulty
from bem_drivers.simulation.outbox import Outbox
from bem_drivers.simulation.unit import Answer, LineUnit, Record, encoded

__all__ = ["Answer", "Faulty", "LineUnit", "LoopbackLine", "Outbox", "Record", "encoded"]
