"""The "Liftec" battery management system on CAN, receive only: driver and simulator."""

from bem_drivers.base import Clock, Device
from bem_drivers.bms.settings import BmsSettings
from bem_drivers.registry import DriverSpec


def _make(settings: BmsSettings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without the CAN library."""
    from bem_drivers.bms.driver import BmsDriver
    from bem_drivers.can.link import CanLink

    return BmsDriver(settings, clock, CanLink(settings.bus, [(settings.can_id, 0x7FF)]))


def _place(settings: BmsSettings) -> str | None:
    """An SLCAN port has one owner; on any other bus whoever wants to may listen."""
    slcan = settings.bus.interface == "slcan"
    return f"slcan:{settings.bus.channel}" if slcan else None


DRIVER = DriverSpec(
    name="bms",
    title="BMS: cell voltages, temperatures, pressures (CAN)",
    settings=BmsSettings,
    make=_make,
    place=_place,
)

__all__ = ["DRIVER", "BmsSettings"]
