"""How a BK 2831E or 5491B is recognised."""

from bem_drivers.bk2831.codec import IDENTIFY, parse_identity
from bem_drivers.bk2831.settings import Bk2831Serial
from bem_drivers.finding.probe import LineProbe

PROBE = LineProbe(Bk2831Serial, IDENTIFY, parse_identity)
