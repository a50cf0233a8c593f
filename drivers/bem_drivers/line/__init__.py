"""Lines of text over a serial port or TCP, with errors a person can use.

``line_link`` makes a link from settings, ``Dialogue`` asks one device at a link. Only
:mod:`bem_drivers.line.serial_line` imports pyserial, and only when a serial link is made.
"""

from bem_drivers.line.dialogue import Dialogue
from bem_drivers.line.link import LineLink, line_link
from bem_drivers.line.settings import LineAddress, SerialSettings, TcpSettings

__all__ = ["Dialogue", "LineAddress", "LineLink", "SerialSettings", "TcpSettings", "line_link"]
