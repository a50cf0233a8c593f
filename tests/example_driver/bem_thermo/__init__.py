"""A Thermo TH2 on a serial port or the network: driver and simulator."""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.registry import DriverSpec
from bem_thermo.settings import ThermoSettings

if TYPE_CHECKING:
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec


def _make(settings: ThermoSettings, clock: Clock) -> Device:
    from bem_thermo.driver import ThermoDriver

    return ThermoDriver(settings, clock)


def _places(settings: ThermoSettings) -> tuple[str, ...]:
    """A port has one owner."""
    return (settings.address.name,)


def _probe() -> "Probe":
    from bem_thermo.probe import PROBE

    return PROBE


def _simulator() -> "SimulatorSpec":
    from bem_thermo.simulator import SIMULATOR

    return SIMULATOR


DRIVER = DriverSpec(
    name="thermo",
    title="Thermo TH2 thermometer with two probes",
    settings=ThermoSettings,
    make=_make,
    places=_places,
    probe=_probe,
    simulate=_simulator,
    has_power_path=False,
)
