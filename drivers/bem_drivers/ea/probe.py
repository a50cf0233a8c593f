"""How an EA supply is recognised."""

from bem_drivers.ea.codec import IDENTIFY, parse_identity
from bem_drivers.ea.settings import EaSerialSettings
from bem_drivers.finding.probe import LineProbe

PROBE = LineProbe(EaSerialSettings, IDENTIFY, parse_identity)
