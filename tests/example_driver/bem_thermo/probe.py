"""How a TH2 is recognised when a node searches its ports."""

from bem_drivers.finding.probe import LineProbe
from bem_drivers.line import SerialSettings
from bem_thermo import codec

PROBE = LineProbe(SerialSettings, codec.IDENTIFY, codec.parse_identity)
