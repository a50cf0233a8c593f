"""How a bench puts up a simulated EPC."""

from bem_drivers.epc.simulator import UNIT_ORDERS, EpcUnit
from bem_drivers.epc.simulator_stage import EpcTraits, EpcUnitSettings, PowerStage
from bem_drivers.simulation.spec import Place, SimulatorSpec


def _make(traits: EpcTraits, place: Place) -> EpcUnit:
    """Connect the low side to the first battery, the high side to the second where there is one."""
    lead = place.lead()
    supply = place.terminals[1] if len(place.terminals) > 1 else None
    settings = EpcUnitSettings(
        **traits.model_dump(),
        battery=lead.terminals.battery.settings,
        speed=lead.terminals.speed,
    )
    return EpcUnit(
        settings,
        place.now_ns,
        place.record,
        on_bus=place.on_bus,
        stage=PowerStage(settings, lead, supply),
    )


SIMULATOR = SimulatorSpec(
    wire="can",
    settings=EpcTraits,
    make=_make,
    batteries=(1, 2),
    orders=UNIT_ORDERS,
)
