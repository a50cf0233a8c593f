"""A flow meter as its firmware behaves on the wire (devices.md section 4.1).

Its answers are written down here once more, by hand, so that driver and simulator cannot agree on
an error.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.simulation import Record
from bem_drivers.simulation.spec import SimulatorSpec

ML_PER_MIN_PER_HZ = 42.5
LEAST_FLOW = 50.0
"""mL/min; below it the wheel of the sensor stands still."""
_MOST_SHOWN = 99_990
_NS_PER_S = 1_000_000_000
_SENSORS = ("flow", "flow_aux")
_KNOWN = "flow ML_PER_MIN, flow_aux ML_PER_MIN, frozen on|off, restart"


class FlowUnitSettings(BaseModel):
    """A simulated flow meter and the liquid that flows through it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field(default="001", pattern=r"^[0-9]{3}$", title="Device number")
    version: int = Field(default=2, ge=0, le=999, title="Firmware version")
    flow: float = Field(default=0.0, ge=0, le=10_000, title="Flow", description="mL/min")
    flow_aux: float = Field(
        default=0.0, ge=0, le=10_000, title="Auxiliary flow", description="mL/min"
    )
    noise: float = Field(
        default=0.0, ge=0, le=1, title="Noise", description="standard deviation, part of the flow"
    )
    seed: int = Field(default=0, title="Seed", description="makes the noise repeatable")
    start_up_s: float = Field(
        default=1.5, ge=0, le=60, title="Start-up time", description="s, after a restart"
    )


@dataclass(slots=True)
class _Sensor:
    """A wheel that gives pulses, and the value that the last of them left behind."""

    flow: float
    since_ns: int
    pulses: int = 0
    shown: int = 0

    def set(self, flow: float, now_ns: int) -> None:
        self.flow, self.since_ns, self.pulses = flow, now_ns, 0

    def turn(self, now_ns: int, noise: float) -> None:
        """Show a value with each pulse. No pulse, no new value, which is why it freezes."""
        if self.flow < LEAST_FLOW:
            return
        frequency = self.flow / ML_PER_MIN_PER_HZ
        pulses = int((now_ns - self.since_ns) / _NS_PER_S * frequency)
        if pulses > self.pulses:
            self.pulses = pulses
            shown = int(self.flow * (1 + noise) / 10) * 10
            self.shown = min(max(shown, 0), _MOST_SHOWN)


class FlowUnit:
    """A meter that has been on for a while at ``now_ns``.

    Orders: ``flow`` and ``flow_aux`` set what truly flows (mL/min), ``frozen on|off`` holds the
    shown values, ``restart`` is what opening the port of an Arduino does. ``record`` gets what a
    test wants to know: ``answer`` (shown and true flows), ``fault`` (order).
    """

    def __init__(
        self, settings: FlowUnitSettings, now_ns: int, record: Record | None = None
    ) -> None:
        self.settings = settings
        self._record = record or (lambda _t, _kind, _facts: None)
        self._random = random.Random(settings.seed)  # noqa: S311 - noise, no secret
        self._sensors = {
            "flow": _Sensor(settings.flow, now_ns),
            "flow_aux": _Sensor(settings.flow_aux, now_ns),
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
            main, auxiliary = (self._sensors[name] for name in _SENSORS)
            self._record(now_ns, "answer", self._facts())
            return [f":MEASure:FLOW:DATA:{main.shown}:{auxiliary.shown}"]
        return [f":SCPI:ERROR:{line}"]

    def advance(self, now_ns: int) -> None:
        """Let the liquid flow up to ``now_ns``."""
        if self._frozen or now_ns < self._deaf_until_ns:
            return
        for sensor in self._sensors.values():
            sensor.turn(now_ns, self._random.gauss(0.0, 1.0) * self.settings.noise)

    def break_down(self, order: str, now_ns: int) -> None:
        """Obey one of the orders above.

        Raises:
            ValueError: there is no such order, or it does not take that value.
        """
        self.advance(now_ns)
        name, _, value = order.strip().partition(" ")
        if name in _SENSORS:
            self._sensors[name].set(_flow(name, value), now_ns)
        elif name == "frozen" and value in ("on", "off"):
            self._frozen = value == "on"
        elif name == "restart" and not value:
            self._restart(now_ns)
        else:
            raise ValueError(f"no fault {order.strip()!r}; there are: {_KNOWN}")
        self._record(now_ns, "fault", {"order": order.strip()})

    def _restart(self, now_ns: int) -> None:
        self._deaf_until_ns = now_ns + round(self.settings.start_up_s * _NS_PER_S)
        for sensor in self._sensors.values():
            sensor.shown = 0
            sensor.set(sensor.flow, self._deaf_until_ns)

    def _facts(self) -> Mapping[str, object]:
        facts: dict[str, object] = {}
        for name, sensor in self._sensors.items():
            facts |= {name: sensor.shown, f"true_{name}": sensor.flow}
        return facts


def _flow(name: str, value: str) -> float:
    try:
        flow = float(value)
    except ValueError:
        flow = -1.0
    if not 0 <= flow <= 10_000:  # noqa: PLR2004 - the sensor's range, in the message too
        raise ValueError(f"{name!r} takes a flow from 0 to 10000 mL/min, not {value!r}")
    return flow


SIMULATOR = SimulatorSpec(
    wire="line",
    settings=FlowUnitSettings,
    make=lambda settings, place: FlowUnit(settings, place.now_ns, place.record),
    batteries=(0, 0),
    orders={
        "flow NUMBER": "mL/min that truly flow through the main sensor",
        "flow_aux NUMBER": "mL/min that truly flow through the auxiliary sensor",
        "frozen on|off": "it goes on showing what it showed last",
        "restart": "what opening the port of an Arduino does",
    },
)
