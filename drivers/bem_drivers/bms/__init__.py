"""The "Liftec" battery management system on CAN, receive only: driver and simulator."""

from typing import TYPE_CHECKING

from bem_drivers.base import Clock, Device
from bem_drivers.bms.settings import BmsSettings
from bem_drivers.registry import DriverSpec

if TYPE_CHECKING:
    from bem_drivers.finding.probe import Probe
    from bem_drivers.simulation.spec import SimulatorSpec


def _make(settings: BmsSettings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without the CAN library."""
    from bem_drivers.bms.driver import BmsDriver
    from bem_drivers.can.link import CanLink

    return BmsDriver(settings, clock, CanLink(settings.bus, [(settings.can_id, 0x7FF)]))


def _places(settings: BmsSettings) -> tuple[str, ...]:
    """An SLCAN port has one owner; on any other bus whoever wants to may listen."""
    slcan = settings.bus.interface == "slcan"
    return (f"slcan:{settings.bus.channel}",) if slcan else ()


def _probe() -> "Probe":
    from bem_drivers.bms.probe import PROBE

    return PROBE


def _simulator() -> "SimulatorSpec":
    """Make nothing yet, but import the simulator."""
    from bem_drivers.bms.simulator_bench import SIMULATOR

    return SIMULATOR


DRIVER = DriverSpec(
    name="bms",
    title="BMS: cell voltages, temperatures, pressures (CAN)",
    settings=BmsSettings,
    make=_make,
    places=_places,
    probe=_probe,
    simulate=_simulator,
    has_power_path=False,
)

__all__ = ["DRIVER", "BmsSettings"]
