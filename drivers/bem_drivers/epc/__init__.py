"""The regenerative converter EPC on CAN: driver and simulator."""

from bem_drivers.base import Clock, Device
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.registry import DriverSpec


def _make(settings: EpcSettings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without its libraries."""
    from bem_drivers.epc.driver import EpcDriver

    return EpcDriver(settings, clock)


def _place(settings: EpcSettings) -> str:
    """An SLCAN port has one owner, whatever hangs on it; other buses are shared."""
    bus = f"{settings.bus.interface}:{settings.bus.channel}"
    return bus if settings.bus.interface == "slcan" else f"{bus}, EPC 0x{settings.device_id:02X}"


DRIVER = DriverSpec(
    name="epc",
    title="EPC regenerative converter (CAN)",
    settings=EpcSettings,
    make=_make,
    place=_place,
)

__all__ = ["DRIVER", "EpcSettings"]
