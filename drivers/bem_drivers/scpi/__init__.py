"""SCPI instruments that a description explains: source, load and meter, with a simulator.

:mod:`bem_drivers.scpi.numbers` serves every device that answers in text.
"""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.registry import DriverSpec
from bem_drivers.scpi.settings import LoadSettings, MeterSettings, ScpiSettings, SourceSettings

if TYPE_CHECKING:
    from bem_drivers.simulation.spec import SimulatorSpec


def _make_power(settings: SourceSettings | LoadSettings, clock: Clock) -> Device:
    from bem_drivers.scpi.power import ScpiPower

    return ScpiPower(settings, clock)


def _make_meter(settings: MeterSettings, clock: Clock) -> Device:
    from bem_drivers.scpi.meter import ScpiMeter

    return ScpiMeter(settings, clock)


def _places(settings: ScpiSettings) -> tuple[str, ...]:
    """A line has one owner."""
    return (settings.address.name,)


def _simulate_source() -> "SimulatorSpec":
    from bem_drivers.scpi.simulator_bench import SOURCE_SIMULATOR

    return SOURCE_SIMULATOR


def _simulate_load() -> "SimulatorSpec":
    from bem_drivers.scpi.simulator_bench import LOAD_SIMULATOR

    return LOAD_SIMULATOR


def _simulate_meter() -> "SimulatorSpec":
    from bem_drivers.scpi.simulator_bench import METER_SIMULATOR

    return METER_SIMULATOR


SOURCE = DriverSpec(
    name="scpi-source",
    title="Power supply described by SCPI lines",
    settings=SourceSettings,
    make=_make_power,
    places=_places,
    simulate=_simulate_source,
    has_power_path=True,
)
LOAD = DriverSpec(
    name="scpi-load",
    title="Electronic load described by SCPI lines",
    settings=LoadSettings,
    make=_make_power,
    places=_places,
    simulate=_simulate_load,
    has_power_path=True,
)
METER = DriverSpec(
    name="scpi-meter",
    title="Meter described by SCPI lines",
    settings=MeterSettings,
    make=_make_meter,
    places=_places,
    simulate=_simulate_meter,
    has_power_path=False,
)

__all__ = ["LOAD", "METER", "SOURCE", "LoadSettings", "MeterSettings", "SourceSettings"]
