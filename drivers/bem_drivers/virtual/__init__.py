"""A bidirectional device and its battery in one process, for trying things without hardware."""

from bem_drivers.registry import DriverSpec
from bem_drivers.virtual.driver import VirtualDevice, VirtualSettings

DRIVER = DriverSpec(
    name="virtual",
    title="Virtual cycler with a battery model",
    settings=VirtualSettings,
    make=VirtualDevice,
    has_power_path=True,
)

__all__ = ["DRIVER", "VirtualDevice", "VirtualSettings"]
