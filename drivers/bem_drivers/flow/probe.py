"""How a flow meter is recognised."""

from bem_drivers.base import Identity
from bem_drivers.finding.probe import LineProbe
from bem_drivers.flow import codec
from bem_drivers.flow.settings import FlowPort

START_UP_S = 2.0
"""Opening its port restarts an Arduino."""


def _identify(answer: str) -> Identity:
    return codec.identity(answer).identity


PROBE = LineProbe(FlowPort, codec.IDENTIFY, _identify, START_UP_S)
