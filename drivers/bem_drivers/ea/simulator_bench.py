"""How a bench puts up a simulated EA supply."""

from bem_drivers.ea.simulator import ORDERS, EaUnit, EaUnitSettings
from bem_drivers.simulation.spec import Place, SimulatorSpec


def _make(settings: EaUnitSettings, place: Place) -> EaUnit:
    """Connect the outputs in the order of the batteries; those left over hang nowhere."""
    leads = [place.lead(output) for output in range(len(place.terminals))]
    return EaUnit(settings, leads, place.record)


SIMULATOR = SimulatorSpec(
    wire="line",
    settings=EaUnitSettings,
    make=_make,
    batteries=(0, 2),
    orders=ORDERS,
)
