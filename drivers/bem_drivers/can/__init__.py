"""CAN frames in and out over any adapter that python-can knows, with errors a person can use.

The bus itself is :class:`bem_drivers.can.link.CanLink`; it alone imports python-can.
"""

from bem_drivers.can.frame import Frame, FrameLink
from bem_drivers.can.settings import CanSettings

__all__ = ["CanSettings", "Frame", "FrameLink"]
