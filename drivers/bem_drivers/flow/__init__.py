"""The laboratory's flow meter on a serial port: driver and simulator."""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.flow.settings import FlowSettings
from bem_drivers.registry import DriverSpec

if TYPE_CHECKING:
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec


def _make(settings: FlowSettings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without its libraries."""
    from bem_drivers.flow.driver import FlowMeter

    return FlowMeter(settings, clock)


def _places(settings: FlowSettings) -> tuple[str, ...]:
    """A port and a connection have one owner."""
    return (settings.address.name,)


def _probe() -> "Probe":
    from bem_drivers.flow.probe import PROBE

    return PROBE


def _simulator() -> "SimulatorSpec":
    """Make nothing yet, but import the simulator."""
    from bem_drivers.flow.simulator import SIMULATOR

    return SIMULATOR


DRIVER = DriverSpec(
    name="flow",
    title="Flow meter for two electrolytes (serial)",
    settings=FlowSettings,
    make=_make,
    places=_places,
    probe=_probe,
    simulate=_simulator,
    has_power_path=False,
)

__all__ = ["DRIVER", "FlowSettings"]
