"""How a bench puts up a simulated BMS."""

from bem_drivers.bms.simulator import UNIT_ORDERS, BmsUnit, BmsUnitSettings
from bem_drivers.simulation.spec import Place, SimulatorSpec


def _make(settings: BmsUnitSettings, place: Place) -> BmsUnit:
    return BmsUnit(settings, place.terminals[0], place.now_ns, place.record)


SIMULATOR = SimulatorSpec(wire="can", settings=BmsUnitSettings, make=_make, orders=UNIT_ORDERS)
