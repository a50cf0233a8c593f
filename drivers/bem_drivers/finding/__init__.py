"""Find the devices at a machine's ports, buses and addresses, disturbing none that is in use.

The README tells what is asked, how long it takes, and what it costs.
"""

from bem_drivers.finding.found import Found, InUse, Seen, Unknown
from bem_drivers.finding.lines import Asking
from bem_drivers.finding.places import address_of, place_names, port_of, same_place
from bem_drivers.finding.ports import can_interfaces, serial_ports
from bem_drivers.finding.probe import CanDevice, CanProbe, CanQuestion, LineProbe, Probe
from bem_drivers.finding.scan import TIMEOUT_S, installed_drivers, scan

__all__ = [
    "TIMEOUT_S",
    "Asking",
    "CanDevice",
    "CanProbe",
    "CanQuestion",
    "Found",
    "InUse",
    "LineProbe",
    "Probe",
    "Seen",
    "Unknown",
    "address_of",
    "can_interfaces",
    "installed_drivers",
    "place_names",
    "port_of",
    "same_place",
    "scan",
    "serial_ports",
]
