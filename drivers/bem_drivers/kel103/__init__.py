"""The RS PRO RS-KEL103 electronic load on a serial line: driver and simulator."""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.kel103.settings import Kel103Settings
from bem_drivers.registry import DriverSpec

if TYPE_CHECKING:
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec


def _make(settings: Kel103Settings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without its libraries."""
    from bem_drivers.kel103.driver import Kel103Driver

    return Kel103Driver(settings, clock)


def _places(settings: Kel103Settings) -> tuple[str, ...]:
    return (settings.address.name,)


def _probe() -> "Probe":
    from bem_drivers.kel103.probe import PROBE

    return PROBE


def _simulator() -> "SimulatorSpec":
    """Make nothing yet, but import the simulator."""
    from bem_drivers.kel103.simulator import SIMULATOR

    return SIMULATOR


DRIVER = DriverSpec(
    name="kel103",
    title="RS PRO RS-KEL103 electronic load (serial)",
    settings=Kel103Settings,
    make=_make,
    places=_places,
    probe=_probe,
    simulate=_simulator,
    has_power_path=True,
)

__all__ = ["DRIVER", "Kel103Settings"]
