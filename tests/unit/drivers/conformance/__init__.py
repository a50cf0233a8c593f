"""What every driver does alike, tested on its simulator: five classes to inherit from.

A test class inherits one of them and gives a fixture ``maker``; what a device can and cannot do
is data of its :class:`Maker`. :class:`DeviceConformance` is for every device,
:class:`WireConformance` for those at the far end of a wire, :class:`PowerConformance` for those
with a power path, :class:`PowerWireConformance` for those with a power path at the far end of
a wire, :class:`SimulatorConformance` for the simulators of those on a wire.
"""

from tests.unit.drivers.conformance.device import DeviceConformance
from tests.unit.drivers.conformance.maker import Maker, Power, Said
from tests.unit.drivers.conformance.power import PowerConformance
from tests.unit.drivers.conformance.power_wire import PowerWireConformance
from tests.unit.drivers.conformance.simulators import SimulatorConformance
from tests.unit.drivers.conformance.wire import WireConformance

__all__ = [
    "DeviceConformance",
    "Maker",
    "Power",
    "PowerConformance",
    "PowerWireConformance",
    "Said",
    "SimulatorConformance",
    "WireConformance",
]
