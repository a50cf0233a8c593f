"""The driver of the flow meter; the README tells how it meets the wire's rules."""

import math

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
from bem_drivers.flow import codec
from bem_drivers.flow.settings import FlowSettings
from bem_drivers.line import Dialogue, LineLink, line_link

_FLOW_UNIT = "L/min"
_ML_PER_L = 1000.0
LEAST_ATTEMPTS = 3


class FlowMeter(Device):
    """One flow meter. ``link`` replaces the port of the settings, for tests without one.

    The meter shows the last flow for ever when the flow stops, so a flow that does not change is
    no proof that anything flows. How long (s) each value has been the same is a channel of its
    own; its name does not begin with ``flow``, or a limit on the flow would bound it too.
    """

    def __init__(self, settings: FlowSettings, clock: Clock, link: LineLink | None = None) -> None:
        self.identity = Identity(make="", model="FLOWmeter")
        self.channels = (
            Channel("flow", _FLOW_UNIT, "Flow"),
            Channel("flow_aux", _FLOW_UNIT, "Auxiliary flow"),
            Channel("unchanged_flow", "s", "Flow unchanged for"),
            Channel("unchanged_flow_aux", "s", "Auxiliary flow unchanged for"),
        )
        self._settings = settings
        self._dialogue = Dialogue(
            link or line_link(settings.address), "flow meter", clock, settings.reply_timeout_s
        )
        self._since: dict[str, Measured] = {}

    def open(self) -> None:
        self._dialogue.open()
        try:
            self._identify()
        except BaseException:
            self._dialogue.close()
            raise
        self._since = {}

    def read(self) -> Reading:
        answer, at_ns = self._dialogue.ask(codec.MEASURE)
        try:
            flows = codec.flows(answer)
        except ProtocolViolated as error:
            raise ProtocolViolated(f"{self._dialogue.name}: {error}") from error
        values: dict[str, Measured] = {}
        for name, flow in (("flow", flows.main), ("flow_aux", flows.auxiliary)):
            value = flow / _ML_PER_L
            since = self._since.get(name)
            if since is None or since.value != value:
                since = self._since[name] = Measured(value, at_ns)
            values[name] = Measured(value, at_ns)
            values[f"unchanged_{name}"] = Measured(since.age_s(at_ns), at_ns)
        return Reading(values=values)

    def close(self) -> None:
        self._dialogue.close()

    def _identify(self) -> None:
        settings = self._settings
        answer = self._ask_who()
        try:
            found = codec.identity(answer)
        except ProtocolViolated as error:
            raise WrongDevice(
                f"{self._dialogue.name}: {error}; give the port of the meter, or the driver of "
                "this device"
            ) from error
        if settings.serial_number not in (None, found.device):
            raise WrongDevice(
                f"{self._dialogue.name} has the serial number {found.device}, the settings name "
                f"{settings.serial_number}"
            )
        self.identity = Identity(
            make="", model="FLOWmeter", serial=found.device, firmware=found.version
        )

    def _ask_who(self) -> str:
        """Ask until the meter has started; what it took for a command meanwhile it refuses."""
        # A question that is not answered takes two timeouts with the silence after it.
        starting = self._settings.start_up_s / (2 * self._settings.reply_timeout_s)
        attempts = max(LEAST_ATTEMPTS, math.ceil(starting) + 1)
        failure: CommunicationLost | ProtocolViolated | None = None
        answer = ""
        for _ in range(attempts):
            try:
                answer, _ = self._dialogue.ask(codec.IDENTIFY)
            except (CommunicationLost, ProtocolViolated) as error:
                failure = error
                continue
            if not codec.is_refusal(answer):
                return answer
        if answer or failure is None:
            return answer
        if isinstance(failure, ProtocolViolated):
            raise WrongDevice(f"no flow meter: {failure}") from failure
        raise DeviceNotFound(f"nothing there in {attempts} questions: {failure}") from failure
