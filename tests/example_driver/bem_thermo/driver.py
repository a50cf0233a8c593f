"""The driver of a TH2."""

from bem_drivers.base import (
    Channel,
    Clock,
    CommunicationLost,
    Device,
    DeviceNotFound,
    Identity,
    Measured,
    ProtocolViolated,
    Reading,
    WrongDevice,
)
from bem_drivers.line import Dialogue, LineLink, line_link
from bem_thermo import codec
from bem_thermo.settings import ThermoSettings

IDENTIFY_ATTEMPTS = 2
"""What a process that was killed left half said spoils the first question."""


class ThermoDriver(Device):
    """One TH2. ``link`` replaces the address of the settings, for tests without a port.

    A probe that is not connected is a fault ``probe_N_open`` and has no value.
    """

    channels = tuple(
        Channel(f"temperature_{probe}", "degC", f"Temperature {probe}")
        for probe in range(1, codec.PROBES + 1)
    )

    def __init__(
        self, settings: ThermoSettings, clock: Clock, link: LineLink | None = None
    ) -> None:
        self.identity = Identity(make="Thermo", model="TH2")
        self._settings = settings
        self._dialogue = Dialogue(
            link or line_link(settings.address), "TH2", clock, settings.reply_timeout_s
        )

    def open(self) -> None:
        self._dialogue.open()
        try:
            self.identity = self._identify()
        except BaseException:
            self._dialogue.close()
            raise

    def read(self) -> Reading:
        answer, at_ns = self._dialogue.ask(codec.MEASURE)
        try:
            temperatures = codec.parse_temperatures(answer)
        except ProtocolViolated as error:
            raise ProtocolViolated(f"{self._dialogue.name}: {error}") from error
        values: dict[str, Measured] = {}
        faults: list[str] = []
        for probe, degc in enumerate(temperatures, start=1):
            if degc is None:
                faults.append(f"probe_{probe}_open")
            else:
                values[f"temperature_{probe}"] = Measured(degc, at_ns)
        return Reading(values=values, faults=tuple(faults))

    def close(self) -> None:
        self._dialogue.close()

    def _identify(self) -> Identity:
        name, wanted = self._dialogue.name, self._settings.serial_number
        try:
            identity = codec.parse_identity(self._ask_identity())
        except (WrongDevice, ProtocolViolated) as error:
            raise WrongDevice(f"{name}: {error}") from error
        if wanted not in (None, identity.serial):
            raise WrongDevice(
                f"{name} has the serial number {identity.serial}, the settings name {wanted}"
            )
        return identity

    def _ask_identity(self) -> str:
        for _ in range(IDENTIFY_ATTEMPTS - 1):
            try:
                return self._dialogue.ask(codec.IDENTIFY)[0]
            except (CommunicationLost, ProtocolViolated):
                continue
        try:
            return self._dialogue.ask(codec.IDENTIFY)[0]
        except CommunicationLost as error:
            raise DeviceNotFound(f"nothing at the address: {error}") from error
