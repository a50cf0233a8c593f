"""The BK Precision 2831E and 5491B multimeters on a serial line: driver and simulator."""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.bk2831.settings import Bk2831Settings
from bem_drivers.registry import DriverSpec

if TYPE_CHECKING:
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec


def _make(settings: Bk2831Settings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without its libraries."""
    from bem_drivers.bk2831.driver import Bk2831Driver

    return Bk2831Driver(settings, clock)


def _places(settings: Bk2831Settings) -> tuple[str, ...]:
    return (settings.address.name,)


def _probe() -> "Probe":
    from bem_drivers.bk2831.probe import PROBE

    return PROBE


def _simulator() -> "SimulatorSpec":
    """Make nothing yet, but import the simulator."""
    from bem_drivers.bk2831.simulator import SIMULATOR

    return SIMULATOR


DRIVER = DriverSpec(
    name="bk2831",
    title="BK Precision 2831E or 5491B multimeter (serial)",
    settings=Bk2831Settings,
    make=_make,
    places=_places,
    probe=_probe,
    simulate=_simulator,
    has_power_path=False,
)

__all__ = ["DRIVER", "Bk2831Settings"]
