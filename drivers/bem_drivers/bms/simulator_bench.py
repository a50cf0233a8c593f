"""How a bench puts up a simulated BMS."""

from bem_drivers.bms.simulator import BmsUnit, BmsUnitSettings
from bem_drivers.simulation.spec import Place, SimulatorSpec


def _make(settings: BmsUnitSettings, place: Place) -> BmsUnit:
    return BmsUnit(settings, place.terminals[0], place.now_ns, place.record)


SIMULATOR = SimulatorSpec(
    wire="can",
    settings=BmsUnitSettings,
    make=_make,
    orders={
        "error CODE|off": "it sends error frames with this code in place of values",
        "silent on|off": "it sends nothing",
        "frozen on|off": "its values stay as they are",
        "voltage V|off": "it measures this voltage of the whole battery, whatever there is",
        "body DEGC|off": "it measures this temperature, whatever there is",
        "late MS|off": "the last frame of each message is so much late",
        "error_once CODE": "an error frame comes before the next values",
        "lost N": "fragment N (0 to 5) of the next message is lost",
        "double N": "fragment N of the next message comes twice",
        "short N": "fragment N of the next message has two bytes less",
        "swap N": "fragment N of the next message changes places with the one after it",
        "words N": "the next message has N words (0 to 52) instead of 19",
        "zeros on": "all words of the next message are zero",
    },
)
