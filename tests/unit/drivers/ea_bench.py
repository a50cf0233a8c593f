"""An EA driver on its simulated unit with a battery at each output, for tests of both."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.clock import ManualClock

from bem_drivers.base import OFF, Command, Protection
from bem_drivers.ea.driver import EaDriver
from bem_drivers.ea.settings import EaSettings
from bem_drivers.ea.simulator import EaUnit, EaUnitSettings
from bem_drivers.model import BatteryModel, BatteryModelSettings
from bem_drivers.model.regulator import regulated_current, substeps
from bem_drivers.simulation import Faulty, LoopbackLine


class Poles:
    """A battery with a single instrument at it: the least that a unit needs of a circuit."""

    def __init__(self, battery: BatteryModelSettings) -> None:
        self.battery = BatteryModel(battery)
        self.wish = (OFF, 0.0, 0.0)
        self.at_ns: int | None = None

    @property
    def terminals(self) -> "Poles":
        return self

    @property
    def voltage(self) -> float:
        return self.battery.voltage

    @property
    def current(self) -> float:
        return self.battery.current

    def advance(self, now_ns: int) -> None:
        passed_s = 0.0 if self.at_ns is None else max(now_ns - self.at_ns, 0) / 1e9
        self.at_ns = now_ns
        count, dt_s = substeps(passed_s)
        for _ in range(count):
            self._flow(dt_s)

    def regulate(self, command: Command, current_min: float, current_max: float) -> None:
        self.wish = (command, current_min, current_max)
        self._flow(0.0)

    def open(self) -> None:
        self.regulate(OFF, 0.0, 0.0)

    def _flow(self, dt_s: float) -> None:
        command, low, high = self.wish
        self.battery.step(regulated_current(self.battery, command, dt_s, low, high), dt_s)


@dataclass
class EaBench:
    """A driver, its unit, the line between them, and what the unit recorded."""

    clock: ManualClock
    unit: EaUnit
    faulty: Faulty
    link: LoopbackLine
    driver: EaDriver
    poles: list[Poles]
    ledger: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """Everything that the driver has sent."""
        return [line for _, line in self.link.sent]

    def break_down(self, order: str) -> None:
        self.faulty.break_down(order, self.clock.now_ns)

    def outputs(self) -> list[tuple[int, bool]]:
        """Get every change of an output: its number and whether it went on."""
        return [
            (facts["output"], facts["on"]) for _, kind, facts in self.ledger if kind == "output"
        ]


PROTECTION = Protection(
    voltage_min=2.5, voltage_max=4.25, current_min=-5.0, current_max=5.0, silence_s=0.5
)
PSB = {"model": "PSB 9060-60", "voltage": 60.0, "current": 60.0, "power": 1500.0}
DUAL = {"model": "PS 2384-05B", "voltage": 84.0, "current": 5.0, "power": 160.0}
BATTERY = BatteryModelSettings(capacity_ah=2.5, soc=0.5)


def make_ea(
    clock: ManualClock,
    unit: dict[str, object] | None = None,
    batteries: int = 1,
    **settings: object,
) -> EaBench:
    """Make a bench, unopened; ``unit`` are settings of the unit, keywords those of the driver."""
    ledger: list[tuple[int, str, dict[str, Any]]] = []
    poles = [Poles(BATTERY) for _ in range(batteries)]
    simulated = EaUnit(
        EaUnitSettings.model_validate(unit or {}),
        poles,
        lambda at_ns, kind, facts: ledger.append((at_ns, kind, dict(facts))),
    )
    faulty = Faulty(simulated)
    link = LoopbackLine(faulty, clock)
    address = {"kind": "serial", "port": "/dev/bem/ea"}
    driver = EaDriver(EaSettings.model_validate({"address": address, **settings}), clock, link)
    return EaBench(clock, simulated, faulty, link, driver, poles, ledger)


def bounded_ea(clock: ManualClock, unit: dict[str, object] | None = None) -> EaBench:
    """Make an opened bench that holds ``PROTECTION``."""
    bench = make_ea(clock, unit)
    bench.driver.open()
    bench.driver.protect(PROTECTION)
    return bench


def value(bench: EaBench, name: str) -> float:
    """Read one channel."""
    return bench.driver.read().values[name].value


def answer_instead(bench: EaBench, question: str, answer: str) -> None:
    """Have one question answered by something else, whenever it is asked."""
    real = bench.faulty.receive

    def receive(line: str, now_ns: int) -> list[str]:
        answers = real(line, now_ns)
        return [answer] if line == question else answers

    bench.faulty.receive = receive  # type: ignore[method-assign]  # one test's unit
