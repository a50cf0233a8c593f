"""A flow meter as its firmware behaves on the wire (devices.md section 4.1).

Its answers are written down here once more, by hand, so that driver and simulator cannot agree on
an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.simulation import Record
from bem_drivers.simulation.faults import number, switch
from bem_drivers.simulation.sensor import Sensors, SensorSettings, sensor_orders
from bem_drivers.simulation.spec import SimulatorSpec

ML_PER_MIN_PER_HZ = 42.5
LEAST_FLOW = 50.0
"""mL/min; below it the wheel of the sensor stands still."""
_MOST_SHOWN = 99_990
_NS_PER_S = 1_000_000_000
_MOST_FLOW = 10_000
Quantity = Literal["flow", "flow_aux"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
ORDERS = {
    "flow NUMBER": "mL/min that truly flow through the main sensor",
    "flow_aux NUMBER": "mL/min that truly flow through the auxiliary sensor",
    "frozen on|off": "it goes on showing what it showed last",
    "restart": "what opening the port of an Arduino does",
    **sensor_orders(QUANTITIES),
}


class FlowUnitSettings(BaseModel):
    """A simulated flow meter and the liquid that flows through it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field(default="001", pattern=r"^[0-9]{3}$", title="Device number")
    version: int = Field(default=2, ge=0, le=999, title="Firmware version")
    flow: float = Field(default=0.0, ge=0, le=_MOST_FLOW, title="Flow", description="mL/min")
    flow_aux: float = Field(
        default=0.0, ge=0, le=_MOST_FLOW, title="Auxiliary flow", description="mL/min"
    )
    sensors: dict[Quantity, SensorSettings] = Field(default={}, description="mL/min")
    start_up_s: float = Field(
        default=1.5, ge=0, le=60, title="Start-up time", description="s, after a restart"
    )


@dataclass(slots=True)
class _Wheel:
    """A wheel in the liquid that gives pulses, and the value that the last of them left behind."""

    flow: float
    since_ns: int
    pulses: int = 0
    shown: int = 0

    def set(self, flow: float, now_ns: int) -> None:
        self.flow, self.since_ns, self.pulses = flow, now_ns, 0

    def turn(self, now_ns: int) -> bool:
        """Tell whether a pulse came. No pulse, no new value, which is why it freezes."""
        if self.flow < LEAST_FLOW:
            return False
        frequency = self.flow / ML_PER_MIN_PER_HZ
        pulses = int((now_ns - self.since_ns) / _NS_PER_S * frequency)
        came = pulses > self.pulses
        self.pulses = max(pulses, self.pulses)
        return came

    def show(self, flow: float) -> None:
        """Show what was read of the flow."""
        self.shown = min(max(int(flow / 10) * 10, 0), _MOST_SHOWN)


class FlowUnit:
    """A meter that has been on for a while at ``now_ns``.

    ``record`` gets what a test wants to know: ``answer`` (shown and true flows), ``fault`` (order).
    """

    def __init__(
        self, settings: FlowUnitSettings, now_ns: int, record: Record | None = None
    ) -> None:
        self.settings = settings
        self._record = record or (lambda _t, _kind, _facts: None)
        self._sensors = Sensors(QUANTITIES, settings.sensors)
        self._wheels = {
            "flow": _Wheel(settings.flow, now_ns),
            "flow_aux": _Wheel(settings.flow_aux, now_ns),
        }
        self._frozen = False
        self._deaf_until_ns = now_ns

    def receive(self, line: str, now_ns: int) -> list[str]:
        """Answer a line: the comparison is exact, an empty line and a CR are errors too."""
        self.advance(now_ns)
        if now_ns < self._deaf_until_ns:
            return []
        if line == ":IDN*?":
            return [f":IDN:FLOWmeter:DEVice:{self.settings.device}:VERsion:{self.settings.version}"]
        if line == ":MEASure:FLOW?":
            main, auxiliary = (self._wheels[name] for name in QUANTITIES)
            self._record(now_ns, "answer", self._facts())
            return [f":MEASure:FLOW:DATA:{main.shown}:{auxiliary.shown}"]
        return [f":SCPI:ERROR:{line}"]

    def advance(self, now_ns: int) -> None:
        """Let the liquid flow up to ``now_ns``."""
        if self._frozen or now_ns < self._deaf_until_ns:
            return
        for name in QUANTITIES:
            wheel = self._wheels[name]
            if wheel.turn(now_ns):
                wheel.show(self._sensors.read(name, wheel.flow, now_ns))

    def break_down(self, order: str, now_ns: int) -> None:
        """Obey one of :data:`ORDERS`.

        Raises:
            ValueError: there is no such order, or it does not take that value.
        """
        self.advance(now_ns)
        name, _, value = order.strip().partition(" ")
        if name in self._wheels:
            self._wheels[name].set(_flow(name, value), now_ns)
        elif name == "frozen":
            self._frozen = switch(name, value)
        elif name in Sensors.WORDS:
            self._sensors.obey(order, now_ns)
        elif name == "restart" and not value:
            self._restart(now_ns)
        else:
            raise ValueError(f"no fault {order.strip()!r}; there are: {', '.join(ORDERS)}")
        self._record(now_ns, "fault", {"order": order.strip()})

    def _restart(self, now_ns: int) -> None:
        self._deaf_until_ns = now_ns + round(self.settings.start_up_s * _NS_PER_S)
        for wheel in self._wheels.values():
            wheel.shown = 0
            wheel.set(wheel.flow, self._deaf_until_ns)

    def _facts(self) -> Mapping[str, object]:
        facts: dict[str, object] = {}
        for name, wheel in self._wheels.items():
            facts |= {name: wheel.shown, f"true_{name}": wheel.flow}
        return facts


def _flow(name: str, value: str) -> float:
    flow = number(name, value)
    if not 0 <= flow <= _MOST_FLOW:
        raise ValueError(f"{name!r} takes a flow from 0 to {_MOST_FLOW} mL/min, not {value!r}")
    return flow


SIMULATOR = SimulatorSpec(
    wire="line",
    settings=FlowUnitSettings,
    make=lambda settings, place: FlowUnit(settings, place.now_ns, place.record),
    batteries=(0, 0),
    orders=ORDERS,
)
