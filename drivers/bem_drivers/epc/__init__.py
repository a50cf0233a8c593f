"""The regenerative converter EPC on CAN: driver and simulator."""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.registry import DriverSpec

if TYPE_CHECKING:
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec


def _make(settings: EpcSettings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without its libraries."""
    from bem_drivers.epc.driver import EpcDriver

    return EpcDriver(settings, clock)


def _places(settings: EpcSettings) -> tuple[str, ...]:
    """An SLCAN port has one owner, whatever hangs on it; other buses are shared."""
    bus = f"{settings.bus.interface}:{settings.bus.channel}"
    shared = settings.bus.interface != "slcan"
    return (f"{bus}, EPC 0x{settings.device_id:02X}" if shared else bus,)


def _probe() -> "Probe":
    from bem_drivers.epc.probe import PROBE

    return PROBE


def _simulator() -> "SimulatorSpec":
    """Make nothing yet, but import the simulator."""
    from bem_drivers.epc.simulator_bench import SIMULATOR

    return SIMULATOR


DRIVER = DriverSpec(
    name="epc",
    title="EPC regenerative converter (CAN)",
    settings=EpcSettings,
    make=_make,
    places=_places,
    probe=_probe,
    simulate=_simulator,
    has_power_path=True,
)

__all__ = ["DRIVER", "EpcSettings"]
