"""EA Elektro-Automatik power supplies PS 2000 B, EPS and PSB: driver and simulator."""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.ea.settings import EaSettings
from bem_drivers.registry import DriverSpec

if TYPE_CHECKING:
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec


def _make(settings: EaSettings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without its libraries."""
    from bem_drivers.ea.driver import EaDriver

    return EaDriver(settings, clock)


def _places(settings: EaSettings) -> tuple[str, ...]:
    """The line alone: one process owns it, whichever of two outputs it uses."""
    return (settings.address.name,)


def _probe() -> "Probe":
    from bem_drivers.ea.probe import PROBE

    return PROBE


def _simulator() -> "SimulatorSpec":
    """Make nothing yet, but import the simulator."""
    from bem_drivers.ea.simulator_bench import SIMULATOR

    return SIMULATOR


DRIVER = DriverSpec(
    name="ea",
    title="EA power supply PS 2000 B, EPS, PSB (SCPI)",
    settings=EaSettings,
    make=_make,
    places=_places,
    probe=_probe,
    simulate=_simulator,
    has_power_path=True,
)

__all__ = ["DRIVER", "EaSettings"]
