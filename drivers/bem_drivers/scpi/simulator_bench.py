"""How a bench puts simulated SCPI instruments up."""

from pydantic import BaseModel, Field

from bem_drivers.scpi.settings import DescribedLoad, DescribedMeter, DescribedSource
from bem_drivers.scpi.simulator import METER_ORDERS, ScpiMeterUnit, Sensed
from bem_drivers.scpi.simulator_power import POWER_ORDERS, ScpiPowerUnit
from bem_drivers.simulation.sensor import SensorSettings
from bem_drivers.simulation.spec import Place, SimulatorSpec


class _Unit(BaseModel):
    identity: str | None = Field(
        default=None,
        title="Identification",
        description="what it answers when asked who it is; the description's pattern must fit; "
        "left out, BEM and the title of its description",
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


SOURCE_SIMULATOR = SimulatorSpec(
    wire="line", settings=SourceUnitSettings, make=_power, orders=POWER_ORDERS
)
LOAD_SIMULATOR = SimulatorSpec(
    wire="line", settings=LoadUnitSettings, make=_power, orders=POWER_ORDERS
)
METER_SIMULATOR = SimulatorSpec(
    wire="line", settings=MeterUnitSettings, make=_meter, orders=METER_ORDERS
)
