"""How a bench puts up a simulated EPC."""

from bem_drivers.epc.simulator import EpcUnit
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
    return EpcUnit(settings, place.now_ns, place.record, stage=PowerStage(settings, lead, supply))


SIMULATOR = SimulatorSpec(
    wire="can",
    settings=EpcTraits,
    make=_make,
    batteries=(1, 2),
    orders={
        "voltage NUMBER|off": "V that it reads, whatever the battery has",
        "current NUMBER|off": "A that flow while its output is on, whatever it was told",
        "supply NUMBER|off": "V of its high side",
        "body NUMBER|off": "degC that its body sensor reads",
        "anode NUMBER|off": "degC that its anode sensor reads",
        "ambient NUMBER|off": "degC that its ambient sensor reads",
        "noise NUMBER|off": "noise of each converter in counts",
        "drift NUMBER|off": "V by which its voltage goes astray in a second of the battery's time",
        "frozen on|off": "it goes on telling what it measured last",
        "silent on|off": "it does not answer questions for measures",
        "unplug on|off": "it is cut off from the bus, and its mailboxes fill",
        "unpowered on|off": "it has no power, and starts anew when it has some again",
        "drop N": "its next N frames are lost",
        "double N": "its next N frames are sent twice",
        "garbage N": "its next N frames carry random bytes",
        "half N": "its next N frames lose half of their bytes",
        "late MS|off": "its frames leave so much later",
        "wrong HEX": "its next frame carries these bytes",
    },
)
