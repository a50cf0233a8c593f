"""The regenerative converter EPC on CAN: driver and simulator."""

from bem_drivers.base import Clock, Device
from bem_drivers.epc.settings import EpcSettings
from bem_drivers.registry import DriverSpec


def _make(settings: EpcSettings, clock: Clock) -> Device:
    """Make the driver; the simulator and a check of settings do without its libraries."""
    from bem_drivers.epc.driver import EpcDriver

    return EpcDriver(settings, clock)


DRIVER = DriverSpec(
    name="epc",
    title="EPC regenerative converter (CAN)",
    settings=EpcSettings,
    make=_make,
)

__all__ = ["DRIVER", "EpcSettings"]
