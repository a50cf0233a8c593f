"""How a bench puts up a simulated EA supply."""

from bem_drivers.ea.simulator import EaUnit, EaUnitSettings
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
    orders={
        "voltage V|off": "it measures this voltage, whatever there is",
        "current A|off": "this current flows while an output is on, whatever was told",
        "frozen on|off": "it goes on telling what it measured last",
        "stuck on|off": "its outputs neither go on nor off when told",
        "trip": "its outputs go off by themselves",
        "surge": "its outputs go on by themselves",
        "reboot": "its mains go off and on",
    },
)
