"""How a bench puts up a simulated EPC."""

from bem_drivers.epc.simulator import EpcUnit
from bem_drivers.epc.simulator_stage import EpcTraits, EpcUnitSettings, PowerStage
from bem_drivers.simulation.spec import Place, SimulatorSpec


def _make(traits: EpcTraits, place: Place) -> EpcUnit:
    lead = place.lead()
    settings = EpcUnitSettings(
        **traits.model_dump(),
        battery=lead.terminals.battery.settings,
        speed=lead.terminals.speed,
    )
    unit = EpcUnit(settings, place.now_ns, place.record)
    unit.stage = PowerStage(settings, lead)
    return unit


SIMULATOR = SimulatorSpec(
    wire="can",
    settings=EpcTraits,
    make=_make,
    orders={
        "voltage NUMBER|off": "V that it reads, whatever the battery has",
        "current NUMBER|off": "A that flow while its output is on, whatever it was told",
        "supply NUMBER|off": "V of its high side",
        "body NUMBER|off": "degC that its body sensor reads",
        "frozen on|off": "it goes on telling what it measured last",
        "silent on|off": "it does not answer questions for measures",
    },
)
