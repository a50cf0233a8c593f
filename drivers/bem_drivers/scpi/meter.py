"""The driver of a described meter."""

from bem_drivers.base import Clock, Device, Identity, Reading
from bem_drivers.line import LineLink, line_link
from bem_drivers.scpi.instrument import Instrument
from bem_drivers.scpi.settings import MeterSettings


class ScpiMeter(Device):
    """A meter. ``link`` replaces the line of the settings, for tests without a port."""

    def __init__(self, settings: MeterSettings, clock: Clock, link: LineLink | None = None) -> None:
        description = settings.described()
        self.identity = Identity(make="", model=description.title)
        self._settings = settings
        self._instrument = Instrument(description, clock, link or line_link(settings.address))
        self.channels = self._instrument.channels

    def open(self) -> None:
        try:
            self.identity = self._instrument.open(self._settings.serial_number)
        except BaseException:
            self._instrument.close()
            raise

    def read(self) -> Reading:
        return Reading(values=self._instrument.measure(), faults=self._instrument.faults())

    def close(self) -> None:
        self._instrument.close()
