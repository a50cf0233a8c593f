"""How a bench puts simulated SCPI instruments up."""

from pydantic import BaseModel, Field

from bem_drivers.scpi.settings import DescribedLoad, DescribedMeter, DescribedSource
from bem_drivers.scpi.simulator import SENSED, ScpiMeterUnit, ScpiPowerUnit, Sensed
from bem_drivers.simulation.sensor import SensorSettings, sensor_orders
from bem_drivers.simulation.spec import Place, SimulatorSpec


class _Unit(BaseModel):
    identity: str = Field(
        default="BEM,SIMULATED,1,0",
        title="Identification",
        description="what it answers when asked who it is; the description's pattern must fit",
    )
    sensors: dict[Sensed, SensorSettings] = Field(default={}, description="V, A, degC")


class SourceUnitSettings(_Unit, DescribedSource):
    """A simulated power supply that does what its description says."""


class LoadUnitSettings(_Unit, DescribedLoad):
    """A simulated load that does what its description says."""


class MeterUnitSettings(_Unit, DescribedMeter):
    """A simulated meter that does what its description says."""


def _power(settings: SourceUnitSettings | LoadUnitSettings, place: Place) -> ScpiPowerUnit:
    (terminals,) = place.terminals
    description = settings.described()
    lead = place.lead()
    return ScpiPowerUnit(
        description,
        terminals,
        lead,
        place.record,
        identity=settings.identity,
        sensors=settings.sensors,
    )


def _meter(settings: MeterUnitSettings, place: Place) -> ScpiMeterUnit:
    (terminals,) = place.terminals
    description = settings.described()
    return ScpiMeterUnit(
        description,
        terminals,
        place.record,
        identity=settings.identity,
        sensors=settings.sensors,
    )


_MEASURING = {
    "voltage NUMBER|off": "V that it measures, whatever there is",
    "current NUMBER|off": "A that it measures, whatever flows",
    "temperature NUMBER|off": "degC that it measures, whatever there is",
    "frozen on|off": "it goes on answering what it measured last",
    **sensor_orders(SENSED),
}
_POWER = {
    "stuck on|off": "its output does not switch; it says truly whether it is on",
    "refuse on|off": "what is set is an error",
    "deaf on|off": "what is set changes nothing",
    "panel on|off": "somebody switches its output at the front panel",
    "trip NAME": "it goes off with the fault of that name, such as over_temperature",
}

SOURCE_SIMULATOR = SimulatorSpec(
    wire="line", settings=SourceUnitSettings, make=_power, orders=_MEASURING | _POWER
)
LOAD_SIMULATOR = SimulatorSpec(
    wire="line", settings=LoadUnitSettings, make=_power, orders=_MEASURING | _POWER
)
METER_SIMULATOR = SimulatorSpec(
    wire="line", settings=MeterUnitSettings, make=_meter, orders=_MEASURING
)
