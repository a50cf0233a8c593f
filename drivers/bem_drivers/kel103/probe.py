"""How an RS-KEL103 is recognised."""

from bem_drivers.finding.probe import LineProbe
from bem_drivers.kel103.codec import IDENTIFY, parse_identity
from bem_drivers.kel103.settings import Kel103Serial

PROBE = LineProbe(Kel103Serial, IDENTIFY, parse_identity)
