"""Described instruments at one battery in memory, with a clock that tests turn.

The battery is a stiff voltage behind a resistance: what tests need is who drives which current.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.clock import ManualClock

from bem_drivers.base import OFF, Command, Mode
from bem_drivers.line import TcpSettings
from bem_drivers.scpi.description import LoadDescription, MeterDescription, SourceDescription
from bem_drivers.scpi.description_file import load_description
from bem_drivers.scpi.meter import ScpiMeter
from bem_drivers.scpi.power import ScpiPower
from bem_drivers.scpi.settings import LoadSettings, MeterSettings, SourceSettings
from bem_drivers.scpi.simulator import ScpiMeterUnit
from bem_drivers.scpi.simulator_power import ScpiPowerUnit
from bem_drivers.simulation import Faulty, LoopbackLine

ADDRESS = TcpSettings(host="bench", port=5025)
RESISTANCE = 0.02


class Lead:
    """One instrument at the poles."""

    def __init__(self, poles: "Poles") -> None:
        self._poles = poles
        self.command = OFF
        self.bounds = (0.0, 0.0)

    @property
    def current(self) -> float:
        source, (low, high) = self._poles.source, self.bounds
        setpoint = self.command.setpoint
        wanted = {
            Mode.OFF: lambda: 0.0,
            Mode.CC: lambda: setpoint,
            Mode.CV: lambda: (setpoint - source) / RESISTANCE,
            Mode.CP: lambda: setpoint / source,
        }[self.command.mode]()
        return min(max(wanted, low), high)

    def regulate(self, command: Command, current_min: float, current_max: float) -> None:
        self.command, self.bounds = command, (current_min, current_max)

    def open(self) -> None:
        self.command, self.bounds = OFF, (0.0, 0.0)


class Poles:
    """A battery of ``source`` (V)."""

    def __init__(self, source: float = 3.7) -> None:
        self.source = source
        self.leads: list[Lead] = []
        self.temperature = 25.0

    @property
    def current(self) -> float:
        return sum(lead.current for lead in self.leads)

    @property
    def voltage(self) -> float:
        return self.source + RESISTANCE * self.current

    def connect(self) -> Lead:
        lead = Lead(self)
        self.leads.append(lead)
        return lead

    def advance(self, now_ns: int) -> None:
        """Live on; this battery does not change."""


@dataclass
class Bench:
    """A driver and its simulated instrument; ``ledger`` is what truly happened."""

    clock: ManualClock
    poles: Poles
    unit: ScpiPowerUnit
    faulty: Faulty
    link: LoopbackLine
    driver: ScpiPower
    ledger: list[tuple[int, str, Mapping[str, object]]] = field(default_factory=list)

    def break_down(self, order: str) -> None:
        self.faulty.break_down(order, self.clock.now_ns)

    @property
    def sent(self) -> list[str]:
        return [line for _, line in self.link.sent]


_SOURCE = load_description("scpi-99-source", SourceDescription).model_dump()
_LOAD = load_description("scpi-99-load", LoadDescription).model_dump()


def source_description(**changes: object) -> SourceDescription:
    """Get the packaged description with some keys changed."""
    return SourceDescription.model_validate(_SOURCE | changes)


def load_description_of(**changes: object) -> LoadDescription:
    """Get the packaged description with some keys changed."""
    return LoadDescription.model_validate(_LOAD | changes)


def power_bench(
    clock: ManualClock,
    description: SourceDescription | LoadDescription,
    poles: Poles | None = None,
    *,
    identity: str | None = None,
) -> Bench:
    """Put up an instrument and its unopened driver."""
    poles = poles or Poles()
    ledger: list[tuple[int, str, Mapping[str, object]]] = []
    simulated = ScpiPowerUnit(
        description,
        poles,
        poles.connect(),
        lambda at_ns, kind, facts: ledger.append((at_ns, kind, dict(facts))),
        identity=identity,
    )
    faulty = Faulty(simulated)
    link = LoopbackLine(faulty, clock, "bench")
    raw = description.model_dump(mode="json")
    settings: SourceSettings | LoadSettings = (
        SourceSettings(address=ADDRESS, description=raw)
        if isinstance(description, SourceDescription)
        else LoadSettings(address=ADDRESS, description=raw)
    )
    driver = ScpiPower(settings, clock, link)
    return Bench(clock, poles, simulated, faulty, link, driver, ledger)


def meter_bench(
    clock: ManualClock, description: MeterDescription, *, numbers: str = "+.6E"
) -> tuple[ScpiMeter, Faulty, LoopbackLine]:
    """Put up a meter and its unopened driver."""
    faulty = Faulty(ScpiMeterUnit(description, Poles(), numbers=numbers))
    link = LoopbackLine(faulty, clock, "bench")
    settings = MeterSettings(address=ADDRESS, description=description.model_dump(mode="json"))
    return ScpiMeter(settings, clock, link), faulty, link
